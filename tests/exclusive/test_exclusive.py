# SPDX-License-Identifier: Apache-2.0
"""Who may work on a device: the order among all who ask, and what a cancellation leaves behind."""

from __future__ import annotations

import asyncio
import itertools
import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

import anyio
import pytest

from aioconn.errors import UsageError
from aioconn.exclusive import ConfigureOrder, Exclusivity
from tests.cancelling import Moment, cut_everywhere
from tests.crowd import KINDS, SHARED, Clock, Crowd, begin, end, idle, turns
from tests.storm.clock import run

# ---------------------------------------------------------------------- order


async def test_shared_work_goes_on_side_by_side():
    crowd = Crowd(Exclusivity("r1"))
    for name, kind in {"a": "enter", "b": "hold", "c": "enter"}.items():
        await crowd.join(name, kind)
    assert crowd.got == ["a", "b", "c"]
    assert crowd.exclusivity.statistics() == {"shared": 3, "exclusive": 0, "waiting": 0, "longest_wait": 0.0}
    await crowd.end()


@pytest.mark.parametrize("first", KINDS)
async def test_exclusive_work_waits_for_whoever_is_there(first: str):
    crowd = Crowd(Exclusivity("r1"))
    await crowd.join("first", first)
    await crowd.join("alone", "take")
    assert crowd.got == ["first"]
    await crowd.leave("first")
    assert crowd.got == ["first", "alone"]
    await crowd.end()


@pytest.mark.parametrize("late", SHARED)
async def test_exclusive_work_that_waits_is_not_overtaken(late: str):
    crowd = Crowd(Exclusivity("r1"))
    await crowd.join("call", "enter")
    await crowd.join("alone", "take")
    await crowd.join("late", late)
    assert not crowd.exclusivity.try_enter()
    assert crowd.exclusivity.try_hold("lease") is None
    assert crowd.exclusivity.try_take() is None
    assert crowd.got == ["call"]
    await crowd.leave("call")
    assert crowd.got == ["call", "alone"]
    await crowd.leave("alone")
    assert crowd.got == ["call", "alone", "late"]
    await crowd.end()


async def test_everybody_is_served_in_the_order_of_arrival():
    crowd = Crowd(Exclusivity("r1"))
    arrivals = ["take", "enter", "hold", "take", "take", "enter", "take", "hold", "hold"]
    for number, kind in enumerate(arrivals):
        await crowd.join(f"{number} {kind}", kind)
    names = list(crowd.tasks)
    together = [names[:1], names[1:3], names[3:4], names[4:5], names[5:6], names[6:7], names[7:]]
    for number, group in enumerate(together):
        assert crowd.got == list(itertools.chain(*together[: number + 1]))
        await crowd.leave(*group)
    await crowd.end()


async def test_what_comes_free_is_handed_over_and_cannot_be_taken_in_between():
    exclusivity = Exclusivity("r1")
    assert exclusivity.try_enter()
    taking = asyncio.create_task(exclusivity.take())
    await turns()
    exclusivity.leave()  # the taker has not run yet
    assert exclusivity.try_take() is None
    assert not exclusivity.try_enter()
    (await taking).release()
    assert idle(exclusivity)


async def test_all_who_wait_together_are_let_in_at_once():
    exclusivity = Exclusivity("r1")
    hold = await exclusivity.take()
    entering = [asyncio.create_task(exclusivity.enter()) for _ in range(100)]
    await turns()
    hold.release()
    assert exclusivity.statistics()["shared"] == 100
    await asyncio.gather(*entering)
    for _ in entering:
        exclusivity.leave()
    assert idle(exclusivity)


async def test_releasing_again_changes_nothing():
    exclusivity = Exclusivity("r1")
    hold = await exclusivity.hold("lease")
    hold.release()
    alone = await exclusivity.take()
    hold.release()
    assert alone.live
    alone.release()
    other = await exclusivity.take()
    alone.release()
    assert other.live
    other.release()
    assert idle(exclusivity)


async def test_leaving_more_often_than_entering_is_refused():
    exclusivity = Exclusivity("r1")
    with pytest.raises(UsageError, match="r1: left more often than entered"):
        exclusivity.leave()
    assert idle(exclusivity)


# ---------------------------------------------------------------------- cancellation


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("before", KINDS)
def test_a_wait_cut_off_in_any_way_leaves_nothing(kind: str, before: str) -> None:
    """Somebody is there, exclusive work waits, then the one who is cut off, then everybody else."""

    async def main() -> None:
        exclusivity = Exclusivity("r1")

        async def other(kind: str) -> None:
            hold = await begin(exclusivity, kind)
            try:
                await asyncio.sleep(1)
            finally:
                end(exclusivity, hold)

        async def make() -> None:
            others = [asyncio.create_task(other(before)), asyncio.create_task(other("take"))]
            await asyncio.sleep(0.1)
            asyncio.get_running_loop().call_later(
                0.1, lambda: others.extend(asyncio.create_task(other(kind)) for kind in KINDS)
            )
            try:
                hold = await begin(exclusivity, kind)
                try:
                    await asyncio.sleep(1)
                finally:
                    end(exclusivity, hold)
            finally:
                after.extend(others)

        after: list[asyncio.Task[None]] = []

        async def settle() -> None:
            await asyncio.sleep(60)
            assert all(task.done() and not task.exception() for task in after)
            after.clear()
            assert idle(exclusivity), repr(exclusivity)

        tally = await cut_everywhere(make, settle=settle, moments=(Moment.WAITS, Moment.GRANTED))
        assert all(count >= 6 for count in tally.ways.values()), tally

    run(main)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("granted_first", [True, False])
