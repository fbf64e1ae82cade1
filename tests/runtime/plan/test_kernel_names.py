"""hostname, domainname, sysctl."""

import pytest

from runtime.errors import ConfigError
from runtime.plan.kernel_names import sysctl_path
from tests.runtime.plan.drafting import config, names, one, plan, violations, with_userns

_HOST = {"namespaces": [{"type": "mount"}]}


def test_names_need_a_uts_namespace() -> None:
    """Otherwise they would be the host's."""
    found = plan(config(hostname="h", domainname="d"))
    assert [one(found, name).places["name"] for name in ("HOSTNAME", "DOMAINNAME")] == ["h", "d"]
    with pytest.raises(ConfigError) as caught:
        plan(config(hostname="h", domainname="d" * 65, linux=_HOST))
    assert caught.value.violations == [
        ("/hostname", "unable to set hostname without a private UTS namespace"),
        ("/domainname", "unable to set domainname without a private UTS namespace"),
        ("/domainname", "is longer than 64 bytes"),
    ]


@pytest.mark.parametrize(
    ("key", "path"),
    [
        ("net.ipv4.ip_forward", "net/ipv4/ip_forward"),
        ("net/ipv4/conf/eth0.1/forwarding", "net/ipv4/conf/eth0.1/forwarding"),
        ("net.ipv4.conf.eth0/1.forwarding", "net/ipv4/conf/eth0.1/forwarding"),
    ],
)
def test_paths(key: str, path: str) -> None:
    """Both spellings of sysctl(8)."""
    assert sysctl_path(key) == path
    assert one(plan(config(linux={"sysctl": {key: "1"}})), "SYSCTL").places["path"] == path


@pytest.mark.parametrize(
    "key", ["kernel.shmmax", "kernel.sem", "fs.mqueue.msg_max", "net.core.somaxconn", "kernel.domainname"]
)
def test_what_a_namespace_holds_may_be_set(key: str) -> None:
    """In the container that has that namespace."""
    assert "SYSCTL" in names(plan(config(linux={"sysctl": {key: "1"}})), "ROOT")


def test_refusals_in_runcs_words() -> None:
    """All of them at once."""
    keys = ("kernel.shmmax", "net.core.somaxconn", "user.max_user_namespaces", "kernel.domainname", "vm.swappiness")
    with pytest.raises(ConfigError) as caught:
        plan(config(linux={**_HOST, "sysctl": dict.fromkeys(keys, "1")}))
    assert violations(caught.value) == {
        "/linux/sysctl/kernel.shmmax": 'sysctl "kernel.shmmax" is not allowed in the hosts ipc namespace',
        "/linux/sysctl/net.core.somaxconn": 'sysctl "net.core.somaxconn" not allowed in host network namespace',
        "/linux/sysctl/user.max_user_namespaces": (
            "setting ucounts without a user namespace not allowed: user.max_user_namespaces"
        ),
        "/linux/sysctl/kernel.domainname": 'sysctl "kernel.domainname" is not in a separate kernel namespace',
        "/linux/sysctl/vm.swappiness": 'sysctl "vm.swappiness" is not in a separate kernel namespace',
    }
    with pytest.raises(ConfigError, match='conflicts with the OCI "hostname" field'):
        plan(config(linux={"sysctl": {"kernel.hostname": "x"}}))
    with pytest.raises(ConfigError, match='core_pattern" is not in a separate kernel namespace'):
        plan(config(linux={"sysctl": {"kernel.core_pattern": "x"}}))
    plan(with_userns(sysctl={"user.max_user_namespaces": "1"}))


@pytest.mark.parametrize("key", ["net..x", "net.ipv4.", "net//x", "net/../kernel/core_pattern", "net/ipv4/./x"])
def test_names_that_leave_their_place(key: str) -> None:
    """A parameter is below its prefix: nothing climbs out of it."""
    with pytest.raises(ConfigError, match="/linux/sysctl/"):
        plan(config(linux={"sysctl": {key: "x"}}))
