# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aioconn.results import Output
from aioconn.wire.assembly import assemble, pager_cut, without, without_head, without_tail


def test_small() -> None:
    answered = assemble(bytearray(b"echo\r\n\r\na\r\nb\r\n\r\nr1#"), 6, 16, [], "utf-8")
    assert answered.text == "a\nb"
    assert answered.raw == b"echo\r\n\r\na\r\nb\r\n\r\nr1#"


def test_cuts() -> None:
    answered = assemble(bytearray(b"a\r\nXXb\r\nYYc\r\n"), 0, 14, [(8, 10), (3, 5)], "utf-8")
    assert answered.text == "a\nb\nc"
    assert answered.raw == b"a\r\nXXb\r\nYYc\r\n"


@pytest.mark.parametrize(
    ("line", "spared"),
    [
        (b"a line\r\n", True),
        ("café ♜\r\n".encode(), True),
        (b"a line\n", False),
        (b"caf\xe9\r\n", False),
        ("é".encode() + b" \xed\xa0\x80\xff\r\n", False),
        (b"\x1b[ma\r\n", False),
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "latin-1"])
def test_large(line: bytes, spared: bool, encoding: str) -> None:
    wire = b"echo\r\n" + line * 200_000 + b"r1#"
    answered = assemble(bytearray(wire), 6, len(wire) - 3, [], encoding)
    assert isinstance(answered.raw, tuple) is (spared and encoding == "utf-8")
    assert Output(answered.text, raw=answered.raw).raw == wire
    expected = line.decode(encoding, "replace").replace("\x1b[m", "").replace("\r\n", "\n")
    assert answered.text == (expected * 200_000)[:-1]


@given(
    st.binary(max_size=30),
    st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)), max_size=4),
    st.integers(0, 30),
    st.integers(0, 30),
)
def test_without(data: bytes, spans: list[tuple[int, int]], begin: int, end: int) -> None:
    begin, end = sorted((min(begin, len(data)), min(end, len(data))))
    cuts = sorted((min(span), max(span)) for span in spans)
    kept = bytes(
        byte
        for index, byte in enumerate(data)
        if begin <= index < end and not any(a <= index < b for a, b in cuts)
    )
    assert without(bytearray(data), begin, end, cuts) == kept


def test_lines_that_show_nothing_are_no_part_of_it() -> None:
    data = bytearray(b"\r\n\x1b[?2004l\r\n  a\r\n\r\nb\r\n\x1b[m\r\n\r\n")
    begin = without_head(data, 0, len(data))
    end = without_tail(data, begin, len(data))
    assert data[begin:end] == b"  a\r\n\r\nb"
    assert without_tail(bytearray(b"\r\n\r\n"), 0, 4) == 0
    assert without_head(bytearray(b"\r\n\r\n"), 0, 4) == 4


@pytest.mark.parametrize(
    ("before", "after", "cut"),
    [
        (b"a\r\n", b"\x08\x08", None),
        (b"a\r\n", b"\r   \rb", None),
        (b"a\r\n", b"\x1b[2K\r", None),
        (b"a\r\n", b"\x1b[m\r\x1b[K", None),
        (b"a\r\n", b"b", b""),
        (b"a\r\n", b"  b", b""),
        (b"a\r\n", b"\x1b[mb", b"\x1b[m"),
        (b"a\r\n", b"\r\nb", b"\r\n"),
        (b"a ", b"\r\nb", b""),
        (b"", b"\r\nb", b"\r\n"),
        (b"a\r\n", b"", b""),
    ],
)
def test_pager_cut(before: bytes, after: bytes, cut: bytes | None) -> None:
    data = bytearray(before + b"--More--" + after)
    span = pager_cut(data, len(before), len(before) + 8)
    assert (None if span is None else data[span[0] : span[1]]) == (None if cut is None else b"--More--" + cut)
