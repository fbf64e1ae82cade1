"""What a compiled seccomp section is; apart from the compiler, so that a cached program is used without loading it."""

from runtime.record import record


@record
class Filter:
    """What to load: `program` is an array of struct sock_filter in the machine's byte order.

    `flags` holds SECCOMP_FILTER_FLAG_* bits; None means that the section does not say, which stands for SPEC_ALLOW where the
    kernel knows it.  With `notify` the loader adds NEW_LISTENER.  `warnings` are lines for the log.
    """

    program: bytes
    flags: int | None
    notify: bool
    warnings: tuple[str, ...]
