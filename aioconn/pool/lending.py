# SPDX-License-Identifier: Apache-2.0
"""Sessions of a pool that are lent for several calls: how they are taken, and how they come back."""

from __future__ import annotations

import asyncio
from asyncio import current_task
from threading import get_ident
from types import CodeType, FrameType
from typing import Any, Generic, TypeVar
from weakref import ref

from aioconn.caller import here, on_behalf
from aioconn.connection import BaseConnection
from aioconn.errors import DeviceBusy, NotOfThisPool, ReleasedTwice
from aioconn.events import Acquired
from aioconn.exclusive import Exclusivity
from aioconn.home import call_at_home, carry_acquiring
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
        self.now = sessions.now
        self.where = sessions.where
        # The code that asked last, if that is the user's own: it need not be looked for again.
        self._asker: CodeType | None = None
        self._sessions = sessions
        self._waiting = waiting
        self._life = life
        self._gate = sessions.gate
        self._listeners = sessions.model.listeners
        self._listening = self._listeners.anywhere

    # ------------------------------------------------------------------ taken

    def lend(self, lease: Lease[C], frame: FrameType) -> Lent | None:
        """Give code that is known a session, or a place in line: then its future is to be awaited. Else None.

        A plain function, and a long one: this is what a turn costs whose session is free, and a call of a function of
        its own for each of these steps would be a third of that.
        """
        sessions = self._sessions
        if (
            get_ident() != sessions.here.thread
            or (code := frame.f_code) is not self._asker
            or on_behalf.get() is not None
        ):
            return None
        lent = Lent()
        lent.lender = self
        lent.keeper = self.exclusivity
        lent.code = code
        lent.at = frame.f_lasti
        task = current_task(sessions.loop)
        lent.task = ref(task) if task is not None else None
        now = sessions.clock()
        if not self.exclusivity.try_share(lent, now):
            return None
        lease.hold = lent
        lease.lender = lent  # type: ignore[assignment]  # which refuses to be asked again
        lent.member = member = self._gate.take(now)
        if member is None:
            limit = lease.limit
            lent.deadline = now + limit if limit else _NEVER
            try:
                self._waiting.line_up(lent, now)
            except BaseException:
                lent.release()
                raise
        else:
            member.holder = lent
            if self._listening and self._listeners:
                self._tell_acquired(0.0)
        return lent

    def served(self, lent: Lent, member: Member[C]) -> None:
        """Waiting has ended."""
        lent.member = member
        member.holder = lent
        self._waiting.served(lent)
        if self._listening and self._listeners:
            self._tell_acquired(lent.waited)

    def leave(self, lent: Lent) -> None:
        """Waiting has raised: a cancel leaves nothing taken."""
        self._waiting.leave(lent)
        lent.release()

    async def lend_otherwise(self, lease: Lease[C], frame: FrameType) -> Lent:
        """The same for code that is not known, in any loop; and who waits for the device, waits here."""
        running = asyncio.get_running_loop()
        lent = self._ask(lease, asyncio.current_task(running), frame)
        limit = lease.limit or None
        sessions = self._sessions
        if sessions.loop is running and not self._gate.closed:
            sessions.here.watch(running)  # it may have been stopped, and run again elsewhere
            await self._lend(lent, limit)
        else:
            await carry_acquiring(self._life.home(), self._lend, lambda _: self._release(lent), lent, limit)
        return lent

    def _ask(self, lease: Lease[C], task: asyncio.Task[Any] | None, frame: FrameType) -> Lent:
        """Note who asks: the running task, in `frame` or further out."""
        lent = lease.hold = Lent()
        lease.lender = lent  # type: ignore[assignment]
        lent.lender = self
        lent.keeper = self.exclusivity
        lent.code = frame.f_code
        lent.at = frame.f_lasti
        lent.task = ref(task) if task is not None else None
        lent.member = None
        lent.live = False
        if frame.f_code is not self._asker or on_behalf.get() is not None:
            caller = here(task)
            if caller.itself is task and caller.is_at(frame.f_code):
                self._asker = frame.f_code
            else:  # somebody on whose behalf this is done, or code further out
                lent.give_to(caller)
        return lent

    async def _lend(self, lent: Lent, limit: float | None) -> None:
        exclusivity, sessions, waiting = self.exclusivity, self._sessions, self._waiting
        now = started = sessions.now()
        if not exclusivity.try_share(lent, now):
            try:
                async with asyncio.timeout(limit):
                    await exclusivity.share(lent)
            except TimeoutError:
                raise DeviceBusy(
                    f"no session within {limit:g} s: {exclusivity.blockers()}", **sessions.where()
                ) from None
            now = lent.since = sessions.now()
        try:
            member = self._gate.take(now)
            if member is None:
                lent.deadline = _NEVER if limit is None else started + limit
                waiting.line_up(lent, now)
                try:
                    member = await lent.future
                except BaseException:
                    waiting.leave(lent)
                    raise
                waiting.served(lent)
        except BaseException:
            lent.release()
            raise
        lent.member = member
        member.holder = lent
        if self._listeners:
            self._tell_acquired(lent.since - started)

    def _tell_acquired(self, waited: float) -> None:
        model = self._sessions.model
        self._listeners.emit(Acquired(device=model.device, alias=model.alias, path=model.via, waited=waited))

    # ------------------------------------------------------------------ given back: plain functions, all of them

    def release(self, lease: Lease[C]) -> None:
        """By hand, from anywhere. Raises `ReleasedTwice` and `NotOfThisPool`, which change nothing."""
        lent: Lent | None = getattr(lease, "hold", None)
        if getattr(lease if lent is None else lent, "lender", None) is not self:
            raise NotOfThisPool(f"{lease!r} is no session of this pool", **self._sessions.where())
        if lent is None or lent.member is None:
            raise ReleasedTwice(
                f"the session taken at {lease.place} was given back before", **self._sessions.where()
            )
        self._release(lent)

    def _release(self, lent: Lent) -> None:
        call_at_home(self._sessions.loop, self._take_back, lent.end(), lent)

    def give_back(self, lent: Lent, member: Member[C]) -> None:
        """At the end of a block."""
        sessions = self._sessions
        # Data alone, so it is enough to be in the right thread. The context is left as it is: the hold in it is over.
        if get_ident() == sessions.here.thread and member.session.clean:
            lent.member = member.holder = None
            if self._gate.rest(member, sessions.clock()):
                self.exclusivity.unshare(lent)
            else:
                self._take_back(member, lent)
        else:
            lent.unmark()
            self._release(lent)

    def take_back(self, lent: Lent) -> None:
        """Forgotten; from wherever the garbage collector runs."""
        loop, member = self._sessions.loop, lent.end()
        if loop is not None and not loop.is_closed():
            member.holder = None  # from now on nobody holds it, though it comes back only then
            loop.call_soon_threadsafe(self._take_back, member, lent)

    def _take_back(self, member: Member[C], lent: Lent) -> None:
        self.exclusivity.unshare(lent)
        self._sessions.give(member)
