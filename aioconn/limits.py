# SPDX-License-Identifier: Apache-2.0
"""What one device can bear, held over all its connections."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any

from aioconn.policy import Limits, LoginRate


class Budget:
    """Sessions at once and logins per minute of one device; waiters are served in order.

    Every change of state is a plain function. A place that comes free is handed to the first waiter; a waiter that is
    cancelled after it was given the place passes it on.
    """

    __slots__ = ("_holders", "_rate", "_waiters", "limits")

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self._holders: dict[Any, None] = {}
        self._waiters: deque[tuple[asyncio.Future[None], Any]] = deque()
        self._rate = LoginRate(limits.logins_per_minute)

    @property
    def used(self) -> int:
        return len(self._holders)

    @property
    def waiting(self) -> int:
        return sum(not future.done() for future, _ in self._waiters)

    @property
    def holders(self) -> list[Any]:
        return list(self._holders)

    def holds(self, holder: Any) -> bool:
        return holder in self._holders

    async def take(self, holder: Any) -> None:
        """Wait for a place and for the login rate. The caller sets the deadline; a cancel leaves nothing taken."""
        if holder not in self._holders:
            await self._take_place(holder)
        loop = asyncio.get_running_loop()
        try:
            while (delay := self._rate.delay(loop.time())) > 0:  # noqa: ASYNC110  time itself is waited for
                await asyncio.sleep(delay)
        except BaseException:
            self.give(holder)
            raise
        self._rate.record(loop.time())

    async def _take_place(self, holder: Any) -> None:
        maximum = self.limits.max_sessions
        if maximum is None or (len(self._holders) < maximum and not self.waiting):
            self._holders[holder] = None
            return
        future = asyncio.get_running_loop().create_future()
        self._waiters.append((future, holder))
        try:
            await future
        except BaseException:
            future.cancel()
            self.give(holder)
            raise

    def give(self, holder: Any) -> None:
        """Give the place back, if `holder` has one, and hand it on."""
        self._holders.pop(holder, None)
        maximum = self.limits.max_sessions
        while self._waiters and (maximum is None or len(self._holders) < maximum):
            future, waiter = self._waiters.popleft()
            if not future.done():
                self._holders[waiter] = None
                future.set_result(None)
