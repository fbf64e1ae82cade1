"""filesystem and exec: the mounts that become read-only or noexec, what Landlock allows, what is covered, what the broker decides.

Writing and executing are a matter of mounts, which cover every call that there is.  The tree is cut at the paths that the rules name:
all of it is closed, and the named places are put back as they were (`runtime.plan.policy`), so a place is never more open than the
config made it.  Reading is a matter of Landlock, or of the broker where there is none or where patterns have wildcards.
Which of nested places is which follows from the deepest one alone, as rules only ever open.  Pure.
"""

from runtime.abi.landlock import ACCESS_FS, rights_of
from runtime.policy.confinement import check_mount_view
from runtime.policy.enforcement import BROKER, LANDLOCK, MOUNTS, needs_broker
from runtime.policy.patterns import around, by_depth, in_every, is_wild, plain, stem
from runtime.record import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from runtime.policy.enforcement import Findings, Layer

    Patterns = Sequence[Sequence[Any]]  # (pattern, rule)
    Table = dict[str, list[Patterns]]

# mode audit: what is told of a rule's path
_NOTED = {
    "read": "opens outside of {} are noted",
    "write": "changes outside of {} are noted",
    "hide": "opens below {} are noted",
    "execute": "not watched",
    "exec": "not watched",
}
_READ = ACCESS_FS["READ_FILE"] | ACCESS_FS["READ_DIR"]
_EXECUTE, _REFER = ACCESS_FS["EXECUTE"], ACCESS_FS["REFER"]


@record
class Files:
    """What the sections filesystem and exec come to.

    `points`: (path, read_only, no_exec) with "/" first, parents before children, () when no mount changes.  `landlock`: rights that are
    handled, and (access, path).  `masks` are covered.  `table` is what the broker decides opens by: for each of read, write and hide
    a list of patterns for each layer.  `by_name`: in mode enforce the broker judges opens, not the kernel alone.  `rigid` says whether names must stay ("names"), or all that can
    be changed by name as well ("all"); "" is neither.
    """

    points: tuple[tuple[str, bool, bool], ...]
    landlock: tuple[int, tuple[tuple[int, str], ...]]
    masks: tuple[str, ...]
    table: "Table"
    by_name: bool
    rigid: str
    restricted: bool
    no_exec: bool


def lower_files(findings: "Findings") -> Files:
    """Lower the sections of all layers."""
    layers = [(layer, _sections(layer)) for layer in findings.layers]
    table: Table = {}
    if findings.mode == "audit":
        return _audited(findings, layers, table)
    rigid = _check_wild(findings, layers, table)
    points = _points(layers)
    access = _landlock(findings, layers, table)
    masks = _masks(findings, layers, table)
    _explain_mounts(findings, layers)
    restricted = bool(points or access[0] or masks or table)
    if restricted:
        check_mount_view(findings)
    # a memory file lies on no mount that could be closed, and Landlock lets everything run that has no path
    no_exec = (bool(points) and points[0][2]) or access[0] & _EXECUTE != 0
    return Files(points, access, masks, table, bool(table), rigid, restricted, no_exec)


def _sections(layer: "Layer") -> "dict[str, Any]":
    """read, write, execute, hide, exec: None, or (plain pattern, rule) pairs."""
    files = layer.get("filesystem") or {}
    found = {name: files.get(name) for name in ("read", "write", "execute", "hide")}
    found["exec"] = layer.get("exec")
    return {
        name: None if entries is None else [(plain(pattern), rule) for pattern, rule in entries]
        for name, entries in found.items()
    }


def _numbered(findings: "Findings", layer: "Layer", patterns: "Patterns") -> "Patterns":
    """Patterns as the broker has them: with numbers of rules that hold through all layers."""
    return [[pattern, findings.number(layer, rule)] for pattern, rule in patterns]


