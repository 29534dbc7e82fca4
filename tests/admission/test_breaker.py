# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import asyncio
import pickle
import random
import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aioconn.admission.breaker import Breaker, Circuit
from aioconn.errors import (
    AuthenticationFailed,
    CircuitOpen,
    ConnectError,
    ConnectTimeout,
    DeviceBusy,
    HostKeyChanged,
    HostKeyUnknown,
    HostUnreachable,
    InvalidOption,
    KeyExchangeFailed,
    LimitReached,
    MissingDependency,
    MissingValue,
    PoolClosed,
    PoolTimeout,
    PromptNotFound,
    SessionBroken,
    ShellRefused,
)
from aioconn.policy import BACKOFF_CEILING, BACKOFF_FLOOR, HEALTHY_AFTER, PERMANENT_FOR
from tests.examples import examples

DOWN = HostUnreachable("refused", device="r1", path="mgmt")


class Longest(random.Random):
    """Always the longest wait; keeps what was asked for."""

    def __init__(self) -> None:
        super().__init__(1)
        self.ranges: list[tuple[float, float]] = []

    def uniform(self, a: float, b: float) -> float:
        self.ranges.append((a, b))
        return b


def failing(times: int = 1, *, now: float = 100.0) -> Breaker:
    breaker = Breaker(Longest())
    for number in range(times):
        assert breaker.attempt(number, now, force=True)
        breaker.failed(number, DOWN, now)
    return breaker


def test_a_path_that_works_may_be_tried_by_all() -> None:
    breaker = Breaker()
    assert all(breaker.attempt(number, 0.0) for number in range(100))
    assert (breaker.state, breaker.due(0.0), breaker.retry_at) == (Circuit.CLOSED, 0.0, 0.0)
    for number in range(100):
        breaker.succeeded(number, 1.0)
    assert breaker.state is Circuit.CLOSED
    assert repr(breaker) == "<Breaker closed, 0 failures>"


def test_a_failure_closes_the_path_for_a_while() -> None:
    breaker = Breaker(Longest())
    assert breaker.attempt("a", 100.0)
    assert breaker.failed("a", DOWN, 100.0) == 2.0
    assert (breaker.state, breaker.failures, breaker.retry_at) == (Circuit.OPEN, 1, 102.0)
    assert breaker.due(100.5) == 1.5
    assert not breaker.attempt("b", 101.9)
    assert breaker.state is Circuit.OPEN
    assert repr(breaker) == "<Breaker open, 1 failures, last: refused>"


def test_one_attempt_at_a_time_while_it_fails() -> None:
    breaker = failing()
    assert breaker.due(102.0) == 0.0
    assert breaker.attempt("a", 102.0)
    assert breaker.state is Circuit.HALF_OPEN
    assert breaker.due(102.0) is None
    assert not breaker.attempt("b", 103.0)
    breaker.succeeded("a", 104.0)
    assert breaker.due(104.0) == 0.0
    assert breaker.attempt("b", 104.0)
    assert breaker.attempt("c", 104.0)


@pytest.mark.parametrize("release", [True, False])
def test_an_attempt_that_tells_nothing_leaves_the_next_one_to_others(release: bool) -> None:
    breaker = failing()
    assert breaker.attempt("a", 102.0)
    if release:
        breaker.release("a")
    else:
        assert breaker.failed("a", asyncio.CancelledError(), 102.0) == 0.0
    assert (breaker.state, breaker.failures, breaker.due(102.0)) == (Circuit.OPEN, 1, 0.0)
    assert breaker.attempt("b", 102.0)


def test_who_asks_for_it_in_so_many_words_may_try() -> None:
    breaker = failing(now=100.0)
    assert breaker.attempt("a", 100.0, force=True)
    assert breaker.attempt("b", 100.0, force=True)
    breaker.release("a")
    assert breaker.due(102.0) is None  # b is still at it
    breaker.succeeded("b", 100.0)
    assert breaker.due(100.0) == 0.0


def test_the_wait_grows_to_a_minute_with_full_jitter() -> None:
    breaker = failing(9)
    rng = breaker._random
    assert isinstance(rng, Longest)
    assert [high for _, high in rng.ranges] == [2, 4, 8, 16, 32, 60, 60, 60, 60]
    assert {low for low, _ in rng.ranges} == {BACKOFF_FLOOR}


def test_those_who_fail_together_do_not_come_back_together() -> None:
    waits = []
    for seed in range(500):
        breaker = Breaker(random.Random(seed))
        for number in range(20):
            breaker.attempt(number, 0.0, force=True)
            breaker.failed(number, DOWN, 0.0)
        waits.append(breaker.retry_at)
    assert BACKOFF_FLOOR <= min(waits) < 3
    assert BACKOFF_CEILING - 3 < max(waits) <= BACKOFF_CEILING
    assert statistics.fmean(waits) == pytest.approx(BACKOFF_CEILING / 2, rel=0.1)


