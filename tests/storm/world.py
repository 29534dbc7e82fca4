# SPDX-License-Identifier: Apache-2.0
"""A device, two pools and a single connection on one budget, users of them, and the audit of it all.

What may be done to it are its verbs: plain functions that start or disturb something. Nothing happens until time
passes: a turn of the loop, or any number of seconds. `audit()` is called after every step, and compares what the device
has seen with what pools and budget believe, and what users got with what they were promised.
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from aioconn.errors import (
    CommandTimeout,
    ConnectError,
    LimitReached,
    MissingValue,
    PoolClosed,
    PoolTimeout,
    SessionBroken,
    SessionClosed,
)
from aioconn.policy import (
    CHECK_AFTER,
    CLOSE_TIMEOUT,
    COMMAND_TIMEOUT,
    LIFETIME,
)
from tests.storm.audit import SOLO, Audit
from tests.storm.clock import VirtualLoop, stack, told
from tests.storm.device import FakeConnection, FakeDevice, Line, Weather
from tests.storm.ledger import Ask, Ledger, Violation
from tests.storm.ledger import told as error_told

FORGIVEN = 130.0
"""Seconds after bad weather in which users may still hear of it: two waits of a breaker and what stands in line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """What the world is made of. Times in seconds."""

    sizes: tuple[int, ...] = (3, 2)
    max_sessions: int | None = 4
    logins_per_minute: int | None = None
    pool_timeout: float = 30.0
    options: tuple[tuple[str, Any], ...] = ()
    seed: int = 0


