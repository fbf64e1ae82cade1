"""What no host could enforce, and what lets nothing start, whatever config.json says: found while a policy is checked.

The judgments are those of lowering itself, on a host that has everything.  Cold.
"""

from runtime.abi.capabilities import CAPABILITIES
from runtime.abi.landlock import NEWEST_ABI
from runtime.errors import PolicyError
from runtime.host.facts import HostFacts
from runtime.policy.enforcement import Findings
from runtime.policy.launch_calls import check_launch
from runtime.policy.lower import examine

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

EVERYTHING = HostFacts(
    machine="x86_64",
    kernel=(1 << 16, 0),
    euid=0,
    egid=0,
    owner="root",
    initial_userns=True,
    capabilities=(1 << len(CAPABILITIES)) - 1,
    last_capability=len(CAPABILITIES) - 1,
    cgroup_mount="/sys/fs/cgroup",
    cgroup_controllers=("cpuset", "cpu", "io", "memory", "hugetlb", "pids", "rdma", "misc"),
    own_cgroup="/",
    cgroup_hybrid=False,
    hugepage_sizes=("2MB", "1GB"),
    delegate_files=("cgroup.procs", "cgroup.subtree_control", "cgroup.threads"),
    lsms=(),
    seccomp_flags=-1,
    newuidmap=None,
    newgidmap=None,
    stdin_tty=False,
    stdin_size=(0, 0),
    landlock=NEWEST_ABI,
)


def unenforceable(layers: "Sequence[Mapping[str, Any]]") -> list[tuple[str, str, str]]:
    """(rule, where, why) of what would refuse every container; rule and where may be empty."""
    mode = Findings(layers, {}, EVERYTHING).mode
    found: list[tuple[str, str, str]] = []
    for layer in layers:  # each alone: none can lift what another forbids
        judged = {**layer, "broker": {**layer["broker"], "mode": mode}}
        try:
            lowered, findings = examine([judged], {}, EVERYTHING)
        except PolicyError as error:
            found += [("", "", line) for line in error.violations]
            continue
        check_launch(findings, list(lowered.sections))
        found += findings.violations
    return list(dict.fromkeys(found))
