# SPDX-License-Identifier: Apache-2.0
"""The clock that everything else here is measured with."""

from __future__ import annotations

import asyncio
import sys
import time

import pytest

from tests.storm.clock import START, LeftBehind, Stuck, VirtualLoop, run

EAGER = [False, True] if sys.version_info >= (3, 12) else [False]


@pytest.mark.parametrize("eager", EAGER)
def test_a_day_passes_at_once(eager: bool) -> None:
    order: list[str] = []

    async def later(name: str, delay: float) -> None:
        await asyncio.sleep(delay)
        order.append(name)

    async def main() -> float:
        async with asyncio.TaskGroup() as group:
            group.create_task(later("evening", 80_000))
            group.create_task(later("morning", 30_000))
            group.create_task(later("at once", 0))
        return asyncio.get_running_loop().time()

    before = time.monotonic()
    assert run(main, eager=eager) == pytest.approx(START + 80_000)
    assert order == ["at once", "morning", "evening"]
    assert time.monotonic() - before < 60


@pytest.mark.parametrize("eager", EAGER)
def test_deadlines_pass_on_it(eager: bool) -> None:
    async def main() -> float:
        loop = asyncio.get_running_loop()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(12.5):
                await loop.create_future()
        return loop.time()

    assert run(main, eager=eager) == pytest.approx(START + 12.5)


def test_time_stands_still_while_anybody_is_ready() -> None:
    async def main() -> float:
        for _ in range(100):
            await asyncio.sleep(0)
        return asyncio.get_running_loop().time()

    assert run(main) == START


def test_a_deadlock_names_everybody_and_where_he_waits() -> None:
    async def inner(future: asyncio.Future[None]) -> None:
        await future

    async def main() -> None:
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        other = asyncio.create_task(inner(future), name="the other one")
        await other

    with pytest.raises(Stuck, match=r"(?s)the other one\s+.*test_clock.py:\d+ in .*inner"):
        run(main)


def test_work_without_end_is_stopped() -> None:
    async def main() -> None:
        while True:
            await asyncio.sleep(1)

    with pytest.raises(Stuck, match="more than 100 s"):
        run(main, horizon=100)


def test_work_that_runs_in_circles_is_stopped() -> None:
    async def round_and_round() -> None:
        while True:
            await asyncio.sleep(0)

    async def main() -> None:
        await asyncio.gather(round_and_round(), asyncio.sleep(1))

    with pytest.raises(Stuck, match=r"(?s)no time passes.*round_and_round"):
        run(main)


def test_what_is_left_behind_is_told() -> None:
    async def main() -> None:
        main.task = asyncio.create_task(asyncio.sleep(3600), name="forgotten")  # type: ignore[attr-defined]

    with pytest.raises(LeftBehind, match="forgotten"):
        run(main)

    async def slip() -> None:
        asyncio.get_running_loop().call_soon(int, "no number")
        await asyncio.sleep(1)

    with pytest.raises(LeftBehind, match="no number"):
        run(slip)


def test_an_alarm_comes_in_its_turn() -> None:
    async def main() -> list[int]:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        seen: list[int] = []
        loop.at_tick(loop.ticks + 3, lambda: seen.append(loop.ticks))
        start = loop.ticks
        for _ in range(2):
            await asyncio.sleep(0)
        assert not seen
        await asyncio.sleep(5)
        return [tick - start for tick in seen]

    assert run(main) == [3]