async def test_a_grant_and_a_cancel_in_one_turn_pass_it_on(kind: str, granted_first: bool):
    exclusivity = Exclusivity("r1")
    alone = await exclusivity.take()
    crowd = Crowd(exclusivity)
    await crowd.join("cut", kind)
    await crowd.join("next", "take")
    changes: list[Callable[[], object]] = [alone.release, crowd.tasks["cut"].cancel]
    for change in changes if granted_first else reversed(changes):
        change()
    await turns()
    assert crowd.tasks["cut"].cancelled()
    assert crowd.got == ["next"]
    await crowd.end()


async def test_exclusive_work_that_gives_up_lets_those_behind_it_in():
    crowd = Crowd(Exclusivity("r1"))
    await crowd.join("call", "enter")
    await crowd.join("alone", "take")
    await crowd.join("b", "enter")
    await crowd.join("c", "hold")
    assert crowd.got == ["call"]
    await crowd.cancel("alone")
    await turns()
    assert crowd.got == ["call", "b", "c"]
    await crowd.end()


async def test_a_deadline_that_passes_leaves_nothing():
    exclusivity = Exclusivity("r1")
    hold = await asyncio.create_task(exclusivity.take())
    for kind in KINDS:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0):
                await begin(exclusivity, kind)
        with anyio.move_on_after(0) as scope:
            await begin(exclusivity, kind)
        assert scope.cancelled_caught
    assert exclusivity.waiting == 0
    hold.release()
    assert idle(exclusivity)


async def test_a_coroutine_thrown_away_while_it_waits_leaves_nothing():
    exclusivity = Exclusivity("r1")
    hold = await exclusivity.take()
    waiting = exclusivity.enter()
    waiting.send(None)
    assert exclusivity.waiting == 1
    waiting.close()
    assert exclusivity.waiting == 0
    hold.release()
    assert idle(exclusivity)


async def test_many_who_give_up_leave_at_once_and_not_when_their_time_would_have_come():
    exclusivity = Exclusivity("r1")
    hold = await exclusivity.take()
    tasks = [asyncio.create_task(exclusivity.enter()) for _ in range(1_000)]
    await turns()
    for task in tasks[1:]:
        task.cancel()
    await asyncio.wait(tasks[1:])
    assert exclusivity.waiting == 1
    hold.release()
    await tasks[0]
    exclusivity.leave()
    assert idle(exclusivity)


# ---------------------------------------------------------------------- configuring in order


async def test_configures_come_one_after_the_other_whoever_has_a_session():
    """Half of them hold one of two sessions already; the others wait for one. Nobody waits for ever."""
    order, sessions = ConfigureOrder("r1"), asyncio.Semaphore(2)
    configuring: list[int] = []
    done: list[int] = []

    async def configure(number: int) -> None:
        lock = await order.lock.take("configure")
        configuring.append(number)
        assert configuring == [number]
        await turns(2)
        configuring.clear()
        done.append(number)
        lock.release()

    async def with_a_lease(number: int) -> None:
        async with sessions:
            await turns(number % 3)
            await configure(number)

    async def without(number: int) -> None:
        queue = await order.queue.take("configure")
        try:
            async with sessions:
                await configure(number)
        finally:
            queue.release()

    async with asyncio.timeout(10), asyncio.TaskGroup() as group:
        for number in range(40):
            group.create_task((with_a_lease if number % 2 else without)(number))
    assert sorted(done) == list(range(40))
    assert [number for number in done if not number % 2] == list(range(0, 40, 2))  # in the order of arrival
    assert idle(order.queue)
    assert idle(order.lock)


# ---------------------------------------------------------------------- numbers


async def test_statistics_and_status_line():
    clock = Clock()
    exclusivity = Exclusivity("r1", clock=clock)
    crowd = Crowd(exclusivity)
    await crowd.join("a", "enter")
    await crowd.join("b", "hold")
    await crowd.join("c", "take")
    clock.now += 5
    assert exclusivity.statistics() == {"shared": 2, "exclusive": 0, "waiting": 1, "longest_wait": 5.0}
    assert repr(exclusivity) == "<Exclusivity r1 2 shared, 0 exclusive, 1 waiting>"
    await crowd.leave("a", "b")
    clock.now += 5
    assert exclusivity.statistics() == {"shared": 0, "exclusive": 1, "waiting": 0, "longest_wait": 5.0}
    await crowd.join("d", "enter")
    clock.now += 7
    await crowd.cancel("d")
    assert exclusivity.statistics()["longest_wait"] == 7.0
    await crowd.end()


async def test_a_hold_tells_what_it_is():
    clock = Clock()
    hold = await Exclusivity("r1", clock=clock).hold("lease")
    clock.now += 3
    assert hold.age == 3.0
    name = asyncio.current_task().get_name()  # type: ignore[union-attr]
    assert repr(hold) == f"<Hold lease of r1 live, task {name} at {hold.place}>"
    assert repr(hold.caller) == f"<Caller task {name} at {hold.place}>"
    hold.release()
    assert "not live" in repr(hold)


# ---------------------------------------------------------------------- cost


def test_a_call_that_nobody_keeps_out_costs_two_plain_functions():
    """Counted, not timed: no look at the clock, the task or the context, no lock, no future."""
    exclusivity = Exclusivity("r1")
    calls: list[str] = []

    def profile(frame: FrameType, event: str, argument: Any) -> None:
        if event == "call" or (event == "c_call" and argument is not sys.setprofile):
            calls.append(frame.f_code.co_name if event == "call" else argument.__name__)

    sys.setprofile(profile)
    try:
        exclusivity.try_enter()
        exclusivity.leave()
    finally:
        sys.setprofile(None)
    assert calls == ["try_enter", "leave"]
