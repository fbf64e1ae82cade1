"""spec: write a new config.json to begin with."""

import posix

from oci_schemas.json_text import dumps
from runtime.commands.invocation import Invocation
from runtime.commands.launching import CONFIG_NAME, enter_bundle
from runtime.errors import OciError, SyscallError
from runtime.launch.report import reason


def execute(invocation: Invocation) -> int:
    """Write the file; one that exists is never touched.  Raises: OciError."""
    from runtime.commands.spec_document import example_config

    enter_bundle(invocation)
    name = invocation.text("file") or CONFIG_NAME
    document = example_config(invocation.switch("rootless"), posix.geteuid(), posix.getegid())
    content = dumps(document, "\t") + b"\n"
    try:
        fd = posix.open(name, posix.O_WRONLY | posix.O_CREAT | posix.O_EXCL | posix.O_CLOEXEC, 0o666)
    except FileExistsError:
        raise OciError(f"File {name} exists. Remove it first") from None
    except OSError as error:
        raise SyscallError(f"open {name}", error.errno or 0, reason(error)) from error
    try:
        rest = memoryview(content)
        while rest:
            rest = rest[posix.write(fd, rest) :]
    except OSError as error:
        posix.unlink(name)
        raise SyscallError(f"write {name}", error.errno or 0, reason(error)) from error
    finally:
        posix.close(fd)
    return 0
