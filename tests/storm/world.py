# SPDX-License-Identifier: Apache-2.0
"""A device, two pools and a single connection on one budget, users of them, and the audit of it all.

What may be done to it are its verbs: plain functions that start or disturb something. Nothing happens until time
passes: a turn of the loop, or any number of seconds. `audit()` is called after every step, and compares what the device
has seen with what pools and budget believe, and what users got with what they were promised.
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any

from aioconn.errors import (
    CommandTimeout,
    ConnectError,
    ConnectTimeout,
    LimitReached,
    MissingValue,
    SessionBroken,
    SessionClosed,
)
from aioconn.policy import (
    CHECK_AFTER,
    CLOSE_TIMEOUT,
    LIFETIME,
)
from tests.storm.audit import Audit
from tests.storm.clock import VirtualLoop, stack, told
from tests.storm.crowd import Crowd, pool_size
from tests.storm.device import FakeDevice, Weather
from tests.storm.ledger import Ledger, Violation
from tests.storm.ledger import told as error_told

FORGIVEN = 130.0
"""Seconds after bad weather in which users may still hear of it: two waits of a breaker and what stands in line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """What the world is made of. Times in seconds."""

    mood: str = ""
    sizes: tuple[int, ...] = (3, 2)
    max_sessions: int | None = 4
    logins_per_minute: int | None = None
    pool_timeout: float = 30.0
    options: tuple[tuple[str, Any], ...] = ()
    seed: int = 0


EXCUSED = (ConnectError, SessionBroken, CommandTimeout, LimitReached, MissingValue)


