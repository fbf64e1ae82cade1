"""Lists of CPUs and NUMA nodes."""

import pytest

from runtime.plan.cpu_list import parse_mask


@pytest.mark.parametrize(
    ("text", "mask"),
    [
        ("", ()),
        ("0", (1,)),
        ("0-2,5", (0b100111,)),
        (" 1 , 64-65 ", (2, 3)),
        ("3,3,", (8,)),
        ("8191", (0,) * 127 + (1 << 63,)),
    ],
)
def test_masks(text: str, mask: tuple[int, ...]) -> None:
    """Words of 64 bits, lowest first."""
    assert parse_mask(text) == mask


@pytest.mark.parametrize("text", ["a", "1-", "-1", "2-1", "8192", "1-2-3", "99999999999999999999", "\u0661"])
def test_what_is_no_list(text: str) -> None:
    """Refused whole: half a mask would be another one."""
    with pytest.raises(ValueError, match="invalid list"):
        parse_mask(text)
