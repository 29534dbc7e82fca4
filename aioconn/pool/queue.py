# SPDX-License-Identifier: Apache-2.0
"""Callers of a pool who wait for a session, in the order of their coming."""

from __future__ import annotations

import asyncio
import functools
import weakref
from collections import OrderedDict
from collections.abc import Callable, Collection
from typing import Any, Protocol

from aioconn.pool.member import Member


class Waiter(Protocol):
    """A caller who waits for a session. It is told once, by `grant` or `fail`."""

    deadline: float

    @property
    def done(self) -> bool:
        """Told already, or gone away by itself."""
        ...

    def grant(self, member: Member[Any], /) -> None: ...

    def fail(self, make: Callable[[], BaseException], /) -> None: ...


class Awaiting:
    """A caller whose future is awaited. `since` is the time at which he asked, and then that of the grant."""

    __slots__ = ()

    future: asyncio.Future[Member[Any]]
    task: weakref.ref[asyncio.Task[Any]] | None
    since: float
    deadline: float
    waited: float
    """How long, in the end."""

    @property
    def done(self) -> bool:
        return self.future.done()

    def grant(self, member: Member[Any], /) -> None:
        self.waited = member.since - self.since  # type: ignore[misc]  # a slot of whoever this is
        self.since = member.since  # type: ignore[misc]
        self.future.set_result(member)

    def fail(self, make: Callable[[], BaseException], /) -> None:
        self.future.set_exception(make())


class Queue(OrderedDict[Waiter, None]):
    """Those who wait, the first at its head. A dictionary, which whoever gives up leaves in constant time, and of which
    to see whether anybody waits takes no call of a function."""

    __slots__ = ()

    def present(self) -> list[Waiter]:
        """Without those who have gone away by themselves."""
        waiters = list(self)  # in one step: other threads ask for this as well
        return [waiter for waiter in waiters if not waiter.done]

    def drop_gone(self) -> None:
        """Those at the head who have gone away by themselves."""
        while self and (first := next(iter(self))).done:
            del self[first]

    def fail(self, waiters: Collection[Waiter], make: Callable[[Waiter], BaseException]) -> None:
        """Tell these; all of them have left before the first is told."""
        for waiter in waiters:
            del self[waiter]
        for waiter in waiters:
            waiter.fail(functools.partial(make, waiter))
