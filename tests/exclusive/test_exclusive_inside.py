# SPDX-License-Identifier: Apache-2.0
"""What counts as inside somebody's work on a device, waits that could never end, and how holders are named."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import gc
import sys
import threading
from collections.abc import AsyncIterator
from types import FrameType
from typing import Any

import pytest

from aioconn.caller import Caller, here
from aioconn.errors import Deadlock
from aioconn.exclusive import ConfigureOrder, Exclusivity
from aioconn.exclusive.hold import Hold
from tests.crowd import LIVING, Clock, Crowd, idle, turns

# ---------------------------------------------------------------------- inside


async def test_inside_a_shared_hold_calls_pass_exclusive_work_that_waits():
    exclusivity = Exclusivity("r1")
    hold = await exclusivity.hold("transaction")
    hold.mark()
    crowd = contextvars.Context().run(Crowd, exclusivity)
    await contextvars.Context().run(asyncio.create_task, crowd.join("alone", "take"))
    assert exclusivity.waiting == 1
    assert exclusivity.inside
    assert hold.inside
    assert exclusivity.try_enter()
    inner = exclusivity.try_hold("lease")
    assert inner is not None

    async def child() -> bool:
        return exclusivity.try_enter()

    assert await asyncio.create_task(child())
    exclusivity.leave()
    exclusivity.leave()
    inner.release()
    assert crowd.got == []
    hold.unmark()
    assert not exclusivity.inside
    assert not exclusivity.try_enter()
    hold.release()
    await turns()
    assert crowd.got == ["alone"]
    await crowd.end()


async def test_inside_an_exclusive_hold_everything_passes_and_nobody_else():
    exclusivity = Exclusivity("r1")
    outside = contextvars.copy_context()
    hold = await exclusivity.take()
    hold.mark()
    assert exclusivity.try_enter()
    lease, again = exclusivity.try_hold("lease"), exclusivity.try_take()
    assert lease is not None
    assert again is not None

    async def child() -> None:
        await exclusivity.enter()
        exclusivity.leave()
        (await exclusivity.hold("lease")).release()
        (await exclusivity.take()).release()

    async with asyncio.TaskGroup() as group:
        group.create_task(child())
    assert not outside.run(exclusivity.try_enter)
    assert outside.run(exclusivity.try_hold, "lease") is None
    assert outside.run(exclusivity.try_take) is None
    assert idle(exclusivity) is False
    exclusivity.leave()
    lease.release()
    again.release()
    hold.unmark()
    hold.release()
    assert idle(exclusivity)


async def test_a_second_exclusive_hold_counts_and_may_last_longer():
    exclusivity = Exclusivity("r1")
    outside = contextvars.copy_context()
    outer = await exclusivity.take()
    outer.mark()
    inner = await exclusivity.take()
    outer.unmark()
    outer.release()
    assert not outside.run(exclusivity.try_enter)
    inner.mark()
    assert exclusivity.try_enter()
    exclusivity.leave()
    inner.unmark()
    inner.release()
    assert idle(exclusivity)


async def test_work_that_outlives_the_exclusive_hold_it_began_in_is_waited_for():
    exclusivity = Exclusivity("r1")
    hold = await exclusivity.take()
    hold.mark()
    assert exclusivity.try_enter()
    hold.unmark()
    hold.release()
    taking = asyncio.create_task(exclusivity.take())
    await turns()
    assert not taking.done()
    exclusivity.leave()
    (await taking).release()
    assert idle(exclusivity)


@pytest.mark.parametrize("exclusive", [True, False])
async def test_a_task_that_outlives_the_block_it_was_started_in_is_outside(exclusive: bool):
    exclusivity = Exclusivity("r1")
    go, seen = asyncio.Event(), []

    async def background() -> None:
        seen.append((exclusivity.inside, hold.inside))
        await go.wait()
        seen.append((exclusivity.inside, hold.inside))
        assert not exclusivity.try_enter()

    hold = await (exclusivity.take() if exclusive else exclusivity.hold("transaction"))
    hold.mark()
    task = asyncio.create_task(background())
    await turns()
    hold.unmark()
    hold.release()
    other = await exclusivity.take()
    go.set()
    await task
    assert seen == [(True, True), (False, False)]
    other.release()


async def test_a_task_started_before_the_block_is_outside():
    exclusivity = Exclusivity("r1")
    go = asyncio.Event()

    async def early() -> bool:
        await go.wait()
        return exclusivity.try_enter()

    task = asyncio.create_task(early())
    await turns()
    hold = await exclusivity.take()
    hold.mark()
    go.set()
    assert await task is False
    hold.unmark()
    hold.release()


async def test_inside_one_device_is_not_inside_another():
    one, other = Exclusivity("r1"), Exclusivity("r2")
    stranger = await other.take()
    hold = await one.take()
    hold.mark()
    assert one.inside
    assert not other.inside
    assert not other.try_enter()
    assert other.try_take() is None
    assert one.try_enter()
    one.leave()
    stranger.release()
    hold.unmark()
    hold.release()
    assert idle(one)
    assert idle(other)


async def test_a_hold_may_be_marked_where_it_was_not_taken():
    """The task that acquires on behalf of a caller in another loop is not the caller's."""
    exclusivity = Exclusivity("r1")
    callers = contextvars.Context()
    hold = await exclusivity.take()
    callers.run(hold.mark)
    assert not exclusivity.try_enter()
    assert callers.copy().run(exclusivity.try_enter)
    exclusivity.leave()
    callers.run(hold.unmark)
    assert not callers.run(exclusivity.try_enter)
    hold.release()


