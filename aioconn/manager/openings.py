# SPDX-License-Identifier: Apache-2.0
"""Connections of one device that are being opened, each once for all who ask for it at the same time."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

from aioconn.connection import BaseConnection
from aioconn.errors import ConnectError, ConnectTimeout
from aioconn.pool import ConnectionPool


@dataclass(slots=True)
class _Opening:
    """An attempt under way and those who wait for it; the last to leave cancels it."""

    task: asyncio.Task[None]
    ended: asyncio.Future[None]  # for the one who began it: half of what `asyncio.wait` costs
    waiters: int = 0


class Openings:
    """The attempts under way, by alias: a wrong password must not be tried by each of those who wait."""

    __slots__ = ("_device", "_under_way")

    def __init__(self, device: str) -> None:
        self._device = device
        self._under_way: dict[str, _Opening] = {}

    def __contains__(self, alias: str) -> bool:
        return alias in self._under_way

    def __bool__(self) -> bool:
        return bool(self._under_way)

    async def wait(
        self, alias: str, connection: BaseConnection[Any] | ConnectionPool[Any], timeout: float | None
    ) -> None:
        """Until the connection is open; whoever comes first opens it, within his `timeout`. Raises what that raises,
        and `ConnectTimeout` if it is somebody else's attempt and takes longer than one's own."""
        opening = self._under_way.get(alias)
        if opening is None and connection.connected:
            return
        if first := opening is None:
            loop = asyncio.get_running_loop()
            task = loop.create_task(connection.open(timeout=timeout))
            opening = self._under_way[alias] = _Opening(task, loop.create_future())
            task.add_done_callback(lambda _: self._end(alias))
        opening.waiters += 1
        try:
            if first:
                await opening.ended
            else:
                limit = timeout or connection.options.connect_timeout
                done, _ = await asyncio.wait({opening.task}, timeout=limit)
                if not done:
                    raise ConnectTimeout(
                        f"no session within {limit:g} s, and somebody else's attempt goes on",
                        device=self._device,
                        path=connection.via,
                    )
        except (asyncio.CancelledError, ConnectTimeout):
            if opening.waiters == 1:
                opening.task.cancel()
                await asyncio.wait({opening.task})
                if not opening.task.cancelled():
                    opening.task.exception()
            raise
        finally:
            opening.waiters -= 1
        if opening.task.cancelled():
            raise ConnectError("the attempt was cancelled by its last waiter", device=self._device)
        opening.task.result()

    def _end(self, alias: str) -> None:
        opening = self._under_way.pop(alias)
        if not opening.ended.done():
            opening.ended.set_result(None)
