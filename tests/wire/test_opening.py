# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aioconn.platforms.model import Platform
from aioconn.wire.dialogue import Answer, Dialogue
from aioconn.wire.echo import Discipline
from aioconn.wire.opening import Opening
from aioconn.wire.probe import ProbeLine
from aioconn.wire.prompt import Prompts
from tests.examples import examples
from tests.wire.device import CISCO, LINUX, Device, Split, at, bytewise, whole

PROMPTS = {CISCO.name: b"r1# ", LINUX.name: b"me@r1:~$ "}
PAGER = Dialogue([Answer(pattern="--More--$", send=b" ", pager=True)])


def open_up(
    device: Device, platform: Platform, *, split: Split = whole, lines: int = 1, probes: int = 1
) -> Opening:
    words = ["terminal length 0", "terminal width 512", "terminal datadump"][:lines]
    opening = Opening(
        [*words, *(ProbeLine(platform.probe).line for _ in range(probes))],
        prompts=Prompts(platform),
        dialogue=PAGER,
        newline=b"\n",
    )
    device.write(opening.start())
    while not opening.ended:
        piece = device.read()
        if piece is None:
            assert opening.quiet_after is not None, opening.seen()
            device.write(opening.quiet())
        else:
            for part in split(piece):
                device.write(opening.feed(part))
    return opening


@pytest.mark.parametrize("discipline", [Discipline.READER, Discipline.TYPING, Discipline.NONE])
@pytest.mark.parametrize("platform", [CISCO, LINUX], ids=lambda one: one.name)
@pytest.mark.parametrize("lines", [1, 2])
@given(cuts=st.lists(st.integers(0, 200), max_size=5))
@examples(20)
def test_how_the_device_echoes(
    discipline: Discipline, platform: Platform, lines: int, cuts: list[int]
) -> None:
    device = Device(discipline, prompt=PROMPTS[platform.name])
    opening = open_up(device, platform, lines=lines, split=at(*cuts))
    assert opening.discipline is discipline
    assert opening.done is not None
    assert opening.done.text == PROMPTS[platform.name].decode().strip()


@pytest.mark.parametrize("split", [whole, bytewise])
@pytest.mark.parametrize("platform", [CISCO, LINUX], ids=lambda one: one.name)
@pytest.mark.parametrize(
    ("discipline", "seen"),
    [
        (Discipline.READER, Discipline.READER),
        (Discipline.TYPING, Discipline.TYPING),
        (Discipline.BOTH, Discipline.BOTH),
    ],
)
def test_a_banner_comes_late_and_looks_like_a_prompt(
    discipline: Discipline, seen: Discipline, platform: Platform, split: Split
) -> None:
    banner = [b"\r\nUse host# as you like\r\nhost# \r\n", b"\r\nhost# ", b"\r\nlast\r\n"]
    device = Device(discipline, prompt=PROMPTS[platform.name], running=banner)
    opening = open_up(device, platform, split=split)
    assert opening.discipline is seen
    assert opening.done is not None
    assert opening.done.text == PROMPTS[platform.name].decode().strip()


def test_lines_that_print_something() -> None:
    outputs = {
        "terminal length 0": [b"Pagination disabled.\r\n"],
        "terminal width 512": [b"% Invalid input\r\n"],
    }
    opening = open_up(Device(Discipline.READER, outputs), CISCO, lines=2, probes=0)
    assert opening.discipline is Discipline.READER


def test_an_output_that_shows_another_name_is_not_the_prompt() -> None:
    opening = Opening(["terminal length 0", "!x"], prompts=Prompts(CISCO), dialogue=PAGER, newline=b"\n")
    opening.feed(b"terminal length 0\r\nr1# !x\r\nother#")
    assert opening.done is None
    assert opening.quiet_after
    opening.feed(b"\r\nmore\r\nr1# ")
    assert opening.done is not None
    assert opening.done.host == "r1"


def test_a_prompt_of_another_name_counts_when_it_stays() -> None:
    opening = Opening(["hostname r2", "!x"], prompts=Prompts(CISCO), dialogue=PAGER, newline=b"\n")
    opening.feed(b"hostname r2\r\nr1# !x\r\nr2# ")
    assert opening.done is None
    opening.quiet()
    assert opening.done is not None
    assert opening.done.host == "r2"
    assert opening.discipline is Discipline.READER


def test_a_pager_is_answered() -> None:
    opening = Opening(["terminal length 0", "!x"], prompts=Prompts(CISCO), dialogue=PAGER, newline=b"\r")
    assert opening.start() == b"terminal length 0\r!x\r"
    assert opening.feed(b"text of the day\r\n --More-- ") == b" "
    assert opening.feed(b"\r\nr1# terminal length 0\r\nr1# !x\r\nr1# ") == b""
    assert opening.discipline is Discipline.READER


def test_one_line_tells_little() -> None:
    opening = Opening(["terminal length 0"], prompts=Prompts(CISCO), dialogue=PAGER, newline=b"\n")
    opening.feed(b"terminal length 0\r\nr1# ")
    assert opening.done is None
    opening.quiet()
    assert opening.done is not None
    assert opening.discipline is Discipline.UNKNOWN


def test_silence_without_a_prompt_ends_nothing() -> None:
    opening = Opening(["terminal length 0", "!x"], prompts=Prompts(CISCO), dialogue=PAGER, newline=b"\n")
    opening.feed(b"terminal length 0\r\n")
    assert opening.quiet_after is None
    assert opening.quiet() == b""
    assert opening.done is None


@given(
    st.lists(
        st.one_of(st.binary(max_size=30), st.sampled_from([b"r1# ", b"!x\r\n", b"terminal length 0\r\n"])),
        max_size=8,
    )
)
def test_nothing_that_arrives_raises(pieces: list[bytes]) -> None:
    for lines in ([], ["terminal length 0"], ["terminal length 0", "!x"], [" "]):
        opening = Opening(lines, prompts=Prompts(CISCO), dialogue=PAGER, newline=b"\n")
        for piece in pieces:
            opening.feed(piece)
        opening.quiet()
        opening.seen()