async def test_marks_come_off_in_any_order_and_where_they_never_were():
    exclusivity = Exclusivity("r1")
    first, second = await exclusivity.hold("lease"), await exclusivity.hold("lease")
    first.mark()
    second.mark()
    first.unmark()
    assert (first.inside, second.inside) == (False, True)
    contextvars.Context().run(second.unmark)
    assert second.inside
    second.unmark()
    assert not exclusivity.inside
    second.unmark()
    first.release()
    second.release()


async def test_marks_of_what_is_over_do_not_pile_up():
    exclusivity = Exclusivity("r1")
    for _ in range(10):
        hold = await exclusivity.hold("lease")
        hold.mark()
        hold.release()  # by somebody who could not take the mark off
    last = await exclusivity.hold("lease")
    last.mark()
    marks = [
        value for variable, value in contextvars.copy_context().items() if variable.name == "aioconn holds"
    ]
    assert marks == [(last,)]
    last.unmark()
    last.release()


# ---------------------------------------------------------------------- waits that could never end


THIS = "test_exclusive_inside.py"


def line() -> int:
    """The line this is called from."""
    return sys._getframe(1).f_lineno


def here_name() -> str:
    """The function this is called from."""
    return sys._getframe(1).f_code.co_name


async def test_a_task_that_would_wait_for_its_own_shared_hold_is_told_both_places():
    exclusivity = Exclusivity("r1")
    hold = await exclusivity.hold("transaction")
    held = line() - 1
    hold.mark()

    async def deeper() -> None:
        await exclusivity.take()

    with pytest.raises(Deadlock) as caught:
        await deeper()
    asked = deeper.__code__.co_firstlineno + 1
    name = asyncio.current_task().get_name()  # type: ignore[union-attr]
    assert str(caught.value) == (
        f"r1: task {name} would wait for itself: it asks for exclusive at {THIS}:{asked} in deeper, "
        f"inside the transaction that it took at {THIS}:{held} in {here_name()} "
        "-> take what is exclusive first, or end the other before"
    )
    assert exclusivity.try_take() is None
    assert exclusivity.waiting == 0
    hold.unmark()
    hold.release()
    assert idle(exclusivity)


