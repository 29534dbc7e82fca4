# SPDX-License-Identifier: Apache-2.0
"""SQLAlchemy's pool, of aiosqlite's connections: threads of this process, so that the delay is the caller's."""

from __future__ import annotations

import asyncio
import random
from importlib import import_module

from benchmarks.clients.pool import Pool, PoolClient, Work
from benchmarks.target import DELAY, Target


class Sqlalchemy(PoolClient):
    name = "sqlalchemy"
    offers = frozenset({"turns", "asking"})
    packages = ("sqlalchemy", "aiosqlite")
    installs = ("sqlalchemy[asyncio]", "aiosqlite")
    separate = True

    def pool(self, size: int, target: Target | None, *, idle: bool = False) -> Pool:
        return _Pool(size, idle)


class _Pool(Pool):
    def __init__(self, size: int, idle: bool) -> None:
        library = import_module("sqlalchemy.ext.asyncio")
        self._text = import_module("sqlalchemy").text
        self._random = random.Random(size)
        self._engine = library.create_async_engine(
            "sqlite+aiosqlite://",
            poolclass=import_module("sqlalchemy.pool").AsyncAdaptedQueuePool,
            pool_size=size,
            max_overflow=0,
            pool_timeout=30,
            pool_reset_on_return=None if idle else "rollback",
        )

    async def open(self) -> None: ...

    async def turn(self, work: Work) -> None:
        async with self._engine.connect():
            await work()

    async def ask(self, word: str) -> str:
        async with self._engine.connect() as connection:
            result = await connection.execute(self._text(f"select '{word}'"))
            await asyncio.sleep(self._random.random() * DELAY)
            text: str = result.scalar_one()
            return text

    async def close(self) -> None:
        await self._engine.dispose()
