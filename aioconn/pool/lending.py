# SPDX-License-Identifier: Apache-2.0
"""Sessions of a pool that are lent for several calls: how they are taken, and how they come back."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from threading import get_ident
from types import CodeType, FrameType
from typing import Any, Generic, TypeVar

from aioconn.caller import on_behalf
from aioconn.connection import BaseConnection
from aioconn.errors import DeviceBusy, NotOfThisPool, ReleasedTwice
from aioconn.events import Acquired
from aioconn.exclusive import Exclusivity
from aioconn.home import call_at_home, carry_acquiring, running_loop
from aioconn.pool.lease import Lease, Lent
from aioconn.pool.life import PoolLife
from aioconn.pool.member import Member
from aioconn.pool.sessions import Sessions
from aioconn.pool.waiting import Waiting

C = TypeVar("C", bound=BaseConnection[Any])

_NEVER = float("inf")


class Lending(Generic[C]):
    """The `Lender` of a pool. Whoever has a session shares the device with others, and keeps exclusive work waiting."""

    def __init__(
        self, sessions: Sessions[C], waiting: Waiting[C], life: PoolLife[C], exclusivity: Exclusivity
    ) -> None:
        self.exclusivity = exclusivity
        self.asker: CodeType | None = None
        self._sessions = sessions
        self._waiting = waiting
        self._life = life
        self._gate = sessions.gate
        self._listeners = sessions.model.listeners
        self._listening = self._listeners.anywhere

    # ------------------------------------------------------------------ taken

    def lend(self, lease: Lease[C], frame: FrameType) -> Lent | None:
        """Give it a session that can be had at once by code that is known; else None.

        A plain function, and a long one: this is what a turn costs whose session is free, and a call of a function of
        its own for each of these steps would be a third of that.
        """
        gate, exclusivity, loop = self._gate, self.exclusivity, self._sessions.loop
        if (
            not gate.idle
            or frame.f_code is not self.asker
            or lease.hold is not None
            or loop is None
            or loop is not running_loop()
            or on_behalf.get() is not None
        ):
            return None
        now = loop.time()
        lent = Lent(exclusivity, loop, asyncio.current_task(loop), frame)
        if not exclusivity.try_share(lent, now):
            return None
        member = gate.take(now)
        if member is None:
            exclusivity.end(lent)
            return None
        lent.thread = get_ident()
        member.holder = lease.hold = lent
        lease.member = member
        lease.released = False
        if self._listening and self._listeners:
            self._tell_acquired(0.0)
        return lent

    def lease(
        self, lease: Lease[C], lent: Lent, limit: float | None, running: asyncio.AbstractEventLoop
    ) -> Coroutine[Any, Any, None]:
        """Wait for a session and a shared hold of the device. A cancel leaves nothing taken."""
        if self._sessions.loop is running and not self._gate.closed:
            lent.thread = get_ident()
            return self._lend(lease, lent, limit)
        return carry_acquiring(
            self._life.home(), self._lend, lambda _: self.release(lease), lease, lent, limit
        )

    async def _lend(self, lease: Lease[C], lent: Lent, limit: float | None) -> None:
        exclusivity, waiting = self.exclusivity, self._waiting
        loop = lent.loop = self._sessions.home()
        now = started = loop.time()
        if not exclusivity.try_share(lent, now):
            try:
                async with asyncio.timeout(limit):
                    await exclusivity.share(lent)
            except TimeoutError:
                raise DeviceBusy(
                    f"no session within {limit:g} s: {exclusivity.blockers()}", **self._sessions.where()
                ) from None
            now = loop.time()
        try:
            member = self._gate.take(now)
            if member is None:
                caller = waiting.line_up(now, _NEVER if limit is None else started + limit, lent.task)
                try:
                    member = await caller.future
                except BaseException:
                    waiting.leave(caller)
                    raise
                waiting.served(caller)
        except BaseException:
            lent.release()
            raise
        member.holder = lent
        lent.since = member.since
        lease.member = member
        lease.released = False
        if self._listeners:
            self._tell_acquired(self._sessions.now() - started)

    def _tell_acquired(self, waited: float) -> None:
        model = self._sessions.model
        self._listeners.emit(Acquired(device=model.device, alias=model.alias, path=model.via, waited=waited))

    # ------------------------------------------------------------------ given back: plain functions, all of them

    def release(self, lease: Lease[C]) -> None:
        """By hand, from anywhere. Raises `ReleasedTwice` and `NotOfThisPool`, which change nothing."""
        if getattr(lease, "lender", None) is not self:
            raise NotOfThisPool(f"{lease!r} is no session of this pool", **self._sessions.where())
        if lease.released:
            raise ReleasedTwice(
                f"the session taken at {lease.place} was given back before", **self._sessions.where()
            )
        lease.released = True
        assert lease.member is not None
        assert lease.hold is not None
        call_at_home(self._sessions.loop, self._take_back, lease.member, lease.hold)

    def give_back(self, lease: Lease[C], lent: Lent) -> None:
        """At the end of a block."""
        member = lease.member
        assert member is not None
        loop = lent.loop
        # Data alone, so it is enough to be in the thread in which the loop ran at the beginning: to ask for the loop
        # that runs now takes as long as all the rest. The context is left as it is: the hold in it is over then.
        if get_ident() == lent.thread and member.session.clean and self._gate.rest(member, loop.time()):
            member.holder = None
            self.exclusivity.end(lent)
        elif loop is running_loop():
            self._take_back(member, lent)
        else:
            lent.unmark()
            call_at_home(loop, self._take_back, member, lent)

    def take_back(self, lease: Lease[C]) -> None:
        """Forgotten; from wherever the garbage collector runs."""
        loop, member, lent = self._sessions.loop, lease.member, lease.hold
        if loop is not None and not loop.is_closed() and member is not None and lent is not None:
            member.holder = None  # from now on nobody holds it, though it comes back only then
            loop.call_soon_threadsafe(self._take_back, member, lent)

    def _take_back(self, member: Member[C], lent: Lent) -> None:
        if lent.live:
            self.exclusivity.end(lent)
        self._sessions.give(member)
