# SPDX-License-Identifier: Apache-2.0
"""Clients of gNMI: the floor, gRPC's own calls with bytes that are neither made nor read, and aioconn."""

from __future__ import annotations

import asyncio
import time
from abc import ABC, abstractmethod
from typing import Any

from benchmarks.clients.base import Client
from benchmarks.meter import Meter
from benchmarks.target import GNMI_LEAVES, GNMI_MESSAGES, PASSWORD, USER, Target

PATH = "/interfaces/interface[name=*]/state/mtu"


class GnmiClient(Client, ABC):
    """Offers gnmi, several callers on one session (one of them: one after the other), and gnmi-updates."""

    @abstractmethod
    def gets(self, target: Target, callers: int, count: int, budget: float, meter: Meter) -> list[int]:
        """`count` calls together, at most for `budget` seconds: how many updates each gave."""

    @abstractmethod
    def updates(self, target: Target, meter: Meter) -> int:
        """A subscription of mode once, to its end: how many updates it gave."""


class LoopGnmi(GnmiClient):
    """A client with coroutines."""

    @abstractmethod
    async def open(self, target: Target) -> Any: ...

    @abstractmethod
    async def get(self, session: Any) -> int: ...

    @abstractmethod
    async def subscribe(self, session: Any) -> int: ...

    @abstractmethod
    async def close(self, session: Any) -> None: ...

    def gets(self, target: Target, callers: int, count: int, budget: float, meter: Meter) -> list[int]:
        async def work() -> list[int]:
            session = await self.open(target)
            await self.get(session)
            got: list[int] = []
            until = time.perf_counter() + budget

            async def caller() -> None:
                for _ in range(max(1, count // callers)):
                    if time.perf_counter() > until:
                        return
                    got.append(await self.get(session))

            with meter:
                await asyncio.gather(*(caller() for _ in range(callers)))
            await self.close(session)
            return got

        return asyncio.run(work())

    def updates(self, target: Target, meter: Meter) -> int:
        async def work() -> int:
            session = await self.open(target)
            with meter:
                found = await self.subscribe(session)
            await self.close(session)
            return found

        return asyncio.run(work())


class BareGrpc(LoopGnmi):
    """What gRPC itself costs."""

    name = "grpcio"
    offers = frozenset({"gnmi", "gnmi-updates"})
    packages = ("grpcio",)
    floor = True

    async def open(self, target: Target) -> Any:
        import grpc.aio

        channel = grpc.aio.insecure_channel(f"{target.host}:{target.port}")
        await channel.channel_ready()
        return channel

    async def get(self, session: Any) -> int:
        login = (("username", USER), ("password", PASSWORD))
        await session.unary_unary("/gnmi.gNMI/Get")(b"", metadata=login)
        return GNMI_LEAVES  # what came is not looked at

    async def subscribe(self, session: Any) -> int:
        call = session.stream_stream("/gnmi.gNMI/Subscribe")()
        await call.write(b"")
        for _ in range(GNMI_MESSAGES + 1):
            await call.read()
        call.cancel()
        return GNMI_MESSAGES * GNMI_LEAVES

    async def close(self, session: Any) -> None:
        await session.close()


class AioconnGnmi(LoopGnmi):
    name = "aioconn.gnmi"
    offers = frozenset({"gnmi", "gnmi-updates"})
    packages = ("aioconn", "grpcio", "protobuf")

    async def open(self, target: Target) -> Any:
        import aioconn

        path = {"protocol": "gnmi", "ip": target.host, "port": target.port, "insecure": True}
        login = {"default": {"username": USER, "password": PASSWORD}}
        entry = {"connections": {"gnmi": path}, "credentials": login}
        self._testbed = aioconn.load({"devices": {target.name: entry}})
        return await self._testbed[target.name].connect()

    async def get(self, session: Any) -> int:
        return len(await session.get(PATH))

    async def subscribe(self, session: Any) -> int:
        return sum([1 async for update in session.subscribe(PATH, mode="once") if not update.sync])

    async def close(self, session: Any) -> None:
        await self._testbed.disconnect()