@dataclass(slots=True, eq=False)
class User:
    """Somebody who uses a pool, or the single connection."""

    number: int
    target: str
    verb: str
    task: asyncio.Task[None] | None = None
    ask: Ask | None = None
    lease: Any = None
    line: Line | None = None
    robbed: bool = False  # his session was given back while he used it
    cancelled_at: float | None = None
    done: bool = False

    @property
    def name(self) -> str:
        return f"{self.verb} {self.number} on {self.target}"


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
        self.fake.on_ask = self._on_ask
        self.fake.on_answered = self._on_answered
        self.device = self.fake.device
        self.manager = self.device.manager
        self.names = tuple(f"pool{number}" for number in range(len(setup.sizes)))
        self.pools: dict[str, Any] = {}
        self.sizes = dict(zip(self.names, setup.sizes, strict=True))
        self.ledger = Ledger()
        self.users: dict[User, None] = {}
        self.by_word: dict[str, User] = {}
        self.holders: dict[FakeConnection, User] = {}
        self.asking: dict[FakeConnection, str] = {}
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
        self.counts: Counter[str] = Counter()
        self.violations: list[Violation] = []
        self.history: deque[tuple[float, str]] = deque(maxlen=40)
        self.numbers = 0
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
            self.cancel(user)
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

    # ------------------------------------------------------------------ verbs: users

    def borrow(
        self, pool: str, *, hold: float, words: int = 1, timeout: float | None = None, manual: bool = False
    ) -> User:
        """Take a session, ask `words` things on it over `hold` seconds, give it back."""
        user = self._user(pool, "borrow")
        return self._start(user, self._borrow(user, hold, words, timeout, manual))

    def execute(self, pool: str, *, timeout: float | None = None) -> User:
        """One call on a pool, as on a connection."""
        user = self._user(pool, "execute")
        return self._start(user, self._execute(user, timeout))

    def enter(self, pool: str, *, hold: float = 0.0) -> User:
        """Take a session and leave it in another mode."""
        user = self._user(pool, "enter")
        return self._start(user, self._borrow(user, hold, 0, None, False, mode="config"))

    def solo(self, *, stay: float) -> User:
        """A single connection beside the pools: opened, used, closed."""
        user = self._user(SOLO, "connect")
        return self._start(user, self._use_solo(user, stay))

    def cancel(self, user: User, *, twice: bool = False, again: bool = False) -> None:
        """Cancel a user: once, twice at once, or again in the next turn of the loop."""
        if user.task is None or user.done or user.task.done():
            return
        self.counts["cancelled"] += 1
        if user.cancelled_at is None:
            user.cancelled_at = self.loop.time()
        user.task.cancel()
        if twice:
            user.task.cancel()
        if again:
            self.loop.call_soon(user.task.cancel)

    def cancel_in_grant(self, pool: str, *, kill: bool = False) -> User | None:
        """Cancel whoever is first in line at the moment in which a session comes free for him: a holder is made to give
        his back now. With `kill`, the device ends that session in the same moment."""
        first = next((ask for ask in self.ledger.lines.get(pool, {}).values()), None)
        holder = next((user for user in self.users if user.lease is not None and user.target == pool), None)
        victim = next((user for user in self.users if user.ask is first), None) if first is not None else None
        if victim is None or holder is None:
            return None
        holder.robbed = True
        line = holder.line
        self._give_back(holder)
        if kill and line is not None and line.alive:
            self.bad_weather(FORGIVEN)
            self.counts["killed"] += 1
            self.fake.kill(line)
            line.connection.hear_the_end(line)
        self.cancel(victim)
        return victim

    # ------------------------------------------------------------------ verbs: the device

    def kill(self, number: int, *, heard: bool = True) -> None:
        """End one of the sessions, on the device."""
        lines = list(self.fake.lines)
        if lines:
            self.counts["killed"] += 1
            self.bad_weather(FORGIVEN)
            self.fake.kill(lines[number % len(lines)], heard=heard)

    def kill_all(self, *, heard: bool = True) -> None:
        self.bad_weather(FORGIVEN)
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

    def bad_weather(self, lasting: float) -> None:
        self.bad_until = max(self.bad_until, self.loop.time() + lasting)

    # ------------------------------------------------------------------ verbs: the pools

    def resize(self, pool: str, size: int) -> None:
        self.sizes[pool] = size
        self.counts["resized"] += 1
        self.pools[pool].resize(size)

    def close(self, pool: str) -> None:
        """Close a pool, and open it again afterwards."""
        self._closing(pool, "closed", CLOSE_TIMEOUT, self.pools[pool].close())

    def drain(self, pool: str, timeout: float) -> None:
        self._closing(pool, "drained", timeout, self.pools[pool].drain(timeout))

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

        task = asyncio.create_task(close_and_reopen(), name=f"{word} {pool}")
        self.closings[task] = pool
        task.add_done_callback(self._closed)

    async def _reopen(self, pool: str) -> None:
        for _ in range(100):
            try:
                await self._open_pool(pool)
            except (ConnectError, LimitReached, MissingValue) as error:
                if not (isinstance(error, LimitReached) or self.fair_excuse(error)):
                    raise self.violation(f"{pool} cannot be opened: {error_told(error)}") from error
                await asyncio.sleep(1.0)
            else:
                self.settled[pool] = self.loop.time()
                self.unsettled.discard(pool)
                return

    def _closed(self, task: asyncio.Task[None]) -> None:
        pool = self.closings.pop(task)
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

    # ------------------------------------------------------------------ users, from inside

    def _user(self, target: str, verb: str) -> User:
        self.numbers += 1
        return User(number=self.numbers, target=target, verb=verb)

    def _start(self, user: User, work: Coroutine[Any, Any, None]) -> User:
        self.users[user] = None
        user.task = asyncio.create_task(self._live(user, work), name=user.name)
        user.task.add_done_callback(lambda task: self._ended(user, work))
        return user

    async def _live(self, user: User, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except asyncio.CancelledError:
            if user.cancelled_at is None:
                self.note(f"{user.name} was cancelled, and nobody had asked for that")
            raise
        except Exception as error:
            if user.cancelled_at is not None:
                self.note(f"{user.name} was cancelled and hears {error_told(error)}", error)
            elif not self._excused(user, error):
                self.note(f"{user.name} hears {error_told(error)}", error)
            self.counts[type(error).__name__] += 1
        else:
            if user.cancelled_at is not None:
                self.note(f"{user.name} was cancelled, and that was swallowed")
            self.counts["served"] += 1
        finally:
            user.done = True
            if user.ask is not None:
                self.ledger.leave(user.ask)

    def _ended(self, user: User, work: Coroutine[Any, Any, None]) -> None:
        work.close()  # cancelled before it began
        self.users.pop(user, None)

    def _excused(self, user: User, error: Exception) -> bool:
        """Whether a user may hear this."""
        now = self.loop.time()
        if user.robbed and isinstance(error, (SessionClosed, SessionBroken)):
            return True
        if isinstance(error, (PoolClosed, SessionClosed)):
            closed = user.target in self.unsettled
            return user.target == SOLO or closed or self._closed_since(user)
        if isinstance(error, (PoolTimeout, CommandTimeout)):
            assert user.ask is not None or user.target == SOLO
            late = user.ask is not None and now >= user.ask.deadline - 1e-6
            return late or (isinstance(error, CommandTimeout) and self.fair_excuse(error))
        if isinstance(error, LimitReached) and user.target == SOLO:
            return True  # it has waited for as long as it was told
        return self.fair_excuse(error)

    def _closed_since(self, user: User) -> bool:
        """Whether his pool was closed, and opened again, since he asked."""
        return user.ask is not None and self.settled.get(user.target, -1.0) >= user.ask.asked

    def fair_excuse(self, error: BaseException) -> bool:
        """What the weather, now or a while ago, may bring about."""
        bad = self.loop.time() <= self.bad_until
        return bad and isinstance(error, EXCUSED)

    async def _borrow(
        self,
        user: User,
        hold: float,
        words: int,
        timeout: float | None,
        manual: bool,
        mode: str | None = None,
    ) -> None:
        pool = self.pools[user.target]
        self._asks(user, timeout)
        if manual:
            lease = await pool.acquire(timeout=timeout)
            self._got(user, lease)
            try:
                await self._use(user, lease, hold, words, mode)
            finally:
                self._give_back(user)
            return
        async with pool.acquire(timeout=timeout) as lease:
            self._got(user, lease)
            try:
                await self._use(user, lease, hold, words, mode)
            finally:
                self._lets_go(user)
                if lease.released:  # taken from him by `cancel_in_grant`
                    self.counts["taken away"] += 1

    async def _use(self, user: User, lease: Any, hold: float, words: int, mode: str | None) -> None:
        for number in range(words):
            if user.lease is None:
                return
            word = f"{user.number}.{number}"
            answer = await lease.ask(word)
            if answer != word:
                self.note(f"{user.name} asked {word!r} and got {answer!r}")
        if user.lease is not None and mode is not None:
            await lease.enter(mode)
        if hold:
            await asyncio.sleep(hold)

    async def _execute(self, user: User, timeout: float | None) -> None:
        pool = self.pools[user.target]
        self._asks(user, timeout)
        word = f"{user.number}.x"
        self.by_word[word] = user
        try:
            answer = await (pool.ask(word) if timeout is None else pool.ask(word, timeout=timeout))
        finally:
            del self.by_word[word]
        if answer != word:
            self.note(f"{user.name} asked {word!r} and got {answer!r}")

    async def _use_solo(self, user: User, stay: float) -> None:
        connection = await self.device.connect(alias=SOLO, timeout=20.0)
        try:
            word = f"{user.number}.s"
            answer = await connection.ask(word)
            if answer != word:
                self.note(f"{user.name} asked {word!r} and got {answer!r}")
            await asyncio.sleep(stay)
        finally:
            await connection.close()

    def _asks(self, user: User, timeout: float | None) -> None:
        now = self.loop.time()
        own = self.setup.pool_timeout or float("inf")
        if user.verb == "execute":
            deadline = now + min(own, COMMAND_TIMEOUT if timeout is None else timeout)
        else:
            deadline = now + (own if timeout is None else timeout)
        user.ask = self.ledger.ask(user.target, now, deadline)

    def _got(self, user: User, lease: Any) -> None:
        """The user has a session in his hands."""
        assert user.ask is not None
        self.counts["borrowed"] += 1
        self.ledger.grant(user.ask, self.loop.time(), self.loop.ticks)
        line = lease.line
        connection = line.connection
        if connection in self.holders:
            self.note(f"{user.name} was given {line}, which {self.holders[connection].name} holds")
        if connection in self.asking:
            self.note(f"{user.name} was given {line}, on which {self.asking[connection]!r} is being asked")
        self.auditor.fit(user, line)
        if line.alive and (line.unanswered or line.mode != "exec"):
            self.note(f"{user.name} was given {line}: {line.unanswered} answers outstanding, {line.mode}")
        self.holders[connection] = user
        user.lease, user.line = lease, line

    def _lets_go(self, user: User) -> None:
        if user.line is not None and self.holders.get(user.line.connection) is user:
            del self.holders[user.line.connection]
            user.line.idle_since = self.loop.time()
            self.last_back[user.target] = self.loop.time()
        user.lease = None

    def _give_back(self, user: User) -> None:
        lease = user.lease
        if lease is not None:
            self._lets_go(user)
            lease.pool.release(lease)  # which may have been replaced since

    def _on_ask(self, connection: FakeConnection, word: str) -> None:
        """A word comes to the device's side: this is when a call on a pool has its session."""
        user = self.by_word.get(word)
        if user is not None:
            assert user.ask is not None
            self.counts["borrowed"] += 1
            self.ledger.grant(user.ask, self.loop.time(), self.loop.ticks)
            if connection in self.holders:
                self.note(f"{user.name} is served on a session that {self.holders[connection].name} holds")
            self.asking[connection] = word
            if connection.line is not None:
                self.auditor.fit(user, connection.line)

    def _on_answered(self, connection: FakeConnection, word: str) -> None:
        if connection.line is not None:
            connection.line.idle_since = self.loop.time()
        if self.asking.get(connection) == word:
            del self.asking[connection]

    def _on_loop_error(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        self.note(f"the loop reports {told(context)}", context.get("exception"))


def pool_size(pool: Any) -> int:
    """Sessions of a pool, in whatever stage."""
    numbers = pool.statistics()
    return sum(numbers[stage] for stage in ("opening", "idle", "busy", "settling", "closing"))


Verb = Callable[[World], object]
