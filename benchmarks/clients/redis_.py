# SPDX-License-Identifier: Apache-2.0
"""redis-py: its blocking pool, asynchronous."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from benchmarks.clients.pool import Pool, PoolClient, Work
from benchmarks.target import Target


class Redis(PoolClient):
    name = "redis"
    offers = frozenset({"turns", "asking"})
    packages = ("redis",)
    separate = True
    over = "redis"

    def pool(self, size: int, target: Target | None, *, idle: bool = False) -> Pool:
        assert target is not None
        return _Pool(import_module("redis.asyncio"), size, target)


class _Pool(Pool):
    def __init__(self, redis: Any, size: int, target: Target) -> None:
        self._redis, self._size, self._target = redis, size, target

    async def open(self) -> None:
        self._pool = self._redis.BlockingConnectionPool(
            max_connections=self._size, timeout=30, host=self._target.host, port=self._target.port
        )
        self._client = self._redis.Redis(connection_pool=self._pool)
        await self.ask("first")

    async def turn(self, work: Work) -> None:
        connection = await self._pool.get_connection()
        try:
            await work()
        finally:
            await self._pool.release(connection)

    async def ask(self, word: str) -> str:
        said: bytes = await self._client.echo(word)
        return said.decode()

    async def close(self) -> None:
        await self._client.aclose()
        await self._pool.disconnect()
