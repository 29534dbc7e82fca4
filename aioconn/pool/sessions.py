# SPDX-License-Identifier: Apache-2.0
"""The sessions of a pool: opened, brought back in step, checked and closed in tasks of the pool's own, with deadlines.

`Gate` decides what is to be done; here it is done, and told back. Nobody who gives a session back waits for any of it,
so nobody can be cancelled in it.
"""

from __future__ import annotations

import asyncio
import copy
import functools
import random
import time
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Generic, TypeVar

from aioconn.connection import BaseConnection
from aioconn.environment import PoolEnvironment
from aioconn.errors import AioconnError, ConnectError, LimitReached, Where
from aioconn.events import Replaced
from aioconn.home import Errands, errands_at
from aioconn.policy import SETTLE_TIMEOUT
from aioconn.pool.gate import Gate
from aioconn.pool.member import Member, Stage, Task
from aioconn.request import Request

C = TypeVar("C", bound=BaseConnection[Any])

_NEVER = float("inf")
_PAUSE = 1.0  # seconds after an attempt that ended before it began, or could not begin


class Sessions(Generic[C]):
    """What a pool has of live sessions. Everything but the tasks it starts is a plain function; in one loop only."""

    def __init__(self, kind: type[C], request: Request, environment: PoolEnvironment, size: int) -> None:
        self.kind = kind
        self.request = request
        self.environment = environment
        self.model = kind(request)  # never opened: it knows the options, and how services are called
        self.last_error: Exception | None = None
        self.loop: asyncio.AbstractEventLoop | None = None
        self.here = Errands()  # those of the loop
        self.clock: Callable[[], float] = time.monotonic  # that of the loop
        self.tasks: dict[asyncio.Task[None], Member[C]] = {}
        self._options = self.model.options
        self._claims: set[Member[C]] = set()
        self._tidying: asyncio.TimerHandle | None = None
        self._paused_until = 0.0  # by ourselves, whatever becomes of the path
        self._hurried = False
        self._retry: asyncio.TimerHandle | None = None
        self._quiet: asyncio.Future[None] | None = None
        self._random = random.Random()
        self.gate: Gate[C] = Gate(
            size,
            self._make,
            check_after=self._options.check_after,
            yields=self._yields,
            rivals=environment.rivals,
        )

    def settle_at(self, loop: asyncio.AbstractEventLoop) -> None:
        """From now on it lives in the running loop."""
        self.loop, self.here = loop, errands_at(loop)
        self.here.watch(loop)
        own = getattr(loop.time, "__func__", None) is asyncio.BaseEventLoop.time  # which calls nothing else
        self.clock = time.monotonic if own else loop.time

    def home(self) -> asyncio.AbstractEventLoop:
        assert self.loop is not None
        return self.loop

    def now(self) -> float:
        return self.clock()

    def where(self) -> Where:
        """For errors."""
        return {"device": self.model.device, "path": self.model.via}

    def _make(self) -> C:
        return self.kind(self.request)

    def _yields(self, member: Member[C], wanted: bool) -> bool:
        return self.environment.yields(member.session, wanted=wanted)

    # ------------------------------------------------------------------ from the pool

    async def open_first(self, timeout: float | None) -> None:
        """Open one session here and now, which shows that others can be had. Raises what opening it raises."""
        gate = self.gate
        gate.open()
        self._hurried = False
        member = gate.add(self.now())
        try:
            await member.session.open(timeout=timeout)
        except BaseException:
            gate.failed(member, self.now())
            raise
        self._is_open(member)

    def give(self, member: Member[C]) -> None:
        """A session comes back from whoever had it."""
        session, gate = member.session, self.gate
        member.holder = member.call = None
        clean = session.clean
        gate.release(member, self.now(), clean=clean, alive=clean or session.connected)
        if gate.work:
            self.work()
        if member.expires < gate.tidied_at and member.stage is Stage.IDLE:
            self._tidy()
        if self._quiet is not None:
            self._check_quiet()

    def left(self, session: C) -> None:
        """A session has ended, by whatever cause."""
        for member in self.gate.members:
            if member.session is session:
                if member.stage is Stage.IDLE:
                    self.gate.lost(member, self.now())
                    self._tell_replaced(member)
                    self.work()
                return

    def give_up_idle(self) -> None:
        """Close the session that has been idle longest, for another group's sake."""
        if (member := self.gate.give_up(self.now())) is not None:
            self.environment.yielding(member.session)
            self.work()

    def path_changed(self) -> None:
        """The path may be tried again, or may not."""
        gate = self.gate
        if gate.closed or gate.count(Stage.OPENING) > len(self._claims):
            return  # what is being opened here tells it itself
        now = self.now()
        retry_at, refusal = self.environment.retry(self.model)
        retry_at = max(retry_at, self._paused_until)
        if retry_at > now:
            gate.pause(now, retry_at, refusal)
            self._wake_at(retry_at)
        elif retry_at:
            gate.resume()
        else:
            gate.forgive()
        gate.match(now)
        self.work()

    async def end(self, timeout: float) -> None:
        """Wait for those who hold a session, at most `timeout` seconds, then cut; wait until all are closed."""
        gate = self.gate
        try:
            if gate.count(Stage.LEASED):
                assert self.loop is not None
                self._quiet = self.loop.create_future()
                async with asyncio.timeout(timeout):
                    await self._quiet
        except TimeoutError:
            pass
        finally:
            self._quiet = None
            now = self.now()
            for member in list(gate.members):
                if member.stage is Stage.LEASED:
                    gate.close_member(member, "closed", now)  # its call ends with SessionClosed
            self.work()
            if self._hurried:
                self.hurry()
            while self.tasks:
                await asyncio.wait(self.tasks)
            self._stop_timers()

    def hurry(self) -> None:
        """End now, without waiting for anybody and without a goodbye."""
        self._hurried = True
        if self._quiet is not None and not self._quiet.done():
            self._quiet.set_result(None)
        for task in self.tasks:
            task.cancel()

    # ------------------------------------------------------------------ work that takes time

    def work(self) -> None:
        """Start what the gate wants done."""
        work = self.gate.work
        while work:
            task, member = work.popleft()
            session = member.session
            if task is Task.OPEN:
                self._claims.add(member)
                self.environment.claim(session, functools.partial(self._admitted, member))
            elif task is Task.ABANDON:
                self._abandon(member)
            elif task is Task.CLOSE:
                self._tell_replaced(member)
                self._start(member, self._close(member))
            elif task is Task.CHECK:
                self._start(member, self._settle(member, session.check))
            else:
                self._start(member, self._settle(member, session.settle))

    def _start(self, member: Member[C], work: Coroutine[Any, Any, None]) -> None:
        assert self.loop is not None
        task = self.loop.create_task(work)
        self.tasks[task] = member
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        member = self.tasks.pop(task)
        if task.cancelled():  # it may not have begun: then nothing of it was told
            if member.stage is Stage.OPENING:
                self._not_opened(member)
            elif member.stage in (Stage.SETTLING, Stage.CHECKING, Stage.CLOSING):
                member.session.abort()
                self.gate.drop(member, self.now())
            self.work()
            self._check_quiet()
        elif (error := task.exception()) is not None:
            raise error

    def _admitted(self, member: Member[C]) -> None:
        """The device can bear one more."""
        if member not in self._claims:
            return
        self._claims.discard(member)
        if self.environment.attempt(member.session):
            self._start(member, self._open(member))
            return
        self._not_opened(member)
        retry_at, refusal = self.environment.retry(member.session)
        if retry_at > self.now():
            self.gate.pause(self.now(), retry_at, refusal)
            self._wake_at(retry_at)
        else:
            self.gate.hold_off(self.now() + _PAUSE)  # somebody tries, and its outcome will be told
            self._wake_at(self.now() + _PAUSE)

    def _not_opened(self, member: Member[C]) -> None:
        self.environment.withdraw(member.session)
        self.gate.failed(member, self.now())

    def _abandon(self, member: Member[C]) -> None:
        """An opening is not needed any more. One that has begun goes on, unless the pool closes."""
        if member in self._claims:
            self._claims.discard(member)
            self._not_opened(member)
        elif self.gate.closed:
            opening = [task for task, other in self.tasks.items() if other is member]
            for task in opening:
                task.cancel()
            if not opening:  # `open_first` is at it
                self._start(member, self._close_unopened(member))

    async def _close_unopened(self, member: Member[C]) -> None:
        """What opens it hears of it, and tells the rest."""
        try:
            await member.session.close()
        except asyncio.CancelledError:  # in a hurry
            member.session.abort()

    async def _open(self, member: Member[C]) -> None:
        try:
            await member.session.open()
        except BaseException as error:
            self._not_opened(member)
            if isinstance(error, Exception):
                self._opening_failed(member, error)
            self.work()
            if not isinstance(error, AioconnError):
                raise
        else:
            self._is_open(member)
        self._check_quiet()

    def _is_open(self, member: Member[C]) -> None:
        now = self.now()
        self.last_error = None
        # with jitter, so that sessions opened together do not all end together
        self.gate.opened(member, now, now + self._options.lifetime * (1.0 - 0.1 * self._random.random()))
        self.work()
        self._tidy()

    def _opening_failed(self, member: Member[C], error: Exception) -> None:
        """Tell those who cannot be helped in time, and come back when it may be tried again."""
        gate, now = self.gate, self.now()
        retry_at, refusal = self.environment.retry(member.session)
        if isinstance(error, LimitReached):
            # its turn did not come: it asks again, and who waits has a deadline of his own
            self.path_changed()  # which it kept from being looked at
            gate.match(now)
            return
        self.last_error = error
        if retry_at > now:
            gate.pause(now, retry_at, lambda: _again(error))  # who waits now hears the thing itself
            gate.pause(now, retry_at, refusal)
        elif isinstance(error, ConnectError):
            gate.forgive()  # others have got there since: it belongs to an outage that is over
        else:  # it was not even tried: nothing of it will be right before somebody changes something
            gate.pause(now, _NEVER, lambda: _again(error))
            retry_at = self._paused_until = now + _PAUSE
            gate.pause(now, retry_at, lambda: _again(error))
        if retry_at > now:
            self._wake_at(retry_at)
        gate.match(now)

    async def _settle(self, member: Member[C], work: Callable[[], Awaitable[bool]]) -> None:
        ok = False
        try:
            async with asyncio.timeout(SETTLE_TIMEOUT):
                ok = await work()
        except Exception:
            ok = False
        finally:
            self.gate.settled(member, ok, self.now())
            self.work()
            if member.stage is Stage.IDLE:
                self._tidy()
            self._check_quiet()

    async def _close(self, member: Member[C]) -> None:
        try:
            await member.session.close()
        finally:
            self.gate.gone(member, self.now())
            self.work()
            self._check_quiet()

    # ------------------------------------------------------------------ time

    def _wake_at(self, at: float) -> None:
        assert self.loop is not None
        if self._retry is not None:
            self._retry.cancel()
        self._retry = self.loop.call_at(at, self._wake)

    def _wake(self) -> None:
        retry, self._retry = self._retry, None
        assert retry is not None
        # Timers may be a little early: uvloop counts milliseconds, and what is added to a clock is rounded. Nobody
        # would come again for those who wait.
        self.gate.match(max(self.now(), retry.when()))
        self.work()

    def _tidy(self) -> None:
        """Close what is idle for too long, and come back when the next one will be."""
        if self._tidying is not None:
            self._tidying.cancel()
            self._tidying = None
        self.gate.tidied_at = _NEVER
        at = self.gate.tidy(self.now(), self._options.idle_timeout)
        self.work()
        if at is not None and not self.gate.closed:
            assert self.loop is not None
            self._tidying = self.loop.call_at(at, self._tidy)
            self.gate.tidied_at = at

    def _check_quiet(self) -> None:
        quiet = self._quiet
        if quiet is not None and not quiet.done() and not self.gate.count(Stage.LEASED):
            quiet.set_result(None)

    def _stop_timers(self) -> None:
        for timer in (self._tidying, self._retry):
            if timer is not None:
                timer.cancel()
        self._tidying = self._retry = None
        self.gate.tidied_at = _NEVER

    def _tell_replaced(self, member: Member[C]) -> None:
        model = self.model
        if model.listeners and member.reason not in ("", "closed"):
            event = Replaced(device=model.device, alias=model.alias, path=model.via, reason=member.reason)
            model.listeners.emit(event)


def _again(error: Exception) -> BaseException:
    """The same error for one more caller: an instance that is raised twice would collect both tracebacks."""
    try:
        again = copy.copy(error)
    except Exception:  # a class of somebody else's, whose arguments are not what it was made from
        return error
    again.__cause__ = error.__cause__
    return again
