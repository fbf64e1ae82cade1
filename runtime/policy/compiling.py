"""Policy files to a resolved policy: the file itself and all that it extends, each a layer, in the order in which they were named.

`extends` follows files relative to the file that names them, built-in policies, and names that the site has files for.  Circles and
long chains are refused.  Cold: the hot half keeps what this returns.
"""

from collections.abc import Callable
from typing import Any

from oci_schemas.wording import quoted
from runtime.errors import PolicyError
from runtime.policy.built_in import FORMAT, builtin_names, load_builtin
from runtime.policy.load import dotted, format_found, load_policy
from runtime.policy.names import nearest
from runtime.policy.normalise import normalise
from runtime.policy.resolved import ABSENT, SUFFIXES, is_file
from runtime.policy.trusted import read_trusted
from runtime.state.kept import digest

Artefact = dict[str, Any]
# of layers: (rule, where, why) of what cannot be
Judge = Callable[[list[Artefact]], list[tuple[str, str, str]]]

MAX_DEPTH = 8
MAX_FILES = 32


def compile_artefact(path: str, directory: str, judge: Judge | None = None) -> Artefact:
    """The resolved policy of a file.

    `path` is absolute.  `judge` also looks for what no host could enforce, which is otherwise left to create.  Raises: PolicyError with every violation of every file.
    """
    compiler = _Compiler(directory)
    name = compiler.add_file(path, ())
    if judge is not None:
        compiler.add_judged(judge)
    if compiler.violations:
        raise PolicyError(compiler.violations)
    return {
        "format": FORMAT,
        "name": name,
        "hash": digest("".join(compiler.digests).encode()),
        "sources": compiler.sources,
        "layers": compiler.layers,
    }


class _Compiler:
    """Collects layers, sources and violations over all files of one policy."""

    def __init__(self, directory: str) -> None:
        self._directory = directory
        self.layers: list[Artefact] = []
        self.sources: list[list[str]] = []
        self.digests: list[str] = []
        self.violations: list[str] = []
        self._done: set[str] = set()
        self._wrong: set[tuple[str, str]] = set()  # file and key of what was taken out of a layer

    def add_file(self, path: str, chain: tuple[str, ...], where: str = "") -> str:
        """Add what a file extends, then the file itself; returns its policy's name.  `where`: the line that names it."""
        data = self._read(path, where)
        if data is None:
            self.violations.append(f"{path}: no such file")
            return ""
        own = digest(data)
        self.sources.append([path, own])
        self.digests.append(own)
        loaded = load_policy(data, is_json=path.endswith(".json"))
        extends = loaded.policy.extends if loaded.policy is not None else []
        at = len(self.violations)
        for index, word in enumerate(extends):
            where = f"{path}:{loaded.document.line(loaded.in_file(('extends', index)))}: extends"
            self._extend(word, path, (*chain, path), where)
        layer = normalise(loaded, path, path)
        self.violations[at:at] = format_found(path, loaded.found)
        for _, place, _ in loaded.found:
            self._wrong.add((path, dotted(tuple(step for step in place if isinstance(step, str)))))
        if layer is not None:
            self.layers.append(layer)
        return loaded.policy.name if loaded.policy is not None else ""

    def add_judged(self, judge: Judge) -> None:
        """Add what a judge finds, unless it may follow from something that was taken out."""
        for text, where, why in judge(self.layers):
            whole = ": " not in text
            if not (whole and any(where.startswith(path) and key.startswith(text) for path, key in self._wrong)):
                self.violations.append(": ".join(filter(None, (where, text, why))))

    def _read(self, path: str, where: str) -> bytes | None:
        try:
            return read_trusted(path, self._directory)
        except PolicyError as error:
            self.violations += [": ".join(filter(None, (where, line))) for line in error.violations]
            return b"name: unread\n"

    def _extend(self, word: str, path: str, chain: tuple[str, ...], where: str) -> None:
        if not is_file(word):
            found = load_builtin(word)
            if found is not None:
                if found.hash not in self.digests:
                    self.digests.append(found.hash)
                self.layers += [layer for layer in found.layers if layer not in self.layers]
                return
        target = self._find(word, path)
        if target is None:
            self.violations.append(f"{where}: {self._unknown(word)}")
        elif target in chain:
            circle = " -> ".join([*chain[chain.index(target) :], target])
            self.violations.append(f"{where}: {quoted(word)} leads back to itself: {circle}")
        elif len(chain) >= MAX_DEPTH:
            self.violations.append(f"{where}: {quoted(word)}: more than {MAX_DEPTH} policies extend one another")
        elif len(self._done) >= MAX_FILES:
            self.violations.append(f"{where}: {quoted(word)}: more than {MAX_FILES} files in one policy")
        elif target not in self._done:
            self._done.add(target)
            self.add_file(target, chain, where)

    def _find(self, word: str, path: str) -> str | None:
        """The file that a word names; None when there is none."""
        if is_file(word):
            candidates = [word if word[:1] == "/" else f"{path.rpartition('/')[0]}/{word}"]
        else:
            candidates = [f"{self._directory}/policies/{word}{suffix}" for suffix in SUFFIXES]
        for one in candidates:
            if self._exists(one):
                return _tidy(one)
            self.sources.append([one, ABSENT])  # it would come first if it were there
        return None

    def _exists(self, path: str) -> bool:
        try:
            return read_trusted(path, self._directory) is not None
        except PolicyError:
            return True  # reading it will say what is wrong

    def _unknown(self, word: str) -> str:
        if is_file(word):
            return f"{quoted(word)}: no such file"
        return f"no policy is called {quoted(word)}{nearest(word, builtin_names())}"


def _tidy(path: str) -> str:
    """The path without `.` components, so that one file is recognised when it is named again; links are followed as they are."""
    return "/" + "/".join(part for part in path.split("/") if part not in ("", "."))
