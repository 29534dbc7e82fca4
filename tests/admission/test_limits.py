# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import itertools
import random
import sys
from collections import Counter
from collections.abc import Callable
from types import FrameType
from typing import Any

import pytest

from aioconn.admission.limits import Budget, Claim
from aioconn.policy import LEARNED_FOR, TURN, Limits, LoginRate

WINDOW = LoginRate.WINDOW


class Crowd:
    """Claims by name on one budget, and the order in which they were granted. The group is the name's first letter."""

    def __init__(self, max_sessions: int | None = None, logins_per_minute: int | None = None) -> None:
        self.budget = Budget(Limits(max_sessions=max_sessions, logins_per_minute=logins_per_minute))
        self.granted: list[str] = []
        self.now = 0.0

    def claim(self, name: str, *, login: Callable[[], bool] = lambda: True) -> Claim:
        return Claim(name, name[0], login, lambda: self.granted.append(name))

    def ask(self, *names: str, login: Callable[[], bool] = lambda: True, first: bool = False) -> None:
        for name in names:
            self.budget.ask(self.claim(name, login=login), self.now, first=first)

    def give(self, *names: str) -> None:
        for name in names:
            self.budget.give(name, self.now)

    def new(self) -> list[str]:
        """Those who were granted since the last look."""
        granted, self.granted = self.granted, []
        return granted

    def pass_time(self, until: float) -> None:
        """Call the budget when it wants to be called, and at no other time."""
        while (at := self.budget.next_change(self.now)) is not None and at <= until:
            assert at > self.now
            self.now = at
            self.budget.advance(at)
        self.now = until


# ---------------------------------------------------------------------- places


def test_no_limits() -> None:
    crowd = Crowd()
    names = [f"a{number}" for number in range(100)]
    crowd.ask(*names)
    assert crowd.new() == names
    assert crowd.budget.next_change(0.0) is None
    assert crowd.budget.hungry(0.0) is None


def test_places_are_handed_on_in_order() -> None:
    crowd = Crowd(max_sessions=2)
    crowd.ask("a1", "a2", "a3", "a4", "a5")
    assert crowd.new() == ["a1", "a2"]
    crowd.give("a2")
    crowd.give("a1", "a3")
    assert crowd.new() == ["a3", "a4", "a5"]
    assert crowd.budget.holders == ["a4", "a5"]


def test_groups_take_turns_however_many_of_one_came_first() -> None:
    crowd = Crowd(max_sessions=1)
    crowd.ask("a1", "a2", "a3", "a4", "b1", "b2", "c1")
    while crowd.budget.holders:
        crowd.give(*crowd.budget.holders)
    assert crowd.new() == ["a1", "a2", "b1", "c1", "a3", "b2", "a4"]


def test_who_comes_later_does_not_pass_a_group_that_waits_again() -> None:
    crowd = Crowd(max_sessions=1)
    crowd.ask("a1", "a2", "a3", "b1")
    crowd.give("a1")
    crowd.ask("c1", "d1")
    while crowd.budget.holders:
        crowd.give(*crowd.budget.holders)
    assert crowd.new() == ["a1", "a2", "b1", "a3", "c1", "d1"]


def test_ask_tells_whether_it_was_granted() -> None:
    crowd = Crowd(max_sessions=1)
    assert crowd.budget.ask(crowd.claim("a1"), 0.0)
    assert not crowd.budget.ask(crowd.claim("a2"), 0.0)
    assert (crowd.budget.holds("a1"), crowd.budget.waits("a1")) == (True, False)
    assert (crowd.budget.holds("a2"), crowd.budget.waits("a2")) == (False, True)


@pytest.mark.parametrize("name", ["a1", "a2"])
def test_nobody_asks_twice(name: str) -> None:
    crowd = Crowd(max_sessions=1)
    crowd.ask("a1", "a2")
    with pytest.raises(ValueError, match="has asked before"):
        crowd.ask(name)
    assert (crowd.budget.used, crowd.budget.waiting) == (1, 1)


def test_the_unknown_is_ignored() -> None:
    crowd = Crowd(max_sessions=1)
    crowd.ask("a1")
    crowd.give("x1")
    crowd.budget.withdraw("x1", 0.0)
    crowd.budget.yielding("x1")
    assert not crowd.budget.confirmed("x1", 0.0)
    assert crowd.budget.turn_over("x1", 0.0) is None
    assert crowd.budget.statistics(0.0)["withdrawn"] == 0
    assert crowd.budget.used == 1


