# SPDX-License-Identifier: Apache-2.0
"""Waiting for a session of a pool: one future for each caller, one timer for all, and errors that say who is ahead."""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from aioconn.connection import BaseConnection
from aioconn.environment import PoolEnvironment
from aioconn.errors import Deadlock, PoolClosed, PoolTimeout, Where
from aioconn.exclusive import here
from aioconn.gate import Member, Stage
from aioconn.lease import Lease
from aioconn.sessions import Sessions

C = TypeVar("C", bound=BaseConnection[Any])

_NEVER = float("inf")
_TICK = 0.01  # seconds; deadlines that are so near to each other are looked at together


class Caller:
    """Somebody in line: one future, and who he is."""

    __slots__ = ("deadline", "future", "since", "task")

    def __init__(self, future: asyncio.Future[Member[Any]], since: float, deadline: float) -> None:
        self.future = future
        self.since = since
        self.deadline = deadline
        self.task = asyncio.current_task()

    @property
    def done(self) -> bool:
        return self.future.done()

    def grant(self, member: Member[Any], /) -> None:
        self.future.set_result(member)

    def fail(self, make: Callable[[], BaseException], /) -> None:
        self.future.set_exception(make())


class Waiting(Generic[C]):
    """Those who wait for a session of one pool."""

    def __init__(self, sessions: Sessions[C], environment: PoolEnvironment) -> None:
        self._sessions = sessions
        self._environment = environment
        self._expiry: asyncio.TimerHandle | None = None
        self._expires_at = _NEVER

    async def wait(self, limit: float, *, call: bool) -> Member[C]:
        """The first session that comes free, within `limit` seconds. A cancel, even after the grant, loses nothing.

        `call`: for a single call, which gives the session back by itself. Raises PoolTimeout, PoolClosed, Deadlock, and
        what kept the pool from opening a session in time.
        """
        sessions, gate = self._sessions, self._sessions.gate
        if gate.closed:
            raise self.closed()
        self._refuse_deadlock()
        now = sessions.now()
        caller = Caller(asyncio.get_running_loop().create_future(), now, now + limit)
        gate.ask(caller, now)
        sessions.work()
        self._watch(caller.deadline)
        try:
            member = await caller.future
        except BaseException:
            future = caller.future
            granted = None
            if future.done() and not future.cancelled() and future.exception() is None:
                granted = future.result()  # cancelled in the very turn of the grant
            if granted is not None:
                gate.counters.cancelled += 1
                sessions.give(granted)  # as from any other holder: it may have been lost in between
            elif future.cancelled():
                gate.withdraw(caller, sessions.now())
                sessions.work()
            raise
        waited = sessions.now() - now
        counters = gate.counters
        counters.wait_seconds += waited
        counters.longest_wait = max(counters.longest_wait, waited)
        return member

    def stop(self) -> None:
        """Nobody waits any more."""
        if self._expiry is not None:
            self._expiry.cancel()
            self._expiry = None
        self._expires_at = _NEVER

    def _watch(self, deadline: float) -> None:
        if deadline < self._expires_at:
            self.stop()
            self._expires_at = deadline
            assert self._sessions.loop is not None
            self._expiry = self._sessions.loop.call_at(deadline + _TICK, self._expire)

    def _expire(self) -> None:
        self.stop()
        nearest = self._sessions.gate.expire(self._sessions.now(), self._timed_out)
        self._sessions.work()
        if nearest is not None:
            self._watch(nearest)

    # ------------------------------------------------------------------ words

    def closed(self) -> PoolClosed:
        return PoolClosed("the pool is closed", **self._where(), hint="call connect()")

    def _where(self) -> Where:
        model = self._sessions.model
        return {"device": model.device, "path": model.via}

    def _timed_out(self, caller: Any) -> PoolTimeout:
        sessions, gate = self._sessions, self._sessions.gate
        held = [self._describe(member) for member in gate.members if member.stage is Stage.LEASED]
        others = [
            f"{gate.count(stage)} {stage}"
            for stage in (Stage.OPENING, Stage.CHECKING, Stage.SETTLING, Stage.CLOSING)
            if gate.count(stage)
        ]
        crowd = f"; the device: {self._environment.crowd()}" if gate.total < gate.size or others else ""
        reason = f"; opening failed: {sessions.last_error}" if sessions.last_error is not None else ""
        error = PoolTimeout(
            f"no session of {gate.size} came free within {caller.deadline - caller.since:.3g} s,"
            f" {gate.waiting} others wait: {'; '.join([*held, *others]) or 'none is open'}{crowd}{reason}",
            **self._where(),
        )
        error.__cause__ = sessions.last_error
        return error

    def _describe(self, member: Member[C]) -> str:
        if (lease := lease_of(member)) is not None:
            return f"held by {lease.describe()}"
        age = self._sessions.now() - member.since
        if not isinstance(member.holder, tuple):
            return f"in use for {age:.1f} s"
        name, args, task = member.holder
        what = self._sessions.model.credentials.redact(str(args[0])[:60]) if args else ""
        return f"{name} {what!r} of task {task.get_name() if task is not None else '?'} for {age:.1f} s"

    def _refuse_deadlock(self) -> None:
        """All sessions are held by tasks that wait for one here: then none of them ever comes back."""
        gate, current = self._sessions.gate, asyncio.current_task()
        if gate.count(Stage.LEASED) < gate.size or current is None:
            return
        leases = [lease_of(member) for member in gate.members]
        mine = next((lease for lease in leases if lease is not None and lease.task is current), None)
        if mine is None:
            return
        waiting = {current, *(caller.task for caller in gate.waiters if isinstance(caller, Caller))}
        for lease in leases:
            if lease is None or lease.shared or lease.task not in waiting:
                return
        asker = here()
        raise Deadlock(
            f"{asker.name} waits at {asker.place} for a session of this pool, while all {gate.size} are held by"
            f" tasks that wait for one as well; it took its own at {mine.place}",
            **self._where(),
            hint="give it back first, or make the pool larger",
        )


def lease_of(member: Member[Any]) -> Lease[Any] | None:
    """Who keeps a session for several calls, if anybody does; held weakly, so that a forgotten one comes back."""
    holder = member.holder
    return holder() if isinstance(holder, weakref.ref) else None
