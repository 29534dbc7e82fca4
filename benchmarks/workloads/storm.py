# SPDX-License-Identifier: Apache-2.0
"""Callers that are cancelled: what is left of the pool?"""

from __future__ import annotations

import asyncio
import itertools
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.clients.pool import Pool, PoolClient
from benchmarks.goals import Goal
from benchmarks.target import Target, word
from benchmarks.workloads.base import Case, Column, Metrics, Sizes, Workload

SIZE = 10
_CALLERS = 24
_GUST = 100  # cancelled calls from one count of the slots to the next
_STRUCK = 0.7  # of the calls; the others have all the time they want
_TURNS = 25  # of the loop, until a cancellation strikes; or
_SECONDS = 0.008
_AGAIN = 6  # turns until the second
_STALL = 2.0  # seconds in which no call ends
_GRACE = 1.0  # seconds in which no further session comes free
_OPENING, _CLOSING = 10.0, 2.0
_BUDGET, _PACE = 8.0, 375  # seconds, and cancels a second: a storm that is slower than both is cut off
_SEED = 7
_WAYS = ("cancelled", "cancelled twice", "timed out")


class Storm(Workload[PoolClient]):
    name = "storm"
    title = "A pool in a storm of cancellations"
    about = (
        f"{_CALLERS} tasks call over a pool of {SIZE}: borrow a session, have the other side say a word, which takes it"
        f" up to 2 ms, give it back. {_STRUCK:.0%} of the calls are cancelled at a random moment: after up to {_TURNS}"
        f" turns of the loop or {_SECONDS * 1e3:g} ms, by `cancel()`, by two of them some turns apart, or by"
        f" `asyncio.timeout`. After every {_GUST} it is counted how many sessions can still be borrowed at once, with"
        f" {_GRACE:g} s of patience; a pool that lost any, or in which no call ended for {_STALL:g} s although some"
        " wait (a deadlock), makes way for a new one. Swallowed are cancellations after which the call ended as if"
        " there had been none, failed are calls that ended with an error and were not cancelled. A storm that makes"
        f" less than {_PACE} cancellations a second is not waited for."
    )
    goals = (
        Goal(words="none lost", key="lost", bound=0),
        Goal(words="no deadlock", key="deadlocks", bound=0),
        Goal(words="no wrong answer", key="wrong", bound=0),
    )
    repeats = 1
    columns = (
        Column(key="lost_share", title="slots lost per 10,000", digits=0),
        Column(key="lost", title="lost", digits=0),
        Column(key="deadlocks", title="deadlocks", digits=0),
        Column(key="wrong", title="wrong answers", digits=0),
        Column(key="swallowed", title="swallowed", digits=0),
        Column(key="failed", title="failed", digits=0),
        Column(key="cancels", title="cancelled", digits=0),
        Column(key="served", title="served", digits=0),
        Column(key="rate", title="calls/s", digits=0),
    )
    takes = 90.0

    def cases(self, sizes: Sizes) -> Sequence[Case]:
        return [
            Case(
                title=f"{cancels:,} {way}",
                needs="asking",
                devices=1,
                amounts={"way": _WAYS.index(way), "cancels": cancels},
            )
            for way in _WAYS
            for cancels in sizes.cancels
        ]

    def run(self, client: PoolClient, case: Case, targets: Sequence[Target]) -> Metrics:
        weather = _Weather(_WAYS[case.amounts["way"]], case.amounts["cancels"])
        target = targets[0] if targets else None

        async def work() -> Metrics:
            counts = weather.counts
            while not weather.over:
                pool = client.pool(SIZE, target)
                async with asyncio.timeout(_OPENING):
                    await pool.open()
                whole = True
                while whole and not weather.over:
                    whole = await _weathered(pool, weather)
                await asyncio.wait([asyncio.ensure_future(_close(pool))], timeout=_CLOSING + 1)
            return {
                "lost_share": counts.lost / max(1, counts.cancels) * 10_000,
                "lost": counts.lost,
                "deadlocks": counts.deadlocks,
                "wrong": counts.wrong,
                "swallowed": counts.swallowed,
                "failed": counts.failed,
                "cancels": counts.cancels,
                "served": counts.served,
                "rate": (counts.served + counts.cancels) / weather.blown,
            }

        return asyncio.run(work())


@dataclass(slots=True)
class Counts:
    cancels: int = 0
    served: int = 0
    wrong: int = 0
    swallowed: int = 0
    failed: int = 0
    lost: int = 0
    deadlocks: int = 0

    @property
    def ended(self) -> int:
        return self.cancels + self.served + self.failed


