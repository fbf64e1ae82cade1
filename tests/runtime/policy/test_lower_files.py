"""Rules for files: which place is closed how, what Landlock allows, what is covered, what the broker is left with."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.abi.landlock import ACCESS_FS
from runtime.policy.patterns import below, is_wild, plain, stem
from tests.runtime.plan.drafting import CONFIG, config
from tests.runtime.policy.layering import EPERM, files, layer, lowered, refusal, row_of, verdict

READ = ACCESS_FS["READ_FILE"] | ACCESS_FS["READ_DIR"]
EXECUTE, REFER = ACCESS_FS["EXECUTE"], ACCESS_FS["REFER"]


def test_what_is_not_writable_is_read_only() -> None:
    """Executing is nobody's business then."""
    found = lowered(files(write=["/workspace", "/tmp"]))
    assert found.points == (("/", True, False), ("/tmp", False, False), ("/workspace", False, False))


def test_writable_and_executable_places_are_apart() -> None:
    """Each opens one thing; a place inside of both opens both; what is open already is no place of its own."""
    found = lowered(files(write=["/w", "/w/in", "/usr/local/w"], execute=["/usr", "/w/bin"]))
    assert found.points == (
        ("/", True, True),
        ("/usr", True, False),
        ("/w", False, True),
        ("/w/bin", False, False),
        ("/usr/local/w", False, False),
    )


def test_nothing_writable() -> None:
    """An empty list closes everything."""
    assert lowered(files(write=[])).points == (("/", True, False),)


def test_everything_writable() -> None:
    """The root opens everything: no mount changes."""
    assert lowered(files(write=["/"])).points == ()


def test_layers_are_a_conjunction() -> None:
    """Open is what every layer opens, wherever the narrower rule stands."""
    found = lowered(files(write=["/w", "/a/b"]), files(write=["/w/x", "/a"]), files(execute=["/a"]))
    assert found.points == (("/", True, True), ("/a", True, False), ("/a/b", False, False), ("/w/x", False, True))


PLACES = st.lists(st.sampled_from(("/", "/a", "/a/b", "/a/b/c", "/ab", "/c", "/c/d")), max_size=4)
SECTIONS = st.fixed_dictionaries({"write": st.none() | PLACES, "execute": st.none() | PLACES.filter(bool)})


@given(st.lists(SECTIONS, min_size=1, max_size=3), st.sampled_from(("/", "/a", "/a/x", "/a/b/c/d", "/abc", "/c/d/e")))
def test_the_deepest_point_above_a_path_says_what_its_rules_say(
    sections: list[dict[str, list[str] | None]], path: str
) -> None:
    """For any layers and any path: closed by the points exactly if some layer does not open it."""
    made = [files(**{name: places for name, places in section.items() if places is not None}) for section in sections]
    points = lowered(*made).points or (("/", False, False),)
    holding = [point for point in points if below(path, point[0])]
    expected = [
        any(
            section[name] is not None and not any(below(path, place) for place in section[name] or ())
            for section in sections
        )
        for name in ("write", "execute")
    ]
    deepest = max(holding, key=lambda point: len(point[0]))
    assert list(deepest[1:]) == expected
    assert [point[0] for point in points] == sorted(
        [point[0] for point in points], key=lambda p: (p != "/" and p.count("/"), p)
    )


def test_reading_is_a_matter_of_landlock() -> None:
    """Readable is also what may be written and executed; renaming stays possible."""
    found = lowered(files(read=["/etc"], write=["/w", "/etc/w"], execute=["/usr"]))
    assert found.landlock == (READ | REFER, 0, 0, ((READ, "/etc"), (READ, "/usr"), (READ, "/w"), (REFER, "/")), ())
    assert found.broker is None
    assert row_of(found, "rule 0") == [("landlock", "opening; what stat tells stays visible")]


