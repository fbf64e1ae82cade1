"""AppArmor and SELinux."""

import pytest

from runtime.errors import FeatureMissing
from tests.runtime.plan.drafting import config, one, ops, plan


def test_apparmor() -> None:
    """Entered on execve; without AppArmor the profile would protect nobody, which is an error."""
    made = config(process={"apparmorProfile": "docker-default"})
    found = one(plan(made, {"lsms": ("apparmor",)}), "LSM_LABEL", "ROOT")
    assert (found.places["attr"], found.places["value"]) == ("apparmor/exec", "exec docker-default")
    with pytest.raises(FeatureMissing, match="unable to apply apparmor profile: apparmor: config provided but"):
        plan(made)


def test_selinux() -> None:
    """The label of the process; engines pass one to hosts without SELinux, where it means nothing."""
    made = config(process={"selinuxLabel": "u:r:t:s0"})
    found = one(plan(made, {"lsms": ("selinux",)}), "LSM_LABEL", "FINAL")
    assert (found.places["attr"], found.places["value"]) == ("exec", "u:r:t:s0")
    assert "`/proc/self/attr/exec`" in found.what  # podman looks for a path in back-ticks
    assert not ops(plan(made), "LSM_LABEL")
