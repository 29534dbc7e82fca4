# SPDX-License-Identifier: Apache-2.0
"""How soon the next one runs when a session is given back."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

from benchmarks.clients.pool import PoolClient
from benchmarks.goals import Goal
from benchmarks.target import Target
from benchmarks.workloads.base import Case, Column, Metrics, Sizes, Workload, percentile
from benchmarks.workloads.gate import opened

_CALLERS = 8
_HOLD = 0.001


class HandOver(Workload[PoolClient]):
    name = "handover"
    title = "From one holder to the next"
    about = (
        f"One session and {_CALLERS} tasks that hold it for {_HOLD * 1e3:g} ms in turns: from the last line of one"
        " holder to the first of the next. Passed on is how often that was another task than the one that gave it"
        " back."
    )
    goals = (
        Goal(words="p50 under 1 ms", key="p50", bound=1000),
        Goal(words="always passed on", key="passed", bound=100, higher=True),
    )
    repeats = 1
    columns = (
        Column(key="p50", title="p50 µs", digits=0, ratio="p50"),
        Column(key="p99", title="p99 µs", digits=0),
        Column(key="passed", title="passed on %", digits=0),
        Column(key="count", title="n", digits=0),
    )
    takes = 6.0

    def cases(self, sizes: Sizes) -> Sequence[Case]:
        return [
            Case(
                title=f"1 session, {_CALLERS} tasks",
                needs="turns",
                devices=1,
                amounts={"milliseconds": milliseconds},
            )
            for milliseconds in sizes.milliseconds
        ]

    def run(self, client: PoolClient, case: Case, targets: Sequence[Target]) -> Metrics:
        async def work() -> Metrics:
            pool = await opened(client, 1, targets)
            baton = _Baton()
            seconds = case.amounts["milliseconds"] / 1e3
            deadline = time.perf_counter() + seconds

            async def caller() -> None:
                await pool.turn(baton.hold)
                while time.perf_counter() < deadline:
                    await pool.turn(baton.hold)

            async with asyncio.timeout(seconds + 10):
                await asyncio.gather(*(caller() for _ in range(_CALLERS)))
            await pool.close()
            took = sorted(baton.took)
            return {
                "p50": percentile(took, 50) * 1e6,
                "p99": percentile(took, 99) * 1e6,
                "passed": 100 * baton.passed / len(took),
                "count": len(took),
            }

        return asyncio.run(work())


class _Baton:
    def __init__(self) -> None:
        self.took: list[float] = []
        self.passed = 0
        self._laid_down = 0.0
        self._holder: asyncio.Task[object] | None = None

    async def hold(self) -> None:
        now = time.perf_counter()
        before, self._holder = self._holder, asyncio.current_task()
        if before is not None:
            self.took.append(now - self._laid_down)
            self.passed += before is not self._holder
        await asyncio.sleep(_HOLD)
        self._laid_down = time.perf_counter()
