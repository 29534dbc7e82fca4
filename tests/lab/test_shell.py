# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import itertools
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aioconn.lab import Faults
from aioconn.lab.shell import Fate
from tests.lab.dialogue import Dialogue

TYPED = (
    b"show ip int brief\r\nsho nonsense\nterminal length 0\r\0configure terminal\rinterface lo9\r"
    b"descripXX\x08\x08tion upl\x15description one two\x17three\r\rdo show ip interface brief\r"
    b"\x1aclear logging\r\n\rnonsense\x03\x1exexit\r\n"
)


def fed(pieces: list[bytes], **settings: Any) -> bytes:
    dialogue = Dialogue(**settings)
    return b"".join(dialogue.type(piece) for piece in pieces)


@given(cuts=st.lists(st.integers(0, len(TYPED)), max_size=12), echo=st.sampled_from(["reader", "none"]))
def test_the_split_of_the_input_does_not_matter(cuts: list[int], echo: str) -> None:
    places = sorted({0, *cuts, len(TYPED)})
    pieces = [TYPED[start:end] for start, end in itertools.pairwise(places)]
    assert fed(pieces, echo=echo) == fed([TYPED], echo=echo)


@given(st.binary(max_size=200), st.lists(st.integers(0, 200), max_size=6))
def test_any_input_is_survived_in_any_split(data: bytes, cuts: list[int]) -> None:
    places = sorted({0, *(cut for cut in cuts if cut < len(data)), len(data)})
    pieces = [data[start:end] for start, end in itertools.pairwise(places)]
    assert fed(pieces) == fed([data])


def test_a_reader_echoes_when_it_reads() -> None:
    dialogue = Dialogue(echo="reader")
    assert dialogue.type(b"show privilege\rshow privilege\r") == b"show privilege\r\n" + LEVEL + b"r1#" + (
        b"show privilege\r\n" + LEVEL + b"r1#"
    )


def test_a_tty_echoes_at_once() -> None:
    dialogue = Dialogue(echo="typing")
    assert dialogue.type(b"show privilege\rshow privilege\r") == b"show privilege\r\nshow privilege\r\n" + (
        LEVEL + b"r1#" + LEVEL + b"r1#"
    )


def test_a_shell_with_line_editing_echoes_twice_what_was_typed_ahead() -> None:
    dialogue = Dialogue("linux", echo="both")
    dialogue.shell.receive(b"sleep 9\r")
    assert dialogue.shell.pull() == b"sleep 9\r\n\x1b[?2004l\r"
    assert dialogue.shell.pull() == 9.0
    dialogue.shell.receive(b"hostname\r")
    assert dialogue.shell.flush() == b"hostname\r\n"
    out = dialogue.pull()
    assert out.endswith(b"$ hostname\r\n\x1b[?2004l\rr1\r\n" + PROMPT)


def test_no_echo() -> None:
    assert Dialogue(echo="none").type(b"show privilege\r") == LEVEL + b"r1#"


def test_passwords_are_not_echoed() -> None:
    for echo in ("reader", "typing", "both", "none"):
        dialogue = Dialogue(enable="secret", echo=echo)
        assert b"secret" not in dialogue.type(b"enable\r") + dialogue.type(b"secret\r")
        assert dialogue.shell.mode == "privileged"


def test_erasing() -> None:
    dialogue = Dialogue()
    assert dialogue.type(b"shox\x7f") == b"shox\b \b"
    assert dialogue.type(b"\x15") == b"\b\b\b   \b\b\b"
    assert dialogue.type(b"\x08") == b""
    assert dialogue.type(b"one two\x17") == b"one two\b\b\b   \b\b\b"


@pytest.mark.parametrize(
    ("interrupt", "answer"),
    [
        ("works", b"\r\nSuccess rate is 100 percent (2/2), round-trip min/avg/max = 1/1/2 ms\r\nr1#"),
        ("prompt", b"\r\nr1#\r\nSuccess rate is 100 percent (2/2), round-trip min/avg/max = 1/1/2 ms\r\nr1#"),
    ],
)
def test_the_interrupt_key_stops_a_command(interrupt: str, answer: bytes) -> None:
    dialogue = Dialogue(interrupt=interrupt)
    dialogue.shell.receive(b"ping 192.0.2.1\r")
    steps = [dialogue.shell.pull() for _ in range(5)]
    assert steps[-2:] == [b"!", 0.2] or steps[-2:] == [0.2, b"!"]
    while steps[-1] != 0.2:
        steps.append(dialogue.shell.pull())
    assert dialogue.shell.receive(b"this goes with it\x03")
    out = dialogue.pull()
    assert out == answer