def test_many_paths() -> None:
    """Lists of any length: each path is looked up by the directories over it, not compared with all others."""
    paths = [f"/d{number % 100}/f{number}" for number in range(8000)]
    rules = [{"text": f"rule {number}", "where": f"p.yaml:{number}"} for number in range(8001)]
    numbered = [[path, number] for number, path in enumerate([*paths, "/d0"])]
    section = {"read": numbered, "write": numbered[:-1], "execute": None, "hide": []}
    found = lowered(layer(rules=rules, filesystem=section))
    assert found.landlock is not None
    assert len(found.points) == 8001
    assert len(found.landlock[3]) == 8000 - 80 + 2
    assert len(found.rows) > 8000


def test_readable_in_every_layer() -> None:
    """The outermost places that each layer opens, and nothing of one layer alone."""
    found = lowered(files(read=["/a", "/b/c"]), files(read=["/a/x", "/b", "/d"]))
    assert found.landlock is not None
    assert [path for _, path in found.landlock[3]] == ["/a/x", "/b/c", "/"]


def test_the_first_landlock_knows_no_refer() -> None:
    """What a kernel does not have is not asked for."""
    found = lowered(files(read=["/etc"]), landlock=1)
    assert found.landlock == (READ, 0, 0, ((READ, "/etc"),), ())


@pytest.mark.parametrize(("patterns", "abi"), [(["/etc", "/proc/*/stat"], 7), (["/etc"], 0)])
def test_reading_without_landlock_or_with_wildcards(patterns: list[str], abi: int) -> None:
    """The broker checks every open, and then nobody else does."""
    found = lowered(files(read=patterns, write=["/w"]), landlock=abi)
    assert found.landlock is None
    assert found.broker is not None
    numbered = [[pattern, number] for number, pattern in enumerate([*patterns, "/w"])]
    assert found.broker["read"] == [numbered]
    assert {name: call["handler"] for name, call in found.broker["calls"].items()} == {
        **dict.fromkeys(("open", "openat", "openat2", "creat"), "open"),
        **dict.fromkeys(("setgroups", "execve", "execveat", "chroot"), "continue"),
    }
    assert found.broker["seen"] == ("setgroups", "execve", "execveat", "chroot")
    for name in ("unshare", "clone"):
        assert verdict(found, name, 0x00020000) == verdict(found, name, 0x10000000) == EPERM
        assert verdict(found, name, 0x04000000) != EPERM


def test_names_stay_where_the_broker_reads_by_name() -> None:
    """Landlock sees through a rename, the broker does not; where writing is limited, all that can be renamed can be read."""
    for made, stays in (
        (lowered(files(read=["/a"]), landlock=0), True),
        (lowered(files(read=["/a"])), False),
        (lowered(files(read=["/a"], write=["/b"]), landlock=0), False),
    ):
        assert (verdict(made, "rename") == EPERM) is stays


def test_programs_need_landlock() -> None:
    """And without it there is no policy."""
    one = layer(exec=[["/usr/bin/true", 3], ["/lib/ld.so", 4]])
    found = lowered(one)
    assert found.landlock == (
        EXECUTE | REFER,
        0,
        0,
        ((EXECUTE, "/lib/ld.so"), (EXECUTE, "/usr/bin/true"), (REFER, "/")),
        (),
    )
    assert refusal(one, landlock=0) == [
        "p.yaml:4: rule 3: needs Landlock, which this kernel does not have active",
        "p.yaml:5: rule 4: needs Landlock, which this kernel does not have active",
    ]


def test_wildcards_where_programs_are() -> None:
    """No mechanism knows them there."""
    assert refusal(files(execute=["/opt/*/bin"])) == [
        "p.yaml:1: rule 0: no mechanism knows wildcards where programs are executed"
    ]


