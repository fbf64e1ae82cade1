"""File types in st_mode and device numbers as the kernel packs them.  Source: linux/stat.h, linux/kdev_t.h."""

S_IFIFO = 0o010000
S_IFCHR = 0o020000
S_IFDIR = 0o040000
S_IFBLK = 0o060000
S_IFREG = 0o100000


MAJOR_MAX = (1 << 12) - 1
MINOR_MAX = (1 << 20) - 1


def make_device(major: int, minor: int) -> int:
    """A device number as mknod(2) and stat(2) carry it; 12 bits of major, 20 of minor."""
    return (minor & 0xFF) | major << 8 | (minor & ~0xFF) << 12


def split_device(number: int) -> tuple[int, int]:
    """(major, minor) of a device number."""
    return number >> 8 & 0xFFF, (number & 0xFF) | (number >> 12 & 0xFFF00)
