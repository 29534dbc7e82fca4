# SPDX-License-Identifier: Apache-2.0
"""Whose turn it is on one session: callers in the order of their coming, and a transaction that keeps others out.

Every change of state is a plain function. A turn that comes free is handed to the first who waits; one who is cancelled
after that passes it on. All of it belongs to one loop.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any


class Turn:
    """A lock for one call at a time. A transaction (`begin`, `end`) lets only those in who call on its behalf."""

    __slots__ = ("_inner", "_outer", "busy", "transaction")

    def __init__(self) -> None:
        self.busy = False
        self.transaction: Any = None
        self._outer: deque[tuple[asyncio.Future[None], Any]] = deque()
        self._inner: deque[asyncio.Future[None]] = deque()

    @property
    def waiting(self) -> int:
        return len(self._outer) + len(self._inner)

    def try_take(self, inside: bool) -> bool:
        """Take the turn if that overtakes nobody. `inside`: the caller belongs to the transaction."""
        if self.busy or (self._inner if self.transaction is not None else self._outer):
            return False
        if self.transaction is not None and not inside:
            return False
        self.busy = True
        return True

    async def take(self, inside: bool) -> None:
        """Wait for the turn. The caller sets the deadline; a cancel leaves nothing taken."""
        if self.try_take(inside):
            return
        inside = inside and self.transaction is not None
        future = asyncio.get_running_loop().create_future()
        if inside:
            self._inner.append(future)
        else:
            self._outer.append((future, None))
        self._hand_on()
        try:
            await future
        except BaseException:
            if future.done() and not future.cancelled():
                self.give()
            else:
                future.cancel()
                self._hand_on()
            raise

    def give(self) -> None:
        """The call is over."""
        self.busy = False
        self._hand_on()

    async def begin(self, transaction: Any) -> None:
        """Wait until everybody who came before is served, then let only `transaction`'s own calls in."""
        if not (self.busy or self._outer or self.transaction is not None):
            self.transaction = transaction
            return
        future = asyncio.get_running_loop().create_future()
        self._outer.append((future, transaction))
        try:
            await future
        except BaseException:
            if future.done() and not future.cancelled():
                self.end(transaction)
            else:
                future.cancel()
                self._hand_on()
            raise

    def end(self, transaction: Any) -> None:
        """The transaction is over; its calls that are still waiting go in front of everybody else."""
        if self.transaction is transaction:
            self.transaction = None
            while self._inner:
                self._outer.appendleft((self._inner.pop(), None))
            self._hand_on()

    def _hand_on(self) -> None:
        while not self.busy:
            if self.transaction is not None:
                if not self._inner:
                    return
                future, transaction = self._inner.popleft(), None
            elif self._outer:
                future, transaction = self._outer.popleft()
            else:
                return
            if future.done():
                continue
            if transaction is not None:
                self.transaction = transaction
            else:
                self.busy = True
            future.set_result(None)
