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
    """The label of the process; without SELinux it would protect nobody, nor would that of mounts."""
    made = config(process={"selinuxLabel": "u:r:t:s0"})
    found = one(plan(made, {"lsms": ("selinux",)}), "LSM_LABEL", "FINAL")
    assert (found.places["attr"], found.places["value"]) == ("exec", "u:r:t:s0")
    assert "`/proc/self/attr/exec`" in found.what  # podman looks for a path in back-ticks
    with pytest.raises(FeatureMissing, match="selinux label is specified in config, but selinux is disabled"):
        plan(made)
    with pytest.raises(FeatureMissing, match="mount label is specified in config, but selinux is disabled"):
        plan(config(linux={"mountLabel": "u:r:t:s0"}))


def test_empty_labels() -> None:
    """What engines send where there is no such module."""
    empty = {"apparmorProfile": "", "selinuxLabel": ""}
    assert not ops(plan(config(process=empty, linux={"mountLabel": ""})), "LSM_LABEL")
