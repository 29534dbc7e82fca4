# SPDX-License-Identifier: Apache-2.0
"""Waiting for a session of a pool: one future for each caller, one timer for all, and errors that say who is ahead."""

from __future__ import annotations

import asyncio
import weakref
from typing import Any, Generic, TypeVar

from aioconn.caller import Caller as Asker
from aioconn.caller import here
from aioconn.connection import BaseConnection
from aioconn.errors import Deadlock, PoolClosed, PoolTimeout
from aioconn.exclusive.hold import Hold
from aioconn.pool.member import Member, Stage
from aioconn.pool.queue import Awaiting
from aioconn.pool.sessions import Sessions

C = TypeVar("C", bound=BaseConnection[Any])

_NEVER = float("inf")
_LEASED = Stage.LEASED  # on 3.11 it takes 0.1 us to find it by its name
_TICK = 0.01  # seconds; deadlines that are so near to each other are looked at together


class Caller(Awaiting):
    """Somebody in line for a single call."""

    __slots__ = ("deadline", "future", "since", "task", "waited")

    def __init__(self, since: float, deadline: float, task: weakref.ref[asyncio.Task[Any]] | None) -> None:
        self.since = since
        self.deadline = deadline
        self.task = task


class Waiting(Generic[C]):
    """Those who wait for a session of one pool."""

    def __init__(self, sessions: Sessions[C]) -> None:
        self._sessions = sessions
        self._expiry: asyncio.TimerHandle | None = None
        self._expires_at = _NEVER

    async def wait(self, limit: float) -> Member[C]:
        """The first session that comes free, within `limit` seconds. A cancel, even after the grant, loses nothing.

        Raises PoolTimeout, PoolClosed, Deadlock, and what kept the pool from opening a session in time.
        """
        current = asyncio.current_task(self._sessions.loop)
        now = self._sessions.now()
        caller = Caller(now, now + limit, weakref.ref(current) if current is not None else None)
        self.line_up(caller, now)
        try:
            member = await caller.future
        except BaseException:
            self.leave(caller)
            raise
        self.served(caller)
        return member

    def line_up(self, caller: Awaiting, now: float) -> None:
        """The first step of `wait`, for who awaits the future himself: with many callers, one coroutine less for each
        is felt. `leave` or `served` is the last."""
        sessions, gate = self._sessions, self._sessions.gate
        if gate.closed:
            raise self.closed()
        self._refuse_deadlock(caller.task)
        caller.future = sessions.home().create_future()  # type: ignore[misc]  # a slot of whoever this is
        gate.ask(caller, now)
        if gate.work:
            sessions.work()
        if caller.deadline < self._expires_at:
            self._watch(caller.deadline)

    def leave(self, caller: Awaiting) -> None:
        """Waiting for the future has raised: what had been granted in the very same turn is given back."""
        sessions, future = self._sessions, caller.future
        granted = None
        if future.done() and not future.cancelled() and future.exception() is None:
            granted = future.result()  # cancelled in the very turn of the grant
        if granted is not None:
            sessions.gate.counters.cancelled += 1
            sessions.give(granted)  # as from any other holder: it may have been lost in between
        elif future.cancelled():
            sessions.gate.withdraw(caller, sessions.now())
            sessions.work()

    def served(self, caller: Awaiting) -> None:
        """The caller has his session."""
        waited = caller.waited
        counters = self._sessions.gate.counters
        counters.wait_seconds += waited
        if waited > counters.longest_wait:
            counters.longest_wait = waited

    def stop(self) -> None:
        """Nobody waits any more."""
        if self._expiry is not None:
            self._expiry.cancel()
            self._expiry = None
        self._expires_at = _NEVER

    def _watch(self, deadline: float) -> None:
        self.stop()
        self._expires_at = deadline
        self._expiry = self._sessions.home().call_at(deadline + _TICK, self._expire)

    def _expire(self) -> None:
        self.stop()
        nearest = self._sessions.gate.expire(self._sessions.now(), self._timed_out)
        self._sessions.work()
        if nearest is not None:
            self._watch(nearest)

    # ------------------------------------------------------------------ words

    def closed(self) -> PoolClosed:
        return PoolClosed("the pool is closed", **self._sessions.where(), hint="call connect()")

    def _timed_out(self, caller: Any) -> PoolTimeout:
        sessions, gate = self._sessions, self._sessions.gate
        held = [self._describe(member) for member in gate.members if member.stage is Stage.LEASED]
        others = [
            f"{gate.count(stage)} {stage}"
            for stage in (Stage.OPENING, Stage.CHECKING, Stage.SETTLING, Stage.CLOSING)
            if gate.count(stage)
        ]
        crowd = (
            f"; the device: {self._sessions.environment.crowd()}" if gate.total < gate.size or others else ""
        )
        reason = f"; opening failed: {sessions.last_error}" if sessions.last_error is not None else ""
        error = PoolTimeout(
            f"no session of {gate.size} came free within {caller.deadline - caller.since:.3g} s,"
            f" {gate.waiting} others wait: {'; '.join([*held, *others]) or 'none is open'}{crowd}{reason}",
            **self._sessions.where(),
        )
        error.__cause__ = sessions.last_error
        return error

    def _describe(self, member: Member[C]) -> str:
        if member.holder is not None:
            return f"held by {member.holder.describe()}"
        age = self._sessions.now() - member.since
        if member.call is None:
            return f"in use for {age:.1f} s"
        name, args, task = member.call
        what = self._sessions.model.credentials.redact(str(args[0])[:60]) if args else ""
        return f"{name} {what!r} of task {task.get_name() if task is not None else '?'} for {age:.1f} s"

    def _refuse_deadlock(self, task: weakref.ref[asyncio.Task[Any]] | None) -> None:
        """All sessions are held by tasks that wait for one here: then none of them ever comes back."""
        gate = self._sessions.gate
        if len(gate.members) < gate.size:
            return
        if task is None:
            self._refuse_deadlock_of_a_thread()
            return
        latest = gate.handed_over
        if latest is not None and latest.holder is None and latest.stage is _LEASED:
            return  # whoever has it is not even awake; with many callers, that is so most of the time
        own: Hold | None = None
        for member in gate.members:
            if (lent := member.holder) is None or lent.task is None:
                return
            # a task has one weak reference without a callback, so that these can be compared
            if lent.task is task:
                own = lent
        if own is None:
            return
        waiting = {
            task,
            *(caller.task for caller in gate.queue if isinstance(caller, Awaiting) and not caller.done),
        }
        if any(member.holder.task not in waiting for member in gate.members):
            return
        raise self._deadlock(here(), "tasks that wait for one as well; it took its own", own)

    def _refuse_deadlock_of_a_thread(self) -> None:
        """All sessions are held in blocks of the thread that asks: it cannot leave them while it waits."""
        asker, mine = here(), None
        for member in self._sessions.gate.members:
            mine = member.holder
            if mine is None or not (mine.inside and mine.caller.is_same(asker)):
                return
        if mine is not None:
            raise self._deadlock(asker, "itself; it took the last one", mine)

    def _deadlock(self, asker: Asker, holders: str, mine: Hold) -> Deadlock:
        return Deadlock(
            f"{asker.name} waits at {asker.place} for a session of this pool, while all {self._sessions.gate.size}"
            f" are held by {holders} at {mine.place}",
            **self._sessions.where(),
            hint="give it back first, or make the pool larger",
        )
