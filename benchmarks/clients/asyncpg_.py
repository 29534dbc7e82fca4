# SPDX-License-Identifier: Apache-2.0
"""asyncpg's pool. A session that is idle work is not reset at its return, which would be a round trip."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from benchmarks.clients.pool import Pool, PoolClient, Work
from benchmarks.target import PASSWORD, USER, Target


class Asyncpg(PoolClient):
    name = "asyncpg"
    offers = frozenset({"turns", "asking"})
    packages = ("asyncpg",)
    separate = True
    over = "postgres"

    def pool(self, size: int, target: Target | None, *, idle: bool = False) -> Pool:
        assert target is not None
        return _Pool(import_module("asyncpg"), size, target, idle)


class _Pool(Pool):
    def __init__(self, asyncpg: Any, size: int, target: Target, idle: bool) -> None:
        self._asyncpg, self._size, self._target = asyncpg, size, target
        self._reset = {"reset": _leave_as_it_is} if idle else {}

    async def open(self) -> None:
        self._pool = await self._asyncpg.create_pool(
            host=self._target.host,
            port=self._target.port,
            user=USER,
            password=PASSWORD,
            database="postgres",
            ssl=False,
            min_size=self._size,
            max_size=self._size,
            **self._reset,
        )

    async def turn(self, work: Work) -> None:
        async with self._pool.acquire():
            await work()

    async def ask(self, word: str) -> str:
        async with self._pool.acquire() as connection:
            text: str = await connection.fetchval(f"select '{word}'")
            return text

    async def close(self) -> None:
        await self._pool.close()


async def _leave_as_it_is(connection: Any) -> None: ...