class _Weather:
    """What strikes, how often so far, and when it is over. `blown` is seconds of gusts."""

    def __init__(self, way: str, cancels: int) -> None:
        self.counts = Counts()
        self.blown = 0.0
        self.chance = random.Random(_SEED)
        self._way = way
        self._cancels = cancels
        self._until = time.monotonic() + max(_BUDGET, cancels / _PACE)
        self._numbers = itertools.count()

    @property
    def over(self) -> bool:
        return self.counts.cancels >= self._cancels or time.monotonic() > self._until

    async def call(self, pool: Pool) -> None:
        """One call, struck or not, and what became of it."""
        said = word(next(self._numbers))
        struck = False
        if self.chance.random() > _STRUCK:
            calling = asyncio.ensure_future(pool.ask(said))
            await _settled(calling)
        elif self._way == "timed out":
            calling = asyncio.ensure_future(_bounded(pool, said, self.chance.random() * _SECONDS))
            await _settled(calling)
            struck = not calling.cancelled() and isinstance(calling.exception(), _Struck)
        else:
            calling = asyncio.ensure_future(pool.ask(said))
            await self._moment()
            struck = calling.cancel()
            if self._way == "cancelled twice":
                await _turns(self.chance.randrange(_AGAIN))
                calling.cancel()
            await _settled(calling)
        self._judge(calling, said, struck)

    async def _moment(self) -> None:
        if self.chance.random() < 0.5:
            await _turns(self.chance.randrange(_TURNS))
        else:
            await asyncio.sleep(self.chance.random() * _SECONDS)

    def _judge(self, calling: asyncio.Future[str], said: str, struck: bool) -> None:
        counts = self.counts
        counts.cancels += struck
        error = None if calling.cancelled() else calling.exception()
        if calling.cancelled() or error is not None:
            counts.failed += not struck
        else:
            counts.swallowed += struck
            counts.served += not struck
            counts.wrong += calling.result() != said


class _Struck(Exception):
    """The deadline that was set for a call has passed."""


async def _bounded(pool: Pool, said: str, seconds: float) -> str:
    deadline = asyncio.timeout(seconds)
    try:
        async with deadline:
            return await pool.ask(said)
    except TimeoutError as error:
        if deadline.expired():
            raise _Struck from error
        raise


async def _weathered(pool: Pool, weather: _Weather) -> bool:
    """Whether the pool is whole after a gust."""
    counts = weather.counts
    begun = time.monotonic()
    target = counts.cancels + _GUST

    async def caller() -> None:
        while counts.cancels < target and not weather.over:
            await weather.call(pool)

    callers = {asyncio.ensure_future(caller()) for _ in range(_CALLERS)}
    ended, since = counts.ended, begun
    moving = True
    while callers and moving:
        done, callers = await asyncio.wait(callers, timeout=0.1)
        now = time.monotonic()
        for one in done:
            one.result()
        if done or counts.ended != ended:
            ended, since = counts.ended, now
        moving = now - since < _STALL
    weather.blown += since - begun
    if callers:
        counts.deadlocks += 1
        for one in callers:
            one.cancel()
        await asyncio.wait(callers, timeout=_CLOSING)
    lost = SIZE - await _to_be_had(pool)
    counts.lost += lost
    return not lost and not callers


async def _to_be_had(pool: Pool) -> int:
    """How many sessions can be borrowed at once."""
    arrived = 0
    leave = asyncio.Event()

    async def arrive() -> None:
        nonlocal arrived
        arrived += 1
        if arrived == SIZE:
            leave.set()
        await leave.wait()

    holders = {asyncio.ensure_future(pool.turn(arrive)) for _ in range(SIZE)}
    leaving = asyncio.ensure_future(leave.wait())
    before, since = -1, time.monotonic()
    while arrived < SIZE and (arrived > before or time.monotonic() - since < _GRACE):
        if arrived > before:
            before, since = arrived, time.monotonic()
        await asyncio.wait({leaving}, timeout=_GRACE / 10)
    had = arrived
    leave.set()
    await leaving
    _, late = await asyncio.wait(holders, timeout=_CLOSING)
    for one in late:
        one.cancel()
    await asyncio.gather(*holders, return_exceptions=True)
    return had


async def _turns(count: int) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def _settled(calling: asyncio.Future[str]) -> None:
    """Until the call has ended; it ends with the one who waits, if that one is cancelled."""
    try:
        await asyncio.wait({calling})
    except asyncio.CancelledError:
        calling.cancel()
        await asyncio.wait({calling}, timeout=_CLOSING)
        raise


async def _close(pool: Pool) -> None:
    try:
        async with asyncio.timeout(_CLOSING):
            await pool.close()
    except Exception:  # noqa: S110  what a broken pool says at its end is not what is measured
        pass
