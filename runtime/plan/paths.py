"""Paths as text: cleaned and joined, never resolved (the executor resolves, below a root's descriptor).  Pure."""


def clean(path: str) -> str:
    """The absolute path without empty, `.` and `..` parts; `..` stops at `/`, as in a chroot."""
    if path[:1] == "/" and "//" not in path and "/." not in path and (path[-1] != "/" or path == "/"):
        return path
    parts: list[str] = []
    for part in path.split("/"):
        if part == "..":
            if parts:
                parts.pop()
        elif part and part != ".":
            parts.append(part)
    return "/" + "/".join(parts)


def parent(path: str) -> str:
    """The directory of a cleaned path."""
    return path[: path.rindex("/")] or "/"


def below(path: str, directory: str) -> bool:
    """Whether a cleaned path lies in or under a cleaned directory."""
    return path == directory or path.startswith(directory if directory == "/" else directory + "/")


def under(directory: str, path: str) -> str:
    """The path itself when absolute, else below the directory; nothing is cleaned: `..` after a symlink is the kernel's."""
    return path if path[:1] == "/" else f"{directory}/{path}"
