"""What a policy file may say: its keys and their types, as pydantic models in the order in which the documentation teaches them.

Only the shape is checked here; what names, paths, networks and sizes mean is checked where they are translated (`normalise`).
Cold: loaded when a policy is compiled.  `schema/policy.json` is generated from these models.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    Tag,
    WithJsonSchema,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

Number = Annotated[int, Field(strict=True, ge=0, le=2**64 - 1)]
Text = Annotated[str, Field(strict=True, min_length=1)]
Flag = Annotated[bool, Field(strict=True)]


def _word(value: Any) -> Any:
    """Names and numbers are one kind: both are words to be looked up."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


_WORD_SCHEMA: dict[str, Any] = {"anyOf": [{"type": "string", "minLength": 1}, {"type": "integer"}]}
Word = Annotated[Text, BeforeValidator(_word), WithJsonSchema(_WORD_SCHEMA)]
Words = Annotated[list[Word], Field()]
Paths = Annotated[list[Text], Field()]


def _listed(value: Any) -> Any:
    """One value where a list of values may stand."""
    return value if isinstance(value, list) else [value]


OneOrMore = Annotated[
    list[Word],
    BeforeValidator(_listed),
    Field(min_length=1),
    WithJsonSchema({"anyOf": [*_WORD_SCHEMA["anyOf"], {"type": "array", "items": _WORD_SCHEMA, "minItems": 1}]}),
]


class _Section(BaseModel):
    """A part of a policy: every key is known."""

    model_config = ConfigDict(extra="forbid", protected_namespaces=())


