# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aioconn.wire.echo import Discipline
from aioconn.wire.probe import ProbeLine
from aioconn.wire.prompt import Prompts
from aioconn.wire.proof import Glance, Proof
from tests.wire.device import CISCO, JUNOS, LINUX, Device, at, bytewise

R1 = Prompts(CISCO, "r1")


def proof_for(discipline: Discipline, *, answer: bool = False, before: bytes = b"") -> Proof:
    platform, host = (LINUX, "me@r1") if answer else (CISCO, "r1")
    return Proof(ProbeLine(platform.probe), Prompts(platform, host), discipline, before=before)


def prove(device: Device, discipline: Discipline, *, answer: bool = False, split: bool = False) -> Proof:
    proof = proof_for(discipline, answer=answer)
    device.write(proof.start(b"\n"))
    while not proof.ended:
        piece = device.read()
        assert piece is not None, proof.seen()
        for part in bytewise(piece) if split else [piece]:
            assert proof.feed(part) == b""
    return proof


@pytest.mark.parametrize("split", [False, True])
@pytest.mark.parametrize("rest", [[], [b"rest\r\nr1# \r\nr1# ", b"and more\r\n"]])
def test_a_reader_proves_at_once(split: bool, rest: list[bytes]) -> None:
    device = Device(Discipline.READER, running=rest)
    proof = prove(device, Discipline.READER, split=split)
    assert proof.certain
    assert proof.begun
    assert device.read() in (None, b" ")
    assert proof.quiet() == b""


@pytest.mark.parametrize(
    ("shown", "certain"),
    [
        (b"\r\nr1# %s\r\nr1# ", True),
        (b"\r\nr1# %s^C\r\nr1# ", True),
        (b"rest\r\nr1# \r\nr1# %s^C\r\n\r\nr1# ", True),
        (b"\r\nr1# rest %s^C\r\nr1# ", False),
        (b"\r\nr1# %s^C and more\r\nr1# ", False),
        (b"\r\n%s^C\r\nr1# ", False),
    ],
)
def test_a_line_that_is_dropped_proves_as_one_that_is_run(shown: bytes, certain: bool) -> None:
    proof = proof_for(Discipline.READER)
    typed = proof.start(b"\x03")
    assert typed == proof.line.line.encode() + b"\x03"
    for part in bytewise(shown % proof.line.line.encode()):
        proof.feed(part)
    assert (proof.certain, proof.begun) == (certain, True)


@pytest.mark.parametrize(
    "discipline", [Discipline.READER, Discipline.BOTH, Discipline.TYPING, Discipline.NONE]
)
def test_an_answer_proves_for_all(discipline: Discipline) -> None:
    device = Device(discipline, prompt=b"me@r1:~$ ", running=[b"rest\r\nme@r1:~$ ", b"me@r1:~$ ", b"more"])
    proof = prove(device, discipline, answer=True)
    assert proof.certain
    assert device.read() is None


def test_a_tty_is_exact_when_nothing_else_came() -> None:
    proof = prove(Device(Discipline.TYPING), Discipline.TYPING)
    assert proof.exact
    assert not proof.certain
    rest = prove(Device(Discipline.TYPING, running=[b"rest\r\n"]), Discipline.TYPING)
    assert not rest.exact
    assert not rest.certain


@pytest.mark.parametrize("split", [False, True])
@pytest.mark.parametrize("rest", [None, [], [b"r1# ", b"\r\nmore\r\nr1# "]])
def test_an_empty_line_ahead_shows_what_a_line_editor_has_read(split: bool, rest: list[bytes] | None) -> None:
    device = Device(Discipline.BOTH, running=rest)
    proof = prove(device, Discipline.BOTH, split=split)
    assert device.written[0].startswith(b"\n!")
    assert proof.certain
    assert proof.repeated is (rest is not None)
    assert device.read() in (None, b" ")