def test_a_withdrawn_waiter_is_passed_over() -> None:
    crowd = Crowd(max_sessions=1)
    crowd.ask("a1", "a2", "a3")
    crowd.budget.withdraw("a2", 0.0)
    crowd.give("a1")
    assert crowd.new() == ["a1", "a3"]
    assert crowd.budget.statistics(0.0)["withdrawn"] == 1


def test_what_was_granted_and_is_not_wanted_is_passed_on_with_its_login() -> None:
    crowd = Crowd(max_sessions=1, logins_per_minute=1)
    crowd.ask("a1", "a2")
    crowd.budget.withdraw("a1", 0.0)
    assert crowd.new() == ["a1", "a2"]
    assert crowd.budget.statistics(0.0)["logins"] == 1


def test_a_login_that_took_place_is_not_taken_back() -> None:
    crowd = Crowd(max_sessions=1, logins_per_minute=1)
    crowd.ask("a1", "a2")
    crowd.budget.confirmed("a1", 0.0)
    crowd.budget.withdraw("a1", 0.0)
    assert crowd.new() == ["a1"]


def test_more_places_at_run_time() -> None:
    crowd = Crowd(max_sessions=1)
    crowd.ask("a1", "a2", "a3", "a4")
    crowd.budget.resize(Limits(max_sessions=3), 0.0)
    assert crowd.new() == ["a1", "a2", "a3"]
    assert crowd.budget.limits == Limits(max_sessions=3)
    crowd.budget.resize(Limits(), 0.0)
    assert crowd.new() == ["a4"]


def test_fewer_places_at_run_time_end_no_session() -> None:
    crowd = Crowd(max_sessions=3)
    crowd.ask("a1", "a2", "a3", "a4")
    crowd.budget.resize(Limits(max_sessions=1), 0.0)
    assert crowd.budget.used == 3
    crowd.give("a1", "a2")
    assert crowd.new() == ["a1", "a2", "a3"]
    crowd.give("a3")
    assert crowd.new() == ["a4"]


# ---------------------------------------------------------------------- logins


def test_place_and_login_are_granted_together() -> None:
    crowd = Crowd(max_sessions=2, logins_per_minute=1)
    crowd.ask("a1", "a2")
    assert crowd.new() == ["a1"]
    assert crowd.budget.used == 1
    assert crowd.budget.next_change(0.0) == WINDOW
    crowd.pass_time(WINDOW - 0.001)
    assert crowd.new() == []
    crowd.pass_time(WINDOW)
    assert crowd.new() == ["a2"]


def test_a_claim_without_a_login_is_not_held_up() -> None:
    crowd = Crowd(max_sessions=3, logins_per_minute=1)
    crowd.ask("a1", "a2", "b1")
    crowd.ask("a3", login=lambda: False)
    assert crowd.new() == ["a1", "a3"]
    crowd.ask("a4", login=lambda: False)  # although a2 and b1 came before
    assert crowd.new() == ["a4"]


def test_login_is_asked_at_the_moment_of_granting() -> None:
    crowd = Crowd(max_sessions=1, logins_per_minute=1)
    link = False
    crowd.ask("a1")
    crowd.ask("a2", login=lambda: not link)
    link = True
    crowd.give("a1")
    assert crowd.new() == ["a1", "a2"]


def test_a_link_that_comes_up_makes_a_login_superfluous() -> None:
    crowd = Crowd(logins_per_minute=1)
    link = False
    crowd.ask("a1", "a2", "a3", "a4", login=lambda: not link)
    assert crowd.new() == ["a1"]
    link = True
    crowd.budget.reconsider(0.0)
    assert crowd.new() == ["a2", "a3", "a4"]


def test_reconsider_keeps_the_order() -> None:
    crowd = Crowd(logins_per_minute=1)
    crowd.ask("a1", "a2", "a3", "b1", "a4")
    crowd.budget.reconsider(0.0)
    crowd.ask("a5")
    crowd.budget.reconsider(0.0)
    crowd.pass_time(5 * WINDOW)
    assert crowd.new() == ["a1", "b1", "a2", "a3", "a4", "a5"]


