# SPDX-License-Identifier: Apache-2.0
"""Clients of HTTP APIs: the floor, aiohttp by hand, aioconn, and httpx. Each device has a session of its own."""

from __future__ import annotations

import asyncio
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from importlib import import_module
from typing import Any

from benchmarks.clients.base import Client
from benchmarks.meter import Meter
from benchmarks.target import PASSWORD, USER, Target


class RestClient(Client, ABC):
    """Asks for paths. It offers rest-many, for many devices, and rest, for one after the other on one session."""

    @abstractmethod
    async def open(self, target: Target) -> Any:
        """A session with Basic credentials."""

    @abstractmethod
    async def get(self, session: Any, path: str) -> str:
        """The text of an answer whose status was looked at."""

    @abstractmethod
    async def close(self, session: Any) -> None: ...

    def server(self, needs: str) -> str:
        return "http"

    def asked(self, target: Target, path: str, count: int, budget: float, meter: Meter) -> list[str]:
        """One after the other on one session, at most for `budget` seconds."""

        async def work() -> list[str]:
            session = await self.open(target)
            got = [await self.get(session, path)]
            with meter:
                until = time.perf_counter() + budget
                while len(got) < count and time.perf_counter() < until:
                    got.append(await self.get(session, path))
            await self.close(session)
            return got

        return asyncio.run(work())

    def visits(self, targets: Sequence[Target], paths: Sequence[str], limit: int, meter: Meter) -> list[str]:
        """Connect, ask for all paths, close, on `limit` devices at once."""

        async def work() -> list[str]:
            gate = asyncio.Semaphore(limit)

            async def visit(target: Target) -> list[str]:
                async with gate:
                    session = await self.open(target)
                    got = [await self.get(session, path) for path in paths]
                    await self.close(session)
                    return got

            await visit(targets[0])
            with meter:
                found = await asyncio.gather(*(visit(target) for target in targets))
            return [text for got in found for text in got]

        return asyncio.run(work())


class BareAiohttp(RestClient):
    """What must be done: a session with one connection."""

    name = "aiohttp.rest"
    offers = frozenset({"rest", "rest-many"})
    packages = ("aiohttp",)
    floor = True

    async def open(self, target: Target) -> Any:
        aiohttp = import_module("aiohttp")
        return aiohttp.ClientSession(
            f"http://{target.host}:{target.port}",
            connector=aiohttp.TCPConnector(limit=1),
            headers={"Authorization": aiohttp.encode_basic_auth(USER, PASSWORD)},
        )

    async def get(self, session: Any, path: str) -> str:
        async with session.get(path) as answer:
            answer.raise_for_status()
            text: str = await answer.text()
            return text

    async def close(self, session: Any) -> None:
        await session.close()


class AioconnRest(RestClient):
    """As a script does it, with a device that has one connection."""

    name = "aioconn.rest"
    offers = frozenset({"rest", "rest-many"})
    packages = ("aioconn", "aiohttp")

    async def open(self, target: Target) -> Any:
        import aioconn

        device = aioconn.Device(
            target.name,
            connections={"rest": {"protocol": "http", "ip": target.host, "port": target.port, "probe": None}},
            credentials={"default": {"username": USER, "password": PASSWORD}},
        )
        return await device.connect(), device

    async def get(self, session: Any, path: str) -> str:
        text: str = (await session[0].get(path)).text
        return text

    async def close(self, session: Any) -> None:
        await session[1].destroy_all()


class Httpx(RestClient):
    """A client for each device, as its documentation has it."""

    name = "httpx"
    offers = frozenset({"rest", "rest-many"})
    packages = ("httpx",)
    separate = True

    async def open(self, target: Target) -> Any:
        httpx = import_module("httpx")
        url = f"http://{target.host}:{target.port}"
        return httpx.AsyncClient(base_url=url, auth=(USER, PASSWORD), timeout=30)

    async def get(self, session: Any, path: str) -> str:
        answer = await session.get(path)
        answer.raise_for_status()
        text: str = answer.text
        return text

    async def close(self, session: Any) -> None:
        await session.aclose()
