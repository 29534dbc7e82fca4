# SPDX-License-Identifier: Apache-2.0
"""Many callers, few sessions, each held for a while: who is served, how often?"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence

from benchmarks.clients.pool import PoolClient
from benchmarks.goals import Goal
from benchmarks.meter import Meter
from benchmarks.target import Target
from benchmarks.workloads.base import Case, Column, Metrics, Sizes, Workload, percentile
from benchmarks.workloads.gate import SIZE, borrow, opened, shares

_HOLD = 0.001
_TIMES = 4  # as long as the other workloads that go on for a time


class Fairness(Workload[PoolClient]):
    name = "fairness"
    title = "Fairness of a pool"
    about = (
        f"A pool of {SIZE}; each task borrows a session, holds it for {_HOLD * 1e3:g} ms, gives it back, and again."
        " Those who were not served until the end are starved."
    )
    goals = (
        Goal(words="nobody starved", key="starved", bound=0),
        Goal(words="max ÷ mean at most 1.5", key="share", bound=1.5),
    )
    repeats = 1
    columns = (
        Column(key="starved", title="starved", digits=0),
        Column(key="share", title="max ÷ mean"),
        Column(key="turns", title="turns", digits=0, ratio="turns"),
        Column(key="p50", title="wait p50 ms", digits=1),
        Column(key="longest", title="longest wait ms", digits=1),
    )
    takes = 17.0

    def cases(self, sizes: Sizes) -> Sequence[Case]:
        return [
            Case(
                title=f"{tasks:,} tasks, {_TIMES * milliseconds / 1e3:g} s",
                needs="turns",
                devices=1,
                amounts={"tasks": tasks, "milliseconds": _TIMES * milliseconds},
            )
            for tasks in sizes.waiters
            for milliseconds in sizes.milliseconds
        ]

    def run(self, client: PoolClient, case: Case, targets: Sequence[Target]) -> Metrics:
        async def work() -> Metrics:
            pool = await opened(client, SIZE, targets)
            seconds = case.amounts["milliseconds"] / 1e3
            borrowers = await borrow(pool, case.amounts["tasks"], seconds, hold_a_while, Meter())
            await pool.close()
            waits = sorted(wait for one in borrowers for wait in one.waits)
            return {
                **shares(borrowers),
                "turns": len(waits),
                "p50": percentile(waits, 50) * 1e3,
                "longest": waits[-1] * 1e3,
            }

        return asyncio.run(work())


def hold_a_while() -> Awaitable[object]:
    return asyncio.sleep(_HOLD)
