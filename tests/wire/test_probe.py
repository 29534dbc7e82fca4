# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from aioconn.platforms.model import Probe
from aioconn.wire.probe import Boundary, ProbeLine
from aioconn.wire.prompt import Prompts
from tests.wire.device import CISCO, JUNOS, LINUX, bytewise

R1 = Prompts(CISCO, "r1")


def silent() -> ProbeLine:
    return ProbeLine(CISCO.probe)


def answering() -> ProbeLine:
    return ProbeLine(LINUX.probe)


def bound(
    word: ProbeLine, wire: str, *, reader: bool = True, prompts: Prompts = R1, sent: int = 1
) -> tuple[Boundary | None, bytes]:
    """The boundary of a dialogue in which ^ stands for the probe and = for its answer; what comes before it."""
    data = wire.replace("^", word.line).replace("=", word.answer or "").encode()
    for size in range(len(data) - 2):
        if not data[:size].rstrip(b" ").endswith((b"r1#", b"r9#", b"$")):
            assert word.boundary(data[:size], 0, prompts, reader=reader, sent=sent) is None
    boundary = word.boundary(data, 0, prompts, reader=reader, sent=sent)
    return boundary, data[: boundary.begin] if boundary else b""


def test_each_is_another() -> None:
    one, other = silent(), silent()
    assert one.token != other.token
    assert one.line == f"!{one.token}"
    assert one.answer is None
    assert answering().answer is not None
    assert ProbeLine(Probe()).line == ""


@pytest.mark.parametrize(
    ("wire", "before"),
    [
        ("^\r\nr1# ", b""),
        ("a\r\nr1# ^\r\nr1# ", b"a\r\n"),
        ("a\r\nr1#\r\nb\r\nr1# ^\r\nr1# ", b"a\r\nr1#\r\nb\r\n"),
        ("ar1# ^\r\nr1# ", b"a"),
        ("ar1# r1# ^\r\nr1# ", b"ar1# "),
        ("a\r\n\rr1# \x1b[K^\r\nr1# ", b"a\r\n"),
        ("a\r\nr1# ^\r\n% Unknown command\r\nr1# ", b"a\r\n"),
        ("a\r\nr9# ^\r\nr9# ", b"a\r\n"),
    ],
)
def test_a_readers_echo_is_certain(wire: str, before: bytes) -> None:
    boundary, head = bound(silent(), wire)
    assert boundary is not None
    assert boundary.certain
    assert head == before


@pytest.mark.parametrize(
    ("wire", "prompted"),
    [
        ("Destination filename []? ^\r\n[OK]\r\nr1# ", False),
        ("*Mar 1 00:00:01: %SYS-5-CONFIG_I: x\r\n^\r\nr1# ", False),
    ],
)
def test_a_readers_echo_behind_something_else_is_not(wire: str, prompted: bool) -> None:
    boundary, _ = bound(silent(), wire)
    assert boundary is not None
    assert boundary.prompted is prompted
    assert not boundary.certain


@pytest.mark.parametrize(
    ("wire", "certain"),
    [
        ("\r\nr1# ^\r\nr1# ", True),
        ("\r\n^\r\nrest\r\nr1# \r\nr1# ^\r\nr1# ", True),
        ("\r\n^\r\nr1# ", False),
        ("^\r\nr1# ", False),
    ],
)
def test_behind_a_lead_only_a_prompt_counts(wire: str, certain: bool) -> None:
    word = silent()
    data = wire.replace("^", word.line).encode()
    boundary = word.boundary(data, 0, R1, reader=False, lead=True)
    assert boundary is not None
    assert boundary.certain is certain
    assert boundary.repeated is (wire.count("^") > 1)


@pytest.mark.parametrize(
    "wire", ["a\r\nr1# ", "r1# ^", "r1# ^\r\n", "r1# ^x\r\nr1# ", "r1# ^\r\nr1#x", "r1# ^\r\nr1#\r"]
)
def test_no_boundary(wire: str) -> None:
    assert bound(silent(), wire)[0] is None


def test_a_tty_without_an_answer_is_never_certain_at_once() -> None:
    boundary, head = bound(silent(), "a\r\nr1# ^\r\nr1# ", reader=False)
    assert boundary is not None
    assert not boundary.certain
    assert head == b"a\r\n"
    assert bound(silent(), "a\r\nr1# ^\r\nb\r\nr1# ", reader=False)[0] is None


def test_a_tty_whose_line_editor_repeats_the_line_is() -> None:
    boundary, head = bound(silent(), "a\r\nr1# ^\r\nb\r\nr1# ^\r\nr1# ", reader=False)
    assert boundary is not None
    assert boundary.certain
    assert head.endswith(b"b\r\n")


