# SPDX-License-Identifier: Apache-2.0
"""What a client has to offer to be measured.

The modules of clients are imported where their library is not installed: they import it in a method.
"""

from __future__ import annotations

import asyncio
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, ClassVar, Protocol

from benchmarks.meter import Meter
from benchmarks.target import Target

Timed = tuple[float, int]
Hook = Callable[[], None]


class Collector(Protocol):
    """The engine of a client, without any I/O: takes the bytes of one answer."""

    def feed(self, data: bytes) -> bool:
        """True when the prompt is there."""
        ...

    def text(self) -> str | bytes:
        """The answer."""
        ...


class Client(ABC):
    """Runs the workloads. `offers` names what it can do: ssh, telnet, engine.

    `packages` are distributions whose versions are reported; with `separate` they are installed into a virtual
    environment for this client alone. What `run` gives must be the command's output.
    """

    name: ClassVar[str]
    offers: ClassVar[frozenset[str]]
    packages: ClassVar[tuple[str, ...]] = ()
    floor: ClassVar[bool] = False
    separate: ClassVar[bool] = False

    @abstractmethod
    def commands(self, target: Target, command: str, count: int, budget: float, meter: Meter) -> list[Timed]:
        """`command` again and again on one session, at most for `budget` seconds: how long each took, its length."""

    @abstractmethod
    def fan_out(
        self, targets: Sequence[Target], commands: Sequence[str], limit: int, meter: Meter
    ) -> list[int]:
        """Connect, run, close, on `limit` devices at once: how much each device answered."""

    @abstractmethod
    def bulk(self, target: Target, command: str, meter: Meter) -> int:
        """One command with a large output, which is kept to the end of the measurement: its length."""

    @abstractmethod
    def idle(self, targets: Sequence[Target], limit: int, before: Hook, during: Hook) -> None:
        """Open one session, call `before`; open one to each target, call `during`; close."""

    def collector(self, command: str) -> Collector:
        """What takes the answer to `command`, for clients that offer `engine`."""
        raise NotImplementedError


class AsyncClient(Client):
    """A client with coroutines."""

    @abstractmethod
    async def open(self, target: Target) -> Any:
        """A session at its prompt."""

    @abstractmethod
    async def run(self, session: Any, command: str) -> str | bytes: ...

    @abstractmethod
    async def close(self, session: Any) -> None: ...

    def commands(self, target: Target, command: str, count: int, budget: float, meter: Meter) -> list[Timed]:
        async def work() -> list[Timed]:
            session = await self.open(target)
            took: list[Timed] = []
            for _ in range(20):
                await self.run(session, command)
            with meter:
                until = time.perf_counter() + budget
                while len(took) < count and (begun := time.perf_counter()) < until:
                    text = await self.run(session, command)
                    took.append((time.perf_counter() - begun, len(text)))
            await self.close(session)
            return took

        return asyncio.run(work())

    def fan_out(
        self, targets: Sequence[Target], commands: Sequence[str], limit: int, meter: Meter
    ) -> list[int]:
        async def work() -> list[int]:
            gate = asyncio.Semaphore(limit)

            async def one(target: Target) -> int:
                async with gate:
                    return await self.visit(target, commands)

            await self.visit(targets[0], commands)
            with meter:
                return await asyncio.gather(*(one(target) for target in targets))

        return asyncio.run(work())

    async def visit(self, target: Target, commands: Sequence[str]) -> int:
        session = await self.open(target)
        size = 0
        for command in commands:
            size += len(await self.run(session, command))
        await self.close(session)
        return size

    def bulk(self, target: Target, command: str, meter: Meter) -> int:
        async def work() -> int:
            session = await self.open(target)
            await self.run(session, "show version")
            with meter:
                text = await self.run(session, command)
            await self.close(session)
            return len(text)

        return asyncio.run(work())

    def idle(self, targets: Sequence[Target], limit: int, before: Hook, during: Hook) -> None:
        async def work() -> None:
            gate = asyncio.Semaphore(limit)

            async def one(target: Target) -> Any:
                async with gate:
                    return await self.open(target)

            first = await self.open(targets[0])
            before()
            sessions = await asyncio.gather(*(one(target) for target in targets))
            during()
            await asyncio.gather(*(self.close(session) for session in [first, *sessions]))

        asyncio.run(work())


class ThreadedClient(Client):
    """A client without coroutines: sessions side by side take a thread each."""

    @abstractmethod
    def open(self, target: Target) -> Any:
        """A session at its prompt."""

    @abstractmethod
    def run(self, session: Any, command: str) -> str: ...

    @abstractmethod
    def close(self, session: Any) -> None: ...

    def commands(self, target: Target, command: str, count: int, budget: float, meter: Meter) -> list[Timed]:
        session = self.open(target)
        took: list[Timed] = []
        for _ in range(20):
            self.run(session, command)
        with meter:
            until = time.perf_counter() + budget
            while len(took) < count and (begun := time.perf_counter()) < until:
                text = self.run(session, command)
                took.append((time.perf_counter() - begun, len(text)))
        self.close(session)
        return took

    def fan_out(
        self, targets: Sequence[Target], commands: Sequence[str], limit: int, meter: Meter
    ) -> list[int]:
        self.visit(targets[0], commands)
        with ThreadPoolExecutor(limit) as pool, meter:
            return list(pool.map(lambda target: self.visit(target, commands), targets))

    def visit(self, target: Target, commands: Sequence[str]) -> int:
        session = self.open(target)
        size = sum(len(self.run(session, command)) for command in commands)
        self.close(session)
        return size

    def bulk(self, target: Target, command: str, meter: Meter) -> int:
        session = self.open(target)
        self.run(session, "show version")
        with meter:
            text = self.run(session, command)
        self.close(session)
        return len(text)

    def idle(self, targets: Sequence[Target], limit: int, before: Hook, during: Hook) -> None:
        first = self.open(targets[0])
        before()
        with ThreadPoolExecutor(limit) as pool:
            sessions = list(pool.map(self.open, targets))
        during()
        with ThreadPoolExecutor(limit) as pool:
            list(pool.map(self.close, [first, *sessions]))
