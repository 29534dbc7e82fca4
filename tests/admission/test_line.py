# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from aioconn.admission.line import Claim, Group, Line, Waiter


def waiter(turn: int, group: Group) -> Waiter:
    return Waiter(Claim(turn, group.name, lambda: True, lambda: None), group, turn, 0.0)


def drain(line: Line) -> list[int]:
    turns = []
    while (first := line.head()) is not None:
        turns.append(first.turn)
        line.leave(first)
    assert not line
    return turns


@given(st.lists(st.integers(-50, 50), unique=True), st.randoms(use_true_random=False))
def test_a_group_is_in_the_order_of_its_turns_however_they_come(turns: list[int], rng: random.Random) -> None:
    line, group = Line(), Group("a")
    waiters = [waiter(turn, group) for turn in turns]
    for one in waiters:
        line.join(one)
    gone = rng.sample(waiters, len(waiters) // 3)
    for one in gone:
        assert line.leave(one)
        assert not line.leave(one)
    assert [one.turn for one in line.everybody()] == sorted(one.turn for one in waiters if one not in gone)
    assert drain(line) == sorted(one.turn for one in waiters if one not in gone)


def test_the_group_that_holds_fewest_is_first() -> None:
    line, a, b, c = Line(), Group("a", held=2), Group("b", held=1), Group("c", held=1)
    for turn, group in enumerate((a, a, b, c, b)):
        line.join(waiter(turn, group))
    assert [next(queue).turn for queue in line.heads(2)] == [2, 3]
    assert [[one.turn for one in queue] for queue in line.heads(9)] == [[2, 4], [3], [0, 1]]
    b.held = 3
    line.moved(b)
    assert drain(line) == [3, 0, 1, 2, 4]
    assert line.heads(3) == []
    line.moved(a)
    assert line.head() is None


def test_what_is_no_longer_true_does_not_pile_up() -> None:
    """A group that changes behind the back of one that stays in front."""
    line, front, back = Line(), Group("front"), Group("back")
    line.join(waiter(0, front))
    line.join(waiter(1, back))
    for held in range(1, 10_000):
        back.held = held
        line.moved(back)
    assert len(line._heap) < 30
    assert drain(line) == [0, 1]
