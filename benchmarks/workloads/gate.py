# SPDX-License-Identifier: Apache-2.0
"""What a pool itself costs: borrow, one turn of the loop, give back."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence

from benchmarks.clients.pool import Pool, PoolClient
from benchmarks.goals import Goal
from benchmarks.meter import Meter
from benchmarks.reasons import GATE
from benchmarks.target import Target
from benchmarks.workloads.base import Case, Column, Metrics, Sizes, Workload, percentile

SIZE = 10
_WARM_UP = 0.1  # seconds, in which sessions are opened


class Borrower:
    """One task: borrows until the deadline, holds each session for `work()`. `waits` are seconds, one for each turn."""

    def __init__(self, pool: Pool, work: Callable[[], Awaitable[object]]) -> None:
        self._pool, self._work = pool, work
        self._begun = self._deadline = 0.0
        self.waits: list[float] = []

    async def run(self, deadline: float) -> None:
        turn, at_work = self._pool.turn, self._at_work
        self._deadline = deadline
        while (begun := time.perf_counter()) < deadline:
            self._begun = begun
            await turn(at_work)

    def _at_work(self) -> Awaitable[object]:
        now = time.perf_counter()
        if now < self._deadline:  # those after it are served because others have stopped
            self.waits.append(now - self._begun)
        return self._work()


async def borrow(
    pool: Pool, tasks: int, seconds: float, work: Callable[[], Awaitable[object]], meter: Meter
) -> list[Borrower]:
    """So many tasks for so long. Those that still wait then are cancelled, which is not measured."""
    borrowers = [Borrower(pool, work) for _ in range(tasks)]
    with meter:
        deadline = time.perf_counter() + seconds
        running = [asyncio.ensure_future(one.run(deadline)) for one in borrowers]
        await asyncio.wait(running, timeout=seconds)
    for one in running:
        one.cancel()
    ended = await asyncio.gather(*running, return_exceptions=True)
    for error in ended:
        if isinstance(error, Exception):
            raise error
    return borrowers


async def opened(client: PoolClient, size: int, targets: Sequence[Target]) -> Pool:
    """A pool whose sessions cost no work, all of them made."""
    pool = client.pool(size, targets[0] if targets else None, idle=True)
    await pool.open()
    arrived = 0
    everybody = asyncio.Event()

    async def meet() -> None:
        nonlocal arrived
        arrived += 1
        if arrived == size:
            everybody.set()
        await everybody.wait()

    async with asyncio.timeout(30):
        await asyncio.gather(*(pool.turn(meet) for _ in range(size)))
    return pool


def shares(borrowers: Sequence[Borrower]) -> Metrics:
    served = [len(one.waits) for one in borrowers]
    return {"starved": served.count(0), "share": max(served) * len(served) / max(1, sum(served))}


class Gate(Workload[PoolClient]):
    name = "gate"
    title = "The gate of a pool"
    about = (
        f"A pool of {SIZE} whose sessions are open and need no work: a task borrows one, lets the loop turn once, gives"
        " it back, and again. Waits are from asking to holding. Starved is who was never served; max ÷"
        " mean is how much more the luckiest task got than the average one."
    )
    goals = (
        Goal(
            words="0.8 times the semaphore's turns with 1 and 10 tasks",
            key="turns",
            bound=0.8,
            higher=True,
            against="floor",
            cases="^10? task",
            why=GATE,
        ),
        Goal(
            words="0.5 times the semaphore's turns with 1,000",
            key="turns",
            bound=0.5,
            higher=True,
            against="floor",
            cases="^1,000",
            why=GATE,
        ),
        Goal(words="nobody starved", key="starved", bound=0),
    )
    columns = (
        Column(key="turns", title="turns/s", digits=0, ratio="turns"),
        Column(key="cpu", title="CPU µs/turn"),
        Column(key="p50", title="wait p50 µs", digits=0),
        Column(key="p99", title="wait p99 µs", digits=0),
        Column(key="starved", title="starved", digits=0),
        Column(key="share", title="max ÷ mean"),
    )
    takes = 52.0

    def cases(self, sizes: Sizes) -> Sequence[Case]:
        return [
            Case(
                title=f"{tasks:,} task{'s' if tasks > 1 else ''}",
                needs="turns",
                devices=1,
                amounts={"tasks": tasks, "milliseconds": milliseconds},
            )
            for tasks in sizes.gate_tasks
            for milliseconds in sizes.milliseconds
        ]

    def run(self, client: PoolClient, case: Case, targets: Sequence[Target]) -> Metrics:
        tasks, seconds = case.amounts["tasks"], case.amounts["milliseconds"] / 1e3

        async def work() -> Metrics:
            pool = await opened(client, SIZE, targets)
            meter = Meter()
            await borrow(pool, tasks, min(seconds, _WARM_UP), one_turn, meter)
            borrowers = await borrow(pool, tasks, seconds, one_turn, meter)
            await pool.close()
            waits = sorted(wait for one in borrowers for wait in one.waits)
            return {
                "turns": len(waits) / meter.wall,
                "cpu": meter.cpu / len(waits) * 1e6,
                "p50": percentile(waits, 50) * 1e6,
                "p99": percentile(waits, 99) * 1e6,
                **shares(borrowers),
            }

        return asyncio.run(work())


def one_turn() -> Awaitable[object]:
    return asyncio.sleep(0)