def _audited(findings: "Findings", layers: "list[tuple[Layer, dict[str, Any]]]", table: "Table") -> Files:
    """No mount and no ruleset stands in the way; the broker hears of every open and judges it."""
    for layer, section in layers:
        readable = _readable(section)
        if readable is not None:
            table.setdefault("read", []).append(_numbered(findings, layer, readable))
        if section["write"] is not None:
            table.setdefault("write", []).append(_numbered(findings, layer, section["write"]))
        if section["hide"]:
            table.setdefault("hide", []).append(_numbered(findings, layer, section["hide"]))
        for name, note in _NOTED.items():
            for pattern, rule in section[name] or ():
                findings.enforced(layer, rule, BROKER, f"audit: {note.format(pattern)}")
    sections = [section for _, section in layers]
    no_exec = any(section["execute"] is not None or section["exec"] is not None for section in sections)
    wild = any(is_wild(pattern) for section in sections for pattern, _ in section["hide"] or ())
    rigid = _rigid(findings, layers)
    by_name = wild or rigid == "all" or ("read" in table and _reads_by_broker(findings, layers))
    return Files((), (0, ()), (), table, by_name, rigid, bool(table) or no_exec, no_exec)


def _rigid(findings: "Findings", layers: "list[tuple[Layer, dict[str, Any]]]") -> str:
    """What has to stay as it is, because something goes by names."""
    rigid = ""
    for _, section in layers:
        if any(is_wild(pattern) for pattern, _ in section["write"] or ()):
            return "all"
        if section["read"] is not None and section["write"] is None and _reads_by_broker(findings, layers):
            rigid = "names"  # whoever may rename what cannot be read could give it a name that can
        if any(is_wild(pattern) for pattern, _ in section["hide"] or ()):
            rigid = "names"
    return rigid


def _check_wild(findings: "Findings", layers: "list[tuple[Layer, dict[str, Any]]]", table: "Table") -> str:
    """Wildcards that mounts cannot express: writing goes to the broker, executing cannot.  What has to stay as it is."""
    for layer, section in layers:
        _check_empty(findings, layer, section)
        for name in ("execute", "exec"):
            for pattern, rule in section[name] or ():
                if is_wild(pattern):
                    findings.impossible(layer, rule, "no mechanism knows wildcards where programs are executed")
        if any(is_wild(pattern) for pattern, _ in section["write"] or ()):
            table.setdefault("write", []).append(_numbered(findings, layer, section["write"]))
    return _rigid(findings, layers)


def _check_empty(findings: "Findings", layer: "Layer", section: "dict[str, Any]") -> None:
    """Lists under which no program at all could be started."""
    for name, found in (("execute", section["execute"]), ("read", _readable(section)), ("exec", section["exec"])):
        if found is not None and not found:
            key = name if name == "exec" else f"filesystem.{name}"
            findings.impossible(layer, key, "the list is empty: not even the container's own program could be started")


def _areas(section: "dict[str, Any]", name: str) -> set[str]:
    return {stem(pattern) for pattern, _ in section[name]}


def _points(layers: "list[tuple[Layer, dict[str, Any]]]") -> tuple[tuple[str, bool, bool], ...]:
    writers = [_areas(section, "write") for _, section in layers if section["write"] is not None]
    executors = [_areas(section, "execute") for _, section in layers if section["execute"] is not None]
    if not writers and not executors:
        return ()
    named = {path for areas in (*writers, *executors) for path in areas}
    points: dict[str, tuple[bool, bool]] = {}
    for path in by_depth(named | {"/"}):
        closed = (not in_every(path, writers), not in_every(path, executors))
        if not points or closed != _closed_at(path, points):
            points[path] = closed
    return tuple((path, *closed) for path, closed in points.items()) if len(points) > 1 or any(points["/"]) else ()


def _closed_at(path: str, points: dict[str, tuple[bool, bool]]) -> tuple[bool, bool]:
    """What holds at a path by the deepest point above it."""
    return next((points[over] for over in around(path) if over in points), (False, False))


def _readable(section: "dict[str, Any]") -> "Patterns | None":
    """What a layer lets be opened: with `read`, that and what is writable or executable; None for everything."""
    if section["read"] is None:
        return None
    return [*section["read"], *(section["write"] or ()), *(section["execute"] or ()), *(section["exec"] or ())]


def _reads_by_broker(findings: "Findings", layers: "list[tuple[Layer, dict[str, Any]]]") -> bool:
    """Whether opens are checked by the broker: without Landlock, for wildcards, or to ask."""
    wild = any(is_wild(pattern) for _, section in layers for pattern, _ in _readable(section) or ())
    return wild or not findings.facts.landlock or findings.mode == "ask"


