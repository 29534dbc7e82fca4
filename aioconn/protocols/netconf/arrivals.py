# SPDX-License-Identifier: Apache-2.0
"""What arrives for somebody who takes it piece by piece: notifications, the pieces of a large answer."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T", str, bytes)


class Arrivals(Generic[T]):
    """A queue with one who takes from it. `put`, `end` and `leave` are plain functions.

    `full` tells when more than `room` (in characters or bytes) waits here; `changed` is called whenever that may have
    changed, so that whoever reads from the device can stop and go on.
    """

    __slots__ = ("_changed", "_error", "_items", "_room", "_waiter", "ended", "left", "size")

    def __init__(self, *, room: int, changed: Callable[[], None]) -> None:
        self.size = 0
        self.ended = False
        self.left = False
        self._room = room
        self._changed = changed
        self._items: deque[T] = deque()
        self._error: Exception | None = None
        self._waiter: asyncio.Future[None] | None = None

    @property
    def full(self) -> bool:
        return self.size > self._room and not self.left

    def put(self, item: T) -> None:
        """One more. Nothing happens if nobody takes it any more."""
        if self.left or self.ended:
            return
        self._items.append(item)
        self.size += len(item)
        self._wake()

    def end(self, error: Exception | None = None) -> None:
        """There will be no more; `error` is raised when what is here has been taken."""
        if not self.ended:
            self.ended = True
            self._error = error
            self._wake()

    def leave(self) -> None:
        """Nobody takes from it any more: what is here is dropped, and what comes as well."""
        self.left = True
        self._items.clear()
        self.size = 0
        self._changed()

    async def take(self) -> T | None:
        """The next one; None at the end. A cancel loses nothing. The caller sets the deadline."""
        while not self._items:
            if self.ended:
                if self._error is not None:
                    raise self._error
                return None
            self._waiter = asyncio.get_running_loop().create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        item = self._items.popleft()
        self.size -= len(item)
        self._changed()
        return item

    def _wake(self) -> None:
        if (waiter := self._waiter) is not None and not waiter.done():
            waiter.set_result(None)
