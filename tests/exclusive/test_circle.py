# SPDX-License-Identifier: Apache-2.0
"""Tasks and threads that take several devices in an order that ends in a circle: one of them is told at once."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import random
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator, Coroutine, Iterator
from typing import Any

import pytest

from aioconn.caller import here
from aioconn.errors import Deadlock
from aioconn.exclusive import Exclusivity, circle
from aioconn.exclusive.hold import Hold
from aioconn.exclusive.work import ExclusiveWork
from tests.crowd import idle, turns

THIS = "test_circle.py"
ENOUGH = 20.0


@pytest.fixture(autouse=True)
def nobody_is_left() -> Iterator[None]:
    yield
    assert not circle._inside


@contextlib.asynccontextmanager
async def block(exclusivity: Exclusivity, kind: str = "take") -> AsyncIterator[Hold]:
    """As the blocks of a device are: marked as long as they last."""
    hold = await getattr(exclusivity, kind)("exclusive" if kind == "take" else "lease")
    hold.mark()
    try:
        yield hold
    finally:
        hold.unmark()
        hold.release()


def outside(work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
    """A task that is inside of nothing, as one that was started elsewhere."""
    return asyncio.create_task(work, context=contextvars.Context())


def made(number: int) -> list[Exclusivity]:
    return [Exclusivity(f"r{one + 1}") for one in range(number)]


# ---------------------------------------------------------------------- what a user sees


async def test_two_devices_taken_in_opposite_order(pair: Any):
    devices = [(await pair("ssh"))[0] for _ in range(2)]
    first_has_it, second_has_it = asyncio.Event(), asyncio.Event()

    async def one() -> None:
        async with devices[0].exclusive():
            first_has_it.set()
            await second_has_it.wait()
            async with devices[1].exclusive():
                pass

    async def two() -> None:
        async with devices[1].exclusive():
            second_has_it.set()
            await first_has_it.wait()
            await turns()
            async with devices[0].exclusive():
                pass

    tasks = [asyncio.create_task(work(), name=work.__name__) for work in (one, two)]
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(result) for result in results] == [type(None), Deadlock]
    at = {work: work.__code__.co_firstlineno for work in (one, two)}
    assert str(results[1]) == (
        f"r1: these wait for each other: "
        f"task two took r2 (exclusive) at {THIS}:{at[two] + 1} in two and asks for r1 (exclusive) at "
        f"{THIS}:{at[two] + 5} in two; "
        f"task one took r1 (exclusive) at {THIS}:{at[one] + 1} in one and asks for r2 (exclusive) at "
        f"{THIS}:{at[one] + 4} in one"
        " -> take devices in the same order everywhere"
    )


@pytest.mark.parametrize("outer", ["exclusive", "transaction", "acquire", "stream"])
@pytest.mark.parametrize("inner", ["exclusive", "execute", "transaction"])
async def test_whatever_keeps_a_device_and_whatever_waits_for_it(pair: Any, outer: str, inner: str):
    (r1, _), (r2, _) = await pair("ssh"), await pair("ssh")
    for device in (r1, r2):
        await device.connect()
        await device.connect(alias="pool", pool_size=2)

    @contextlib.asynccontextmanager
    async def kept() -> AsyncIterator[None]:
        if outer == "stream":
            async with contextlib.aclosing(r1.stream("show version")) as pieces:
                async for _ in pieces:
                    yield
                    break
        else:
            async with r1.pool.acquire() if outer == "acquire" else getattr(r1, outer)():
                yield

    async def one() -> None:
        async with kept():
            await both.wait()
            if inner == "execute":
                await r2.execute("show clock")
            else:
                async with getattr(r2, inner)():
                    pass

    async def two() -> None:
        async with r2.exclusive():
            await both.wait()
            async with r1.exclusive():
                pass

    both = asyncio.Barrier(2)
    results = await asyncio.gather(one(), two(), return_exceptions=True)
    assert Counter(map(type, results)) == {type(None): 1, Deadlock: 1}
    assert str(next(filter(None, results))).count(THIS) == 4


async def test_three_in_a_circle_and_one_who_waits_beside_it():
    devices = made(3)
    asked: list[str] = []

    async def take(name: str, *order: Exclusivity) -> None:
        async with contextlib.AsyncExitStack() as stack:
            for exclusivity in order:
                asked.append(name)
                await stack.enter_async_context(block(exclusivity))
                await turns()

    orders = {
        "a": devices[:2],
        "b": devices[1:],
        "c": [devices[2], devices[0]],
        "beside": [Exclusivity("r4"), devices[0]],
    }
    tasks = {name: asyncio.create_task(take(name, *order), name=name) for name, order in orders.items()}
    results = dict(zip(tasks, await asyncio.gather(*tasks.values(), return_exceptions=True), strict=True))
    error = results.pop("c")
    assert isinstance(error, Deadlock)
    assert [word for word in error.message.split() if word in tasks] == ["c", "a", "b"]
    assert set(results.values()) == {None}
    assert all(map(idle, devices))


# ---------------------------------------------------------------------- no false alarm


async def test_the_same_order_is_no_deadlock():
    devices = made(2)

    async def take() -> None:
        async with block(devices[0]), block(devices[1]):
            await turns()

    await asyncio.gather(*(take() for _ in range(10)))
    assert all(map(idle, devices))


async def test_a_task_merely_started_in_a_block_may_wait_for_who_waits_for_the_block():
    r1, r2 = made(2)

    async def other() -> None:
        async with block(r2), block(r1):
            pass

    async def child() -> None:
        async with block(r2):
            pass

    async with block(r1):
        tasks = [outside(other()), asyncio.create_task(child())]
        await turns()
        assert r1.waiting == r2.waiting == 1
    await asyncio.gather(*tasks)
    assert idle(r1)
    assert idle(r2)


@pytest.mark.parametrize("how", ["here", "elsewhere", "by its deadline"])
async def test_who_is_cancelled_and_has_not_heard_of_it_yet_is_in_nobodys_way(how: str):
    r1, r2 = made(2)
    carried: list[asyncio.Task[Hold]] = []

    async def other() -> None:
        async with block(r2):
            if how == "here":
                await r1.take()
            else:  # where the word of it takes a while, to come or to go back
                carried.append(asyncio.create_task(r1.take(caller=here())))
                await asyncio.shield(carried[0])

    async with block(r1):
        task = outside(other())
        await turns()
        assert r1.waiting == 1
        (carried[0] if how == "by its deadline" else task).cancel()
        (await r2.take()).release()
    await asyncio.wait({task})
    assert task.cancelled()


async def test_who_stands_behind_one_who_would_be_alone_waits_for_him_to_give_up():
    r1, r2 = made(2)

    async def keeps_r1_together_with_others() -> None:
        async with block(r1, "hold"), block(r2):
            pass

    async with block(r2):
        keeping = outside(keeps_r1_together_with_others())
        await turns()
        alone = outside(r1.take())
        await turns()
        assert (r1.waiting, r2.waiting) == (1, 1)
        asyncio.get_running_loop().call_soon(alone.cancel)
        await r1.enter()
        r1.leave()
    await keeping


async def test_an_end_that_is_under_way_is_no_block_any_more():
    """The hold was left, and is released in a moment, at another loop."""
    r1, r2 = made(2)
    hold = await r1.take()
    hold.mark()
    hold.unmark()

    async def other() -> None:
        async with block(r2), block(r1):
            pass

    task = asyncio.create_task(other())
    await turns()
    taking = asyncio.create_task(r2.take(caller=here()))
    await turns()
    assert not taking.done()
    hold.release()
    (await taking).release()
    await task


async def test_who_waits_and_keeps_nothing_is_not_noted(monkeypatch: pytest.MonkeyPatch):
    r1 = Exclusivity("r1")
    monkeypatch.setattr(circle, "here", None)  # not even that is asked for
    async with block(r1):
        waiting = [outside(r1.enter()), outside(r1.take())]
        await turns()
        assert r1.waiting == 2
        assert not circle._inside
    await waiting[0]
    r1.leave()
    (await waiting[1]).release()


# ---------------------------------------------------------------------- whatever comes


@pytest.mark.parametrize("seed", range(20))
async def test_many_tasks_in_any_order_are_told_exactly_where_there_is_a_circle(seed: int):
    """Nobody has a deadline: a circle that is not found hangs. One that is told of is looked for in what they have."""
    chance = random.Random(seed)
    devices = made(5)
    has: dict[asyncio.Task[Any], list[tuple[Exclusivity, bool]]] = {}
    wants: dict[asyncio.Task[Any], Exclusivity] = {}
    told = 0

    def waits_for_itself(task: asyncio.Task[Any]) -> bool:
        seen, todo = set[asyncio.Task[Any]](), [task]
        while todo:
            for other in has:
                if wants[todo[0]] in [device for device, _ in has[other]] and todo[0] is not other:
                    if other is task:
                        return True
                    if other in wants and other not in seen:
                        seen.add(other)
                        todo.append(other)
            del todo[0]
        return False

    async def work() -> None:
        nonlocal told
        task = asyncio.current_task()
        assert task is not None
        for _ in range(30):
            async with contextlib.AsyncExitStack() as stack:
                has[task] = []
                for number, device in enumerate(chance.sample(devices, chance.randint(1, 3))):
                    kind = "hold" if not number and chance.random() < 0.4 else "take"
                    wants[task] = device
                    try:
                        await stack.enter_async_context(block(device, kind))
                    except Deadlock:
                        told += 1
                        assert waits_for_itself(task)
                        break
                    finally:
                        del wants[task]
                    has[task].append((device, kind == "take"))
                    await turns(chance.randint(0, 3))
                has[task] = []

    async with asyncio.timeout(ENOUGH), asyncio.TaskGroup() as group:
        for _ in range(6):
            group.create_task(work())
    assert told > 5
    assert all(map(idle, devices))


@pytest.mark.parametrize("number", [2, 3])
def test_threads_with_loops_of_their_own_are_told_once_for_each_circle(
    number: int, monkeypatch: pytest.MonkeyPatch
):
    """All ask at the same time, each in the loop of the next: one of them is told, and never two."""
    rounds = 100
    look = circle.Wait._circle

    def look_for_long(wait: circle.Wait) -> Any:
        found = look(wait)
        time.sleep(0.001)
        return found

    monkeypatch.setattr(circle.Wait, "_circle", look_for_long)
    loops: dict[int, asyncio.AbstractEventLoop] = {}
    told: list[list[int]] = [[] for _ in range(rounds)]
    devices = [made(number) for _ in range(rounds)]
    together = threading.Barrier(number, timeout=ENOUGH)

    def work_on(turn: int, device: int) -> ExclusiveWork:
        return ExclusiveWork(f"r{device + 1}", devices[turn][device], lambda: loops[device], ENOUGH)

    async def take(own: int) -> None:
        loops[own] = asyncio.get_running_loop()
        for turn in range(rounds):
            try:
                async with work_on(turn, own):
                    await asyncio.to_thread(together.wait)
                    async with work_on(turn, (own + 1) % number):
                        pass
            except Deadlock:
                told[turn].append(own)
            await asyncio.to_thread(together.wait)

    threads = [threading.Thread(target=asyncio.run, args=(take(own),)) for own in range(number)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(2 * ENOUGH)
    assert [len(ones) for ones in told] == [1] * rounds
    assert all(idle(device) for turn in devices for device in turn)
