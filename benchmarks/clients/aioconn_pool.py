# SPDX-License-Identifier: Apache-2.0
"""aioconn's pool, of a class without any I/O for the turns, of command lines over SSH for the asking."""

from __future__ import annotations

from typing import Any

import aioconn
from benchmarks.clients.pool import Pool, Work
from benchmarks.clients.silent import Silent
from benchmarks.target import PASSWORD, USER, Target

_TIMEOUT = 30.0


class AioconnPool(Pool):
    def __init__(self, size: int, target: Target | None) -> None:
        self._size = size
        path: dict[str, Any] = {"protocol": "ssh", "ip": "127.0.0.1"}
        if target is None:
            path["class"] = f"{Silent.__module__}.Silent"
        else:
            path |= {"ip": target.host, "port": target.port, "arguments": {"host_key_policy": "ignore"}}
        self._device = aioconn.Device(
            "r1",
            os="iosxe",
            connections={"a": path},
            credentials={"default": {"username": USER, "password": PASSWORD}},
        )

    async def open(self) -> None:
        # what the device is spared by default is not what is measured: its lines, its logins
        self._pool: Any = await self._device.connect(alias="pool", pool_size=self._size)

    async def turn(self, work: Work) -> None:
        async with self._pool.acquire(timeout=_TIMEOUT):
            await work()

    async def ask(self, word: str) -> str:
        async with self._pool.acquire(timeout=_TIMEOUT) as session:
            text: str = await session.execute(f"show {word}", timeout=_TIMEOUT)
            return text

    async def close(self) -> None:
        await self._device.destroy_all()
