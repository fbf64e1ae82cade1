"""The whole plan of a container: the order of init's steps, what is refused, purity."""

from typing import Any

import pytest

from runtime.errors import ConfigError, NotBuilt
from runtime.plan.encode import encode_plan
from tests.runtime.plan.drafting import FILTER, config, names, plan


def test_order_inside_init() -> None:
    """runc's: hooks, engines and images rely on it."""
    made = config(
        hostname="h",
        process={"terminal": True, "noNewPrivileges": True, "scheduler": {"policy": "SCHED_BATCH"}},
        root={"path": "r", "readonly": True},
        hooks={"createContainer": [{"path": "/h"}]},
        linux={
            "sysctl": {"net.core.somaxconn": "1"},
            "maskedPaths": ["/proc/kcore"],
            "readonlyPaths": ["/proc/sys"],
            "personality": {"domain": "LINUX"},
            "memoryPolicy": {"mode": "MPOL_LOCAL"},
            "namespaces": [{"type": kind} for kind in ("mount", "uts", "network", "cgroup", "pid")],
        },
    )
    made["process"]["apparmorProfile"] = "p"
    made["process"]["ioPriority"] = {"class": "IOPRIO_CLASS_BE"}
    found = plan(made, {"lsms": ("apparmor",)}, {"console_socket": "/c"}, FILTER)
    setup = names(found, "SETUP")
    expected = [
        "SETSID",
        "AFFINITY",
        "UNSHARE",
        "KEYRING",
        "LO_UP",
        "PROPAGATION",
        "ROOTFS",
        "PRIVATE_PROC",
        "MOUNT_FS",
    ]
    assert setup[: len(expected)] == expected
    assert names(found, "ROOT") == [
        "HOOK",
        "PIVOT_ROOT",
        "CONSOLE",
        "SET_ATTR",
        "UMASK",
        "HOSTNAME",
        "LSM_LABEL",
        "SYSCTL",
        "READONLY_PATH",
        "MASK_PATH",
        "NO_NEW_PRIVS",
        "SCHEDULER",
        "IOPRIO",
        "PERSONALITY",
        "MEMPOLICY",
    ]
    assert names(found, "START") == ["FIFO_WAIT", "KEEP_FDS", "EXECVE"]


@pytest.mark.parametrize(("linux", "what"), [({"intelRdt": {}}, "linux.intelRdt")])
def test_what_is_not_built_is_refused(linux: dict[str, Any], what: str) -> None:
    """In one clear line, never ignored."""
    with pytest.raises(NotBuilt) as caught:
        plan(config(linux=linux))
    assert str(caught.value) == f"{what} is not supported by this version of postern"


def test_violations_of_every_section_come_together() -> None:
    """And before what the host cannot do: they are the user's to mend."""
    made = config(
        hostname="h",
        linux={"namespaces": [{"type": "pid"}], "sysctl": {"vm.x": "1"}, "intelRdt": {}},
        mounts=[{"destination": "/proc/x", "type": "tmpfs"}],
    )
    with pytest.raises(ConfigError) as caught:
        plan(made)
    assert [pointer for pointer, _message in caught.value.violations] == [
        "/mounts/0/destination",
        "/hostname",
        "/linux/sysctl/vm.x",
    ]


def test_a_config_without_a_root() -> None:
    """There is nothing else to say about it."""
    made = config()
    del made["root"]
    with pytest.raises(ConfigError, match="/root: root is needed on Linux"):
        plan(made)


def test_the_same_inputs_give_the_same_bytes() -> None:
    """And leave the inputs as they were."""
    made = config(hostname="h", annotations={"a": "b"})
    before = repr(made)
    assert encode_plan(plan(made, compiled=FILTER)) == encode_plan(plan(made, compiled=FILTER))
    assert repr(made) == before


def test_no_keyring() -> None:
    """--no-new-keyring."""
    assert "KEYRING" not in names(plan(asked={"no_new_keyring": True}), "SETUP")