def test_a_session_without_a_login_asks_for_one_later() -> None:
    crowd = Crowd(max_sessions=2, logins_per_minute=1)
    crowd.ask("a1", login=lambda: False)
    crowd.ask("b1")
    assert not crowd.budget.ask_login(crowd.claim("a1"), 0.0)
    with pytest.raises(ValueError, match="has asked before"):
        crowd.budget.ask_login(crowd.claim("a1"), 0.0)
    crowd.give("b1")
    crowd.ask("c1")
    assert crowd.new() == ["a1", "b1"]
    assert crowd.budget.statistics(0.0)["waiting_for_login"] == 1
    crowd.pass_time(WINDOW)  # one login, and it goes to the one who has a place
    assert crowd.new() == ["a1"]
    crowd.pass_time(2 * WINDOW)
    assert crowd.new() == ["c1"]


def test_whoever_waits_for_a_login_in_his_place_may_go() -> None:
    crowd = Crowd(max_sessions=1, logins_per_minute=1)
    crowd.ask("a1")
    crowd.give("a1")
    crowd.ask("a2", login=lambda: False)
    crowd.budget.ask_login(crowd.claim("a2"), 0.0)
    crowd.budget.withdraw("a2", 0.0)
    assert (crowd.budget.used, crowd.budget.waiting) == (0, 0)
    assert crowd.budget.next_change(0.0) is None


def test_ask_login_is_for_those_who_have_a_place() -> None:
    with pytest.raises(ValueError, match="has no place"):
        Crowd().budget.ask_login(Crowd().claim("a1"), 0.0)


def test_login_rate_is_a_sliding_window() -> None:
    rate = LoginRate(2)
    assert rate.delay(0.0) == 0
    rate.record(0.0)
    rate.record(10.0)
    assert rate.delay(15.0) == pytest.approx(45.0)
    assert rate.delay(60.0) == 0
    rate.record(60.0)
    assert rate.delay(61.0) == pytest.approx(9.0)
    assert LoginRate(None).delay(0.0) == 0


def test_login_rate_that_is_lowered() -> None:
    rate = LoginRate(4)
    for moment in range(4):
        rate.record(float(moment))
    rate.per_minute = 2
    assert rate.due(4.0) == 62.0


def test_login_rate_takes_back_what_did_not_take_place() -> None:
    rate = LoginRate(3)
    for moment in (1.0, 2.0, 2.0, 3.0):
        rate.record(moment)
    rate.take_back(2.0)
    assert rate.recent(3.0) == 3
    rate.take_back(2.0)
    rate.take_back(2.0)
    rate.take_back(0.5)
    assert rate.recent(3.0) == 2


def test_a_slow_login_counts_from_its_end() -> None:
    """The device counts it somewhere between; late is on the safe side."""
    crowd = Crowd(logins_per_minute=1)
    crowd.ask("a1", "a2")
    crowd.now = 20.0
    crowd.budget.confirmed("a1", 20.0)
    assert crowd.budget.next_change(20.0) == 20.0 + WINDOW


# ---------------------------------------------------------------------- fairness


def test_every_group_gets_one_before_any_gets_its_third() -> None:
    crowd = Crowd(max_sessions=8, logins_per_minute=4)
    crowd.ask(*(f"p{number}" for number in range(5)), *(f"q{number}" for number in range(5)), "alias")
    crowd.pass_time(2 * WINDOW)
    # when p asked, nobody else had: the rate was all its own
    assert crowd.new() == ["p0", "p1", "p2", "p3", "q0", "alias", "q1", "q2"]

    crowd = Crowd(max_sessions=8, logins_per_minute=4)
    crowd.ask("z0")
    for _ in range(3):
        crowd.ask(f"z{_ + 1}")
    crowd.give("z0", "z1", "z2", "z3")
    crowd.new()
    crowd.ask(*(f"p{number}" for number in range(5)), *(f"q{number}" for number in range(5)), "alias")
    crowd.pass_time(WINDOW)
    assert crowd.new() == ["p0", "q0", "alias", "p1"]
    crowd.pass_time(2 * WINDOW)
    assert crowd.new() == ["q1", "p2", "q2", "p3"]


