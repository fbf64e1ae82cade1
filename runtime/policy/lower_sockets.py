"""network.domains, types and protocols as seccomp sections: the arguments of socket(2) and socketpair(2).

Where programs of the cgroup judge peers, only such sockets are left as they see.  What multiplexes calls on some architectures
(socketcall) hides their arguments: it is not there (ENOSYS), and x86_64 and aarch64 have nothing of the kind.  Pure.
"""

from runtime.policy.enforcement import SECCOMP
from runtime.policy.lower_network import socket_limits
from runtime.policy.sections import (
    ALLOW,
    EAFNOSUPPORT,
    ENOSYS,
    EPROTONOSUPPORT,
    ERRNO,
    ESOCKTNOSUPPORT,
    guard,
    masked,
    passing,
    rule,
    unless,
    word,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from runtime.policy.enforcement import Findings, Layer
    from runtime.policy.sections import Section

_TYPE_MASK = 0xF  # beside the type stand SOCK_CLOEXEC and SOCK_NONBLOCK; whatever else the kernel refuses
_INET = (2, 10)
_OWN_PROTOCOL = ((1, 6), (2, 17), (5, 132), (6, 33))  # what protocol 0 of a type is: TCP, UDP, SCTP, DCCP


def lower_sockets(findings: "Findings", layer: "Layer") -> "list[Section]":
    """`network.domains`, `types`, `protocols`: the three arguments of socket and socketpair."""
    part = layer.get("network")
    if part is None:
        return []
    calls = ("socket", "socketpair")
    sections = []
    if part.get("domains") is not None:
        allowed = [word(0, value) for value in part["domains"]]
        sections.append(unless(calls, allowed, EAFNOSUPPORT))
    if part.get("types") is not None:
        allowed = [masked(1, _TYPE_MASK, value) for value in part["types"]]
        sections.append(unless(calls, allowed, ESOCKTNOSUPPORT))
    if part.get("protocols") is not None:
        sections.append(_protocols(part["protocols"], part.get("domains")))
    if sections:
        sections.append(guard([rule(("socketcall",), ERRNO, ENOSYS)]))
        findings.enforced(layer, part["rule"], SECCOMP, "arguments of socket and socketpair")
        findings.denied(layer, part["rule"], calls)
    return sections


def judged_sockets(findings: "Findings") -> "list[Section]":
    """Where peers are judged: only sockets that the judges see."""
    judged = []
    for layer in findings.layers:
        network = layer.get("network")
        judged.append({"network": network and {**network, "types": None, "protocols": None}})
    limits = socket_limits(judged)
    if limits is None:
        return []
    rules = []
    for domain, types, protocols in limits:
        for kind in types or (None,):
            for protocol in protocols or (None,):
                args = [] if domain is None else [word(0, domain)]
                args += [] if kind is None else [masked(1, _TYPE_MASK, kind)]
                args += [] if protocol is None else [word(2, protocol)]
                rules.append(rule(("socket", "socketpair"), ALLOW, None, args))
    section: Section = {"defaultAction": ERRNO, "defaultErrnoRet": EAFNOSUPPORT, "otherwise": ALLOW, "syscalls": rules}
    return [section]


def _protocols(allowed: "list[int]", domains: "list[int] | None") -> "Section":
    """Protocols are those of internet sockets, 0 the type's own one; the other families have theirs counted differently."""
    rules = []
    for family in _INET:
        rules += [rule(("socket",), ALLOW, None, (word(0, family), word(2, value))) for value in allowed if value]
        rules += [
            rule(("socket",), ALLOW, None, (word(0, family), masked(1, _TYPE_MASK, kind), word(2, 0)))
            for kind, own in _OWN_PROTOCOL
            if own in allowed
        ]
    others = range(64) if domains is None else domains
    rules += [rule(("socket",), ALLOW, None, (word(0, family),)) for family in others if family not in _INET]
    if not rules:
        return passing([rule(("socket",), ERRNO, EPROTONOSUPPORT)])
    return {"defaultAction": ERRNO, "defaultErrnoRet": EPROTONOSUPPORT, "otherwise": ALLOW, "syscalls": rules}


def is_judged(layer: "Layer") -> bool:
    """Whether programs of the cgroup judge peers or ports for a layer."""
    part = layer.get("network") or {}
    return any(part.get(name) is not None for name in ("egress", "ingress", "bind"))