class World:
    """Made inside the loop; `open()` connects, `end()` closes all and asserts that nothing is left."""

    def __init__(self, setup: Setup) -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        self.loop = loop
        self.setup = setup
        limits = {"max_sessions": setup.max_sessions, "logins_per_minute": setup.logins_per_minute}
        given = {name: value for name, value in limits.items() if value is not None}
        self.fake = FakeDevice(setup.seed, Weather(), **given)
        options = dict(setup.options)
        self.check_after: float = options.get("check_after", CHECK_AFTER)
        self.lifetime: float = options.get("lifetime", LIFETIME)
        self.device = self.fake.device
        self.manager = self.device.manager
        self.names = tuple(f"pool{number}" for number in range(len(setup.sizes)))
        self.pools: dict[str, Any] = {}
        self.sizes = dict(zip(self.names, setup.sizes, strict=True))
        self.ledger = Ledger()
        self.closings: dict[asyncio.Task[None], str] = {}
        self.unsettled: set[str] = set()  # pools that are closed, or being closed or opened
        self.settled: dict[str, float] = {}  # when they were opened again
        self.being_closed: set[str] = set()
        self.closing_cancelled: dict[str, float] = {}
        self.unready_until = 0.0
        self.bad_until = 0.0
        self.felt_until = 0.0
        self.aftermath = 0.0
        self.last_back: dict[str, float] = {}
        self.shrunk: set[str] = set()  # pools that had more than their new size
        self.counts: Counter[str] = Counter()
        self.violations: list[Violation] = []
        self.history: deque[tuple[float, str]] = deque(maxlen=40)
        self.users = Crowd(self)
        self.auditor = Audit(self)
        loop.set_exception_handler(self._on_loop_error)

    # ------------------------------------------------------------------ coming and going

    async def open(self) -> None:
        for name in self.names:
            await self._open_pool(name)

    async def _open_pool(self, name: str) -> None:
        setup = self.setup
        self.pools[name] = await self.device.connect(
            alias=name,
            pool_size=self.sizes[name],
            pool_timeout=setup.pool_timeout,
            **dict(setup.options),
        )

    async def end(self) -> None:
        """Fair weather, everybody gone, everything closed: and nothing is left."""
        self.clear()
        for user in list(self.users):
            self.users.cancel(user)
        await self.manager.disconnect_all()
        for _ in range(1000):
            if not (self.users or self.closings):
                break
            await asyncio.sleep(0.1)
        self.audit()
        await self.manager.disconnect_all()
        await self.rest()
        self.audit()
        numbers = self.manager.statistics()
        left = {
            "users": list(self.users),
            "sessions on the device": list(self.fake.lines),
            "places taken": numbers["sessions_used"],
            "waiting for a place": numbers["waiting"],
            "members": [pool for pool in self.pools.values() if pool_size(pool)],
            "waiting in line": self.ledger.waiting,
            "recoveries": list(self.fake.recoveries),
            "openings": list(self.fake.openings),
        }
        if any(left.values()):
            raise self.violation(f"left when all was closed: { {k: v for k, v in left.items() if v} }")
        await self.manager.destroy_all()

    async def rest(self) -> None:
        """Until no task but the caller's is left. One that will not end is a violation."""
        me = asyncio.current_task()
        for _ in range(600):
            others = asyncio.all_tasks() - {me}
            if not others:
                return
            await asyncio.sleep(0.1)
        raise self.violation("tasks do not end\n" + "\n".join(map(stack, asyncio.all_tasks() - {me})))

    # ------------------------------------------------------------------ verbs: the device

    def kill(self, number: int, *, heard: bool = True) -> None:
        """End one of the sessions, on the device."""
        lines = list(self.fake.lines)
        if lines:
            self.counts["killed"] += 1
            self.bad_weather()
            self.fake.kill(lines[number % len(lines)], heard=heard)

    def kill_all(self, *, heard: bool = True) -> None:
        self.bad_weather()
        self.counts["killed"] += self.fake.kill_all(heard=heard)

    def turn(self, *, lasting: float = FORGIVEN, **changes: Any) -> None:
        """Change the weather; what comes of it may be felt until `lasting` seconds after `clear()`."""
        self.bad_weather(float("inf"))
        self.aftermath = max(self.aftermath, lasting)
        self.counts["weather"] += 1
        self.fake.turn(**changes)

    def clear(self) -> None:
        """Fair weather from now on."""
        if self.fake.weather.unready:
            self.unready_until = self.loop.time() + FORGIVEN
        self.fake.weather = Weather()
        if self.aftermath:
            self.felt_until = max(self.felt_until, self.loop.time() + self.aftermath)
            self.bad_until = self.felt_until
            self.aftermath = 0.0

    def bad_weather(self, lasting: float = FORGIVEN) -> None:
        self.bad_until = max(self.bad_until, self.loop.time() + lasting)

    # ------------------------------------------------------------------ verbs: the pools

    def resize(self, pool: str, size: int) -> None:
        self.sizes[pool] = size
        if size < self.pools[pool].size:
            self.shrunk.add(pool)
        self.counts["resized"] += 1
        self.pools[pool].resize(size)

    def close(self, pool: str) -> None:
        """Close a pool, and open it again afterwards."""
        self._closing(pool, "closed", CLOSE_TIMEOUT, self.pools[pool].close())

    def drain(self, pool: str, timeout: float) -> None:
        self._closing(pool, "drained", timeout, self.pools[pool].drain(timeout))

    def close_and_cancel(self, pool: str, turns: int) -> None:
        """Close a pool in the very turn in which somebody asks for a session, and cancel that some turns later."""
        if pool not in self.closings.values():
            self.users.execute(pool)
            self.close(pool)
            self.loop.at_tick(self.loop.ticks + turns, self.cancel_closing)

    def cancel_closing(self) -> None:
        """Cancel whoever closes a pool: then it is closed at once."""
        for task, pool in self.closings.items():
            if pool not in self.closing_cancelled and pool in self.being_closed:
                self.counts["closes cancelled"] += 1
                self.closing_cancelled[pool] = self.loop.time()
                task.cancel()
                return

    def _closing(self, pool: str, word: str, timeout: float, work: Coroutine[Any, Any, Any]) -> None:
        if pool in self.closings.values():
            work.close()
            return
        self.counts[word] += 1
        self.unsettled.add(pool)
        self.being_closed.add(pool)

        async def close_and_reopen() -> None:
            begun, cancelled = self.loop.time(), False
            try:
                await work
            except asyncio.CancelledError:
                cancelled = True
            self.being_closed.discard(pool)
            if cancelled and pool not in self.closing_cancelled:
                raise asyncio.CancelledError
            self.auditor.closed(pool, begun, timeout, cancelled=cancelled)
            self.closing_cancelled.pop(pool, None)
            await asyncio.sleep(0.5)
            await self._reopen(pool)

        begins = close_and_reopen()
        task = asyncio.create_task(begins, name=f"{word} {pool}")
        self.closings[task] = pool

        def ended(task: asyncio.Task[None]) -> None:
            begins.close()
            work.close()  # cancelled before it began: then nothing was closed
            self._closed(task)

        task.add_done_callback(ended)

    async def _reopen(self, pool: str) -> None:
        for _ in range(100):
            try:
                await self._open_pool(pool)
            except (ConnectError, LimitReached, MissingValue) as error:
                # a login that came only just before the deadline
                late = isinstance(error, ConnectTimeout) and self.setup.logins_per_minute is not None
                if not (late or isinstance(error, LimitReached) or self.fair_excuse(error)):
                    raise self.violation(f"{pool} cannot be opened: {error_told(error)}") from error
                await asyncio.sleep(1.0)
            else:
                self.settled[pool] = self.loop.time()
                self.unsettled.discard(pool)
                return

    def _closed(self, task: asyncio.Task[None]) -> None:
        pool = self.closings.pop(task)
        if pool in self.being_closed:
            self.being_closed.discard(pool)
            self.unsettled.discard(pool)
            self.closing_cancelled.pop(pool, None)
        if task.cancelled():
            return
        if (error := task.exception()) is not None and not isinstance(error, SessionClosed):
            self.note(f"{pool} was closed or opened, and {error_told(error)}", error)

    # ------------------------------------------------------------------ time

    async def tick(self, times: int = 1) -> None:
        for _ in range(times):
            await asyncio.sleep(0)

    async def wait(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    # ------------------------------------------------------------------ the audit

    def audit(self) -> None:
        """Raise `Violation` if anything is not as it must be."""
        if self.violations:
            raise self.violations[0]
        self.auditor.check()

    def violation(self, what: str) -> Violation:
        """With the way there."""
        way = "\n".join(f"  {at:.4f} {text}" for at, text in self.history)
        state = "\n".join([repr(pool) for pool in self.pools.values()] + [str(self.manager.statistics())])
        where = f"at {self.loop.time():.4f}, turn {self.loop.ticks}, {self.setup}"
        return Violation(f"{what}\n{where}\n{state}\nbefore that:\n{way}")

    def note(self, what: str, error: BaseException | None = None) -> None:
        """A violation found where nobody listens; the next audit raises it."""
        violation = self.violation(what)
        violation.__cause__ = error
        self.violations.append(violation)

    def log(self, text: str) -> None:
        self.history.append((self.loop.time(), text))

    def fair_excuse(self, error: BaseException) -> bool:
        """What the weather, now or a while ago, may bring about."""
        bad = self.loop.time() <= self.bad_until
        return bad and isinstance(error, EXCUSED)

    def _on_loop_error(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        self.note(f"the loop reports {told(context)}", context.get("exception"))
