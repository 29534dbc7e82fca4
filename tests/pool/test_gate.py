# SPDX-License-Identifier: Apache-2.0
"""Who gets which session of a pool: plain functions, a made-up clock, no loop."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from aioconn.pool.gate import Gate
from aioconn.pool.member import Member, Stage, Task

CHECK_AFTER = 30.0
LIFE = 1_000.0


class Caller:
    """Somebody in line; remembers what he was told."""

    def __init__(self, name: str, deadline: float = 100.0) -> None:
        self.name = name
        self.deadline = deadline
        self.member: Member[str] | None = None
        self.error: BaseException | None = None
        self.gone = False

    @property
    def done(self) -> bool:
        return self.gone or self.member is not None or self.error is not None

    def grant(self, member: Member[Any], /) -> None:
        assert not self.done, f"{self.name} is told twice"
        self.member = member

    def fail(self, make: Callable[[], BaseException], /) -> None:
        assert not self.done, f"{self.name} is told twice"
        self.error = make()


class Bench:
    """A gate, and the work it asks for, which is done when the test says so."""

    def __init__(self, size: int, *, yields: Callable[[Member[str], bool], bool] | None = None) -> None:
        self.made = 0
        self.rivals: list[str] = [] if yields is None else ["another pool"]
        keys: dict[str, Any] = {"rivals": self.rivals}
        if yields is not None:
            keys["yields"] = yields
        self.gate: Gate[str] = Gate(size, self._make, check_after=CHECK_AFTER, **keys)

    def _make(self) -> str:
        self.made += 1
        return f"session {self.made}"

    def ask(self, name: str, now: float = 0.0, deadline: float = 100.0) -> Caller:
        caller = Caller(name, deadline)
        self.gate.ask(caller, now)
        return caller

    def work(self) -> list[tuple[Task, Member[str]]]:
        found = list(self.gate.work)
        self.gate.work.clear()
        return found

    def tasks(self) -> list[Task]:
        return [task for task, _ in self.work()]

    def open_all(self, now: float = 0.0, life: float = LIFE) -> list[Member[str]]:
        members = [member for task, member in self.work() if task is Task.OPEN]
        for member in members:
            self.gate.opened(member, now, now + life)
        return members

    def leased(self, count: int, now: float = 0.0, life: float = LIFE) -> list[Member[str]]:
        """That many sessions in somebody's hands."""
        callers = [self.ask(f"holder {number}", now) for number in range(count)]
        self.open_all(now, life)
        members = [caller.member for caller in callers if caller.member is not None]
        assert len(members) == count
        return members

    def idle(self, count: int, now: float = 0.0, life: float = LIFE) -> list[Member[str]]:
        members = self.leased(count, now, life)
        for member in members:
            self.gate.release(member, now, clean=True)
        return members

    def close_all(self, now: float = 0.0) -> None:
        for task, member in self.work():
            if task is Task.CLOSE:
                self.gate.gone(member, now)


def refused() -> BaseException:
    return ConnectionError("refused")


def late(caller: Any) -> BaseException:
    return TimeoutError(caller.name)


# ---------------------------------------------------------------------- who gets what


def test_first_come_first_served() -> None:
    bench = Bench(1)
    (member,) = bench.leased(1)
    callers = [bench.ask(name) for name in "abc"]
    for now, caller in enumerate(callers, 1):
        assert caller.member is None
        bench.gate.release(member, float(now), clean=True)
        assert caller.member is member
    assert [caller.name for caller in callers if caller.member is member] == ["a", "b", "c"]


def test_nobody_who_comes_takes_what_somebody_waits_for() -> None:
    bench = Bench(1)
    (member,) = bench.leased(1)
    waiting = bench.ask("first")
    assert bench.gate.take(0.0) is None
    bench.gate.release(member, 1.0, clean=True)
    assert waiting.member is member
    assert bench.gate.take(1.0) is None
    bench.gate.release(member, 2.0, clean=True)
    assert bench.gate.take(2.0) is member  # nobody waits any more