def test_a_refused_claim_comes_first_again() -> None:
    crowd = Crowd(max_sessions=2)
    crowd.ask("a1", "a2", "a3", "b1")
    crowd.give("a2")
    crowd.new()
    crowd.ask("a4", first=True)
    crowd.give("a1", "b1")
    assert crowd.new() == ["a4", "a3"]


def test_a_refused_claim_comes_first_even_if_all_wait_for_a_login() -> None:
    crowd = Crowd(logins_per_minute=1)
    crowd.ask("a1", "a2")
    crowd.ask("a3", first=True)
    crowd.ask("a4", first=True)
    crowd.ask("a5")
    crowd.budget.reconsider(0.0)
    crowd.pass_time(4 * WINDOW)
    assert crowd.new() == ["a1", "a3", "a4", "a2", "a5"]


def test_a_session_given_up_for_others_does_not_fall_back_to_the_giver() -> None:
    crowd = Crowd(max_sessions=1)
    crowd.ask("a1", "a2", "a3", "b1")
    crowd.budget.confirmed("a1", 0.0)
    assert crowd.budget.turn_over("a1", TURN) == "b"
    crowd.budget.yielding("a1")
    crowd.give("a1")
    assert crowd.new() == ["a1", "b1"]  # although a2 is older, and neither group holds any


def test_a_turn_lasts_from_the_moment_at_which_the_session_is_there() -> None:
    crowd = Crowd(max_sessions=1)
    crowd.ask("a1", "b1")
    crowd.budget.confirmed("a1", 10.0)
    assert crowd.budget.turn_over("a1", 10.0 + TURN / 2) is None
    assert crowd.budget.turn_over("a1", 10.0 + TURN) == "b"


@pytest.mark.parametrize(
    ("held", "other", "passes"),
    [(1, 0, True), (2, 0, True), (2, 1, False), (3, 1, True), (3, 2, False), (1, 1, False)],
)
def test_a_working_session_is_passed_on_to_those_who_have_less(held: int, other: int, passes: bool) -> None:
    crowd = Crowd(max_sessions=held + other)
    crowd.ask(*(f"a{number}" for number in range(held)), *(f"b{number}" for number in range(other + 1)))
    assert (crowd.budget.turn_over("a0", TURN) == "b") is passes
    assert crowd.budget.hungry(TURN, "a") == "b"  # an idle one is


def test_no_more_is_given_up_than_somebody_wants() -> None:
    crowd = Crowd(max_sessions=5)
    crowd.ask("a1", "a2", "a3", "a4", "a5", "b1", "c1")
    given = []
    for name in ("a1", "a2", "a3", "a4", "a5"):
        if (group := crowd.budget.hungry(TURN, "a")) is not None:
            crowd.budget.yielding(name)
            given.append((name, group))
    assert given == [("a1", "b"), ("a2", "c")]
    crowd.give("a1", "a2")
    assert crowd.new()[5:] == ["b1", "c1"]
    assert crowd.budget.hungry(TURN) is None


def test_working_sessions_are_shared_evenly_not_handed_over() -> None:
    crowd = Crowd(max_sessions=5)
    crowd.ask(*(f"a{number}" for number in range(5)), *(f"b{number}" for number in range(5)))
    given = []
    for name in ("a0", "a1", "a1", "a2", "a3", "a4"):
        if crowd.budget.turn_over(name, TURN):
            crowd.budget.yielding(name)
            given.append(name)
    assert given == ["a0", "a1"]
    crowd.give("a0", "a1")
    assert crowd.new()[5:] == ["b0", "b1"]
    assert crowd.budget.turn_over("a2", TURN) is None
    assert crowd.budget.turn_over("b0", 2 * TURN) is None


def test_nothing_is_given_up_if_a_login_is_lacking() -> None:
    crowd = Crowd(max_sessions=1, logins_per_minute=1)
    crowd.ask("a1", "b1")
    assert crowd.budget.hungry(TURN) is None
    assert crowd.budget.turn_over("a1", TURN) is None
    assert crowd.budget.next_change(TURN) == WINDOW
    crowd.pass_time(WINDOW)
    assert crowd.budget.hungry(WINDOW) == "b"
    assert crowd.budget.next_change(WINDOW) is None
    assert crowd.budget.next_change(WINDOW + 1.0) is None  # a place is what is lacking now


