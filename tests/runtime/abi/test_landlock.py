"""Landlock's masks grow with the ABI, and names and masks are the same bits."""

import pytest

from runtime.abi.landlock import ABIS, ACCESS_FS, ACCESS_NET, FILE_ACCESS, NEWEST_ABI, SCOPE, abi_since, rights_of


def test_the_newest_abi_has_every_right() -> None:
    """Names and masks cannot drift apart."""
    assert rights_of(NEWEST_ABI) == (sum(ACCESS_FS.values()), sum(ACCESS_NET.values()), sum(SCOPE.values()))


def test_an_abi_keeps_what_older_ones_have() -> None:
    """And later kernels bring later ABIs."""
    for abi in range(2, NEWEST_ABI + 1):
        assert ABIS[abi][0] > ABIS[abi - 1][0]
        assert all(new & old == old for new, old in zip(rights_of(abi), rights_of(abi - 1), strict=True))


@pytest.mark.parametrize(
    ("name", "abi"), [("EXECUTE", 1), ("MAKE_SYM", 1), ("REFER", 2), ("TRUNCATE", 3), ("IOCTL_DEV", 5)]
)
def test_each_right_has_the_abi_that_brought_it(name: str, abi: int) -> None:
    """As the kernel's documentation lists them."""
    assert [number for number in ABIS if rights_of(number)[0] & ACCESS_FS[name]] == list(range(abi, NEWEST_ABI + 1))


def test_ports_and_scopes() -> None:
    """ABI 4 and ABI 6."""
    assert [rights_of(abi)[1:] for abi in (3, 4, 5, 6)] == [(0, 0), (3, 0), (3, 0), (3, 3)]


def test_no_abi_has_no_rights_and_an_unknown_one_those_we_know() -> None:
    """A mask that the planner does not know is never handled."""
    assert rights_of(0) == (0, 0, 0)
    assert rights_of(99) == rights_of(NEWEST_ABI)


@pytest.mark.parametrize(
    ("kernel", "abi"), [((5, 4), 0), ((5, 13), 1), ((6, 1), 2), ((6, 6), 3), ((6, 12), 6), ((7, 2), 7)]
)
def test_kernels(kernel: tuple[int, int], abi: int) -> None:
    """The last one that the version has."""
    assert abi_since(kernel) == abi


def test_what_a_file_can_be_allowed() -> None:
    """Nothing that is about entries of a directory."""
    assert FILE_ACCESS == 0xC007
