# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from aioconn.protocols.pace import LONGEST, SHORTEST, Pace


def counting(prompt: str = "r1#") -> Pace:
    pace = Pace()
    pace.counts = True
    pace.at_prompt(prompt)
    return pace


def test_silence_follows_the_slowest_answer_of_late() -> None:
    pace = Pace()
    assert pace.silence == SHORTEST
    pace.sent(1, 10.0)
    pace.heard(10.2)
    pace.heard(10.5)
    assert pace.silence == pytest.approx(2.5 * 0.3)
    assert pace.slow == pytest.approx(1.5 * 0.3)
    assert pace.despair == LONGEST
    for turn in range(100):
        pace.sent(1, 20.0 + turn)
        pace.heard(20.01 + turn)
    assert pace.silence == SHORTEST < pace.despair < LONGEST
    pace.sent(1, 200.0)
    pace.heard(260.0)
    assert pace.silence == pace.slow == LONGEST


def test_what_comes_before_anything_was_sent_is_no_answer() -> None:
    pace = Pace()
    pace.heard(1000.0)
    assert pace.silence == SHORTEST


def test_a_prompt_is_owed_for_each_line() -> None:
    pace = counting()
    pace.sent(2, 1.0)
    assert pace.owed == 2
    pace.count(b"!a\r\n!b\r\nr1")
    pace.count(b"#")
    assert pace.owed == 1
    pace.count(b"r1#r1#")
    assert pace.owed == -1
    pace.sent(1, 2.0)
    assert pace.owed == 1
    pace.settled()
    assert pace.owed == 0


def test_a_prompt_in_pieces_counts_once() -> None:
    pace = counting()
    pace.sent(3, 1.0)
    for byte in b"r1#r1# r1#":
        pace.count(bytes([byte]))
    assert pace.owed == 0
    short = counting("#")
    short.sent(2, 1.0)
    short.count(b"#")
    short.count(b"#")
    assert short.owed == 0


def test_with_another_prompt_nothing_is_known() -> None:
    pace = counting()
    pace.sent(2, 1.0)
    pace.at_prompt("r1#")
    assert pace.owed == 2
    pace.at_prompt("r1(config)#")
    assert pace.owed == 0


def test_where_an_echo_tells_nothing_is_counted() -> None:
    pace = Pace()
    pace.sent(3, 1.0)
    assert pace.owed == 0
