# SPDX-License-Identifier: Apache-2.0
"""How many connections are made at once."""

from __future__ import annotations

import asyncio
import os
import random

import pytest

from aioconn.admission.connect_gate import HOLD, ConnectGate

pytestmark = pytest.mark.clock("jumping")


def gate(size: int = 2) -> ConnectGate:
    return ConnectGate(size)


async def entered(made: ConnectGate, *holders: str) -> list[asyncio.Task[None]]:
    tasks = [asyncio.create_task(made.enter(holder)) for holder in holders]
    await asyncio.sleep(0)
    return tasks


def who(holders: str, tasks: list[asyncio.Task[None]]) -> str:
    return "".join(
        holder
        for holder, task in zip(holders, tasks, strict=True)
        if task.done() and not task.cancelled() and task.exception() is None
    )


async def test_so_many_at_once_in_their_order() -> None:
    made = gate()
    tasks = await entered(made, *"abcde")
    assert who("abcde", tasks) == "ab"
    await made.enter("a")  # is inside
    made.leave("b")
    made.leave("b")
    made.leave("unknown")
    await asyncio.sleep(0)
    assert who("abcde", tasks) == "abc"
    made.leave("a")
    made.leave("c")
    await asyncio.sleep(0)
    assert who("abcde", tasks) == "abcde"


@pytest.mark.skipif(
    os.environ.get("AIOCONN_CLOCK") == "real", reason="compares times, and a busy machine is late"
)
async def test_who_waits_for_his_device_keeps_nobody_out() -> None:
    loop, made = asyncio.get_running_loop(), gate()
    started = loop.time()
    tasks = await entered(made, "a")
    await asyncio.sleep(HOLD / 2)
    tasks += await entered(made, *"bcdef")
    await tasks[2]
    assert loop.time() - started == pytest.approx(HOLD, abs=0.01)  # when a has been there for long
    assert who("abcdef", tasks) == "abc"
    await tasks[3]
    assert loop.time() - started == pytest.approx(1.5 * HOLD, abs=0.01)
    made.leave("a")  # is out already
    await asyncio.sleep(0)
    assert who("abcdef", tasks) == "abcd"
    await asyncio.gather(*tasks)
    assert loop.time() - started == pytest.approx(2.5 * HOLD, abs=0.01)


@pytest.mark.parametrize("let_in", ["before", "in the same turn", "after"])
async def test_a_cancelled_one_leaves_nothing_behind(let_in: str) -> None:
    made = gate(1)
    tasks = await entered(made, *"abc")
    if let_in != "after":
        made.leave("a")
    if let_in == "before":
        await asyncio.sleep(0)
    tasks[1].cancel()
    made.leave("a")
    assert [task.done() for task in tasks] == [True, let_in == "before", False]
    if let_in == "before":
        made.leave("b")
    await tasks[2]
    made.leave("c")
    assert (await entered(made, "d"))[0].done()


async def test_whatever_happens_nobody_is_forgotten() -> None:
    rng, made, most = random.Random(7), gate(3), 0
    inside: set[int] = set()

    async def visitor(number: int) -> None:
        nonlocal most
        await asyncio.sleep(rng.random())
        await made.enter(number)
        inside.add(number)
        try:
            most = max(most, len(inside))
            await asyncio.sleep(rng.random() * HOLD * 0.9)
        finally:
            inside.discard(number)
            made.leave(number)

    tasks = [asyncio.create_task(visitor(number)) for number in range(300)]
    for task in rng.sample(tasks, 100):
        await asyncio.sleep(rng.random() / 10)
        task.cancel()
    async with asyncio.timeout(300):
        await asyncio.gather(*tasks, return_exceptions=True)
    assert most == 3
    assert who("xyz", await entered(made, *"xyz")) == "xyz"
