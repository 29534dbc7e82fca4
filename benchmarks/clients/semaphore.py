# SPDX-License-Identifier: Apache-2.0
"""The floor of pools: a semaphore with nothing behind it."""

from __future__ import annotations

import asyncio
import random

from benchmarks.clients.pool import Pool, PoolClient, Work
from benchmarks.target import DELAY, Target


class Semaphore(PoolClient):
    name = "semaphore"
    offers = frozenset({"turns", "asking"})
    floor = True

    def pool(self, size: int, target: Target | None, *, idle: bool = False) -> Pool:
        return _Pool(size)


class _Pool(Pool):
    def __init__(self, size: int) -> None:
        self._semaphore = asyncio.Semaphore(size)
        self._random = random.Random(size)

    async def open(self) -> None: ...

    async def turn(self, work: Work) -> None:
        async with self._semaphore:
            await work()

    async def ask(self, word: str) -> str:
        async with self._semaphore:
            await asyncio.sleep(self._random.random() * DELAY)
            return word

    async def close(self) -> None: ...