def test_the_session_used_last_is_used_next() -> None:
    bench = Bench(3)
    one, two, three = bench.leased(3)
    for now, member in enumerate((two, three, one)):
        bench.gate.release(member, float(now), clean=True)
    assert bench.gate.take(3.0) is one
    assert bench.gate.take(3.0) is three
    assert bench.gate.idle == [two]


def test_who_has_gone_is_passed_over() -> None:
    bench = Bench(1)
    (member,) = bench.leased(1)
    gone, next_one = bench.ask("gone"), bench.ask("next")
    gone.gone = True
    bench.gate.release(member, 1.0, clean=True)
    assert next_one.member is member
    assert bench.gate.waiting == 0


def test_who_leaves_the_line_leaves_nothing_to_be_opened() -> None:
    bench = Bench(2)
    bench.leased(1)
    caller = bench.ask("a")
    ((task, opening),) = bench.work()
    assert task is Task.OPEN
    caller.gone = True
    bench.gate.withdraw(caller, 1.0)
    assert bench.work() == [(Task.ABANDON, opening)]
    assert bench.gate.waiting == 0


def test_who_is_served_by_what_came_back_leaves_nothing_to_be_opened() -> None:
    bench = Bench(2)
    (member,) = bench.leased(1)
    caller = bench.ask("a")
    ((_, opening),) = bench.work()
    bench.gate.release(member, 1.0, clean=True)
    assert caller.member is member
    assert bench.work() == [(Task.ABANDON, opening)]


def test_deadlines_are_told_once_and_the_next_is_named() -> None:
    bench = Bench(1)
    bench.leased(1)
    soon, later, last = (
        bench.ask("soon", 0.0, 5.0),
        bench.ask("later", 0.0, 9.0),
        bench.ask("last", 0.0, 50.0),
    )
    assert bench.gate.expire(4.9, late) == 5.0
    assert bench.gate.expire(5.0, late) == 9.0
    assert isinstance(soon.error, TimeoutError)
    assert bench.gate.waiting == 2
    assert bench.gate.expire(9.5, late) == 50.0
    assert isinstance(later.error, TimeoutError)
    assert bench.gate.counters.timeouts == 2
    assert not last.done
    assert bench.gate.expire(50.0, late) is None


def test_all_whose_deadline_has_come_are_told() -> None:
    bench = Bench(1)
    bench.leased(1)
    callers = [bench.ask(name, 0.0, 5.0) for name in "abc"]
    assert bench.gate.expire(5.0, late) is None
    assert all(isinstance(caller.error, TimeoutError) for caller in callers)


def test_those_whose_deadline_has_come_ask_for_nothing_any_more() -> None:
    bench = Bench(4)
    bench.leased(1)
    for name in "ab":
        bench.ask(name, 0.0, 5.0)
    openings = [member for _, member in bench.work()]
    bench.gate.expire(5.0, late)
    assert {member for task, member in bench.work() if task is Task.ABANDON} == set(openings)
    for member in openings:
        bench.gate.failed(member, 5.0)
    bench.ask("c", 6.0)
    assert bench.tasks() == [Task.OPEN]


# ---------------------------------------------------------------------- what is fit to be handed out


def test_what_was_idle_for_long_is_checked_first() -> None:
    bench = Bench(1)
    (member,) = bench.idle(1)
    now = CHECK_AFTER + 1
    assert bench.gate.take(now) is None
    caller = bench.ask("a", now)
    assert bench.work() == [(Task.CHECK, member)]
    bench.gate.settled(member, True, now)
    assert caller.member is member


def test_one_check_for_each_who_waits() -> None:
    bench = Bench(3)
    bench.idle(3)
    now = CHECK_AFTER + 1
    bench.ask("a", now)
    assert bench.tasks() == [Task.CHECK]
    bench.ask("b", now)
    assert bench.tasks() == [Task.CHECK]


def test_a_recovery_under_way_keeps_nobody_from_what_is_idle() -> None:
    bench = Bench(2)
    dirty, stale = bench.leased(2)
    bench.gate.release(stale, 0.0, clean=True)
    bench.gate.release(dirty, 0.0, clean=False)
    assert bench.tasks() == [Task.SETTLE]
    bench.ask("a", CHECK_AFTER + 1)
    assert bench.work() == [(Task.CHECK, stale)]


