# SPDX-License-Identifier: Apache-2.0
"""Several calls on one connection that nobody else's call comes between."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from aioconn.errors import DeviceBusy
from aioconn.exclusive import Caller, Hold, here

if TYPE_CHECKING:
    from aioconn.connection import BaseConnection

C = TypeVar("C", bound="BaseConnection[Any]")


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
        connection = self._connection
        caller = here()
        try:
            async with asyncio.timeout(self._timeout):
                self._hold = await self._begin(caller)
        except TimeoutError:
            raise DeviceBusy(
                f"no transaction within {self._timeout:g} s: {connection.occupant()}",
                device=connection.device,
                path=connection.via,
            ) from None
        if self._hold is not None:
            self._hold.mark()
        return connection

    async def _begin(self, caller: Caller) -> Hold | None:
        """None inside another transaction of the same connection: this one is part of it."""
        return await self._connection.begin_transaction(self, caller)

    async def __aexit__(self, *_: object) -> None:
        hold, self._hold = self._hold, None
        if hold is not None:
            hold.unmark()
            self._connection.end_transaction(self, hold)