def test_no_more_is_given_up_than_logins_are_left() -> None:
    crowd = Crowd(max_sessions=3, logins_per_minute=4)
    crowd.ask("a1", "a2", "a3", "b1", "b2")
    assert crowd.budget.hungry(0.0, "a") == "b"
    crowd.budget.yielding("a1")
    assert crowd.budget.hungry(0.0, "a") is None
    crowd.budget.withdraw("b2", 0.0)
    crowd.ask("c1", login=lambda: False)
    assert crowd.budget.hungry(0.0, "a") == "c"


def test_whom_a_session_is_given_up_for_counts_as_served() -> None:
    crowd = Crowd(max_sessions=3)
    crowd.ask("a1", "a2", "a3", "b1", "b2", "c1")
    crowd.budget.yielding("a1")  # for b1
    assert crowd.budget.hungry(0.0, "a") == "c"
    crowd.budget.yielding("a2")
    assert crowd.budget.hungry(0.0, "a") == "b"
    crowd.budget.yielding("a3")
    assert crowd.budget.hungry(0.0, "a") is None


def test_whoever_waits_in_both_lines_counts_once() -> None:
    crowd = Crowd(max_sessions=2, logins_per_minute=2)
    crowd.ask("a1", "a2", "b1", "c1")
    assert crowd.budget.hungry(0.0) is None  # asked, and set apart until there are logins
    crowd.now = WINDOW
    crowd.budget.advance(WINDOW)
    crowd.ask("b2", login=lambda: False)
    crowd.budget.yielding("a1")  # for b1
    assert crowd.budget.hungry(WINDOW) == "c"
    crowd.give("a1", "a2")
    assert crowd.new()[2:] == ["b1", "c1"]


def test_a_session_is_given_up_once() -> None:
    crowd = Crowd(max_sessions=1)
    crowd.ask("a1", "b1", "c1")
    crowd.budget.yielding("a1")
    crowd.budget.yielding("a1")
    assert crowd.budget.hungry(TURN, "a") == "c"
    assert crowd.budget.turn_over("a1", TURN) is None
    crowd.give("a1", "b1")
    assert crowd.new() == ["a1", "b1", "c1"]


def test_nothing_is_given_up_for_oneself() -> None:
    crowd = Crowd(max_sessions=1)
    crowd.ask("a1", "a2")
    assert crowd.budget.hungry(TURN) == "a"
    assert crowd.budget.hungry(TURN, "a") is None
    assert crowd.budget.turn_over("a1", TURN) is None


@pytest.mark.parametrize("places", [1, 2, 3, 4])
def test_busy_pools_take_turns(places: int) -> None:
    """Four pools with more work than the device bears, each session released every 0.25 s: all get the same."""
    crowd = Crowd(max_sessions=places)
    numbers = itertools.count()
    served: Counter[str] = Counter()
    longest: Counter[str] = Counter()
    without: Counter[str] = Counter()
    for _ in range(4):
        crowd.ask(*(f"{group}{next(numbers)}" for group in "abcd"))
    for step in range(4000):
        crowd.now = step * 0.25
        for name in crowd.budget.holders:
            served[name[0]] += 1
            if crowd.budget.turn_over(name, crowd.now):
                crowd.budget.yielding(name)
                crowd.give(name)
                crowd.ask(f"{name[0]}{next(numbers)}")
        held = Counter(name[0] for name in crowd.budget.holders)
        assert held.total() == places
        for group in "abcd":
            without[group] = 0 if held[group] else without[group] + 1
            longest[group] = max(longest[group], without[group])
    mean = served.total() / 4
    assert max(served.values()) / mean <= 1.1
    assert min(served.values()) / mean >= 0.9
    assert max(longest.values()) <= 4 * (TURN / 0.25 + 1)


