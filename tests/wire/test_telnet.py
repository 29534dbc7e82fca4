# SPDX-License-Identifier: Apache-2.0
"""Telnet without I/O: what is data, what is answered, and that it ends."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aioconn.wire.telnet import SUBNEGOTIATION_LIMIT, TelnetClient

DO, DONT, WILL, WONT = b"\xff\xfd", b"\xff\xfe", b"\xff\xfb", b"\xff\xfc"
SB, SE = b"\xff\xfa", b"\xff\xf0"
BINARY, ECHO, SGA, TM, TTYPE, NAWS, AUTH = b"\x00", b"\x01", b"\x03", b"\x06", b"\x18", b"\x1f", b"\x25"
OURS = frozenset({33, 39})


def client(rows: int = 24, columns: int = 80) -> TelnetClient:
    return TelnetClient(term="vt100", rows=rows, columns=columns, elsewhere=OURS)


def reference(data: bytes) -> bytes:
    """The data in a telnet stream, by the letter of RFC 854 and 855."""
    plain, rest = b"", data
    while rest:
        if rest[0] != 255:
            plain, rest = plain + rest[:1], rest[1:]
        elif len(rest) < 2:
            break
        elif rest[1] == 255:
            plain, rest = plain + b"\xff", rest[2:]
        elif 251 <= rest[1] <= 254:
            rest = rest[3:]
        elif rest[1] == 250:
            rest = rest[2:]
            while rest and rest[:2] != b"\xff\xf0":
                rest = rest[2:] if rest[:1] == b"\xff" else rest[1:]
            rest = rest[2:]
        else:
            rest = rest[2:]
    return plain


pieces = st.one_of(
    st.binary(max_size=6),
    st.builds(
        lambda verb, option: verb + bytes((option,)),
        st.sampled_from([DO, DONT, WILL, WONT]),
        st.sampled_from([0, 1, 3, 6, 24, 31, 33, 37, 39, 255]),
    ),
    st.sampled_from(
        [
            b"\xff\xff",
            b"\xff",
            b"\xff\xf9",
            SB + TTYPE + b"\x01" + SE,
            SB + b"\x27\x01\xff\xff" + SE,
            SB + b"\xff\xff" + SE,
            SB + TTYPE + b"\x01" + b"x" * SUBNEGOTIATION_LIMIT,
        ]
    ),
)


@given(st.lists(pieces, max_size=12).map(b"".join), st.lists(st.integers(1, 4), min_size=1, max_size=4))
def test_any_split_gives_the_same(data: bytes, steps: list[int]) -> None:
    whole, cut = client(), client()
    plain, position, turn = b"", 0, 0
    while position < len(data):
        step = steps[turn % len(steps)] if len(data) < 1000 else 1000 * steps[turn % len(steps)]
        plain += cut.receive(data[position : position + step])
        position, turn = position + step, turn + 1
    assert plain == whole.receive(data) == reference(data)
    assert cut.answers() == whole.answers()
    assert cut.left() == whole.left()
    assert cut.heard == whole.heard


@given(st.lists(pieces, max_size=12).map(b"".join))
def test_two_ends_fall_silent(data: bytes) -> None:
    """Whatever is said first: what one answers is no reason for the other to go on."""
    ends = client(), client()
    said = data
    for turn in range(4):
        end = ends[turn % 2]
        end.receive(said)
        said = end.answers()
    assert said == b""


@pytest.mark.parametrize(
    ("heard", "answers"),
    [
        # agreed to once, refused each time, and given up when the peer wants it so (RFC 1143)
        ([DO + TTYPE, DO + TTYPE, DONT + TTYPE, DONT + TTYPE, DO + TTYPE], "will - wont - will"),
        ([WILL + ECHO, WILL + ECHO, WONT + ECHO, WONT + ECHO, WILL + ECHO], "do - dont - do"),
        ([DO + ECHO, DO + ECHO, DONT + ECHO], "wont wont -"),
        ([WILL + TTYPE, WILL + NAWS, WILL + AUTH, WONT + AUTH], "dont dont dont -"),
        ([DO + AUTH, DO + b"\x22", DO + b"\xff", WILL + b"\xff"], "wont wont wont dont"),
        ([DO + SGA, WILL + SGA, DO + BINARY, WILL + BINARY], "will do will do"),
        # each timing mark is answered, and never stays agreed to (RFC 860)
        ([DO + TM, DO + TM, DONT + TM, WILL + TM], "will will - dont"),
    ],
)
def test_requests(heard: list[bytes], answers: str) -> None:
    telnet = client()
    verbs = {"will": WILL, "wont": WONT, "do": DO, "dont": DONT}
    for request, answer in zip(heard, answers.split(), strict=True):
        telnet.receive(request)
        assert telnet.answers() == (verbs[answer] + request[2:] if answer != "-" else b""), request
    assert telnet.left() == []


@pytest.mark.parametrize(
    ("rows", "columns", "size"),
    [
        (24, 80, b"\x00\x50\x00\x18"),
        (1000, 500, b"\x01\xf4\x03\xe8"),
        (255, 511, b"\x01\xfe\x00\xfe"),
        (65535, 65280, b"\xfe\xfe\xfe\xfe"),
        (0, 100_000, b"\xfe\xfe\x00\x00"),
    ],
)
def test_the_size_of_the_window(rows: int, columns: int, size: bytes) -> None:
    """No byte of it is 255."""
    telnet = client(rows, columns)
    telnet.receive(DO + NAWS + DO + NAWS)
    assert telnet.answers() == WILL + NAWS + SB + NAWS + size + SE


def test_the_name_of_the_terminal() -> None:
    telnet = client()
    telnet.receive(2 * (SB + TTYPE + b"\x01" + SE) + SB + TTYPE + b"\x00xterm" + SE + SB + SE)
    assert telnet.answers() == 2 * (SB + TTYPE + b"\x00vt100" + SE)


def test_what_others_answer() -> None:
    telnet = client()
    environ = SB + b"'\x01\x00A\xff\xff" + SE
    assert telnet.receive(DO + b"'" + environ + WILL + ECHO + DONT + b"!") == b""
    assert telnet.left() == [DO + b"'", environ, DONT + b"!"]
    assert (telnet.left(), telnet.answers()) == ([], DO + ECHO)


@pytest.mark.parametrize("size", [1, 1000, 10 * SUBNEGOTIATION_LIMIT])
def test_a_subnegotiation_without_end(size: int) -> None:
    telnet = client()
    telnet.receive(SB + TTYPE + b"\x01")
    for _ in range(2 * SUBNEGOTIATION_LIMIT // size + 1):
        assert telnet.receive(b"x" * size) == b""
    assert telnet.receive(SE + b"after") == b"after"
    assert telnet.answers() == b""


def test_what_goes_out() -> None:
    telnet = client()
    assert telnet.encode(b"a\rb\nc\xff") == b"a\rb\nc\xff\xff"
    telnet.receive(b"raw \xff\xff\xff\xf1")
    assert not telnet.heard  # a console's line noise may look like that
    telnet.receive(WONT + ECHO)
    assert telnet.heard
    for data, sent in (
        (b"show clock\n", b"show clock\r\0"),
        (b"a\rb\nc\r\nd\r\0e\xff\x03\n", b"a\r\0b\r\0c\r\nd\r\0e\xff\xff\x03\r\0"),
        (b"\n\n", b"\r\0\r\0"),
    ):
        assert telnet.encode(data) == sent
    telnet.receive(DO + BINARY)
    assert telnet.encode(b"a\rb\n\xff") == b"a\rb\n\xff\xff"
    telnet.receive(DONT + BINARY)
    assert telnet.encode(b"a\r") == b"a\r\0"
