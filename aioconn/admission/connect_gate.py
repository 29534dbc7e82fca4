# SPDX-License-Identifier: Apache-2.0
"""How many connections of a testbed are being made at once."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Hashable

CONNECTS_AT_ONCE = 128
"""Key exchanges are CPU work, and a thousand at once starve each other. With 48 at once 300 devices took a tenth more
than with 128: what is done in one turn of the loop shares its calls."""
HOLD = 1.0
"""Seconds after which whoever is inside keeps nobody out any more: he waits for his device, and does not work."""


class ConnectGate:
    """Lets so many in at once, in the order in which they come; for one loop.

    Nobody is timed as long as nobody waits, and then there is one timer for all: one for each who enters would be a
    hundredth of what connecting takes.
    """

    __slots__ = ("_inside", "_size", "_timer", "_waiting")

    def __init__(self, size: int = CONNECTS_AT_ONCE) -> None:
        self._size = size
        self._inside: dict[Hashable, float] = {}  # since when, the first to enter first
        self._waiting: deque[tuple[Hashable, asyncio.Future[None]]] = deque()
        self._timer: asyncio.TimerHandle | None = None

    async def enter(self, holder: Hashable) -> None:
        """Wait for one's turn; at once for whoever is inside. A cancel leaves nothing behind."""
        if holder in self._inside:
            return
        if len(self._inside) < self._size:  # then nobody waits
            self._inside[holder] = _now()
            return
        entry = holder, asyncio.get_running_loop().create_future()
        self._waiting.append(entry)
        self._watch()
        try:
            await entry[1]
        except BaseException:
            if entry in self._waiting:
                self._waiting.remove(entry)
                self._watch()
            else:
                self.leave(holder)
            raise

    def leave(self, holder: Hashable) -> None:
        """Done; whoever is not inside may say so as well."""
        if self._inside.pop(holder, None) is not None and self._waiting:
            self._let_in()

    def _let_in(self) -> None:
        while self._waiting and len(self._inside) < self._size:
            holder, turn = self._waiting.popleft()
            if not turn.done():  # else he has been cancelled
                self._inside[holder] = _now()
                turn.set_result(None)
        self._watch()

    def _watch(self) -> None:
        """As long as somebody waits: look when the first of those who are inside now has been there for long."""
        if self._waiting and self._timer is None:
            first = next(iter(self._inside.values()))
            self._timer = asyncio.get_running_loop().call_at(first + HOLD, self._look)
        elif not self._waiting and self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look(self) -> None:
        self._timer = None
        latest = _now() - HOLD
        for holder in [one for one, since in self._inside.items() if since <= latest]:
            del self._inside[holder]
        self._let_in()


def _now() -> float:
    return asyncio.get_running_loop().time()