def test_a_session_is_not_sent_round_for_the_sake_of_one_more() -> None:
    """Each hand-over is a login: five places of four pools are shared out once, and then stay."""
    crowd = Crowd(max_sessions=5)
    numbers = itertools.count()
    crowd.ask(*(f"a{next(numbers)}" for _ in range(8)))
    crowd.ask(*(f"{group}{next(numbers)}" for group in "bcd" for _ in range(8)))
    moves = 0
    for step in range(400):
        crowd.now = step * 0.25
        for name in crowd.budget.holders:
            if crowd.budget.turn_over(name, crowd.now):
                crowd.budget.yielding(name)
                crowd.give(name)
                crowd.ask(f"{name[0]}{next(numbers)}")
                moves += 1
    assert moves == 3
    assert Counter(name[0] for name in crowd.budget.holders) == {"a": 2, "b": 1, "c": 1, "d": 1}


# ---------------------------------------------------------------------- what the device teaches


def test_a_refusal_is_a_limit_for_a_while() -> None:
    crowd = Crowd()
    crowd.ask("a1", "a2", "a3")
    crowd.budget.confirmed("a1", 0.0)
    crowd.budget.confirmed("a2", 0.0)
    assert crowd.budget.refused("a3", 1.0)
    crowd.give("a3")
    assert crowd.budget.learned == crowd.budget.limit(1.0) == 2
    assert "the device refused more than 2" in crowd.budget.crowd()
    crowd.now = 1.0
    crowd.ask("a4", "a5")
    assert crowd.new() == ["a1", "a2", "a3"]
    assert crowd.budget.next_change(1.0) == 1.0 + LEARNED_FOR
    crowd.pass_time(1.0 + LEARNED_FOR)
    assert crowd.new() == ["a4"]  # one more, no more
    assert crowd.budget.confirmed("a4", crowd.now)
    assert crowd.new() == ["a5"]  # and again, as long as it goes well
    assert crowd.budget.learned == 3
    crowd.now += 1.0
    assert crowd.budget.refused("a5", crowd.now)
    assert crowd.budget.limit(crowd.now) == 3
    assert crowd.budget.limit(crowd.now + LEARNED_FOR) == 4
    assert crowd.budget.limit(crowd.now + 2 * LEARNED_FOR) is None


def test_several_refusals_at_once() -> None:
    crowd = Crowd()
    crowd.ask("a1", "a2", "a3", "a4", "a5")
    for name in ("a2", "a4"):
        assert crowd.budget.refused(name, 0.0)
    crowd.give("a2", "a4")
    assert crowd.budget.limit(0.0) == 1  # the others may be refused as well
    raised = [crowd.budget.confirmed(name, 0.0) for name in ("a1", "a3", "a5")]
    assert raised == [False, True, True]
    assert crowd.budget.limit(0.0) == 3


def test_a_session_that_is_being_closed_does_not_count_as_one_that_the_device_bears() -> None:
    crowd = Crowd()
    crowd.ask("a1", "a2", "a3")
    crowd.budget.confirmed("a1", 0.0)
    crowd.budget.confirmed("a2", 0.0)
    assert crowd.budget.refused("a3", 0.0)
    crowd.give("a3")
    assert crowd.budget.learned == 2
    crowd.budget.leaving("a1")
    crowd.give("a1")
    crowd.ask("a4")
    crowd.budget.leaving("a2")  # the device has its line back, and takes the next one
    assert not crowd.budget.confirmed("a4", 1.0)
    assert crowd.budget.learned == 2


def test_a_refusal_of_the_only_session_teaches_nothing() -> None:
    crowd = Crowd(max_sessions=3)
    crowd.ask("a1")
    assert not crowd.budget.refused("a1", 0.0)
    assert crowd.budget.limit(0.0) == 3


def test_what_is_learned_never_exceeds_what_is_configured() -> None:
    crowd = Crowd(max_sessions=2)
    crowd.ask("a1", "a2")
    assert crowd.budget.refused("a2", 0.0)
    assert crowd.budget.limit(0.0) == 1
    crowd.give("a2")
    crowd.ask("a3")
    crowd.new()
    crowd.pass_time(LEARNED_FOR)
    assert crowd.new() == ["a3"]
    assert crowd.budget.confirmed("a1", crowd.now) is False
    assert crowd.budget.confirmed("a3", crowd.now) is True
    assert crowd.budget.learned is None  # as much as is allowed anyway
    assert crowd.budget.limit(crowd.now) == 2


def test_a_second_try_that_succeeds_raises_the_limit() -> None:
    crowd = Crowd()
    crowd.ask("a1", "a2")
    crowd.budget.confirmed("a1", 0.0)
    assert crowd.budget.refused("a2", 0.0)
    assert crowd.budget.confirmed("a2", 0.0)
    assert crowd.budget.limit(0.0) == 2


