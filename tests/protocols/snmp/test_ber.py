# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aioconn.protocols.snmp import ber, messages, pdu
from aioconn.protocols.snmp.ber import Malformed
from aioconn.protocols.snmp.pdu import Kind
from aioconn.protocols.snmp.values import TAGS, VarBind, varbind

ARC = st.one_of(st.integers(0, 200), st.integers(0, ber.MAX_ARC))
ARCS = st.tuples(st.integers(0, 2), st.integers(0, 39), st.lists(ARC, max_size=100)).map(
    lambda parts: (parts[0], parts[1], *parts[2])
)
OIDS = ARCS.map(ber.oid_content)


@given(ARCS)
def test_an_oid_comes_back(arcs: tuple[int, ...]) -> None:
    content = ber.oid_content(arcs)
    assert ber.arcs(content) == arcs
    assert ber.dotted(content) == ".".join(map(str, arcs))


@given(ARCS, ARCS)
def test_oids_have_the_order_of_their_numbers(one: tuple[int, ...], other: tuple[int, ...]) -> None:
    assert ber.follows(ber.oid_content(one), ber.oid_content(other)) == (one > other)


def test_the_second_number_is_above_39_under_2_alone() -> None:
    assert ber.oid_content((2, 999, 3)) == bytes.fromhex("883703")  # X.690, section 8.19.5
    assert ber.arcs(bytes.fromhex("883703")) == (2, 999, 3)
    with pytest.raises(ValueError, match="up to 39"):
        ber.oid_content((1, 40))


@pytest.mark.parametrize(
    "content", ["", "80", "8001", "2b80", "2b8001", "2b06018005", "2bff", "2b9080808000", "2b" + "01" * 128]
)
def test_what_is_no_oid_is_refused(content: str) -> None:
    with pytest.raises(Malformed):
        ber.arcs(bytes.fromhex(content))
    with pytest.raises(Malformed):
        ber.dotted(bytes.fromhex(content))


