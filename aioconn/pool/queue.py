# SPDX-License-Identifier: Apache-2.0
"""Callers of a pool who wait for a session, in the order of their coming."""

from __future__ import annotations

import functools
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
