# SPDX-License-Identifier: Apache-2.0
"""Those who use the pools of a `World`: what they do, and what they hear."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from aioconn.errors import (
    CommandTimeout,
    ConnectTimeout,
    Deadlock,
    LimitReached,
    PoolClosed,
    PoolTimeout,
    ReleasedTwice,
    SessionBroken,
    SessionClosed,
)
from aioconn.policy import COMMAND_TIMEOUT
from tests.storm.audit import SOLO
from tests.storm.device import FakeConnection, Line
from tests.storm.ledger import Ask, told

if TYPE_CHECKING:
    from tests.storm.world import World


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
    long: bool = False  # he keeps it longer than is fair
    cancelled_at: float | None = None
    done: bool = False

    @property
    def name(self) -> str:
        return f"{self.verb} {self.number} on {self.target}"


def pool_size(pool: Any) -> int:
    """Sessions of a pool, in whatever stage."""
    numbers = pool.statistics()
    return sum(numbers[stage] for stage in ("opening", "idle", "busy", "settling", "closing"))


class Crowd:
    """Makes users, and keeps the books on them."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.loop = world.loop
        self.present: dict[User, None] = {}
        self.by_word: dict[str, User] = {}
        self.holders: dict[FakeConnection, User] = {}
        self.asking: dict[FakeConnection, str] = {}
        self.numbers = 0
        world.fake.on_ask = self._on_ask
        world.fake.on_answered = self._on_answered

    def __iter__(self) -> Iterator[User]:
        return iter(self.present)

    def __len__(self) -> int:
        return len(self.present)

    # ------------------------------------------------------------------ what they do

    def borrow(
        self, pool: str, *, hold: float, words: int = 1, timeout: float | None = None, manual: bool = False
    ) -> User:
        """Take a session, ask `words` things on it over `hold` seconds, give it back."""
        user = self._user(pool, "borrow")
        user.long = hold > 2.0
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

    def chat(self) -> User:
        """Use the single connection that somebody else has opened, at the same time as others."""
        user = self._user(SOLO, "chat")
        return self._start(user, self._chat(user))

    def greedy(self, pool: str) -> User:
        """Take a session of a pool and then another one, which cannot come where there is but one."""
        user = self._user(pool, "greedy")
        return self._start(user, self._take_two(user))

    def cancel(self, user: User, *, twice: bool = False, again: bool = False) -> None:
        """Cancel a user: once, twice at once, or again in the next turn of the loop."""
        if user.task is None or user.done or user.task.done():
            return
        self.world.counts["cancelled"] += 1
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
        first = next((ask for ask in self.world.ledger.lines.get(pool, {}).values()), None)
        holder = next((user for user in self.present if user.lease is not None and user.target == pool), None)
        victim = (
            next((user for user in self.present if user.ask is first), None) if first is not None else None
        )
        if victim is None or holder is None:
            return None
        holder.robbed = True
        line = holder.line
        self._give_back(holder)
        if kill and line is not None and line.alive:
            self.world.bad_weather()
            self.world.counts["killed"] += 1
            self.world.fake.kill(line)
            line.connection.hear_the_end(line)
        self.cancel(victim)
        return victim

    # ------------------------------------------------------------------ from inside

    def _user(self, target: str, verb: str) -> User:
        self.numbers += 1
        return User(number=self.numbers, target=target, verb=verb)

    def _start(self, user: User, work: Coroutine[Any, Any, None]) -> User:
        self.present[user] = None
        user.task = asyncio.create_task(self._live(user, work), name=user.name)
        user.task.add_done_callback(lambda task: self._ended(user, work))
        return user

    async def _live(self, user: User, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except asyncio.CancelledError:
            if user.cancelled_at is None:
                self.world.note(f"{user.name} was cancelled, and nobody had asked for that")
            raise
        except Exception as error:
            if user.cancelled_at is not None:
                self.world.note(f"{user.name} was cancelled and hears {told(error)}", error)
            elif not self._excused(user, error):
                self.world.note(f"{user.name} hears {told(error)}", error)
            self.world.counts[type(error).__name__] += 1
        else:
            if user.cancelled_at is not None:
                self.world.note(f"{user.name} was cancelled, and that was swallowed")
            self.world.counts["served"] += 1
        finally:
            user.done = True
            if user.ask is not None:
                self.world.ledger.leave(user.ask)

    def _ended(self, user: User, work: Coroutine[Any, Any, None]) -> None:
        work.close()  # cancelled before it began
        self.present.pop(user, None)

    def _excused(self, user: User, error: Exception) -> bool:
        """Whether a user may hear this."""
        now = self.loop.time()
        if user.robbed and isinstance(error, (SessionClosed, SessionBroken)):
            return True
        if isinstance(error, (PoolClosed, SessionClosed)):
            closed = user.target in self.world.unsettled
            return user.target == SOLO or closed or self._closed_since(user)
        if isinstance(error, (PoolTimeout, CommandTimeout)):
            assert user.ask is not None or user.target == SOLO
            late = user.ask is not None and now >= user.ask.deadline - 1e-6
            late = late or user.verb == "chat"  # others keep it as long as they like
            return late or (isinstance(error, CommandTimeout) and self.world.fair_excuse(error))
        if isinstance(error, (LimitReached, ConnectTimeout)) and user.target == SOLO:
            return True  # it has waited for as long as it was told
        return self.world.fair_excuse(error)

    def _closed_since(self, user: User) -> bool:
        """Whether his pool was closed, and opened again, since he asked."""
        return user.ask is not None and self.world.settled.get(user.target, -1.0) >= user.ask.asked

    async def _borrow(
        self,
        user: User,
        hold: float,
        words: int,
        timeout: float | None,
        manual: bool,
        mode: str | None = None,
    ) -> None:
        pool = self.world.pools[user.target]
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
                    self.world.counts["taken away"] += 1

    async def _use(self, user: User, lease: Any, hold: float, words: int, mode: str | None) -> None:
        for number in range(words):
            if user.lease is None:
                return
            word = f"{user.number}.{number}"
            answer = await lease.ask(word)
            if answer != word:
                self.world.note(f"{user.name} asked {word!r} and got {answer!r}")
        if user.lease is not None and mode is not None:
            await lease.enter(mode)
        if hold:
            await asyncio.sleep(hold)

    async def _execute(self, user: User, timeout: float | None) -> None:
        pool = self.world.pools[user.target]
        self._asks(user, timeout)
        word = f"{user.number}.x"
        self.by_word[word] = user
        try:
            answer = await (pool.ask(word) if timeout is None else pool.ask(word, timeout=timeout))
        finally:
            del self.by_word[word]
        if answer != word:
            self.world.note(f"{user.name} asked {word!r} and got {answer!r}")

    async def _use_solo(self, user: User, stay: float) -> None:
        connection = await self.world.device.connect(alias=SOLO, timeout=20.0)
        try:
            word = f"{user.number}.s"
            answer = await connection.ask(word)
            if answer != word:
                self.world.note(f"{user.name} asked {word!r} and got {answer!r}")
            await asyncio.sleep(stay)
        finally:
            await connection.close()

    async def _chat(self, user: User) -> None:
        connection: Any = self.world.device.connections.get(SOLO)
        if connection is not None and connection.connected:
            word = f"{user.number}.c"
            answer = await connection.ask(word, timeout=20.0)
            if answer != word:
                self.world.note(f"{user.name} asked {word!r} and got {answer!r}")

    async def _take_two(self, user: User) -> None:
        pool = self.world.pools[user.target]
        self._asks(user, 5.0)
        async with pool.acquire(timeout=5.0) as lease:
            self._got(user, lease)
            asked, only = self.loop.time(), pool_size(pool) == pool.size == 1
            try:
                second = await pool.acquire(timeout=0.5)
                second.line.idle_since = self.loop.time()
                pool.release(second)
            except (Deadlock, PoolTimeout, PoolClosed) as error:
                lonely = only and pool.size == 1 and not user.robbed
                if lonely and isinstance(error, PoolTimeout) and self.loop.time() > asked:
                    self.world.note(f"{user.name} waited for himself, and was not told")
            finally:
                self._lets_go(user)

    def _asks(self, user: User, timeout: float | None) -> None:
        now = self.loop.time()
        own = self.world.setup.pool_timeout or float("inf")
        if user.verb == "execute":
            deadline = now + min(own, COMMAND_TIMEOUT if timeout is None else timeout)
        else:
            deadline = now + (own if timeout is None else timeout)
        user.ask = self.world.ledger.ask(user.target, now, deadline)

    def _got(self, user: User, lease: Any) -> None:
        """The user has a session in his hands."""
        assert user.ask is not None
        self.world.counts["borrowed"] += 1
        self.world.ledger.grant(user.ask, self.loop.time(), self.loop.ticks)
        line = lease.line
        connection = line.connection
        if connection in self.holders:
            self.world.note(f"{user.name} was given {line}, which {self.holders[connection].name} holds")
        if connection in self.asking:
            self.world.note(
                f"{user.name} was given {line}, on which {self.asking[connection]!r} is being asked"
            )
        self.world.auditor.fit(user, line)
        if line.alive and (line.unanswered or line.mode != "exec"):
            self.world.note(
                f"{user.name} was given {line}: {line.unanswered} answers outstanding, {line.mode}"
            )
        self.holders[connection] = user
        user.lease, user.line = lease, line

    def _lets_go(self, user: User) -> None:
        if user.line is not None and self.holders.get(user.line.connection) is user:
            del self.holders[user.line.connection]
            user.line.idle_since = self.loop.time()
            self.world.last_back[user.target] = self.loop.time()
        user.lease = None

    def _give_back(self, user: User) -> None:
        lease = user.lease
        if lease is not None:
            self._lets_go(user)
            lease.release()  # which may have been replaced since
            try:
                lease.release()
            except ReleasedTwice:
                pass
            else:
                self.world.note(f"{user.name} gave {user.line} back twice, and was not told")

    def _on_ask(self, connection: FakeConnection, word: str) -> None:
        """A word comes to the device's side: this is when a call on a pool has its session."""
        user = self.by_word.get(word)
        if user is not None:
            assert user.ask is not None
            self.world.counts["borrowed"] += 1
            self.world.ledger.grant(user.ask, self.loop.time(), self.loop.ticks)
            if connection in self.holders:
                self.world.note(
                    f"{user.name} is served on a session that {self.holders[connection].name} holds"
                )
            self.asking[connection] = word
            if connection.line is not None:
                self.world.auditor.fit(user, connection.line)

    def _on_answered(self, connection: FakeConnection, word: str) -> None:
        if connection.line is not None:
            connection.line.idle_since = self.loop.time()
        if self.asking.get(connection) == word:
            del self.asking[connection]
