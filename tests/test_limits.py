# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import asyncio
import random

import pytest

from aioconn.limits import Budget
from aioconn.policy import Limits, LoginRate


async def test_places_are_handed_on_in_order() -> None:
    budget = Budget(Limits(max_sessions=2))
    await budget.take("a")
    await budget.take("b")
    order: list[str] = []

    async def come(name: str) -> None:
        await budget.take(name)
        order.append(name)

    tasks = []
    for name in "cdef":
        tasks.append(asyncio.ensure_future(come(name)))
        await asyncio.sleep(0)
    assert (budget.used, budget.waiting) == (2, 4)
    for name in "abcd":
        budget.give(name)
        await asyncio.sleep(0)
    await asyncio.gather(*tasks)
    assert order == ["c", "d", "e", "f"]
    assert budget.used == 2


async def test_a_waiter_cancelled_in_the_turn_of_its_grant_passes_the_place_on() -> None:
    budget = Budget(Limits(max_sessions=1))
    await budget.take("a")
    b = asyncio.ensure_future(budget.take("b"))
    c = asyncio.ensure_future(budget.take("c"))
    await asyncio.sleep(0)
    budget.give("a")
    b.cancel()
    with pytest.raises(asyncio.CancelledError):
        await b
    await asyncio.wait_for(c, 1)
    assert budget.holders == ["c"]


async def test_a_storm_of_cancels_loses_no_place() -> None:
    rng = random.Random(7)
    budget = Budget(Limits(max_sessions=3))

    async def visitor(name: int) -> None:
        await budget.take(name)
        try:
            for _ in range(rng.randrange(3)):
                await asyncio.sleep(0)
            assert budget.used <= 3
        finally:
            budget.give(name)

    tasks = [asyncio.ensure_future(visitor(number)) for number in range(2000)]
    while not all(task.done() for task in tasks):
        for task in rng.sample(tasks, 40):
            task.cancel()
        await asyncio.sleep(0)
    await asyncio.gather(*tasks, return_exceptions=True)
    assert (budget.used, budget.waiting) == (0, 0)


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


async def test_a_cancel_while_waiting_for_the_rate_gives_the_place_back() -> None:
    budget = Budget(Limits(max_sessions=1, logins_per_minute=1))
    await budget.take("a")
    budget.give("a")
    b = asyncio.ensure_future(budget.take("b"))
    await asyncio.sleep(0.01)
    assert budget.used == 1
    b.cancel()
    with pytest.raises(asyncio.CancelledError):
        await b
    assert budget.used == 0
