"""Links lead somewhere, the changelog has its form, and nothing speaks of one machine."""

import re
from pathlib import Path

LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ (.*)$", re.MULTILINE)
SECTIONS = ("Added", "Changed", "Deprecated", "Removed", "Fixed", "Security")
# a path which only one machine or one person has
MACHINE = re.compile(r"/(work/main|work/shared|tmp/pb|home/[a-z]+/|root/\.)")


def anchor(heading: str) -> str:
    """The anchor that a heading gets: lower case, words joined by hyphens."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-")


def test_links_between_documents_lead_somewhere(checkout: Path, project_files: list[Path]) -> None:
    """A relative link names a file that exists, and a heading in it."""
    dead = []
    for path in project_files:
        if path.suffix != ".md":
            continue
        for target in LINK.findall((checkout / path).read_text()):
            if "://" in target or target.startswith("mailto:"):
                continue
            name, _, fragment = target.partition("#")
            file = (checkout / path).parent / name if name else checkout / path
            if not file.exists():
                dead.append(f"{path}: {target}")
            elif fragment and fragment not in {anchor(text) for text in HEADING.findall(file.read_text())}:
                dead.append(f"{path}: {target} (no such heading)")
    assert not dead


def test_every_page_can_be_found(checkout: Path, project_files: list[Path]) -> None:
    """Each page of docs/ is linked from some other document; decisions are found by their number."""
    linked = set()
    for path in project_files:
        if path.suffix == ".md":
            targets = (
                target.partition("#")[0]
                for target in LINK.findall((checkout / path).read_text())
                if "://" not in target
            )
            linked |= {(checkout / path.parent / target).resolve() for target in targets if target}
    pages = [path for path in project_files if path.parent == Path("docs") and path.suffix == ".md"]
    assert [str(path) for path in pages if (checkout / path).resolve() not in linked] == []


def test_the_changelog_keeps_its_form(checkout: Path) -> None:
    """Versions newest first, only the known sections, every entry a full sentence, Unreleased on top."""
    text = (checkout / "CHANGELOG.md").read_text()
    versions = re.findall(r"^## (.*)$", text, re.MULTILINE)
    assert versions[0] == "[Unreleased]"
    assert all(re.fullmatch(r"\[\d+\.\d+\.\d+\] - \d{4}-\d{2}-\d{2}", version) for version in versions[1:])
    assert versions[1:] == sorted(
        versions[1:], key=lambda version: [int(n) for n in re.findall(r"\d+", version)], reverse=True
    )
    assert set(re.findall(r"^### (.*)$", text, re.MULTILINE)) <= set(SECTIONS)
    entries = re.findall(r"^- (.*(?:\n  .*)*)", text, re.MULTILINE)
    assert entries
    assert [entry for entry in entries if not entry.rstrip().endswith(".")] == []


def test_nothing_speaks_of_one_machine(checkout: Path, project_files: list[Path]) -> None:
    """No file names a directory that only its author has."""
    found = []
    for path in project_files:
        if path.name == "test_documents.py":
            continue
        text = (checkout / path).read_bytes().decode(errors="replace")
        found += [f"{path}: {match.group()}" for match in MACHINE.finditer(text)]
    assert not found