def test_a_very_long_outage() -> None:
    breaker = failing(5000)
    assert breaker.retry_at == 100.0 + BACKOFF_CEILING


def test_attempts_that_fail_together_are_one_failure() -> None:
    breaker = Breaker(Longest())
    for number in range(5):
        assert breaker.attempt(number, 100.0)
    assert [breaker.failed(number, DOWN, 101.0) for number in range(5)] == [2.0, 0.0, 0.0, 0.0, 0.0]
    assert (breaker.failures, breaker.retry_at, breaker.state) == (1, 103.0, Circuit.OPEN)


def test_a_late_failure_does_not_close_a_path_that_works_again() -> None:
    breaker = Breaker(Longest())
    breaker.attempt("slow", 100.0)
    breaker.attempt("quick", 100.0)
    breaker.failed("quick", DOWN, 100.0)
    breaker.attempt("next", 102.0)
    breaker.succeeded("next", 102.5)
    assert breaker.failed("slow", DOWN, 103.0) == 0.0
    assert breaker.state is Circuit.CLOSED


@pytest.mark.parametrize("error", [AuthenticationFailed, HostKeyChanged, HostKeyUnknown])
def test_what_only_a_person_can_put_right_is_left_alone(error: type[ConnectError]) -> None:
    breaker = Breaker(random.Random(1))
    breaker.attempt("a", 100.0)
    assert breaker.failed("a", error("no"), 100.0) == PERMANENT_FOR
    assert not breaker.attempt("b", 100.0 + PERMANENT_FOR - 1)
    assert breaker.attempt("b", 100.0 + PERMANENT_FOR)


def test_a_connection_that_just_ended_at_the_password_is_tried_again_soon() -> None:
    breaker = Breaker(Longest())
    lost = AuthenticationFailed("no, as it seems", certain=False)
    breaker.attempt("a", 100.0)
    assert breaker.failed("a", lost, 100.0) == 2.0
    assert breaker.refusal("r1", "mgmt", 100.0).hint is None
    assert breaker.attempt("b", 102.0)
    assert breaker.failed("b", AuthenticationFailed("no"), 102.0) == PERMANENT_FOR
    assert breaker.attempt("c", 200.0, force=True)
    assert breaker.failed("c", lost, 200.0) == PERMANENT_FOR - 98.0
    assert pickle.loads(pickle.dumps(lost)).certain is False  # noqa: S301


def test_a_wrong_password_counts_among_other_failures() -> None:
    breaker = Breaker(Longest())
    for holder in ("quick", "slow", "slower"):
        breaker.attempt(holder, 100.0)
    breaker.failed("quick", DOWN, 100.0)
    assert breaker.failed("slow", AuthenticationFailed("wrong password"), 101.0) == PERMANENT_FOR
    assert breaker.failed("slower", AuthenticationFailed("wrong password"), 101.0) == 0.0
    assert isinstance(breaker.last_error, AuthenticationFailed)


@pytest.mark.parametrize("error", [DOWN, AuthenticationFailed("wrong password")])
def test_a_late_failure_of_any_kind_is_overruled_by_a_success(error: ConnectError) -> None:
    breaker = failing()
    breaker.attempt("late", 100.0, force=True)
    breaker.attempt("next", 101.0, force=True)
    breaker.failed("next", DOWN, 101.0)
    breaker.attempt("good", 110.0, force=True)
    breaker.succeeded("good", 110.0)
    assert breaker.failed("late", error, 111.0) == 0.0
    assert breaker.state is Circuit.CLOSED


def test_a_lesser_failure_does_not_make_a_wrong_password_right() -> None:
    breaker = Breaker(Longest())
    breaker.attempt("a", 100.0)
    breaker.failed("a", AuthenticationFailed("wrong password"), 100.0)
    breaker.attempt("b", 200.0, force=True)
    assert breaker.failed("b", DOWN, 200.0) == PERMANENT_FOR - 100.0
    assert breaker.retry_at == 100.0 + PERMANENT_FOR
    assert isinstance(breaker.last_error, AuthenticationFailed)
    breaker.attempt("c", 1000.0)
    assert breaker.failed("c", DOWN, 1000.0) == 8.0
    assert isinstance(breaker.last_error, HostUnreachable)
    assert breaker.refusal("r1", "mgmt", 1000.0).hint is None


