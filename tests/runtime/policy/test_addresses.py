"""CIDR blocks read without the standard library's module, which judges."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.policy.addresses import covers, parse_cidr


@given(st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6)), st.integers(0, 128))
def test_read_as_the_standard_library_reads(address: ipaddress.IPv4Address, length: int) -> None:
    """Short and long forms; bits below the length do not count."""
    length %= address.max_prefixlen + 1
    block = ipaddress.ip_network((address, length), strict=False)
    expected = (block.version, (int(block.network_address), length))
    if block.version == 6 and length >= 96 and int(address) >> 32 == 0xFFFF:
        expected = (4, (int(block.network_address) & 0xFFFFFFFF, length - 96))
    assert parse_cidr(f"{address}/{length}") == expected
    assert parse_cidr(f"{address.exploded}/{length}") == expected


def test_mapped_blocks_are_ipv4() -> None:
    """What the kernel sends to them are IPv4 packets."""
    assert parse_cidr("::ffff:10.0.0.0/104") == (4, (10 << 24, 8))
    assert parse_cidr("::ffff:a00:1") == (4, (10 << 24 | 1, 32))
    assert parse_cidr("::ffff:10.0.0.0/95") == (6, (0xFFFE << 32, 95))


@given(st.text(alphabet="0123456789abcfg.:/ ", max_size=24))
def test_what_is_refused(text: str) -> None:
    """Nothing is accepted that the standard library refuses."""
    try:
        version, (number, length) = parse_cidr(text)
    except ValueError:
        return
    name = text.partition("/")[0].lstrip()
    judged = ipaddress.ip_network(
        (name, int(text.partition("/")[2] or ipaddress.ip_address(name).max_prefixlen)), False
    )
    if judged.version == version:
        assert (int(judged.network_address), judged.prefixlen) == (number, length)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "10.0.0",
        "10.0.0.0.0",
        "10.0.0.256",
        "10.0.0.-1",
        "10.0.0.1/33",
        "10.0.0.1/",
        "10.0.0.1/x",
        "1::2::3",
        ":::",
        "1:2:3:4:5:6:7",
        "1:2:3:4:5:6:7:8:9",
        "1:2:3:4:5:6:7::8",
        "12345::",
        "::1/129",
        "::1.2.3",
        "1.2.3.4::",
        "g::",
        "²::",
    ],
)
def test_refused(text: str) -> None:
    """Each with an error, none with another address."""
    with pytest.raises(ValueError, match=r"is not an|has no length"):
        parse_cidr(text)


def test_covering() -> None:
    """A block covers itself and what is longer and begins alike."""
    assert covers((0, 0), (5, 32), 32)
    assert covers((10 << 24, 8), (10 << 24, 8), 32)
    assert not covers((10 << 24, 8), (0, 0), 32)
    assert not covers((10 << 24, 8), (11 << 24, 32), 32)