@pytest.mark.parametrize("sent", [1, 2])
def test_a_plain_tty_has_a_prompt_for_each_line(sent: int) -> None:
    wire = "a\r\nr1# ^\r\nb\r\n" + "r1# " * sent
    assert bound(silent(), wire, reader=False, sent=sent)[0] is None
    boundary, head = bound(silent(), wire + "r1# ", reader=False, sent=sent)
    assert boundary is not None
    assert not boundary.certain
    assert head.endswith(b"b\r\n")
    assert boundary.read_at < boundary.match.begin + 1
    assert boundary.rows == 0
    assert bound(silent(), wire + "r1# ", reader=False, sent=0)[0] is None


def test_prompts_that_do_not_follow_each_other_alike_answer_no_lines() -> None:
    """The last line of the output looks like a prompt: the blank line behind it is the end of its own."""
    wire = "r1# ^\r\nb\r\nr1#\r\n\r\nr1# \r\nr1# "
    assert bound(silent(), wire, reader=False, sent=2)[0] is None
    boundary, _ = bound(silent(), wire, reader=False, sent=1)
    assert boundary is not None
    assert boundary.rows == 1


@pytest.mark.parametrize(("wire", "rows"), [("r1# ^\r\nr1# ", 0), ("r1# ^\r\n\r\nr1# ", 1)])
def test_the_lines_between_a_probe_and_its_prompt(wire: str, rows: int) -> None:
    boundary, _ = bound(silent(), wire, reader=False)
    assert boundary is not None
    assert boundary.rows == rows


def test_what_was_read_is_the_last_that_shows_it() -> None:
    word = silent()
    data = "r1# ^\r\nup\r\nr1# ^\r\nr1# ".replace("^", word.line).encode()
    match = R1.at_end(data)
    assert match is not None
    assert word.read_at(data, 0, R1, match) == 0
    assert word.read_at(data, 0, R1, match, again=True) == data.find(b"up\r\n") + 4


@pytest.mark.parametrize(
    ("wire", "before"),
    [
        ("me@r1:~$ ^\r\n=\r\nme@r1:~$ ", b""),
        ("a\r\nme@r1:~$ ^\r\n=\r\nme@r1:~$ ", b"a\r\n"),
        ("ame@r1:~$ ^\r\n=\r\nme@r1:~$ ", b"a"),
        ("a\r\nme@r1:~$ =\r\nme@r1:~$ ", b"a\r\n"),
        ("ame@r1:~$ =\r\nme@r1:~$ ", b"a"),
        ("a\r\nme@r1:~$ ^\r\nlog message\r\n=\r\nme@r1:~$ ", b"a\r\n"),
        ("^\r\n\x1b[?2004l\r=\r\n\x1b[?2004hme@r1:~$ ", b""),
    ],
)
@pytest.mark.parametrize("reader", [True, False])
def test_an_answer_is_certain(wire: str, before: bytes, reader: bool) -> None:
    boundary, head = bound(answering(), wire, reader=reader, prompts=Prompts(LINUX, "me@r1"))
    assert boundary is not None
    assert boundary.certain
    assert head == before


@pytest.mark.parametrize(
    "wire",
    [
        "me@r1:~$ ^\r\nme@r1:~$ ",
        "me@r1:~$ ^\r\n=x\r\nme@r1:~$ ",
        "me@r1:~$ ^\r\n=\r\nb\r\nme@r1:~$ ",
        "^\r\n=\r\n",
    ],
)
def test_no_answer_no_boundary(wire: str) -> None:
    assert bound(answering(), wire, prompts=Prompts(LINUX, "me@r1"))[0] is None


def test_lines_above_the_prompt_belong_to_it() -> None:
    boundary, head = bound(
        ProbeLine(JUNOS.probe),
        "a\r\n\r\n[edit]\r\nroot@r1# ^\r\n\r\n[edit]\r\nroot@r1# ",
        prompts=Prompts(JUNOS, "root@r1"),
    )
    assert boundary is not None
    assert head == b"a\r\n\r\n"


def test_typed() -> None:
    word = answering()
    data = b"a\r\nr1# " + word.line.encode() + b"\r\nb\r\n" + word.line.encode() + b"\r\nc"
    kept = bytearray(data)
    for begin, end in reversed(word.typed(data, 0, len(data))):
        del kept[begin:end]
    assert kept == b"a\r\nr1# b\r\nc"


def test_byte_by_byte_the_proof_comes_with_the_last_prompt() -> None:
    word, data = silent(), bytearray()
    ends = []
    for byte in bytewise(b"a\r\nr1# " + word.line.encode() + b"\r\nr1#"):
        data += byte
        if word.boundary(data, 0, R1, reader=True) is not None:
            ends.append(len(data))
    assert ends == [len(data)]