@pytest.mark.parametrize("quick", [True, False])
def test_what_has_lived_long_enough_is_not_handed_out(quick: bool) -> None:
    bench = Bench(1)
    (member,) = bench.idle(1, life=10.0)
    if quick:
        assert bench.gate.take(10.0) is None
    caller = bench.ask("a", 10.0)
    assert caller.member is None
    assert (Task.CLOSE, member) in bench.work()
    assert member.reason == "lifetime"


def test_a_busy_session_ends_with_its_life_too() -> None:
    bench = Bench(1)
    (member,) = bench.leased(1, life=10.0)
    caller = bench.ask("a", 9.0)
    bench.gate.release(member, 10.0, clean=True)
    assert caller.member is None
    bench.close_all(10.0)
    bench.open_all(10.0)
    assert caller.member is not None


def test_what_is_not_clean_is_settled_first_and_what_is_lost_is_dropped() -> None:
    bench = Bench(2)
    dirty, lost = bench.leased(2)
    waiting = bench.ask("a")
    bench.gate.release(dirty, 1.0, clean=False)
    assert bench.work() == [(Task.SETTLE, dirty)]
    bench.gate.release(lost, 1.0, clean=False, alive=False)
    assert lost.stage is Stage.GONE
    assert bench.tasks() == [Task.OPEN]  # in its place
    bench.gate.settled(dirty, True, 2.0)
    assert waiting.member is dirty


def test_what_cannot_be_settled_is_closed_and_replaced() -> None:
    bench = Bench(1)
    (member,) = bench.leased(1)
    waiting = bench.ask("a")
    bench.gate.release(member, 1.0, clean=False)
    bench.work()
    bench.gate.settled(member, False, 2.0)
    assert bench.work() == [(Task.CLOSE, member)]
    bench.gate.gone(member, 3.0)
    bench.open_all(3.0)
    assert waiting.member is not None
    assert waiting.member is not member


def test_an_idle_session_that_is_lost_is_found_by_nobody() -> None:
    bench = Bench(2)
    one, two = bench.idle(2)
    bench.gate.lost(two, 1.0)
    assert bench.gate.idle == [one]
    assert bench.gate.total == 1
    assert bench.gate.counters.lost == 1


def test_what_is_given_back_when_it_has_been_given_up_changes_nothing() -> None:
    bench = Bench(1)
    (member,) = bench.leased(1)
    bench.gate.close(1.0, refused)
    bench.gate.close_member(member, "closed", 1.0)
    bench.close_all(1.0)
    bench.gate.open()
    bench.gate.release(member, 2.0, clean=True)
    assert member.stage is Stage.GONE
    assert not bench.gate.idle
    assert [bench.gate.count(stage) for stage in Stage if stage is not Stage.GONE] == [0] * (len(Stage) - 1)
    caller = bench.ask("a", 2.0)
    bench.open_all(2.0)
    assert caller.member is not member


# ---------------------------------------------------------------------- how many there are


@pytest.mark.parametrize(
    ("happens", "rests"),
    [
        (lambda bench, member: None, True),
        (lambda bench, member: bench.rivals.append("another pool"), False),
        (lambda bench, member: setattr(member, "expires", 1.0), False),
        (lambda bench, member: setattr(bench.gate, "tidied_at", LIFE * 2), False),
        (lambda bench, member: bench.gate.close(0.5, RuntimeError), False),
        (lambda bench, member: bench.gate.resize(1, 0.5), False),
        (lambda bench, member: bench.gate.close_member(member, "dirty", 0.5), False),
    ],
    ids=[
        "nothing",
        "wanted elsewhere",
        "too old",
        "not watched",
        "closed",
        "too many",
        "given up",
    ],
)
def test_what_comes_back_the_quick_way_is_clean_and_may_stay(
    happens: Callable[[Bench, Member[str]], object], rests: bool
) -> None:
    bench = Bench(2)
    bench.gate.tidied_at = 0.0
    member, _ = bench.leased(2)
    happens(bench, member)
    stage = member.stage
    assert bench.gate.rest(member, 1.0) is rests
    assert (member.stage, bench.gate.idle) == ((Stage.IDLE, [member]) if rests else (stage, []))
    assert (
        bench.gate.count(Stage.LEASED) + bench.gate.count(Stage.IDLE) + bench.gate.count(Stage.CLOSING) == 2
    )


