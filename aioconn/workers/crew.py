# SPDX-License-Identifier: Apache-2.0
"""Worker processes together, and the fan-outs over them."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncGenerator
from types import TracebackType
from typing import Any, Self

from aioconn.collector import crowded
from aioconn.errors import UsageError, WorkerLost
from aioconn.events import Event
from aioconn.results import Result
from aioconn.visits import LIMIT, TIMEOUT, Reachable, Visiting, Work, visit
from aioconn.workers import errands
from aioconn.workers.party import gathered
from aioconn.workers.post import Post
from aioconn.workers.spread import Count, counted
from aioconn.workers.tour import Tour


class Workers:
    """Processes that fan-outs share: `async with Workers(4) as workers:` and `fan_out(..., workers=workers)`.

    `count` is how many work on devices, this process among them; "auto" is one for each core. The others are started
    on entering, and have ended on leaving. For the loop in which it is entered.
    """

    def __init__(self, count: Count = "auto") -> None:
        self.count = counted(count)
        self._posts: list[Post] = []
        self._tours: dict[int, Tour] = {}
        self._owners: dict[int, Tour] = {}  # by order
        self._numbers = itertools.count(1)
        self._orders = itertools.count(1)
        self._loop: asyncio.AbstractEventLoop | None = None

    @property
    def pids(self) -> tuple[int, ...]:
        """The processes that are there, besides this one."""
        return tuple(post.pid for post in self._posts if post.alive)

    async def __aenter__(self) -> Self:
        self._loop = asyncio.get_running_loop()
        try:
            await self._fill()
        except BaseException:
            await self.close()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """End the processes, their sessions first. They have ended when this returns, also when it is cancelled."""
        self._loop = None
        posts, self._posts = self._posts, []
        ends = [asyncio.ensure_future(post.end()) for post in posts]
        cancelled: asyncio.CancelledError | None = None
        while left := [end for end in ends if not end.done()]:
            try:
                await asyncio.wait(left)
            except asyncio.CancelledError as error:
                cancelled = error
                for end in left:
                    end.cancel()
        if cancelled is not None:
            raise cancelled

    async def _fill(self) -> None:
        """As many as there should be: those that died are replaced."""
        self._posts = [post for post in self._posts if post.alive]
        while len(self._posts) < self.count - 1:
            self._posts.append(await Post.start(self))

    async def fan_out(
        self,
        devices: list[Reachable],
        work: Work,
        *,
        limit: int = LIMIT,
        timeout: float = TIMEOUT,
        via: str | None = None,
        how: Visiting = visit,
    ) -> AsyncGenerator[Result[Any], None]:
        """A `Result` for each device as it finishes. `how` is one device's part, a function like those of `work`."""
        if self._loop is not asyncio.get_running_loop():
            raise UsageError(
                "these workers are not entered in this loop", hint="async with Workers() as workers:"
            )
        raw = errands.told(work)
        part = errands.told(how)
        here, free = gathered(devices, via)
        await self._fill()
        number = next(self._numbers)
        tour = Tour(number, here, free, limit=limit)
        self._tours[number] = tour
        try:
            tour.begin(self, self._posts, (part, raw, timeout, via), work, how)
            with crowded(len(devices)):
                while tour.left:
                    yield await tour.result()
        finally:
            try:
                await tour.end()
            finally:
                del self._tours[number]

    # ------------------------------------------------------------------ what the posts say

    def order(self, tour: Tour) -> int:
        """A new number, whose answer is the tour's."""
        number = next(self._orders)
        self._owners[number] = tour
        return number

    def settled(self, order: int) -> None:
        """Nobody will answer it any more."""
        self._owners.pop(order, None)

    def ready(self, post: Post, plan: int) -> None:
        if (tour := self._tours.get(plan)) is not None:
            tour.ready(post)

    def refused(self, post: Post, plan: int, error: Exception) -> None:
        if (tour := self._tours.get(plan)) is not None:
            tour.refused(post, error)

    def answered(self, post: Post, order: int, body: bytes | None) -> None:
        if (tour := self._owners.pop(order, None)) is not None:
            tour.answered(post, order, body)

    def heard(self, post: Post, order: int, event: Event) -> None:
        if (tour := self._owners.get(order)) is not None:
            tour.heard(order, event)

    def heard_of_hop(self, post: Post, place: int, event: Event) -> None:
        for tour in self._tours.values():
            tour.heard_of_hop(place, event)

    def lost(self, post: Post, error: WorkerLost) -> None:
        for tour in list(self._tours.values()):
            for order in tour.lost(post, error):
                self._owners.pop(order, None)
