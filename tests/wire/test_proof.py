# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from aioconn.wire.echo import Discipline
from aioconn.wire.probe import ProbeLine
from aioconn.wire.prompt import Prompts
from aioconn.wire.proof import Proof
from tests.wire.device import CISCO, LINUX, Device, bytewise


def prove(device: Device, discipline: Discipline, *, answer: bool = False, split: bool = False) -> Proof:
    platform = LINUX if answer else CISCO
    proof = Proof(ProbeLine(platform.probe), Prompts(platform, "me@r1" if answer else "r1"), discipline)
    device.write(proof.line.line.encode() + b"\n")
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
    assert device.read() in (None, b" ")
    assert proof.quiet() == b""


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
