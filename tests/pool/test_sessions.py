# SPDX-License-Identifier: Apache-2.0
"""What a pool's sessions do with what they are told while something is under way."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from aioconn.connection import BaseConnection
from aioconn.environment import Alone
from aioconn.errors import CircuitOpen, LimitReached
from aioconn.path import Path
from aioconn.pool.member import Member
from aioconn.pool.sessions import Sessions
from aioconn.request import BaseOptions, Request


class Line(BaseConnection[BaseOptions]):
    """Opens when it is told to, and as it is told."""

    outcomes: list[asyncio.Future[None]]

    async def _open(self) -> None:
        outcome: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.outcomes.append(outcome)
        await outcome

    async def _close(self) -> None:
        pass

    def _abort(self) -> None:
        pass


class Caller:
    """Somebody who waits for a session."""

    done = False

    def __init__(self, deadline: float) -> None:
        self.deadline = deadline

    def grant(self, member: Member[Any]) -> None:
        self.done = True

    def fail(self, make: Callable[[], BaseException]) -> None:
        self.done = True


class Way(Alone):
    """A path with a place for everybody; what may be tried is said by the test."""

    rivals = ()

    def __init__(self) -> None:
        self.granted: list[Callable[[], None]] = []
        self.may_try = True
        self.retry_at = 0.0

    def claim(self, connection: Any, granted: Callable[[], None]) -> None:
        self.granted.append(granted)

    def withdraw(self, connection: Any) -> None: ...

    def yields(self, connection: Any, *, wanted: bool) -> bool:
        return False

    def yielding(self, connection: Any) -> None: ...

    def attempt(self, connection: Any) -> bool:
        return self.may_try

    def retry(self, connection: Any) -> tuple[float, Callable[[], BaseException]]:
        return self.retry_at, lambda: CircuitOpen("not now")


async def test_what_was_told_during_an_opening_that_found_no_place_is_not_forgotten() -> None:
    """The path failed, was right again, and only then the device had no place for what was under way."""
    way = Way()
    outcomes: list[asyncio.Future[None]] = []
    kind: type[Line] = type("Here", (Line,), {"outcomes": outcomes})
    loop = asyncio.get_running_loop()
    request = Request(device="r1", path=Path(name="a", host="h"), environment=way, pooled=True)
    sessions = Sessions(kind, request, way, 3)
    sessions.settle_at(loop)
    gate = sessions.gate
    for _ in range(2):
        gate.ask(Caller(loop.time() + 100.0), loop.time())
    sessions.work()
    first, second = way.granted
    first()  # is being opened
    way.may_try, way.retry_at = False, loop.time() + 60.0
    second()  # may not be tried for a minute
    way.may_try, way.retry_at = True, 0.0
    sessions.path_changed()
    while not outcomes:
        await asyncio.sleep(0)
    outcomes[0].set_exception(LimitReached("no place"))
    while len(way.granted) < 4 and sessions.tasks:
        await asyncio.sleep(0)
    assert len(way.granted) == 4  # both ask again, now and not in a minute
    gate.close(loop.time(), AssertionError)
    await sessions.end(0.0)


async def test_a_timer_that_is_early_still_opens_what_is_waited_for() -> None:
    class Early(Sessions[Any]):
        def now(self) -> float:
            return super().now() - 0.001

    way = Way()
    way.retry_at = asyncio.get_running_loop().time() + 0.01
    request = Request(device="r1", path=Path(name="a", host="h"), environment=way, pooled=True)
    sessions = Early(type("Here", (Line,), {"outcomes": []}), request, way, 3)
    sessions.settle_at(loop := asyncio.get_running_loop())
    sessions.path_changed()  # it failed, and may be tried in a moment
    sessions.gate.ask(Caller(loop.time() + 100.0), sessions.now())
    sessions.work()
    assert not way.granted
    async with asyncio.timeout(5):
        while not way.granted:
            await asyncio.sleep(0.001)
    sessions.gate.close(sessions.now(), AssertionError)
    await sessions.end(0.0)