def test_what_has_ended_does_not_count_as_borne() -> None:
    crowd = Crowd()
    crowd.ask("a1", "a2", "a3")
    for name in ("a1", "a2"):
        crowd.budget.confirmed(name, 0.0)
    assert crowd.budget.refused("a3", 0.0)
    crowd.give("a3", "a1")
    crowd.ask("a4")
    assert not crowd.budget.confirmed("a4", 0.0)
    assert crowd.budget.learned == 2


def test_a_forgotten_lesson_lets_all_in_even_if_somebody_looked_before() -> None:
    crowd = Crowd()
    crowd.ask("a1", "a2")
    assert crowd.budget.refused("a2", 0.0)
    crowd.give("a2")
    crowd.ask("a3", "a4", "a5")
    crowd.pass_time(LEARNED_FOR)
    crowd.new()
    crowd.now = 2 * LEARNED_FOR
    crowd.budget.hungry(crowd.now)
    crowd.budget.statistics(crowd.now)
    assert crowd.budget.next_change(crowd.now) == crowd.now
    crowd.budget.advance(crowd.now)
    assert crowd.new() == ["a4", "a5"]


# ---------------------------------------------------------------------- calls out of a grant


def test_a_grant_may_give_at_once() -> None:
    budget = Budget(Limits(max_sessions=1))
    seen: list[int] = []

    def come(number: int) -> None:
        def granted() -> None:
            assert budget.used == 1
            seen.append(number)
            budget.give(number, 0.0)

        budget.ask(Claim(number, "a", lambda: True, granted), 0.0)

    budget.ask(Claim("first", "a", lambda: True, lambda: None), 0.0)
    for number in range(5000):  # far more than a stack could hold
        come(number)
    budget.give("first", 0.0)
    assert seen == list(range(5000))
    assert (budget.used, budget.waiting) == (0, 0)


def test_a_grant_may_ask_for_more() -> None:
    budget = Budget(Limits(max_sessions=3))
    seen: list[int] = []

    def come(number: int) -> bool:
        def granted() -> None:
            seen.append(number)
            come(number + 1)

        return budget.ask(Claim(number, "a", lambda: True, granted), 0.0)

    assert come(1)
    assert seen == [1, 2, 3]
    assert (budget.used, budget.waiting) == (3, 1)


def test_a_grant_that_raises_does_not_stop_the_budget() -> None:
    crowd = Crowd(max_sessions=1)
    crowd.ask("a1")

    def fail() -> None:
        raise RuntimeError("on purpose")

    crowd.budget.ask(Claim("bad", "a", lambda: True, fail), 0.0)
    crowd.ask("a2")
    with pytest.raises(RuntimeError, match="on purpose"):
        crowd.give("a1")
    crowd.give("bad")
    assert crowd.new() == ["a1", "a2"]


# ---------------------------------------------------------------------- what it says of itself


def test_statistics() -> None:
    crowd = Crowd(max_sessions=2, logins_per_minute=9)
    crowd.ask("a1", "b1", "b2")
    crowd.now = 5.0
    crowd.ask("b3", "c1")
    crowd.budget.withdraw("c1", 5.0)
    assert crowd.budget.statistics(15.0) == {
        "used": 2,
        "waiting": 2,
        "waiting_by_group": {"b": 2},
        "waiting_for_login": 0,
        "limit": 2,
        "learned": None,
        "logins": 2,
        "logins_per_minute": 9,
        "longest_wait": 15.0,
        "granted": 2,
        "withdrawn": 1,
    }
    assert crowd.budget.statistics(WINDOW)["logins"] == 0


def test_crowd_is_one_line_for_people() -> None:
    crowd = Crowd(max_sessions=3, logins_per_minute=9)
    assert crowd.budget.crowd() == "0 open (none), max_sessions 3, logins_per_minute 9"
    crowd.ask("b1", "a1", "b2", "b3")
    assert crowd.budget.crowd() == "3 open (a 1, b 2), waiting: b 1, max_sessions 3, logins_per_minute 9"
    assert repr(crowd.budget) == f"<Budget {crowd.budget.crowd()}>"