def test_wildcards_where_files_are_written() -> None:
    """The directory before the wildcard opens, opens for writing go to the broker, and names stay as they are."""
    found = lowered(files(write=["/var/log/*.log", "/tmp"]))
    assert found.points == (("/", True, False), ("/tmp", False, False), ("/var/log", False, False))
    assert found.broker is not None
    assert found.broker["write"] == [[["/var/log/*.log", 0], ["/tmp", 1]]]
    assert found.broker["read"] is None
    denied = {
        name
        for section in found.sections
        for rule in section["syscalls"]
        for name in rule["names"]
        if rule["action"] == "SCMP_ACT_ERRNO"
    }
    assert {"rename", "linkat", "unlinkat", "fchmod", "fsetxattr", "truncate", "ioctl"} <= denied


@pytest.mark.parametrize(
    ("one", "key"),
    [(files(execute=[]), "filesystem.execute"), (files(read=[]), "filesystem.read"), (layer(exec=[]), "exec")],
)
def test_lists_that_let_nothing_start(one: dict[str, Any], key: str) -> None:
    """Said before the kernel says it in its own words."""
    assert refusal(one) == [f"/p.yaml: {key}: the list is empty: not even the container's own program could be started"]
    assert refusal(files(read=[], execute=["/usr"])) == []


def test_what_is_only_readable_because_it_is_writable_is_told_once() -> None:
    """By what keeps everything else from being written."""
    found = lowered(files(read=["/a"], write=["/w"], execute=["/x"]))
    assert [row_of(found, f"rule {number}")[0][0] for number in range(3)] == ["landlock", "mounts", "mounts"]
    assert [len(row_of(found, f"rule {number}")) for number in range(3)] == [1, 1, 1]


def test_hidden_paths() -> None:
    """Covered, in every layer's turn; the root cannot be."""
    found = lowered(files(hide=["/etc/shadow", "/root"]), files(hide=["/root", "/home"]))
    assert found.config["linux"]["maskedPaths"] == ["/etc/shadow", "/root", "/home"]
    assert refusal(files(hide=["/"])) == ["p.yaml:1: rule 0: the root cannot be hidden"]


def test_hidden_patterns() -> None:
    """The broker refuses to open them, and nobody may rename them."""
    found = lowered(files(hide=["/w/**/.env"]))
    assert found.broker is not None
    assert found.broker["hide"] == [[["/w/**/.env", 0]]]
    assert "maskedPaths" not in found.config["linux"]


@pytest.mark.parametrize(
    ("spaces", "missing"),
    [
        ([{"type": "mount"}], "pid"),
        ([{"type": "mount"}, {"type": "pid", "path": "/proc/7/ns/pid"}], "pid"),
        ([{"type": "mount", "path": "/proc/7/ns/mnt"}, {"type": "pid"}], "mount"),
    ],
)
def test_files_need_namespaces_of_the_container(spaces: list[dict[str, str]], missing: str) -> None:
    """Otherwise there is a way around the mounts."""
    (line,) = refusal(files(write=["/w"]), made=config(linux={"namespaces": spaces}))
    assert f"rules for files need a {missing} namespace of its own" in line
    assert refusal(layer(capabilities={"allow": [], "rule": 0}), made=config(linux={"namespaces": spaces})) == []


def test_a_policy_without_a_container() -> None:
    """To be explained it needs none."""
    assert lowered(files(write=["/w"]), made={}).points
    assert CONFIG["linux"]["namespaces"]


@pytest.mark.parametrize(
    ("pattern", "same", "wild", "before"),
    [
        ("/a", "/a", False, "/a"),
        ("/a/**", "/a", False, "/a"),
        ("/**", "/", False, "/"),
        ("/a/*/b", "/a/*/b", True, "/a"),
        ("/*.c", "/*.c", True, "/"),
        ("/a/b*", "/a/b*", True, "/a"),
    ],
)
def test_patterns(pattern: str, same: str, wild: bool, before: str) -> None:
    """What is left of a pattern for mounts and Landlock."""
    assert (plain(pattern), is_wild(plain(pattern)), stem(plain(pattern))) == (same, wild, before)