@pytest.mark.parametrize(
    "error",
    [
        InvalidOption("x"),
        MissingValue("x"),
        MissingDependency("x"),
        LimitReached("x"),
        PoolTimeout("x"),
        PoolClosed("x"),
        DeviceBusy("x"),
        CircuitOpen("x"),
        asyncio.CancelledError(),
        KeyboardInterrupt(),
    ],
    ids=lambda error: type(error).__name__,
)
def test_what_was_not_tried_has_not_failed(error: BaseException) -> None:
    breaker = Breaker()
    breaker.attempt("a", 0.0)
    assert breaker.failed("a", error, 0.0) == 0.0
    assert (breaker.state, breaker.failures, breaker.last_error) == (Circuit.CLOSED, 0, None)


@pytest.mark.parametrize(
    "error", [ConnectTimeout, KeyExchangeFailed, PromptNotFound, ShellRefused, SessionBroken, OSError]
)
def test_everything_else_passes(error: type[Exception]) -> None:
    breaker = Breaker()
    breaker.attempt("a", 0.0)
    assert 0.0 < breaker.failed("a", error("x"), 0.0) <= 2.0
    assert isinstance(breaker.last_error, error)


def test_failures_are_forgotten_after_a_while_of_health() -> None:
    breaker = failing(3)
    breaker.attempt("a", 200.0)
    breaker.succeeded("a", 200.0)
    assert breaker.failures == 3
    breaker.attempt("b", 200.0 + HEALTHY_AFTER)
    assert (breaker.failures, breaker.last_error) == (0, None)
    assert breaker.failed("b", DOWN, 201.0 + HEALTHY_AFTER) == 2.0


def test_a_success_alone_forgets_nothing() -> None:
    breaker = failing(3)
    breaker.attempt("a", 200.0)
    breaker.succeeded("a", 200.0)
    breaker.attempt("b", 199.0 + HEALTHY_AFTER)
    assert breaker.failed("b", DOWN, 199.0 + HEALTHY_AFTER) == 16.0


def test_further_successes_do_not_put_health_off() -> None:
    breaker = failing(3)
    for second in range(int(HEALTHY_AFTER) + 1):
        breaker.attempt("a", 200.0 + second)
        breaker.succeeded("a", 200.0 + second)
    assert breaker.failures == 0


def test_a_session_that_dies_at_once_again_and_again_is_a_failure() -> None:
    breaker = Breaker(Longest())
    now, waits = 100.0, []
    for _ in range(7):
        now = max(now, breaker.retry_at)
        assert breaker.attempt("a", now)
        breaker.succeeded("a", now)
        waits.append(breaker.lost(now + 1.0))
        now += 1.0
    assert waits == [2, 4, 8, 16, 32, 60, 60]
    assert isinstance(breaker.last_error, SessionBroken)


@pytest.mark.parametrize(
    ("lived", "counts"), [(0.0, True), (HEALTHY_AFTER - 1, True), (HEALTHY_AFTER, False)]
)
def test_a_session_that_lived_was_a_success(lived: float, counts: bool) -> None:
    breaker = Breaker()
    breaker.attempt("a", 0.0)
    breaker.succeeded("a", 0.0)
    assert bool(breaker.lost(1000.0, SessionBroken("reset"), lived=lived)) is counts
    assert (breaker.state is Circuit.OPEN) is counts


def test_how_long_a_session_lived_is_guessed_if_nobody_says() -> None:
    breaker = Breaker(Longest())
    assert breaker.lost(50.0) == 2.0
    breaker.reset()
    breaker.attempt("a", 100.0)
    breaker.succeeded("a", 100.0)
    assert breaker.lost(100.0 + HEALTHY_AFTER) == 0.0
    breaker.reset()
    assert breaker.lost(1000.0) == 2.0


def test_an_early_loss_after_a_while_of_health_is_the_first_failure() -> None:
    breaker = failing(3)
    breaker.attempt("a", 200.0)
    breaker.succeeded("a", 200.0)
    assert breaker.lost(200.0 + HEALTHY_AFTER, lived=1.0) == 2.0


def test_sessions_that_die_together_are_one_failure() -> None:
    breaker = Breaker(Longest())
    breaker.attempt("a", 100.0)
    breaker.succeeded("a", 100.0)
    assert [breaker.lost(101.0) for _ in range(4)] == [2.0, 0.0, 0.0, 0.0]
    assert breaker.failures == 1


def test_an_attempt_under_way_when_a_session_dies_fails_of_the_same() -> None:
    breaker = Breaker(Longest())
    breaker.attempt("a", 100.0)
    breaker.succeeded("a", 100.0)
    breaker.attempt("b", 100.5)
    breaker.lost(101.0)
    assert breaker.failed("b", DOWN, 101.0) == 0.0


