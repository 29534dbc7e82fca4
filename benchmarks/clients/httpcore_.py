# SPDX-License-Identifier: Apache-2.0
"""httpcore: a response is a session borrowed, to its end."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from benchmarks.clients.pool import Pool, PoolClient, Work
from benchmarks.target import Target


class Httpcore(PoolClient):
    name = "httpcore"
    offers = frozenset({"asking"})  # it lends no session without a request
    packages = ("httpcore",)
    installs = ("httpcore[asyncio]",)
    separate = True
    over = "http"

    def pool(self, size: int, target: Target | None, *, idle: bool = False) -> Pool:
        assert target is not None
        httpcore = import_module("httpcore")
        return _Pool(
            httpcore.AsyncConnectionPool(max_connections=size), f"http://{target.host}:{target.port}"
        )


class _Pool(Pool):
    def __init__(self, pool: Any, url: str) -> None:
        self._pool, self._url = pool, url

    async def open(self) -> None:
        await self.ask("first")

    async def turn(self, work: Work) -> None:
        async with self._pool.stream("GET", f"{self._url}/turn") as response:
            await work()
            await response.aread()

    async def ask(self, word: str) -> str:
        response = await self._pool.request("GET", f"{self._url}/{word}")
        text: str = response.content.decode()
        return text

    async def close(self) -> None:
        await self._pool.aclose()
