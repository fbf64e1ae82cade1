"""What this program is: version, commit, and what --version prints.  Engines read the first line and the one that begins with `commit:`."""

import sys

VERSION = "0.1.0"
SPEC_VERSION = "1.3.0"
_UNKNOWN = "unknown"


def _first_line(path: str) -> str:
    try:
        with open(path, encoding="utf-8") as file:
            return file.readline().strip()
    except OSError:
        return ""


def _is_hash(text: str) -> bool:
    return len(text) in (40, 64) and not text.strip("0123456789abcdef")


def checkout_commit(git: str) -> str:
    """The commit that a .git directory has checked out, "" when it does not say."""
    head = _first_line(f"{git}/HEAD")
    if not head.startswith("ref: "):
        return head if _is_hash(head) else ""
    name = head[5:]
    loose = _first_line(f"{git}/{name}")
    if _is_hash(loose):
        return loose
    try:
        with open(f"{git}/packed-refs", encoding="utf-8") as file:
            for line in file:
                commit, _, ref = line.strip().partition(" ")
                if ref == name and _is_hash(commit):
                    return commit
    except OSError:
        return ""
    return ""


def commit() -> str:
    """The commit that this program was built from: from the build's own note, or from the checkout that it runs in."""
    try:
        noted = __import__("runtime._commit", None, None, ("COMMIT",)).COMMIT
        return str(noted)
    except ImportError:
        package = sys.modules["runtime"].__file__ or ""
    return checkout_commit(f"{package.rpartition('/runtime/')[0]}/.git") or _UNKNOWN


def _core_version() -> str:
    try:
        compiled = __import__("oci_schemas._compiled", None, None, ("CORE_VERSION",))
        return str(compiled.CORE_VERSION)
    except ImportError:
        return _UNKNOWN


def version_text() -> str:
    """All lines, ending in a newline."""
    python = ".".join(str(number) for number in sys.version_info[:3])
    return (
        f"postern version {VERSION}\ncommit: {commit()}\nspec: {SPEC_VERSION}\n"
        f"python: {python}\npydantic-core: {_core_version()}\n"
    )
