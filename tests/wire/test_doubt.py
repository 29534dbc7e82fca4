# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from aioconn.wire.doubt import ECHO_LOST_QUIET, Doubt
from aioconn.wire.echo import Discipline
from aioconn.wire.probe import Boundary, ProbeLine
from aioconn.wire.prompt import PromptMatch, Prompts, Strength
from tests.wire.device import CISCO

R1 = Prompts(CISCO, "r1")


def doubt(discipline: Discipline, *, words: int = 1, suspected_at: int = 3) -> Doubt:
    made = Doubt(R1, discipline, suspected_at)
    made.words += [ProbeLine(CISCO.probe) for _ in range(words)]
    return made


def shown(made: Doubt, wire: str) -> bytearray:
    """What the device shows, with ^ for the first word and ~ for the last."""
    return bytearray(wire.replace("^", made.words[0].line).replace("~", made.words[-1].line).encode())


def test_a_reader_that_shows_the_word_stood_at_its_prompt() -> None:
    made = doubt(Discipline.READER)
    match = made.judge(shown(made, "a\r\nr1# ^\r\nr1# "), 0)
    assert isinstance(match, PromptMatch)
    assert (match.begin, match.strength) == (3, Strength.SURE)


def test_where_an_earlier_word_was_read_the_output_ended() -> None:
    made = doubt(Discipline.READER, words=2)
    match = made.judge(shown(made, "a\r\nr1# ^\r\nlog\r\nr1# ~\r\nr1# "), 0)
    assert isinstance(match, PromptMatch)
    assert match.begin == 3


def test_a_word_that_does_not_come_back_is_waited_for() -> None:
    made = doubt(Discipline.READER)
    assert made.judge(shown(made, "a\r\nr1# "), 0) == ECHO_LOST_QUIET


def test_a_tty_takes_a_second_word() -> None:
    made = doubt(Discipline.TYPING)
    assert isinstance(made.judge(shown(made, "a\r\nr1# ^\r\nr1# "), 0), Boundary)


def test_nothing_behind_its_beginning_is_certainly_of_the_answer() -> None:
    made = doubt(Discipline.TYPING, suspected_at=9)
    buffer = shown(made, "a\r\nb\r\nc\r\nr1# ")
    assert made.begins_in(buffer) == 9
    assert made.begins_in(shown(made, "a\r\n^\r\nc\r\nr1# ")) == 4  # the line begins with "!"
    del buffer[:6]
    made.shift(6)
    assert made.begins_in(buffer) == 3


def test_six_words_are_enough() -> None:
    assert [doubt(Discipline.TYPING, words=count).is_over for count in (5, 6)] == [False, True]