def test_reset() -> None:
    breaker = Breaker()
    breaker.attempt("a", 100.0)
    breaker.failed("a", AuthenticationFailed("wrong password"), 100.0)
    breaker.reset()
    assert (breaker.state, breaker.failures, breaker.last_error) == (Circuit.CLOSED, 0, None)
    assert breaker.attempt("b", 100.0)
    assert breaker.attempt("c", 100.0)


def test_whoever_is_unknown_may_report_all_the_same() -> None:
    breaker = Breaker(Longest())
    breaker.release("nobody")
    breaker.succeeded("nobody", 1.0)
    assert breaker.failed("nobody", DOWN, 2.0) == 2.0


def test_the_refusal_says_what_happened_and_when_it_goes_on() -> None:
    breaker = failing(3)
    error = breaker.refusal("r1", "mgmt", 104.0)
    assert str(error) == (
        "r1 via mgmt [tcp]: failed 3 times in a row, the next attempt is due in 4.0 s; last: refused"
    )
    assert (error.retry_in, error.retry_at) == (4.0, 108.0)  # type: ignore[attr-defined]
    assert isinstance(error.last_error, HostUnreachable)
    assert error.__cause__ is error.last_error
    copied = pickle.loads(pickle.dumps(error))  # noqa: S301  our own
    assert str(copied) == str(error)
    assert str(copied.last_error) == str(DOWN)
    breaker.attempt("a", 108.0)
    assert "the next attempt is under way" in str(breaker.refusal("r1", "mgmt", 108.0))


def test_the_refusal_after_a_wrong_password() -> None:
    breaker = Breaker()
    breaker.attempt("a", 0.0)
    breaker.failed("a", AuthenticationFailed("wrong password"), 0.0)
    error = breaker.refusal("r1", "mgmt", 60.0)
    assert str(error) == (
        "r1 via mgmt [auth]: failed once, the next attempt is due in 840.0 s; last: wrong password"
        " -> put that right; connect() then tries at once"
    )


def test_the_last_error_holds_no_frames() -> None:
    """They would keep what the attempt had in its hands, passwords among it, for as long as the path is closed."""

    def log_in() -> None:
        try:
            raise OSError("reset")
        except OSError as error:
            raise HostUnreachable("refused", device="r1", seen="reset") from error

    breaker = Breaker()
    breaker.attempt("a", 0.0)
    with pytest.raises(HostUnreachable) as caught:
        log_in()
    original = caught.value
    breaker.failed("a", original, 0.0)
    kept = breaker.last_error
    assert isinstance(kept, HostUnreachable)
    assert str(kept) == str(original)
    assert (kept.__traceback__, kept.__cause__, kept.__context__) == (None, None, None)
    assert original.__traceback__ is not None


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["attempt", "force", "succeed", "fail", "wrong", "release", "lose", "reset"]),
        st.integers(0, 5),
        st.sampled_from([0.0, 0.01, 1.0, 20.0, 31.0, 901.0]),
    ),
    max_size=60,
)


@examples(300)
@given(steps=STEPS, seed=st.integers(0, 1000))
def test_whatever_happens(steps: list[tuple[str, int, float]], seed: int) -> None:
    breaker, now = Breaker(random.Random(seed)), 0.0
    trying: dict[int, bool] = {}  # and whether it was forced, or began while the path was closed to nobody
    for step, holder, seconds in steps:
        now += seconds
        if step in ("attempt", "force"):
            if holder in trying:
                continue
            closed = breaker.state is Circuit.CLOSED
            due = breaker.due(now)
            began = breaker.attempt(holder, now, force=step == "force")
            assert began is (step == "force" or due == 0.0)
            if began:
                trying[holder] = closed or step == "force"
        elif step == "lose":
            breaker.lost(now)
        elif step == "reset":
            breaker.reset()
        elif holder in trying:
            del trying[holder]
            if step == "succeed":
                breaker.succeeded(holder, now)
                assert breaker.state is Circuit.CLOSED
            elif step == "release":
                breaker.release(holder)
            else:
                breaker.failed(holder, DOWN if step == "fail" else AuthenticationFailed("wrong"), now)
        # alone, unless it began in better days or was asked for in so many words
        assert sum(not free for free in trying.values()) <= 1 or breaker.state is Circuit.CLOSED
        assert (breaker.state is Circuit.CLOSED) is (breaker.retry_at == 0.0)
        assert breaker.retry_at <= now + PERMANENT_FOR
        if breaker.state is not Circuit.CLOSED:
            assert breaker.failures >= 1
            assert breaker.last_error is not None
            assert (breaker.state is Circuit.HALF_OPEN) is bool(trying)
            assert breaker.due(now) == (None if trying else max(0.0, breaker.retry_at - now))
