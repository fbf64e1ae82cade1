"""Path patterns of a policy as text: what they cover.  Pure; nothing is resolved, because paths are canonical on both sides.

A pattern without wildcard covers the path itself and everything below.  `*` stands for anything within one component, `**` for
components of any number; what comes before the first of them is the only part that mounts and Landlock can express.
"""


def below(path: str, directory: str) -> bool:
    """Whether a path lies in or under a directory, both absolute and clean."""
    return path == directory or path.startswith(directory if directory == "/" else directory + "/")


def plain(pattern: str) -> str:
    """The pattern without the `**` at its end, which says the same."""
    while pattern[-3:] == "/**":
        pattern = pattern[:-3]
    return pattern or "/"


def is_wild(pattern: str) -> bool:
    """Whether wildcards are left in a plain pattern."""
    return "*" in pattern


def stem(pattern: str) -> str:
    """The directory in which everything lies that a plain pattern can cover; without wildcards the pattern itself."""
    if "*" not in pattern:
        return pattern
    return pattern[: pattern.index("*")].rpartition("/")[0] or "/"


def around(path: str) -> "list[str]":
    """The path and every directory over it, the deepest first."""
    found = [path]
    while path != "/":
        path = path.rpartition("/")[0] or "/"
        found.append(path)
    return found


def in_every(path: str, layers: "list[set[str]]") -> bool:
    """Whether every layer has an area (no wildcards in it) that covers the path; true without layers."""
    over = around(path)
    return all([not areas.isdisjoint(over) for areas in layers])  # noqa: C419 - a list is faster than a generator


def by_depth(paths: "set[str]") -> "list[str]":
    """Directories before what lies in them."""
    return sorted(paths, key=lambda path: (0 if path == "/" else path.count("/"), path))