def test_what_comes_back_the_quick_way_goes_to_the_first_who_waits() -> None:
    bench = Bench(1)
    bench.gate.tidied_at = 0.0
    (member,) = bench.leased(1)
    first, second = bench.ask("first"), bench.ask("second")
    assert bench.gate.rest(member, 1.0)
    assert (first.member, second.member, bench.gate.idle) == (member, None, [])
    assert (member.stage, member.since) == (Stage.LEASED, 1.0)
    assert (bench.gate.waiting, bench.gate.counters.acquired) == (1, 2)

    second.gone = True  # and others are to be told: that is for `release`
    assert not bench.gate.rest(member, 2.0)
    assert (member.stage, bench.gate.idle) == (Stage.LEASED, [])


def test_an_opening_that_a_quick_return_makes_needless_is_for_release_to_abandon() -> None:
    bench = Bench(2)
    bench.gate.tidied_at = 0.0
    (member,) = bench.leased(1)
    waiter = bench.ask("waiter")
    assert bench.tasks() == [Task.OPEN]
    assert not bench.gate.rest(member, 1.0)
    bench.gate.release(member, 1.0, clean=True)
    assert (waiter.member, bench.tasks()) == (member, [Task.ABANDON])


def test_no_more_are_opened_than_the_size_nor_than_wait() -> None:
    bench = Bench(3)
    bench.ask("a")
    assert bench.tasks() == [Task.OPEN]
    for name in "bcde":
        bench.ask(name)
    assert bench.tasks() == [Task.OPEN] * 2
    assert bench.gate.total == 3


def test_a_larger_size_serves_those_who_wait() -> None:
    bench = Bench(1)
    bench.leased(1)
    bench.ask("a")
    bench.ask("b")
    assert not bench.work()
    bench.gate.resize(3, 1.0)
    assert bench.tasks() == [Task.OPEN] * 2


def test_a_smaller_size_closes_what_is_idle_now_and_the_rest_as_it_comes_back() -> None:
    bench = Bench(4)
    held = bench.leased(4)
    bench.gate.release(held[0], 0.0, clean=True)
    bench.gate.resize(2, 1.0)
    assert bench.work() == [(Task.CLOSE, held[0])]
    bench.gate.release(held[1], 1.0, clean=True)
    assert bench.work() == [(Task.CLOSE, held[1])]
    bench.gate.release(held[2], 1.0, clean=True)  # the others are closing: this one may stay
    assert held[2].stage is Stage.IDLE
    assert not bench.work()


def test_what_is_closing_makes_room_when_it_is_gone() -> None:
    bench = Bench(1)
    (member,) = bench.idle(1)
    bench.gate.give_up(1.0)
    caller = bench.ask("a", 1.0)
    assert bench.tasks() == [Task.CLOSE]
    bench.gate.gone(member, 2.0)
    bench.open_all(2.0)
    assert caller.member is not None


def test_a_session_that_another_pool_needs_is_given_up() -> None:
    asked: list[bool] = []

    def yields(member: Member[str], wanted: bool) -> bool:
        asked.append(wanted)
        return len(asked) > 1

    bench = Bench(1, yields=yields)
    (member,) = bench.leased(1)
    assert asked == [True]  # as it was opened, for its first holder
    waiting = bench.ask("a")
    bench.gate.release(member, 1.0, clean=True)
    assert waiting.member is None
    assert member.reason == "yielded"
    assert asked == [True, True]


# ---------------------------------------------------------------------- openings that fail