def test_an_interrupt_may_be_ignored() -> None:
    dialogue = Dialogue(interrupt="ignored")
    out = dialogue.type(b"ping 192.0.2.1\r\x03")
    assert out.count(b"!") == 5
    assert out.endswith(b"r1#")


def test_an_interrupt_drops_the_line() -> None:
    dialogue = Dialogue()
    assert dialogue.type(b"reloa\x03") == b"reloa\r\nr1#"
    assert dialogue.say("configure terminal").endswith("r1(config)#")
    assert dialogue.type(b"\x03") == b"\r\nr1#"


def test_an_interrupt_ends_a_question() -> None:
    dialogue = Dialogue()
    assert dialogue.say("reload").endswith("[confirm]")
    assert dialogue.type(b"\x03") == b"\r\nr1#"
    assert dialogue.shell.fate is Fate.OPEN


def test_the_pager() -> None:
    dialogue = Dialogue(rows=10)
    more, erase = b" --More-- ", b"\b" * 9 + b" " * 8 + b"\b" * 9
    page = dialogue.type(b"show version\r")
    assert page.endswith(b"\r\n" + more)
    assert page.count(b"\r\n") == 1 + 9
    line = dialogue.type(b"\r")
    assert line.startswith(erase)
    assert line.count(b"\r\n") == 1
    page = dialogue.type(b" ")
    assert page.startswith(erase)
    assert page.endswith(more)
    assert page.count(b"\r\n") == 9
    assert dialogue.type(b"q") == erase + b"r1#"


def test_paging_can_be_switched_off() -> None:
    dialogue = Dialogue(rows=10)
    assert b"--More--" not in dialogue.type(b"terminal length 0\rshow version\r")


def test_what_is_typed_ahead_answers_the_pager() -> None:
    dialogue = Dialogue(rows=10)
    assert dialogue.type(b"show version\rqshow privilege\r").endswith(
        b"r1#show privilege\r\n" + LEVEL + b"r1#"
    )


def test_questions() -> None:
    dialogue = Dialogue()
    assert dialogue.say("copy run start").endswith("\nDestination filename [startup-config]? ")
    assert dialogue.say("") == "\nBuilding configuration...\n[OK]\nr1#"
    assert dialogue.say("clear logging").endswith("Clear logging buffer [confirm]")
    assert dialogue.say("") == "\nr1#"
    assert dialogue.say("reload", "n").endswith("[confirm]n\nr1#")
    assert dialogue.fate.value == "open"
    dialogue.say("reload", "")
    assert dialogue.fate.value == "close"


def test_a_long_output_comes_in_pieces() -> None:
    dialogue = Dialogue()
    dialogue.shell.receive(b"show lab bytes 10000000\r")
    first = dialogue.shell.pull()
    assert isinstance(first, bytes)
    assert len(first) < 64 * 1024
    assert len(first) + len(dialogue.pull()) == len(b"show lab bytes 10000000\r\n") + 10_000_000 + len(b"r1#")


@pytest.mark.parametrize("count", [0, 2, 79, 80, 81, 100, 8000, 12345])
def test_the_bytes_are_as_many_as_asked(count: int) -> None:
    out = Dialogue().type(f"show lab bytes {count}\r".encode())
    assert abs(len(out) - len(f"show lab bytes {count}\r\nr1#") - count) <= 1


def test_a_command_that_hangs_can_be_stopped() -> None:
    dialogue = Dialogue(faults=Faults(hang_on="^show clock"))
    assert dialogue.type(b"show clock\r") == b"show clock\r\n"
    assert dialogue.waits == [math.inf]
    assert dialogue.type(b"\x03") == b"\r\nr1#"


LEVEL = b"Current privilege level is 15\r\n"
PROMPT = b"\x1b[?2004h\x1b]0;admin@r1: ~\x07admin@r1:~$ "
