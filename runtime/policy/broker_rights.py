"""HOT: what a broker must be allowed to do before it can carry calls out as their callers."""

RIGHTS = ("CAP_KILL", "CAP_SETGID", "CAP_SETUID", "CAP_SYS_CHROOT", "CAP_SYS_PTRACE")
