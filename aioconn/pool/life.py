# SPDX-License-Identifier: Apache-2.0
"""The life of a pool: in which loop it is, how it is opened and closed, and what state that leaves it in."""

from __future__ import annotations

import asyncio
from typing import Any, Generic, TypeVar

from aioconn.connection import BaseConnection, State
from aioconn.errors import PoolClosed, SessionClosed
from aioconn.home import call_at_home, carry
from aioconn.pool.member import Stage
from aioconn.pool.sessions import Sessions
from aioconn.pool.waiting import Waiting
from aioconn.residence import home_of, home_to_open_at, settling

C = TypeVar("C", bound=BaseConnection[Any])


class PoolLife(Generic[C]):
    """Opens and closes what `Sessions` has, at home. A pool that was closed may be opened again, in another loop."""

    def __init__(self, sessions: Sessions[C], waiting: Waiting[C]) -> None:
        self._sessions = sessions
        self._waiting = waiting
        self._gate = sessions.gate
        self._gate.closed = True
        self._state = State.NEW
        self._closing: asyncio.Task[None] | None = None

    # ------------------------------------------------------------------ what state it is in

    @property
    def state(self) -> State:
        gate = self._gate
        if gate.closed:
            return State.CLOSED if self._state is not State.NEW else State.NEW
        if gate.hopeless:
            return State.BROKEN if self._sessions.last_error is not None else State.READY
        if gate.count(Stage.IDLE) or gate.total < gate.size:
            return State.READY
        return State.BUSY if gate.count(Stage.LEASED) else State.OPENING

    @property
    def connected(self) -> bool:
        return not self._gate.closed and not (self._gate.hopeless and self._sessions.last_error is not None)

    @property
    def closing(self) -> asyncio.Task[None] | None:
        closing = self._closing
        return closing if closing is not None and not closing.done() else None

    # ------------------------------------------------------------------ opening and closing

    async def open(self, timeout: float | None) -> None:
        if (home := self._home_to_open()) is not asyncio.get_running_loop():
            await carry(home, self.open, timeout)
            return
        with settling:
            self._sessions.settle_at(home)
        await self._finish_closing()
        if not self._gate.closed:
            if (
                not self.connected
            ):  # the path is down, and its next attempt not due: it is asked for in so many words
                await self._sessions.open_first(timeout)
            return
        self._state, gate = State.OPENING, self._gate
        try:
            await self._sessions.open_first(timeout)
            if gate.closed:
                raise self._waiting.closed()
        except BaseException as error:
            closed = gate.closed  # somebody has closed it in the meantime
            if not closed:
                gate.close(self._sessions.now(), self._waiting.closed)
                self._state = State.NEW
            self._sessions.work()
            await self._finish_closing()
            if self._sessions.tasks:
                self._closing = asyncio.get_running_loop().create_task(self._sessions.end(0.0))
                await self._finish_closing()
            if closed and isinstance(error, Exception) and not isinstance(error, PoolClosed):
                raise self._waiting.closed() from error
            raise
        self._state = State.READY

    async def drain(self, timeout: float) -> None:
        if (home := self._home_to_open()) is not asyncio.get_running_loop():
            try:
                await carry(home, self.drain, timeout)
            except SessionClosed:
                if not self._is_nowhere:  # else somebody has closed it there, and the loop has ended
                    raise
            return
        if self._closing is None:
            if self._gate.closed:
                self._state = State.CLOSED
                return
            with settling:
                self._sessions.settle_at(home)
            self._state = State.CLOSED
            self._gate.close(self._sessions.now(), self._waiting.closed)
            self._waiting.stop()
            self._sessions.work()
            self._closing = asyncio.get_running_loop().create_task(self._sessions.end(timeout))
        await self._finish_closing()

    async def _finish_closing(self) -> None:
        """Wait for the closing task; a cancellation cuts everything, and is passed on when it has ended."""
        while (closing := self._closing) is not None:
            if closing.done():
                self._closing = None
                closing.result()
                return
            try:
                await asyncio.wait({closing})
            except asyncio.CancelledError:
                self._sessions.hurry()
                while not closing.done():
                    try:
                        await asyncio.wait({closing})
                    except asyncio.CancelledError:
                        self._sessions.hurry()
                self._closing = None
                raise

    def resize(self, size: int) -> None:
        """From anywhere; a pool that lives nowhere so far takes note of it."""
        if self._sessions.loop is None:
            self._gate.size = size
            return
        call_at_home(self._sessions.loop, self._resize, size)

    def _resize(self, size: int) -> None:
        self._gate.resize(size, self._sessions.now())
        self._sessions.work()

    # ------------------------------------------------------------------ where it lives

    def home(self) -> asyncio.AbstractEventLoop:
        """The loop to carry a call to: the one that opened the pool, or if that has ended, the device's home. Raises
        PoolClosed: a pool that is closed is nowhere, and may be opened anywhere the very next moment."""
        sessions, loop = self._sessions, self._sessions.loop
        if self._gate.closed:
            raise self._waiting.closed()
        if loop is None or loop.is_closed():
            home = home_to_open_at(sessions.environment.home)
            if home is not asyncio.get_running_loop():
                return home
            with settling:
                if sessions.loop is loop:
                    sessions.settle_at(home)
                    return home
            return self.home()  # it has been opened in another thread, this very moment
        return home_of(loop, self._name)

    def _home_to_open(self) -> asyncio.AbstractEventLoop:
        """The same for what opens or closes: if nothing of the pool is left where it was, the device's home."""
        loop = self._sessions.loop
        if loop is None or loop.is_closed() or self._is_nowhere:
            return home_to_open_at(self._sessions.environment.home)
        return home_of(loop, self._name)

    @property
    def _is_nowhere(self) -> bool:
        """Whether nothing of it is left on any loop."""
        return self._gate.closed and not self._sessions.tasks and self.closing is None

    @property
    def _name(self) -> str:
        model = self._sessions.model
        return f"{model.device} {model.alias}"