def test_what_a_tty_repeats_at_once_is_not_read_yet() -> None:
    proof = proof_for(Discipline.BOTH)
    line = proof.line.line.encode()
    proof.feed(b"\r\n" + line + b"\r\n")
    assert not proof.begun
    proof.feed(b"r1# ")
    assert proof.done is None
    assert proof.quiet_after
    proof.feed(b"\r\nmore\r\nr1# \r\nr1# " + line + b"\r\n")
    assert proof.begun
    assert proof.quiet_after is None
    proof.feed(b"r1# ")
    assert proof.certain


def test_a_word_that_answers_a_question_proves_nothing() -> None:
    proof = proof_for(Discipline.READER, before=b"Destination filename [startup-config]? ")
    proof.feed(proof.line.line.encode() + b"\r\n% Error opening nvram (Bad file name)\r\nr1# ")
    assert proof.done is None
    assert proof.quiet_after
    proof.quiet()
    assert proof.done is not None
    assert not proof.certain
    assert not proof.exact


def test_a_word_behind_the_prompt_seen_before_proves() -> None:
    proof = proof_for(Discipline.READER, before=b"r1# ")
    proof.feed(proof.line.line.encode() + b"\r\nr1# ")
    assert proof.certain


def test_silence_behind_something_else_ends_it_unproven() -> None:
    proof = proof_for(Discipline.TYPING)
    proof.feed(proof.line.line.encode() + b"\r\nrest\r\nr1# ")
    assert proof.done is None
    assert proof.quiet_after
    proof.quiet()
    assert proof.done is not None
    assert not proof.exact


# ---------------------------------------------------------------------- a glance

LOOKS = [
    ("^\r\n^\r\nr1#r1#", True),
    ("^\r\n^\r\nr1# r1# ", True),
    (" ^\r\n^\r\nr1# r1# ", True),
    ("^\r\n^\r\n\r\nr1# \r\nr1# ", True),
    ("^\r\n^\r\n\r\nr1# r1# ", False),
    ("^\r\n^\r\nr1# \r\nr1# ", False),
    ("^\r\n^\r\nrest\r\nr1# r1# ", False),
    ("^\r\n^\r\nr1# rest r1# ", False),
    ("rest\r\n^\r\n^\r\nr1# r1# ", False),
    ("^\r\nr1# ^\r\nr1# ", False),
    ("^\r\n^\r\nr1# ", None),
    ("^\r\n^\r\n", None),
    ("^\r\n", None),
]


@pytest.mark.parametrize(("wire", "verdict"), LOOKS)
@given(cuts=st.lists(st.integers(0, 60), max_size=4))
def test_a_glance(wire: str, verdict: bool | None, cuts: list[int]) -> None:
    glance = Glance((ProbeLine(CISCO.probe), ProbeLine(CISCO.probe)), R1)
    assert glance.start(b"\r") == b"".join(one.line.encode() + b"\r" for one in glance.lines)
    one, other = (each.line for each in glance.lines)
    data = wire.replace("^", one, 1).replace("^", other, 1).encode()
    for piece in at(*cuts)(data):
        if not glance.ended:
            assert glance.feed(piece) == b""
    assert glance.quiet() == b""
    assert (glance.done is not None) is bool(verdict)
    assert glance.failed is (verdict is False)


def test_a_glance_without_echo() -> None:
    glance = Glance((ProbeLine(CISCO.probe), ProbeLine(CISCO.probe)), R1, echo=False)
    glance.feed(b"r1# ")
    assert not glance.ended
    glance.feed(b"r1# ")
    assert glance.done is not None


def test_lines_above_the_prompt_are_no_rest() -> None:
    prompts = Prompts(JUNOS, "me@r1")
    glance = Glance((ProbeLine(JUNOS.probe), ProbeLine(JUNOS.probe)), prompts)
    echo = "".join(one.line + "\r\n" for one in glance.lines).encode()
    glance.feed(echo + b"\r\n{master}\r\nme@r1> \r\n{master}\r\nme@r1> ")
    assert glance.done is not None