def failing(bench: Bench, now: float, retry_at: float) -> None:
    """The one opening under way fails, as whoever opens it tells the gate."""
    (member,) = [member for task, member in bench.work() if task is Task.OPEN]
    bench.gate.failed(member, now)
    bench.gate.pause(now, retry_at, refused)
    bench.gate.match(now)


def test_nothing_is_opened_before_its_time_and_then_one_at_a_time() -> None:
    bench = Bench(4)
    bench.leased(1)
    bench.ask("a", 0.0, 100.0)
    failing(bench, 1.0, 5.0)
    for name in "bc":
        bench.ask(name, 2.0, 100.0)
    bench.gate.match(4.9)
    assert not bench.work()
    bench.gate.match(5.0)
    assert bench.tasks() == [Task.OPEN]
    bench.gate.match(5.1)
    assert not bench.work()


def test_after_a_success_the_others_are_opened_too() -> None:
    bench = Bench(4)
    bench.leased(1)
    callers = [bench.ask("a", 0.0, 100.0)]
    failing(bench, 1.0, 5.0)
    callers += [bench.ask(name, 2.0, 100.0) for name in "bc"]
    bench.gate.match(5.0)
    bench.open_all(5.0)
    assert callers[0].member is not None
    assert not bench.gate.careful
    bench.open_all(5.0)
    assert all(caller.member is not None for caller in callers)


def test_whoever_cannot_wait_for_the_next_attempt_hears_so_at_once() -> None:
    bench = Bench(2)
    hasty, patient = bench.ask("hasty", 0.0, 4.0), bench.ask("patient", 0.0, 40.0)
    first, second = (member for _, member in bench.work())
    bench.gate.failed(first, 1.0)
    bench.gate.pause(1.0, 10.0, refused)
    assert not hasty.done  # the other one may come about
    bench.gate.failed(second, 1.0)
    bench.gate.pause(1.0, 10.0, refused)
    assert isinstance(hasty.error, ConnectionError)
    assert not patient.done
    newcomer = bench.ask("newcomer", 2.0, 5.0)
    assert isinstance(newcomer.error, ConnectionError)
    assert bench.gate.waiting == 1


def test_whoever_may_get_a_session_that_is_there_waits_for_it() -> None:
    bench = Bench(2)
    (member,) = bench.leased(1)
    caller = bench.ask("a", 0.0, 4.0)
    failing(bench, 1.0, 10.0)
    assert not caller.done
    bench.gate.release(member, 2.0, clean=True)
    assert caller.member is member


# ---------------------------------------------------------------------- the end


def test_a_close_tells_everybody_and_closes_what_comes_back() -> None:
    bench = Bench(3)
    held, idle = bench.leased(2)
    bench.gate.release(idle, 0.0, clean=True)
    bench.gate.take(0.0)
    waiting = [bench.ask(name) for name in "ab"]
    ((_, opening),) = bench.work()
    bench.gate.release(idle, 0.0, clean=False)
    bench.work()
    bench.gate.close(1.0, refused)
    assert all(isinstance(caller.error, ConnectionError) for caller in waiting)
    assert bench.work() == [(Task.ABANDON, opening)]
    bench.gate.settled(idle, True, 1.0)
    bench.gate.release(held, 1.0, clean=True)
    assert bench.work() == [(Task.CLOSE, idle), (Task.CLOSE, held)]
    bench.gate.opened(opening, 1.0, 9.0)
    assert bench.work() == [(Task.CLOSE, opening)]
    assert bench.gate.take(1.0) is None


def test_what_is_idle_for_long_or_lives_for_long_is_closed_in_time() -> None:
    bench = Bench(2)
    one, two = bench.leased(2, life=100.0)
    two.expires = 20.0
    bench.gate.release(one, 0.0, clean=True)
    bench.gate.release(two, 5.0, clean=True)
    assert bench.gate.tidy(6.0, 50.0) == 20.0
    assert bench.gate.tidy(20.0, 50.0) == 50.0
    assert (two.reason, bench.tasks()) == ("lifetime", [Task.CLOSE])
    assert bench.gate.tidy(50.0, 50.0) is None
    assert (one.reason, bench.tasks()) == ("idle", [Task.CLOSE])
