"""Groups of calls: complete, made of names that exist, and none of them dangerous by accident."""

from runtime.policy.built_in import builtin_names, load_builtin
from runtime.policy.categories import CALL_GROUPS, IOCTL_GROUPS, KNOWN, PRCTL_GROUPS
from runtime.policy.tables.ioctls import IOCTLS
from runtime.policy.tables.prctls import PRCTLS
from runtime.seccomp.arches import find_arch, syscall_numbers


def test_every_call_is_in_a_group() -> None:
    """Of the machines that postern is built for; so that a new kernel's calls are put somewhere."""
    grouped = {name for names in CALL_GROUPS.values() for name in names}
    for machine in ("x86_64", "aarch64"):
        arch = find_arch(machine)
        assert arch is not None
        assert set(syscall_numbers(arch)) - grouped == set()


def test_groups_are_made_of_known_names() -> None:
    """No group names what no architecture has."""
    assert {name for names in CALL_GROUPS.values() for name in names} <= KNOWN
    assert {name for names in IOCTL_GROUPS.values() for name in names} <= IOCTLS.keys()
    assert {name for names in PRCTL_GROUPS.values() for name in names} <= PRCTLS.keys()


def test_dangerous_calls_are_dangerous_alone() -> None:
    """A group is all dangerous or not at all, so that allowing a group allows no dangerous call."""
    dangerous = set(CALL_GROUPS["@dangerous"])
    assert {
        "mount",
        "move_mount",
        "finit_module",
        "kexec_load",
        "bpf",
        "keyctl",
        "ptrace",
        "setns",
        "io_uring_setup",
    } <= dangerous
    assert {
        "perf_event_open",
        "userfaultfd",
        "unshare",
        "pivot_root",
        "open_by_handle_at",
        "process_vm_writev",
    } <= dangerous
    mixed = [name for name, names in CALL_GROUPS.items() if dangerous & set(names) and not set(names) <= dangerous]
    assert mixed == []


def test_terminal_requests_put_no_words_into_anybodys_mouth() -> None:
    """TIOCSTI and TIOCLINUX, with which a program types on its caller's terminal, are in no group."""
    grouped = {name for names in IOCTL_GROUPS.values() for name in names}
    assert not grouped & {"TIOCSTI", "TIOCLINUX", "TIOCCONS", "TIOCSETD"}


def test_built_in_policies_deny_what_is_dangerous() -> None:
    """Each denies every dangerous call by name, makes no namespaces, and needs nothing that a host may lack."""
    assert builtin_names() == ["agent", "batch-job", "ci-runner", "development", "hostile-tenant", "web-server"]
    for name in builtin_names():
        found = load_builtin(name)
        assert found is not None
        (layer,) = found.layers
        denied = {
            call
            for rule in layer["syscalls"]["rules"]
            if rule["action"] == "deny" and not rule["args"]
            for call in rule["names"]
        }
        assert set(CALL_GROUPS["@dangerous"]) <= denied
        assert layer["clone_flags"]["allow"] == 0
        assert layer["exec"] is None
        assert layer["filesystem"]["read"] is None
        patterns = [pattern for rules in layer["filesystem"].values() for pattern, _ in rules or ()]
        assert not [pattern for pattern in patterns if "*" in pattern]


def test_an_unknown_built_in_is_none() -> None:
    """A name that the program does not have is looked for elsewhere."""
    assert load_builtin("nonsense") is None
