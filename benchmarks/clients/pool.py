# SPDX-License-Identifier: Apache-2.0
"""What a pool has to offer to be measured."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from typing import ClassVar

from benchmarks.clients.base import Client
from benchmarks.target import Target

Work = Callable[[], Awaitable[object]]


class Pool(ABC):
    """At most so many sessions, for any number of tasks. Who waits for one has 30 s, or all the time in the world.

    Cancelled callers are what is measured, so no method guards its library against them: each is written as the
    library's documentation tells its users to.
    """

    @abstractmethod
    async def open(self) -> None: ...

    @abstractmethod
    async def turn(self, work: Work) -> None:
        """Borrow a session, `await work()`, give it back; nothing of this goes to the other side that need not."""

    async def ask(self, word: str) -> str:
        """Borrow a session, have the other side say `word`, give it back: what it said."""
        raise NotImplementedError

    @abstractmethod
    async def close(self) -> None: ...


class PoolClient(Client, ABC):
    """A library with a pool. It offers `turns`, `asking`, or both; `over` is the server that its sessions go to."""

    over: ClassVar[str] = ""

    def server(self, needs: str) -> str:
        return self.over

    @abstractmethod
    def pool(self, size: int, target: Target | None, *, idle: bool = False) -> Pool:
        """A new one, not opened. With `idle`, sessions are to cost no work: the pool alone is measured."""
