# SPDX-License-Identifier: Apache-2.0
"""What stays open on a wire between two answers: blocks that were entered, and iterations."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any

from aioconn.broker.frames import Leave, Next
from aioconn.broker.words import Found
from aioconn.caller import Caller, on_behalf
from aioconn.home.steps import close


@dataclass(slots=True, eq=False)
class Opened:
    """A block or an iteration, the task that it is for, and what the block gave."""

    task: asyncio.Task[Any] | None
    is_block: bool
    entered: Found | None = None
    asked: asyncio.Future[Next | Leave] | None = None
    """What the task waits for between two answers."""


class Elsewhere(Caller):
    """A process at the other end of a wire, for those who ask who holds something. `wire` stands for it."""

    __slots__ = ("_program",)

    def __init__(self, pid: int, program: str, wire: object) -> None:
        super().__init__(f"process {pid}", wire, Elsewhere.__init__.__code__, 0)
        self._program = program

    @property
    def place(self) -> str:
        return self._program


class Entering:
    """A block that is entered on behalf of another process."""

    __slots__ = ("_block", "_caller")

    def __init__(self, block: AbstractAsyncContextManager[Any], caller: Caller) -> None:
        self._block = block
        self._caller = caller

    async def __aenter__(self) -> Any:
        token = on_behalf.set(self._caller)
        try:
            return await self._block.__aenter__()
        finally:
            on_behalf.reset(token)

    async def __aexit__(self, *how: Any) -> None:
        await self._block.__aexit__(*how)


class Closing:
    """An iterator that is closed in any case; `closes` is called before that."""

    __slots__ = ("_closes", "_iterator")

    def __init__(self, iterator: AsyncIterator[Any], closes: Callable[[], object]) -> None:
        self._iterator = iterator
        self._closes = closes

    async def __aenter__(self) -> AsyncIterator[Any]:
        return self._iterator

    async def __aexit__(self, *_: object) -> None:
        self._closes()
        await close(self._iterator)
