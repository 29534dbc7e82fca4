# SPDX-License-Identifier: Apache-2.0
"""psycopg's pool."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from benchmarks.clients.pool import Pool, PoolClient, Work
from benchmarks.target import PASSWORD, USER, Target


class PsycopgPool(PoolClient):
    name = "psycopg_pool"
    offers = frozenset({"turns", "asking"})
    packages = ("psycopg-pool", "psycopg")
    installs = ("psycopg[binary,pool]",)
    separate = True
    over = "postgres"

    def pool(self, size: int, target: Target | None, *, idle: bool = False) -> Pool:
        assert target is not None
        return _Pool(import_module("psycopg_pool"), size, target)


class _Pool(Pool):
    def __init__(self, library: Any, size: int, target: Target) -> None:
        where = f"host={target.host} port={target.port} user={USER} password={PASSWORD} dbname=postgres"
        self._pool = library.AsyncConnectionPool(
            f"{where} sslmode=disable gssencmode=disable", min_size=size, max_size=size, open=False
        )

    async def open(self) -> None:
        await self._pool.open(wait=True)

    async def turn(self, work: Work) -> None:
        connection = await self._pool.getconn()
        try:
            await work()
        finally:
            await self._pool.putconn(connection)

    async def ask(self, word: str) -> str:
        async with self._pool.connection() as connection:
            cursor = await connection.execute(f"select '{word}'")
            row = await cursor.fetchone()
            text: str = row[0]
            return text

    async def close(self) -> None:
        await self._pool.close()