async def test_two_who_hold_and_want_to_be_alone_are_both_told():
    exclusivity = Exclusivity("r1")
    ready = asyncio.Barrier(2)

    async def one() -> None:
        hold = await exclusivity.hold("lease")
        hold.mark()
        await ready.wait()
        try:
            await exclusivity.take()
        finally:
            hold.unmark()
            hold.release()

    results = await asyncio.gather(one(), one(), return_exceptions=True)
    assert [type(result) for result in results] == [Deadlock, Deadlock]
    assert idle(exclusivity)


async def test_a_task_that_takes_the_same_order_twice_is_told():
    order = ConfigureOrder("r1")
    hold = await order.lock.take("configure")
    with pytest.raises(Deadlock, match=r"asks for configure at .* inside the configure that it took at"):
        await order.lock.take("configure")
    hold.release()
    assert idle(order.lock)


async def test_a_task_whose_exclusive_hold_is_kept_alive_by_another_is_told_of_its_own_shared_one():
    exclusivity = Exclusivity("r1")
    outer = await exclusivity.take()
    outer.mark()
    lease = await exclusivity.hold("lease")
    lease.mark()
    inner = await asyncio.create_task(exclusivity.take())
    outer.release()
    with pytest.raises(Deadlock, match="inside the lease"):
        await exclusivity.take()
    for hold in (lease, outer, inner):
        hold.unmark()
        hold.release()
    assert idle(exclusivity)


async def test_a_task_merely_started_inside_waits_until_the_hold_is_over():
    """Nobody can tell whether the holder waits for it; if he does not, its turn comes."""
    exclusivity = Exclusivity("r1")
    hold = await exclusivity.hold("transaction")
    hold.mark()
    taking = asyncio.create_task(exclusivity.take())
    await turns()
    assert not taking.done()
    hold.unmark()
    hold.release()
    (await taking).release()
    assert idle(exclusivity)


async def test_a_hold_that_is_over_is_no_deadlock():
    exclusivity = Exclusivity("r1")
    hold = await exclusivity.hold("lease")
    hold.mark()
    hold.release()
    (await exclusivity.take()).release()
    hold.unmark()


async def test_a_shared_hold_of_another_device_is_no_deadlock():
    one, other = Exclusivity("r1"), Exclusivity("r2")
    hold = await one.hold("lease")
    hold.mark()
    (await other.take()).release()
    hold.unmark()
    hold.release()


async def test_threads_without_a_loop_are_told_apart():
    """The sync facade's callers: who asks is known from `here()`, taken in the thread itself."""
    exclusivity = Exclusivity("r1")
    callers: list[Caller] = []
    threads = [threading.Thread(target=lambda: callers.append(here()), name=f"script {n}") for n in (1, 2)]
    for thread in threads:
        thread.start()
        thread.join()
    context = contextvars.Context()
    hold = await exclusivity.hold("transaction", caller=callers[0])
    context.run(hold.mark)
    with pytest.raises(Deadlock, match=r"^r1: thread script 1 would wait for itself"):
        await asyncio.create_task(exclusivity.take(caller=callers[0]), context=context)
    taking = asyncio.create_task(exclusivity.take(caller=callers[1]), context=context)
    await turns()
    assert not taking.done()
    hold.release()
    (await taking).release()
    assert idle(exclusivity)


# ---------------------------------------------------------------------- places


def ours(source: str, **names: Any) -> Any:
    """The function `f` of a module that would belong to this package."""
    space: dict[str, Any] = {"__name__": "aioconn.made_up", **names}
    exec(compile(source, "/somewhere/aioconn/made_up.py", "exec"), space)  # noqa: S102
    return space["f"]


async def test_the_place_is_the_callers_own_line():
    exclusivity = Exclusivity("r1")
    hold = exclusivity.try_hold("lease")
    assert hold is not None
    assert hold.place == f"{THIS}:{line() - 2} in test_the_place_is_the_callers_own_line"
    hold.release()


