# SPDX-License-Identifier: Apache-2.0
"""Deadlines that share a timer end what `asyncio.timeout` would end, and leave what it would leave."""

from __future__ import annotations

import asyncio

import pytest

from aioconn.connection.deadline import Alarm


@pytest.fixture
async def alarm() -> Alarm:
    return Alarm(asyncio.get_running_loop())


async def test_what_takes_too_long_ends(alarm: Alarm) -> None:
    with pytest.raises(TimeoutError), alarm.after(0.01) as deadline:
        await asyncio.sleep(10)
    assert deadline.passed
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0


async def test_what_is_done_in_time_stays(alarm: Alarm) -> None:
    with alarm.after(0.01) as deadline:
        pass
    await asyncio.sleep(0.03)
    assert not deadline.passed


async def test_an_earlier_one_is_not_late(alarm: Alarm) -> None:
    async def work(seconds: float) -> float:
        begun = asyncio.get_running_loop().time()
        with pytest.raises(TimeoutError), alarm.after(seconds):
            await asyncio.sleep(10)
        return asyncio.get_running_loop().time() - begun

    took = await asyncio.gather(work(0.2), work(0.02), work(0.1))
    assert took[1] < took[2] < took[0]
    assert all(spent >= given for spent, given in zip(took, (0.2, 0.02, 0.1), strict=True))


async def test_the_next_one_is_found_after_the_first_was_kept(alarm: Alarm) -> None:
    with alarm.after(0.01):
        pass
    with pytest.raises(TimeoutError), alarm.after(0.05):
        await asyncio.sleep(10)


async def test_zero_and_less(alarm: Alarm) -> None:
    for seconds in (0.0, -1.0):
        with pytest.raises(TimeoutError), alarm.after(seconds):
            await asyncio.sleep(10)


async def test_a_cancellation_is_no_timeout(alarm: Alarm) -> None:
    async def work() -> None:
        with alarm.after(10):
            await asyncio.sleep(10)

    task = asyncio.create_task(work())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_cancellation_at_the_same_time_is_one(alarm: Alarm) -> None:
    async def work() -> None:
        with alarm.after(0.01):
            try:
                await asyncio.sleep(10)
            finally:
                asyncio.current_task().cancel()  # type: ignore[union-attr]

    task = asyncio.create_task(work())
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_one_inside_another(alarm: Alarm) -> None:
    with pytest.raises(TimeoutError), alarm.after(0.02) as outer, alarm.after(10) as inner:
        await asyncio.sleep(10)
    assert outer.passed
    assert not inner.passed
    with alarm.after(10) as outer, pytest.raises(TimeoutError), alarm.after(0.02) as inner:
        await asyncio.sleep(10)
    assert inner.passed
    assert not outer.passed


async def test_one_inside_a_timeout_of_asyncio(alarm: Alarm) -> None:
    deadline = alarm.after(10)

    async def work() -> None:
        async with asyncio.timeout(0.02):
            with deadline:
                await asyncio.sleep(10)

    with pytest.raises(TimeoutError):
        await work()
    assert not deadline.passed


async def test_an_error_inside_goes_on(alarm: Alarm) -> None:
    async def work() -> None:
        with alarm.after(0.01):
            try:
                await asyncio.sleep(10)
            except asyncio.CancelledError:
                raise ValueError("mine") from None

    with pytest.raises(ValueError, match="mine"):
        await work()
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0
