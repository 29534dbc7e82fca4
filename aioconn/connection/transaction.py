# SPDX-License-Identifier: Apache-2.0
"""Several calls on one connection that nobody else's call comes between."""

from __future__ import annotations

from typing import Any, Generic, Protocol, TypeVar

from aioconn.caller import Caller, here
from aioconn.exclusive.hold import Hold


class Kept(Protocol):
    """A connection, as far as a transaction knows it."""

    async def begin_transaction(
        self, transaction: Transaction[Any], caller: Caller, timeout: float
    ) -> Hold | None: ...

    def end_transaction(self, transaction: Transaction[Any], hold: Hold) -> None: ...


C = TypeVar("C", bound=Kept)


class Transaction(Generic[C]):
    """`async with connection.transaction() as session:`; see `BaseConnection.transaction`.

    Calls made in the block belong to it, those of tasks that were started in it as well, for as long as it lasts.
    """

    def __init__(self, connection: C, timeout: float) -> None:
        self._connection = connection
        self._timeout = timeout
        self._hold: Hold | None = None

    def inside(self) -> bool:
        """Whether the running code belongs to the block."""
        return self._hold is not None and self._hold.inside

    def describe(self) -> str:
        """Who has it, and since when."""
        hold = self._hold
        return (
            f"{hold.caller.name} since {hold.age:.1f} s, begun at {hold.place}"
            if hold is not None
            else "nobody"
        )

    async def __aenter__(self) -> C:
        hold = await self._connection.begin_transaction(self, here(), self._timeout)
        if hold is not None:  # None inside another transaction of the same connection: this one is part of it
            self._hold = hold
            hold.mark()
        return self._connection

    async def __aexit__(self, *_: object) -> None:
        hold, self._hold = self._hold, None
        if hold is not None:
            hold.unmark()
            self._connection.end_transaction(self, hold)
