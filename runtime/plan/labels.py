"""AppArmor profile and SELinux label of the process.

A profile or label that nobody would enforce is an error: the container would have less protection than was asked for.
Source: config.md#linux-process, CVE-2019-16884, CVE-2019-19921.
"""

from runtime.errors import FeatureMissing
from runtime.plan.draft import PROC, Draft
from runtime.plan.launch_plan import op


def plan_apparmor(draft: Draft) -> None:
    """ROOT: the profile that the process enters when it is executed."""
    profile = draft.process.get("apparmorProfile")
    if not profile:
        return
    if "apparmor" not in draft.facts.lsms:
        draft.block(
            FeatureMissing("unable to apply apparmor profile: apparmor: config provided but apparmor not supported")
        )
        return
    what = f'unable to apply apparmor profile "{profile}": write `/proc/self/attr/apparmor/exec`'
    draft.root.append(op("LSM_LABEL", what, proc=PROC, attr="apparmor/exec", value=f"exec {profile}"))


def check_selinux(draft: Draft) -> None:
    """Refuse labels where SELinux is not active, in runc's words."""
    if "selinux" in draft.facts.lsms:
        return
    for given, word in ((draft.process.get("selinuxLabel"), "selinux"), (draft.linux.get("mountLabel"), "mount")):
        if given:
            text = f"{word} label is specified in config, but selinux is disabled or not supported"
            draft.block(FeatureMissing(text))


def plan_selinux(draft: Draft) -> None:
    """FINAL: the label of the process once it is executed."""
    check_selinux(draft)
    label = draft.process.get("selinuxLabel")
    if label:
        what = f'can\'t set process label "{label}": write `/proc/self/attr/exec`'
        draft.final.append(op("LSM_LABEL", what, proc=PROC, attr="exec", value=label))


def needs_labels(draft: Draft) -> bool:
    """Whether any label will be written."""
    process, lsms = draft.process, draft.facts.lsms
    return bool(lsms) and bool(process.get("apparmorProfile") or process.get("selinuxLabel"))