@pytest.mark.parametrize(
    ("number", "encoded"),
    [
        (0, "020100"),
        (127, "02017f"),
        (128, "02020080"),
        (-128, "020180"),
        (-129, "0202ff7f"),
        (256, "02020100"),
    ],
)
def test_integers_have_as_few_bytes_as_they_need(number: int, encoded: str) -> None:
    assert ber.integer(number).hex() == encoded
    assert ber.expect_integer(bytes.fromhex(encoded), 0, len(encoded) // 2) == (number, len(encoded) // 2)


@given(st.integers(-(2**63), 2**63 - 1))
def test_an_integer_comes_back(number: int) -> None:
    element = ber.integer(number)
    assert ber.expect_integer(element, 0, len(element)) == (number, len(element))


def test_a_counter_without_its_leading_zero_is_understood() -> None:
    assert ber.unsigned(b"\xff\xff\xff\xff", 32) == 2**32 - 1
    assert ber.unsigned(b"\x00\xff\xff\xff\xff", 32) == 2**32 - 1
    assert ber.unsigned(b"\x00" + b"\xff" * 8, 64) == 2**64 - 1
    for content, bits in (
        (b"", 32),
        (b"\x01\x00\x00\x00\x00", 32),
        (b"\x00" * 6, 32),
        (b"\x01" + b"\x00" * 8, 64),
    ):
        with pytest.raises(Malformed):
            ber.unsigned(content, bits)


@pytest.mark.parametrize("size", [0, 1, 127, 128, 255, 256, 65_535, 65_536])
def test_every_length_comes_back(size: int) -> None:
    element = ber.tlv(ber.OCTETS, bytes(size))
    tag, begin, end = ber.element(element, 0, len(element))
    assert (tag, end - begin, end) == (ber.OCTETS, size, len(element))


@pytest.mark.parametrize(
    "element", ["", "04", "0480", "0485", "04820001", "0484ffffffff", "0405aabb", "0481"]
)
def test_a_length_that_cannot_be_is_refused(element: str) -> None:
    data = bytes.fromhex(element)
    with pytest.raises(Malformed):
        ber.element(data, 0, len(data))


BINDS = st.lists(
    st.tuples(
        OIDS,
        st.sampled_from(sorted(TAGS.values())),
        st.one_of(st.binary(max_size=8), st.binary(min_size=120, max_size=140)),
    ),
    max_size=8,
)
NUMBERS = st.integers(-(2**31), 2**31 - 1)


@given(st.binary(max_size=32), NUMBERS, NUMBERS, NUMBERS, BINDS)
def test_a_message_comes_back(
    community: bytes, number: int, status: int, index: int, binds: list[pdu.Bind]
) -> None:
    encoded = [pdu.bind(oid, ber.tlv(tag, content)) for oid, tag, content in binds]
    data = pdu.encode_message(community, pdu.encode(Kind.RESPONSE, number, status, index, encoded))
    assert pdu.decode_message(data) == (community, (Kind.RESPONSE, number, status, index, binds))


def read_all(data: bytes) -> list[VarBind]:
    """Whatever can be read of a datagram, in both versions."""
    found: list[VarBind] = []
    for decode in (
        lambda: pdu.decode_message(data)[1],
        lambda: messages.content(messages.decode(data), None).pdu,
    ):
        try:
            found += [varbind(*one) for one in decode().binds]
        except Malformed:
            continue
    return found


@given(st.binary(max_size=300))
def test_whatever_comes_is_read_or_malformed(data: bytes) -> None:
    read_all(data)


WHOLE = {
    "2c": pdu.encode_message(
        b"public",
        pdu.encode(
            Kind.RESPONSE,
            77,
            0,
            0,
            [
                pdu.bind(ber.oid_content((1, 3, 6, 1, 300, number)), ber.integer(number, 0x41))
                for number in range(9)
            ],
        ),
    ),
    "3": messages.encode(
        5,
        0,
        b"\x80\0\0\0\5engine",
        1,
        2,
        b"user",
        None,
        0,
        messages.scoped(
            b"\x80\0\0\0\5engine",
            b"",
            pdu.encode(Kind.RESPONSE, 5, 0, 0, [pdu.bind(b"\x2b\x06", ber.tlv(ber.OCTETS, b"x" * 200))]),
        ),
    ),
}


@pytest.mark.parametrize("version", WHOLE)
def test_what_is_cut_off_is_malformed_wherever_it_ends(version: str) -> None:
    whole = WHOLE[version]
    assert read_all(whole)
    for end in range(len(whole)):
        assert not read_all(whole[:end])


@given(st.sampled_from(sorted(WHOLE)), st.integers(0, 400), st.binary(min_size=1, max_size=6))
def test_what_is_damaged_is_read_or_malformed(version: str, at: int, damage: bytes) -> None:
    whole = WHOLE[version]
    at %= len(whole)
    read_all(whole[:at] + damage + whole[at + len(damage) :])


def message_of(binds: bytes) -> bytes:
    """An answer with these bytes for its variables."""
    inside = ber.integer(1) + ber.integer(0) + ber.integer(0) + ber.tlv(ber.SEQUENCE, binds)
    return pdu.encode_message(b"public", ber.tlv(Kind.RESPONSE, inside))


def test_a_variable_with_long_lengths_is_the_same() -> None:
    """Agents may write a length in more bytes than it needs."""
    plain = pdu.bind(b"\x2b\x06\x01", b"\x02\x01\x05")
    for inside in ("0603 2b0601 02810105", "068103 2b0601 020105", "06820003 2b0601 0284 00000001 05"):
        other = ber.tlv(ber.SEQUENCE, bytes.fromhex(inside))
        found = pdu.decode_message(message_of(plain + other + b"\x30\x81" + other[1:]))[1].binds
        assert found == [(b"\x2b\x06\x01", 2, b"\x05")] * 3, inside


@pytest.mark.parametrize(
    "bind",
    [
        "300b 0603 2b0601 020105 0500",  # something behind the value
        "3090 0603 2b0601 0489" + "00" * 0x89,  # lengths that are no short ones, taken for such
        "3008 0683 2b0601 020105",
        "3008 0603 2b0601 028105",
        "3007 0603 2b0601 0201",
        "3005 0603 2b0601",
        "3003 020105",
        "0500",
    ],
)
def test_a_variable_that_is_none_is_malformed(bind: str) -> None:
    with pytest.raises(Malformed):
        pdu.decode_message(message_of(bytes.fromhex(bind)))


def test_something_behind_the_end_is_malformed() -> None:
    for whole in WHOLE.values():
        assert not read_all(whole + b"\0")
