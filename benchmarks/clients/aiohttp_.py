# SPDX-License-Identifier: Apache-2.0
"""aiohttp: its connector is the pool."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from benchmarks.clients.pool import Pool, PoolClient, Work
from benchmarks.target import Target


class Aiohttp(PoolClient):
    name = "aiohttp"
    offers = frozenset({"turns", "asking"})
    packages = ("aiohttp",)
    separate = True
    over = "http"

    def pool(self, size: int, target: Target | None, *, idle: bool = False) -> Pool:
        assert target is not None
        return _Pool(import_module("aiohttp"), size, f"http://{target.host}:{target.port}")


class _Pool(Pool):
    def __init__(self, aiohttp: Any, size: int, url: str) -> None:
        self._aiohttp, self._size, self._url = aiohttp, size, url

    async def open(self) -> None:
        aiohttp = self._aiohttp
        self._connector = aiohttp.TCPConnector(limit=self._size)
        self._session = aiohttp.ClientSession(connector=self._connector)
        url = import_module("yarl").URL(self._url)
        self._request = aiohttp.ClientRequest("GET", url, session=self._session)
        self._timeout = aiohttp.ClientTimeout(connect=30)

    async def turn(self, work: Work) -> None:
        connection = await self._connector.connect(self._request, [], self._timeout)
        try:
            await work()
        finally:
            connection.release()

    async def ask(self, word: str) -> str:
        async with self._session.get(f"{self._url}/{word}") as response:
            text: str = await response.text()
            return text

    async def close(self) -> None:
        await self._session.close()
