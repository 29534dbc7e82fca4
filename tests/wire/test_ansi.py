# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aioconn.wire import ansi


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("plain", "plain"),
        ("blanks  ", "blanks"),
        ("ab\x08c", "ac"),
        ("\x08\x08a", "a"),
        ("abc\rx", "xbc"),
        ("10% \r20% \r30%", "30%"),
        (" --More-- \x00" + "\x08" * 10 + " " * 10 + "\x08" * 10 + "r1# ", "r1#"),
        ("\rr1# \x1b[Kconfigure terminal", "r1# configure terminal"),
        ("old text\r\x1b[Knew", "new"),
        ("old text\x1b[2K\rnew", "new"),
        ("abcdef\x1b[3D\x1b[K", "abc"),
        ("abcdef\x1b[4D\x1b[2P", "abef"),
        ("abcd\x1b[2D\x1b[@x", "abxcd"),
        ("abcd\x1b[3D\x1b[2X", "a  d"),
        ("ab\x1b[5Gc", "ab  c"),
        ("ab\x1b[2Cc", "ab  c"),
        ("abc\x1b[1Kd", "   d"),
        ("abc\r\x1b[Jd", "d"),
        ("\x1b[?2004h\x1b]0;joe@vm: ~\x07joe@vm:~$ \x1b[K", "joe@vm:~$"),
        ("\x1b]0;title\x1b\\x", "x"),
        ("\x1b[01;32mgreen\x1b[0m", "green"),
        ("\x1b(Bx\x1b=y\x1b>z\x1b7", "xyz"),
        ("a\x1b[", "a"),
        ("a\x1b]0;title without end", "a"),
        ("tab\there", "tab\there"),
        ("\x07bell", "bell"),
        ("a\x1b[\u0663Cb", "a[\u0663Cb"),
        ("", ""),
    ],
)
def test_render(line: str, shown: str) -> None:
    assert ansi.render(line) == shown


def test_strip() -> None:
    line = "\x1b[7m--More--\x1b[m\x00\r"
    assert ansi.strip(line) == "--More--\r"


@pytest.mark.parametrize(
    "line", [b"\x1b", b"\x1b[", b"\x1b[0", b"\x1b[0;1 ", b"\x1b]0;t", b"\x1b(", b"$ \x1b[?2004"]
)
def test_is_unfinished(line: bytes) -> None:
    assert ansi.is_unfinished(line)
    assert ansi.is_unfinished(b"\x1b[m" + line)


@pytest.mark.parametrize(
    "line", [b"", b"r1#", b"\x1b[0m", b"\x1b[Kr1#", b"\x1b]0;t\x07", b"\x1b(B", b"\x1b=", b"\x1b]0;t\x07 $ "]
)
def test_is_finished(line: bytes) -> None:
    assert not ansi.is_unfinished(line)


@pytest.mark.parametrize("data", [b"", b"a\r\nb\r\n", b"a\nb\tc", b"\xff\xc3\xa9"])
def test_plain(data: bytes) -> None:
    assert ansi.plain(data) == data.replace(b"\r\n", b"\n")
    assert ansi.clean(data) == data.replace(b"\r\n", b"\n").decode("utf-8", "replace")


@pytest.mark.parametrize("data", [b"a\rb", b"a\r\r\n", b"\x1b[m", b"\x00", b"\x08", b"\r"])
def test_not_plain(data: bytes) -> None:
    assert ansi.plain(data) is None
    assert ansi.reversible(data) is None


@given(st.lists(st.sampled_from([b"a", b"\r", b"\n", b"\r\n"]), max_size=8).map(b"".join))
def test_reversible(data: bytes) -> None:
    without_pairs = data.replace(b"\r\n", b"")
    ends_alike = b"\r" not in without_pairs and b"\n" not in without_pairs
    assert ansi.reversible(data) == (data.replace(b"\r\n", b"\n") if ends_alike else None)


def test_clean() -> None:
    assert ansi.clean(b"a\r\r\nb \r\n\x1b[1mc\x1b[m \r\n\x00\r\nd\xff") == "a\nb \nc\n\nd\ufffd"
    assert ansi.clean(b"caf\xe9\r\n", "latin-1") == "café\n"


@given(st.text(st.characters(exclude_categories=["Cc", "Cs"]), max_size=60))
def test_what_needs_no_terminal_is_shown_as_it_is(line: str) -> None:
    assert ansi.render(line) == line.rstrip()


@given(
    st.lists(
        st.sampled_from(["a", "bc", "\x08", "\r", "\x1b[K", "\x1b[2K", "\x1b[3C", "\x1b[2D", " "]),
        max_size=30,
    )
)
def test_a_long_line_is_played_like_a_short_one_behind_what_is_settled(keys: list[str]) -> None:
    # far from the left edge: there a carriage return goes to the edge of what is in reach instead
    line = "".join(keys).replace("\r", "").replace("\x1b[2K", "")
    head = "x" * 300
    short = ansi.render(head + line)
    settled = "y" * 5000
    assert ansi.render(settled + head + line) == settled + short


@given(st.text(st.sampled_from("\x1b[]0;1 aKCDGPX@m\x07\\\r\x08\x00"), max_size=80))
def test_no_sequence_raises(line: str) -> None:
    ansi.render(line)
    assert "\x00" not in ansi.strip(line)


def test_a_cursor_stays_in_reach() -> None:
    assert len(ansi.render("\x1b[99999999999999999999Cx")) < 10_000
    assert len(ansi.render("a\x1b[D\x1b[999999999@b" * 100)) < 10_000