class _Short:
    """An entry whose short form is its most important key alone."""

    def __init__(self, key: str, shape: Mapping[str, Any]) -> None:
        self._key = key
        self._shape = shape

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_before_validator_function(self._lengthened, handler(source))

    def __get_pydantic_json_schema__(self, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {"anyOf": [dict(self._shape), handler(core)]}

    def _lengthened(self, value: Any) -> Any:
        return {self._key: value} if isinstance(value, str | int) and not isinstance(value, bool) else value


_STRING = {"type": "string", "minLength": 1}


class CallRule(_Section):
    """System calls: a name or @category alone, or with conditions on arguments."""

    call: OneOrMore = Field(description="a name, an @category, or a list of them")
    when: list[Text] = Field(
        default=[],
        description='conditions that must all hold, such as "arg0 == AF_UNIX" or "arg1 & 0xff == 3"; none: always',
    )
    errno: Word | None = Field(default=None, description="what a denied call fails with (default: that of the section)")


CallEntry = Annotated[CallRule, _Short("call", _STRING)]
Action = Literal["allow", "deny", "kill", "log"]


class Syscalls(_Section):
    """System calls; of several rules that hold for one call the strictest wins: kill, deny, broker, log, allow."""

    default: Action = Field(default="deny", description="what happens to calls that no list names")
    errno: Word = Field(default="EPERM", description="what denied calls fail with")
    allow: list[CallEntry] = Field(default=[], description="allowed")
    deny: list[CallEntry] = Field(default=[], description="fail with an error")
    broker: list[CallEntry] = Field(default=[], description="decided, and where needed done, by the broker")
    log: list[CallEntry] = Field(default=[], description="allowed, and noted by the kernel")
    kill: list[CallEntry] = Field(default=[], description="end the process")


class Filesystem(_Section):
    """Paths: each covers itself and everything below it; `*` stands for part of a name, `**` for any depth."""

    read: Paths | None = Field(
        default=None, description="only these can be opened (what is writable or executable is readable too)"
    )
    write: Paths | None = Field(default=None, description="only these can be changed; everything else is read-only")
    execute: Paths | None = Field(default=None, description="programs, interpreters and libraries run from these alone")
    hide: Paths = Field(default=[], description="neither seen nor opened")


_PORT_SCHEMA: dict[str, Any] = {
    "anyOf": [{"type": "integer", "minimum": 0, "maximum": 65535}, {"type": "string", "pattern": r"^\d+(-\d+)?$"}]
}
Ports = Annotated[
    list[Word],
    BeforeValidator(_listed),
    Field(min_length=1),
    WithJsonSchema({"anyOf": [*_PORT_SCHEMA["anyOf"], {"type": "array", "items": _PORT_SCHEMA, "minItems": 1}]}),
]
Transport = Literal["tcp", "udp"]


class Peer(_Section):
    """Addresses, and the ports and protocols to which the rule is limited: exactly one of allow and deny."""

    allow: OneOrMore | None = Field(default=None, description='addresses or networks ("10.0.0.0/8"), any, loopback')
    deny: OneOrMore | None = Field(default=None, description="the same, taken away again")
    ports: Ports | None = Field(default=None, description='443, "8000-8100", or a list (default: all)')
    protocols: list[Transport] | None = Field(default=None, min_length=1, description="tcp, udp (default: both)")


PeerEntry = Annotated[Peer, _Short("allow", _STRING)]


class Bind(_Section):
    """Ports that a socket may be bound to; 0 is one of the kernel's choice."""

    ports: Ports = Field(description='443, "8000-8100", or a list')
    protocols: list[Transport] | None = Field(default=None, min_length=1, description="tcp, udp (default: both)")


BindEntry = Annotated[Bind, _Short("ports", _PORT_SCHEMA)]


class Unix(_Section):
    """Sockets in the file system and abstract ones."""

    connect: Paths = Field(default=[], description="sockets that may be connected to and sent to")
    bind: Paths = Field(default=[], description="where sockets may be made")
    abstract: Flag = Field(default=False, description="whether names without a path may be used")


class Network(_Section):
    """Sockets; what is not named is denied."""

    domains: Words | None = Field(
        default=None,
        description="AF_UNIX, AF_INET ... (default: AF_UNIX, and with egress, ingress or bind AF_INET and AF_INET6)",
    )
    types: Words | None = Field(default=None, description="SOCK_STREAM ... (default: stream, datagram, seqpacket)")
    protocols: Words | None = Field(
        default=None, description="of internet sockets: tcp, udp, icmp ... (default: tcp, udp)"
    )
    egress: list[PeerEntry] = Field(
        default=[], description="peers that may be connected to and sent to; deny beats allow"
    )
    ingress: list[PeerEntry] = Field(default=[], description="peers whose packets are received; answers always are")
    bind: list[BindEntry] = Field(default=[], description="ports that may be bound to")
    unix: Unix | None = Field(default=None, description="unix sockets (default: all that the file system lets reach)")


class Resources(_Section):
    """Upper bounds: a smaller limit of config.json stays."""

    memory: Word | None = Field(default=None, description='bytes, or with a unit: "512MiB"')
    swap: Word | None = Field(default=None, description="bytes of swap beyond the memory, in the same form")
    pids: Annotated[int, Field(strict=True, ge=1, le=2**31 - 1)] | None = Field(
        default=None, description="processes and threads"
    )
    cpus: Word | None = Field(default=None, description="processors' worth of time: 1.5")


class Namespaces(_Section):
    """Namespaces of the container's own."""

    required: list[Literal["pid", "network", "mount", "ipc", "uts", "user", "cgroup", "time"]] = Field(
        default=[], description="the container is not started without"
    )


class Limits(_Section):
    """Limits of time and number."""

    wall_time: Word | None = Field(default=None, description='the container is killed after "90s", "10m", "1h30m"')
    open_files: Annotated[int, Field(strict=True, ge=3, le=2**20)] | None = Field(
        default=None, description="RLIMIT_NOFILE"
    )


class Broker(_Section):
    """Who decides what no kernel mechanism can."""

    mode: Literal["enforce", "audit", "ask"] = Field(
        default="enforce", description="audit: nothing is enforced, only noted; ask: what is not allowed is asked"
    )
    timeout_ms: Annotated[int, Field(strict=True, ge=1, le=600_000)] = Field(
        default=5000, description="for one decision"
    )
    max_inflight: Annotated[int, Field(strict=True, ge=1, le=512)] = Field(
        default=64, description="decisions at a time"
    )
    on_failure: Literal["deny", "kill"] = Field(default="deny", description="when no decision can be had")
    handler: Text | None = Field(
        default=None, description="who is asked: unix:/PATH of a socket, or MODULE:FUNCTION of Python"
    )


# the steps that pydantic puts into the place of an error beside the document's own
SECTION, WORD = "<section>", "<word>"
NetworkEntry = Annotated[
    Annotated[Network, Tag(SECTION)] | Annotated[Literal["unrestricted", "none"], Tag(WORD)],
    Discriminator(lambda value: WORD if isinstance(value, str) else SECTION),
]
Need = Literal["required", "optional"]


class Requirements(_Section):
    """Mechanisms: a required one that the host lacks is refused, an optional one is used where it is there."""

    landlock: Need | None = None
    seccomp_notify: Need | None = None
    cgroup_bpf: Need | None = None
    cgroup_v2: Need | None = None
    cgroup_limits: Need | None = Field(
        default=None, description="optional: a limit whose controller the host lacks is left out, and noted in the log"
    )
    userns: Need | None = None


class Policy(_Section):
    """A policy: what a container may do, within what its config.json allows."""

    name: Annotated[str, Field(strict=True, pattern=r"^[a-z0-9][a-z0-9._-]{0,62}$")] = Field(
        description="how it is called: lower case letters, digits, dots, hyphens"
    )
    version: Word = Field(default="1", description="of this policy, for people")
    description: str = Field(default="", description="what it is for, for people")
    extends: Annotated[
        list[Text],
        BeforeValidator(_listed),
        WithJsonSchema({"anyOf": [_STRING, {"type": "array", "items": _STRING}]}),
    ] = Field(default=[], description="policies that hold as well: built-in names, or files relative to this one")
    requirements: Requirements = Field(default=Requirements(), description="mechanisms that must be there")
    syscalls: Syscalls | None = Field(default=None, description="system calls (default: all that config.json allows)")
    ioctl: Words | None = Field(default=None, description="allowed requests: names, numbers, @terminal, @file, @socket")
    prctl: Words | None = Field(default=None, description="allowed options: names, numbers, @ordinary")
    clone_flags: Words | None = Field(
        default=None, description="namespaces that may be made or joined: CLONE_NEW...; [] for none"
    )
    filesystem: Filesystem | None = Field(default=None, description="paths")
    exec: Paths | None = Field(default=None, description="programs that may be started; needs Landlock")
    network: NetworkEntry = Field(
        default="none", description="sockets (default: none but unix ones); `unrestricted` leaves them alone"
    )
    capabilities: list[Annotated[str, Field(strict=True, pattern="^CAP_[A-Z_]+$")]] | None = Field(
        default=None, description="capabilities that may be kept; [] for none"
    )
    namespaces: Namespaces = Field(default=Namespaces(), description="namespaces that config.json must make or join")
    resources: Resources = Field(default=Resources(), description="upper bounds of memory, processes, processors")
    limits: Limits = Field(default=Limits(), description="time and open files")
    broker: Broker = Field(default=Broker(), description="who decides what no kernel mechanism can")
    audit: Literal["none", "denials", "decisions", "all"] = Field(default="denials", description="what is noted")
