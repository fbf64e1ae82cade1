"""config.json: a container's configuration, in the order of the page.

`linux` and `process` have modules of their own, as they have pages and chapters of their own.

Source: config.md.
"""

from typing import Annotated, ClassVar

from pydantic import Field

from oci_schemas import rules
from oci_schemas.config_linux import IDMapping, Linux
from oci_schemas.config_process import Process
from oci_schemas.document import Check, Document, OciObject
from oci_schemas.scalars import AbsolutePath, FilledText, Flag, Text, TextMap


class Root(OciObject):
    """The container's root filesystem; a relative path starts at the bundle.

    Source: config.md#root.
    """

    path: FilledText
    readonly: Flag | None = None


class Mount(OciObject):
    """One filesystem to mount; a relative destination starts at the container's root.

    Source: config.md#mounts.
    """

    destination: FilledText
    source: Text | None = None
    options: list[Text] | None = None
    type: Text | None = None
    uidMappings: list[IDMapping] | None = None
    gidMappings: list[IDMapping] | None = None


class Hook(OciObject):
    """A program to run at a point of the lifecycle; `timeout` is in seconds.

    Source: config.md#posix-platform-hooks.
    """

    path: AbsolutePath
    args: list[Text] | None = None
    env: list[Text] | None = None
    timeout: Annotated[int, Field(strict=True, ge=1, le=2**63 - 1)] | None = None


class Hooks(OciObject):
    """The programs of every point of the lifecycle, each list in its order.

    Source: config.md#posix-platform-hooks.
    """

    prestart: list[Hook] | None = None
    createRuntime: list[Hook] | None = None
    createContainer: list[Hook] | None = None
    startContainer: list[Hook] | None = None
    poststart: list[Hook] | None = None
    poststop: list[Hook] | None = None


class Config(Document):
    """The whole of config.json.

    Source: config.md.
    """

    check: ClassVar[Check] = staticmethod(rules.check_config)

    ociVersion: Text
    root: Root
    mounts: list[Mount] | None = None
    process: Process | None = None
    hostname: Text | None = None
    domainname: Text | None = None
    hooks: Hooks | None = None
    annotations: TextMap | None = None
    linux: Linux | None = None
