# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from aioconn.admission.lesson import Lesson
from aioconn.policy import LEARNED_FOR


def test_a_lesson() -> None:
    lesson = Lesson()
    assert (lesson.limit(0.0), lesson.changes()) == (None, ())
    assert not lesson.confirmed(7, 0.0)
    lesson.refused(4, 10.0)
    assert [lesson.limit(10.0 + after) for after in (0, LEARNED_FOR - 1, LEARNED_FOR)] == [4, 4, 5]
    assert lesson.changes() == (10.0 + LEARNED_FOR, 10.0 + 2 * LEARNED_FOR)
    assert not lesson.confirmed(4, 10.0)
    assert lesson.confirmed(5, 20.0)
    assert (lesson.sessions, lesson.limit(20.0)) == (5, 5)
    lesson.refused(9, 30.0)
    assert lesson.sessions == 5
    assert lesson.confirmed(6, 40.0 + LEARNED_FOR)
    assert lesson.changes() == (40.0 + LEARNED_FOR, 40.0 + 2 * LEARNED_FOR)
    assert lesson.limit(40.0 + 2 * LEARNED_FOR) is None
    lesson.refused(3, 40.0 + 2 * LEARNED_FOR)  # nothing of the old one is left
    assert lesson.sessions == 3


def test_as_much_as_is_configured_is_no_lesson() -> None:
    lesson = Lesson()
    lesson.settle(0.0, configured=3)
    lesson.refused(3, 0.0)
    lesson.settle(1.0, configured=4)
    assert lesson.sessions == 3
    lesson.settle(1.0, configured=3)
    assert lesson.sessions is None
    assert not lesson.confirmed(5, 1.0)


def test_it_is_corrected_by_one_at_a_time() -> None:
    lesson = Lesson()
    lesson.refused(3, 0.0)
    assert lesson.confirmed(9, 1.0)
    assert lesson.sessions == 4