async def test_frames_of_this_package_and_of_what_calls_it_are_passed_over():
    inner = ours("def f(): return here()", here=here)
    f = ours("async def f(): return inner()", inner=inner)

    @contextlib.asynccontextmanager
    async def block() -> AsyncIterator[Caller]:
        yield await f()

    caller = await f()
    assert caller.place == f"{THIS}:{line() - 1} in {here_name()}"
    caller = await asyncio.wait_for(f(), None)
    assert caller.place == f"{THIS}:{line() - 1} in {here_name()}"
    async with block() as caller:
        assert caller.place.endswith(" in block")
    caller = await ours("async def f():\n async with block() as caller: return caller", block=Block)()
    assert caller.place == f"{THIS}:{line() - 1} in {here_name()}"


Block = contextlib.asynccontextmanager(ours("async def f(): yield here()", here=here))
"""As a block of this package looks like that is made with contextlib."""


async def test_a_task_that_runs_nothing_else_is_placed_at_its_own_coroutine():
    """And not at the line that runs the loop, or at the one that started the task: nobody remembers that."""
    f = ours("async def f():\n return here()", here=here)
    caller = await asyncio.create_task(f(), name="bare")
    assert caller.place == "made_up.py:2 in f"
    assert caller.name == "task bare"


async def test_a_running_task_that_is_known_need_not_be_looked_up():
    task = asyncio.current_task()
    assert here(task).is_same(here())


def test_a_place_keeps_no_frame():
    caller = here()
    assert caller.name == f"thread {threading.current_thread().name}"
    assert not any(isinstance(referent, FrameType) for referent in gc.get_referents(caller))


async def test_a_callback_asks_as_nobody_in_particular():
    exclusivity = Exclusivity("r1")
    done: asyncio.Future[Hold | None] = asyncio.get_running_loop().create_future()
    asyncio.get_running_loop().call_soon(lambda: done.set_result(exclusivity.try_hold("lease")))
    hold = await done
    assert hold is not None
    assert hold.caller.name == "a callback"
    assert not hold.caller.is_same(hold.caller)
    hold.release()


# ---------------------------------------------------------------------- blockers


async def test_blockers_name_who_works_alone():
    clock = Clock()
    exclusivity = Exclusivity("r1", clock=clock)
    assert exclusivity.blockers() == "nobody"
    crowd = Crowd(exclusivity)
    await crowd.join("nightly", "take")
    clock.now += 12.34
    assert exclusivity.blockers() == f"exclusive since 12.3 s by task nightly, taken at {LIVING}"
    for name in "abc":
        await crowd.join(name, "enter")
    assert exclusivity.blockers() == f"exclusive since 12.3 s by task nightly, taken at {LIVING}; 3 waiting"
    await crowd.end()


async def test_blockers_name_whom_the_one_who_wants_to_be_alone_waits_for():
    clock = Clock()
    exclusivity = Exclusivity("r1", clock=clock)
    crowd = Crowd(exclusivity)
    for name in "abcde":
        await crowd.join(name, "hold")
    await crowd.join("call", "enter")
    clock.now += 2
    await crowd.join("nightly", "take")
    clock.now += 1
    await crowd.join("call 2", "enter")
    assert exclusivity.blockers() == (
        f"lease since 3.0 s by task a, taken at {LIVING}; lease since 3.0 s by task b, taken at {LIVING}; "
        f"lease since 3.0 s by task c, taken at {LIVING}; 2 more; 1 call under way; "
        f"exclusive since 1.0 s by task nightly waiting for that, asked for at {LIVING}; 2 waiting"
    )
    await crowd.leave(*"abcde", "call")
    assert exclusivity.blockers() == f"exclusive since 0.0 s by task nightly, taken at {LIVING}; 1 waiting"
    await crowd.end()


async def test_blockers_say_when_it_is_the_callers_own_surroundings():
    exclusivity = Exclusivity("r1")
    hold = await exclusivity.hold("transaction")
    hold.mark()

    async def child() -> str:
        return exclusivity.blockers()

    assert (await asyncio.create_task(child())).endswith(", of which this is a part")
    hold.unmark()
    assert "part" not in await asyncio.create_task(child())
    hold.release()
