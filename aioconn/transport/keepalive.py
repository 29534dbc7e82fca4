# SPDX-License-Identifier: Apache-2.0
"""Whether the other end of an SSH link is still there, asked when it has been silent for a while."""

from __future__ import annotations

import asyncio
from typing import Protocol


class Asking(Protocol):
    """A connection that can ask by itself, as asyncssh's does."""

    def set_keepalive(self, interval: float, count_max: int) -> None:
        """Ask after each `interval` seconds of silence (0: never), at most so often without an answer."""


class Keepalive:
    """Lets a connection ask while it is silent, and only then: as long as asyncssh may ask it makes a timer for each
    packet that comes, which takes 2 % of what opening, using and closing a session does.

    The first question comes after `interval` seconds of silence, and after `1 + count` intervals without an answer the
    connection is lost. Whoever made it stops it.
    """

    __slots__ = ("_asking", "_connection", "_count", "_half", "_heard", "_loop", "_timer")

    def __init__(
        self, connection: Asking, interval: float, count: int, loop: asyncio.AbstractEventLoop
    ) -> None:
        # asyncssh's own silence begins when it is told to ask: half of an interval is ours, the rest is its own
        self._half = interval / 2
        self._count = 2 * count
        self._connection = connection
        self._loop = loop
        self._asking = False
        self._heard = loop.time()
        self._timer: asyncio.TimerHandle | None = loop.call_later(self._half, self._look)

    def heard(self) -> None:
        """Something has come."""
        self._heard = self._loop.time()
        if self._asking:
            self._asking = False
            self._connection.set_keepalive(0, self._count)
            self._timer = self._loop.call_later(self._half, self._look)

    def _look(self) -> None:
        due = self._heard + self._half
        if due > self._loop.time():
            self._timer = self._loop.call_at(due, self._look)
        else:
            self._asking, self._timer = True, None
            self._connection.set_keepalive(self._half, self._count)

    def stop(self) -> None:
        """Ask no more; the connection has ended."""
        self._asking = False
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
