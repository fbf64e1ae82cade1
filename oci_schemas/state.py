"""The state of a container, and what a seccomp agent receives.

Source: runtime.md#state, config-linux.md#the-container-process-state.
"""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from oci_schemas import rules
from oci_schemas.document import Check, Document, OciObject
from oci_schemas.scalars import FilledText, Text, TextMap

Pid = Annotated[int, Field(strict=True, ge=0, le=2**31 - 1)]


class State(Document):
    """What `state` prints and hooks read; `paused` is this runtime's and runc's additional status.

    Source: runtime.md#state.
    """

    check: ClassVar[Check] = staticmethod(rules.check_state)

    ociVersion: Text
    id: FilledText
    status: Literal["creating", "created", "running", "stopped", "paused"]
    pid: Pid | None = None
    bundle: FilledText
    annotations: TextMap | None = None


class ContainerProcessState(OciObject):
    """What is sent, with the listener's descriptor, to `linux.seccomp.listenerPath`.

    Source: config-linux.md#the-container-process-state.
    """

    ociVersion: Text
    fds: list[Text]
    pid: Pid
    metadata: Text | None = None
    state: State
