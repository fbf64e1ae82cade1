"""Completeness of the flag tables against what the engines are known to pass."""

import importlib

import pytest

from runtime.cli.options import NOT_BUILT, VERBS, flags_of

# what containerd's shim, podman's conmon, CRI-O, conmon-rs, BuildKit, buildah and users of runc and crun pass
REQUIRED = {
    "create": "bundle b console-socket pidfd-socket pid-file no-pivot no-new-keyring preserve-fds config f",
    "run": "bundle b console-socket pidfd-socket pid-file no-pivot no-new-keyring preserve-fds detach d keep no-subreaper f",
    "exec": "console-socket pidfd-socket cwd env e tty t user u additional-gids g process p detach d pid-file process-label"
    " apparmor no-new-privs cap c preserve-fds cgroup ignore-paused",
    "kill": "all a regex r",
    "delete": "force f regex r",
    "list": "format f quiet q",
    "ps": "format f",
    "events": "interval stats",
    "update": "resources r blkio-weight cpu-period cpu-quota cpu-burst cpu-share cpu-rt-period cpu-rt-runtime cpu-idle"
    " cpuset-cpus cpuset-mems memory memory-reservation memory-swap pids-limit l3-cache-schema mem-bw-schema"
    " kernel-memory kernel-memory-tcp",
    "checkpoint": "image-path work-path parent-path leave-running tcp-established tcp-skip-in-flight link-remap ext-unix-sk"
    " shell-job lazy-pages status-fd page-server file-locks pre-dump manage-cgroups-mode empty-ns auto-dedup",
    "restore": "image-path work-path console-socket bundle b detach d pid-file no-subreaper no-pivot lsm-profile"
    " lsm-mount-context tcp-close network-lock",
    "spec": "bundle b rootless",
    "start": "", "pause": "", "resume": "", "state": "", "features": "",
}  # fmt: skip


@pytest.mark.parametrize("verb", sorted(REQUIRED))
def test_every_flag_is_known(verb: str) -> None:
    """No engine's call is refused for a flag that runc or crun take."""
    missing = set(REQUIRED[verb].split()) - flags_of(VERBS[verb][4]).keys()
    assert not missing


@pytest.mark.parametrize("verb", [verb for verb in VERBS if verb not in NOT_BUILT])
def test_every_verb_has_its_module(verb: str) -> None:
    """`runtime.commands.VERB` has one `execute`; what has none must not be offered."""
    assert callable(importlib.import_module(f"runtime.commands.{verb}").execute)