def _landlock(
    findings: "Findings", layers: "list[tuple[Layer, dict[str, Any]]]", table: "Table"
) -> tuple[int, tuple[tuple[int, str], ...]]:
    abi = findings.facts.landlock
    readers = [(layer, _readable(section)) for layer, section in layers if section["read"] is not None]
    named = [(layer, section["read"]) for layer, section in layers if section["read"] is not None]
    programs = [(layer, section["exec"]) for layer, section in layers if section["exec"] is not None]
    handled = 0
    rules: list[tuple[int, str]] = []
    if readers and _reads_by_broker(findings, layers):
        table["read"] = [_numbered(findings, layer, patterns or []) for layer, patterns in readers]
        _explain_reads(findings, named, BROKER, "the path of what was opened is checked")
    elif readers:
        handled |= _READ
        rules += [(_READ, path) for path in _openings([patterns or [] for _, patterns in readers])]
        _explain_reads(findings, named, LANDLOCK, "opening; what stat tells stays visible")
    if programs and not abi:
        for layer, patterns in programs:
            for rule in {rule for _, rule in patterns} or {None}:
                findings.impossible(layer, rule, "needs Landlock, which this kernel does not have active")
    elif programs:
        handled |= _EXECUTE
        rules += [(_EXECUTE, path) for path in _openings([patterns for _, patterns in programs])]
        note = "of dynamic programs the loader has to be listed too, and starts whatever may be mapped"
        _explain_reads(findings, programs, LANDLOCK, note)
    if not handled:
        return 0, ()
    if abi > 1:  # denied by every ruleset unless it is handled and allowed
        handled |= _REFER
        rules.append((_REFER, "/"))
    return handled & rights_of(abi)[0], tuple(rules)


def _openings(layers: "list[Patterns]") -> list[str]:
    """The outermost paths that every layer has an area around."""
    areas = [{stem(pattern) for pattern, _ in patterns} for patterns in layers]
    found: dict[str, None] = {}
    for path in by_depth({path for paths in areas for path in paths}):
        if in_every(path, areas) and not any(over in found for over in around(path)):
            found[path] = None
    return list(found)


def _masks(findings: "Findings", layers: "list[tuple[Layer, dict[str, Any]]]", table: "Table") -> tuple[str, ...]:
    masks: dict[str, None] = {}
    for layer, section in layers:
        wild = []
        for pattern, rule in section["hide"] or ():
            if is_wild(pattern):
                wild.append((pattern, rule))
                findings.enforced(layer, rule, BROKER, "cannot be opened; its name stays visible")
            elif pattern == "/":
                findings.impossible(layer, rule, "the root cannot be hidden")
            else:
                masks[pattern] = None
                findings.enforced(layer, rule, MOUNTS, "what is there at start")
        if wild:
            table.setdefault("hide", []).append(_numbered(findings, layer, wild))
    return tuple(masks)


def _explain_reads(findings: "Findings", entries: "list[tuple[Layer, Any]]", mechanism: str, note: str) -> None:
    for layer, patterns in entries:
        for _, rule in patterns or ():
            findings.enforced(layer, rule, mechanism, note)


def _explain_mounts(findings: "Findings", layers: "list[tuple[Layer, dict[str, Any]]]") -> None:
    for layer, section in layers:
        for pattern, rule in section["write"] or ():
            if is_wild(pattern):
                note = (
                    f"{stem(pattern)} is writable for opens that match; names and attributes cannot be changed anywhere"
                )
                findings.enforced(layer, rule, BROKER, note)
            else:
                findings.enforced(layer, rule, MOUNTS)
        for _, rule in section["execute"] or ():
            findings.enforced(layer, rule, MOUNTS, "files, not anonymous memory")


def check_files(findings: "Findings", files: Files) -> None:
    """What goes to the broker needs one."""
    why = needs_broker(findings)
    if files.table and why:
        for layer in findings.layers:
            if layer.get("filesystem"):
                findings.impossible(layer, "filesystem", why)