@pytest.mark.parametrize("limits", [{"max_sessions": 0}, {"logins_per_minute": -1}])
def test_limits_are_above_zero(limits: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="not above zero"):
        Limits(**limits)


# ---------------------------------------------------------------------- cost


class Effort:
    """Counts the bytecode instructions that run in the modules of the budget: the same on every machine."""

    def __init__(self) -> None:
        self.instructions = 0

    def __enter__(self) -> Effort:
        self._before = sys.gettrace()
        sys.settrace(self._enter)
        return self

    def __exit__(self, *exc_info: object) -> None:
        sys.settrace(self._before)

    def _enter(self, frame: FrameType, event: str, argument: Any) -> Any:
        if not frame.f_code.co_filename.endswith(("limits.py", "line.py", "lesson.py", "policy.py")):
            return None
        if frame.f_code.co_filename == __file__:
            return None
        frame.f_trace_lines, frame.f_trace_opcodes = False, True
        return self._count

    def _count(self, frame: FrameType, event: str, argument: Any) -> Any:
        self.instructions += event == "opcode"
        return self._count


class Name:
    """A holder that counts how often it is looked up."""

    looked_up = 0

    def __hash__(self) -> int:
        Name.looked_up += 1
        return id(self) // 16


def effort(waiting: int, groups: int, *, logins_per_minute: int | None) -> tuple[float, float, float]:
    """Instructions, look-ups of holders and questions for a login, per round of everything that may be called.

    Counted after a while, in which each claim that waits for a login has said so, once.
    """
    rng = random.Random(1)
    budget = Budget(Limits(max_sessions=8, logins_per_minute=logins_per_minute))
    asked = 0

    def login() -> bool:
        nonlocal asked
        asked += 1
        return True

    def come() -> Name:
        name = Name()
        budget.ask(Claim(name, str(rng.randrange(groups)), login, lambda: None), now)
        return name

    def go_round(turn: int) -> None:
        index = rng.randrange(len(names))  # waiting or holding
        names[index], names[-1] = names[-1], names[index]
        budget.withdraw(names.pop(), now)
        names.append(come())
        budget.hungry(now, "0")
        budget.next_change(now)
        budget.advance(now)
        if holders := budget.holders:  # none while the rate lets nobody in
            holder = holders[turn % len(holders)]
            budget.confirmed(holder, now)
            budget.turn_over(holder, now)
            budget.give(holder, now)
            names.remove(holder)
            names.append(come())

    now = 0.0
    names = [come() for _ in range(waiting + 8)]
    effort = Effort()
    rounds = 150
    for turn in range(-100, rounds):
        now += 0.2
        if turn < 0:
            go_round(turn)
            asked = Name.looked_up = 0
        else:
            with effort:
                go_round(turn)
    return effort.instructions / rounds, Name.looked_up / rounds, asked / rounds


@pytest.mark.parametrize("groups", [1, 3, 10_000])
@pytest.mark.parametrize("logins_per_minute", [None, 40])
def test_what_an_operation_costs_does_not_grow(groups: int, logins_per_minute: int | None) -> None:
    few = effort(10, groups, logins_per_minute=logins_per_minute)
    many = effort(10_000, groups, logins_per_minute=logins_per_minute)
    assert few[0] > 100
    for cost_of_few, cost_of_many in zip(few, many, strict=True):
        assert cost_of_many <= 2 * cost_of_few


def test_a_storm_of_cancels_leaves_nothing() -> None:
    rng = random.Random(7)
    crowd = Crowd(max_sessions=3)
    present: list[str] = []
    for number in range(20_000):
        name = f"{'abc'[number % 3]}{number}"
        crowd.ask(name)
        present.append(name)
        while len(present) > 50:
            index = rng.randrange(len(present))
            present[index], present[-1] = present[-1], present[index]
            (crowd.budget.withdraw if rng.random() < 0.8 else crowd.budget.give)(present.pop(), 0.0)
        assert crowd.budget.used <= 3
    for name in present:
        crowd.budget.withdraw(name, 0.0)
    assert (crowd.budget.used, crowd.budget.waiting) == (0, 0)
    assert not crowd.budget._groups
    assert crowd.budget.statistics(0.0)["logins"] < 20_000  # those that were withdrawn are taken back
