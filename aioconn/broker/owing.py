# SPDX-License-Identifier: Apache-2.0
"""The answer that a wire owes: how far it has come, how it is written, and signs of life until then."""

from __future__ import annotations

import asyncio
import socket
from enum import StrEnum
from typing import Any, Protocol

from aioconn.broker.attachment import Attachment
from aioconn.broker.books import Books
from aioconn.broker.frames import Alive, Call, Failure, Frame, Item, encode, pieces, plainly
from aioconn.errors import CannotCross
from aioconn.home import HomeLease

PULSE = 5.0
"""Seconds between signs of life while the other side waits for an answer."""

_ALIVE = encode(Alive())


class Stage(StrEnum):
    """Whether the wire owes an answer, and how far that has come."""

    IDLE = "idle"
    HANDED = "handed"
    """To a task that has not begun with it."""
    SERVING = "serving"
    """It can be cancelled."""
    LEAVING = "leaving"
    """A block is being left, or an iterator closed, which is done in any case."""
    ANSWERING = "answering"
    ENDED = "ended"


# On Python 3.11 it takes a search to get a member from its class, a dozen times per call.
_IDLE, _HANDED, _SERVING, _LEAVING, _ANSWERING, _ENDED = Stage


class Overseer(Protocol):
    """What a wire needs of its broker."""

    @property
    def estate(self) -> Books: ...

    def changed(self) -> None: ...

    def refuse(self, kind: str, text: str) -> None: ...

    def forget(self, wire: Any, /) -> None: ...

    def statistics(self) -> dict[str, Any]: ...


class Owing(Attachment):
    """A wire that owes one answer at a time. Whoever serves a call tells it how far that is."""

    def __init__(
        self,
        sock: socket.socket,
        home: asyncio.AbstractEventLoop,
        lease: HomeLease | None,
        broker: Overseer,
        name: str,
    ) -> None:
        super().__init__(sock, home, lease)
        self._broker = broker
        self._name = name
        self._stage = _IDLE
        self._pulse: asyncio.TimerHandle | None = None
        self._active: asyncio.Task[Any] | None = None  # the one that owes the answer
        self._call: Call | None = None
        self._cancelling = False  # the other side does not want the answer any more
        self._struck = False  # and the task was cancelled for that

    def _on_end(self) -> None:
        """Nothing is owed any more."""
        self._stage = _ENDED
        if self._pulse is not None:
            self._pulse.cancel()
            self._pulse = None

    def _throw_out(self, kind: str, why: str) -> None:
        """The other side does what is not done."""
        if self._stage is not _ENDED:
            self._broker.refuse(kind, f"{self._name}: {why}")
            self._end()

    def _enter_stage(self, stage: Stage) -> None:
        if self._stage is not _ENDED:
            self._stage = stage

    def _check_there(self) -> None:
        """Whoever swallowed the cancellation with which the wire ended hears of it here again."""
        if self._stage is _ENDED:
            raise asyncio.CancelledError

    def _begin_serving(self) -> None:
        """From here on a Cancel cancels. Raises CancelledError if one came before."""
        if self._cancelling or self._stage is _ENDED:
            raise asyncio.CancelledError
        self._stage = _SERVING

    def _was_cancelled(self) -> bool:
        """For whoever caught a CancelledError: whether that can be the answer. Else it is this task that is to end."""
        if self._stage is _ENDED:
            return False
        task = asyncio.current_task()
        return self._cancelling or (task is not None and not task.cancelling())

    async def _answer(self, frame: Frame, place: str = "") -> None:
        """Write the answer that is owed, in the other side's own time."""
        self._check_there()
        if self._cancelling:  # that has been heard, or has come to nothing
            self._cancelling = False
            if self._struck and (task := asyncio.current_task()) is not None:
                task.uncancel()
            self._struck = False
        self._stage = _ANSWERING
        try:
            parts = pieces(frame, place)
        except CannotCross as error:
            if isinstance(frame, Item):
                raise
            parts = pieces(Failure(error))
        for part in parts:
            self._check_there()
            self._write(part)
            if self._drained is not None:
                await self._drained
        self._check_there()
        self._answered()

    def _answer_at_once(self, frame: Frame) -> bool:
        """The short way for what is plain, small and still wanted; False for all else."""
        transport = self._transport
        if self._stage is not _SERVING or self._cancelling:
            return False
        if transport is None or transport.is_closing() or (data := plainly(frame)) is None:
            return False
        transport.write(data)
        if self._drained is None:
            self._answered()
        else:  # the other side has to read first
            self._stage = _ANSWERING
            self._drained.add_done_callback(self._answered)
        return True

    def _answered(self, _: object = None) -> None:
        if self._stage is not _ENDED:
            self._active = self._call = None
            self._stage = _IDLE
            self._broker.changed()

    def _say(self, frame: Frame, place: str = "") -> None:
        """Answer what is asked of plain functions."""
        try:
            data = encode(frame, place)
        except CannotCross as error:
            data = encode(Failure(error))
        self._call = None
        if not self._write(data):
            self._throw_out("slow", "it asks, and does not read what it is answered")
        self._broker.changed()

    def _arm(self) -> None:
        if self._pulse is None and self._stage is not _ENDED:
            self._pulse = self._home.call_later(PULSE, self._beat)

    def _beat(self) -> None:
        """One timer for the whole wire: made by the first call, and gone when it finds nothing under way."""
        self._pulse = None
        if self._stage in (_IDLE, _ENDED):
            return
        if self._stage is not _ANSWERING:
            self._write(_ALIVE)
        self._arm()
