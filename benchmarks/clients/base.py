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
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol

from benchmarks.meter import Meter, descriptors
from benchmarks.target import Target

Timed = tuple[float, int]
Hook = Callable[[], None]
_WARM_UP = 0.5  # seconds, for who is slow


class Collector(Protocol):
    """The engine of a client, without any I/O: takes the bytes of one answer."""

    def feed(self, data: bytes) -> bool:
        """True when the prompt is there."""
        ...

    def text(self) -> str | bytes:
        """The answer."""
        ...


@dataclass(slots=True, kw_only=True)
class Crew:
    """What several callers got: the length of each answer. `opening` is seconds until all had their first; `files` are
    the descriptors that were open then, beyond those before."""

    sessions: int
    opening: float = 0.0
    files: int = 0
    sizes: list[int] = field(default_factory=list)


class Start:
    """The moment before sessions are opened."""

    def __init__(self) -> None:
        self._files = descriptors()
        self._begun = time.perf_counter()

    def tell(self, crew: Crew) -> None:
        """All of them are open."""
        crew.opening = time.perf_counter() - self._begun
        crew.files = descriptors() - self._files


@dataclass(frozen=True, slots=True, kw_only=True)
class CrewPlan:
    """So many callers for so long; over `one_link`, for clients that offer `links`."""

    workers: int
    seconds: float
    one_link: bool = False


@dataclass(slots=True, kw_only=True)
class Together:
    """A session to each target, opened `limit` at a time; then `command` so many `times` on each, on all at once.
    `begun` is called before they are opened, when one has been visited for all that is done once, `answered` before
    they are closed."""

    command: str
    times: int
    limit: int
    begun: Hook = lambda: None
    answered: Hook = lambda: None
    opening: Meter = field(default_factory=Meter)
    answering: Meter = field(default_factory=Meter)


class Client:
    """Runs the workloads that need something of what it `offers`.

    `packages` are distributions whose versions are reported. With `separate` the client has a virtual environment
    of its own, into which `installs` go (the first of the packages if it is empty). `module` is what is imported by
    those that offer `import`. `only` names the workloads that it is measured in, if not all it
    could be. `most` is how many devices it is asked for, `megabytes` how large an output: what takes minutes tells
    no more than what takes seconds.
    """

    name: ClassVar[str]
    offers: ClassVar[frozenset[str]]
    packages: ClassVar[tuple[str, ...]] = ()
    installs: ClassVar[tuple[str, ...]] = ()
    floor: ClassVar[bool] = False
    separate: ClassVar[bool] = False
    most: ClassVar[int] = 100_000
    megabytes: ClassVar[int] = 1000
    only: ClassVar[frozenset[str]] = frozenset()
    module: ClassVar[str] = ""

    def server(self, needs: str) -> str:
        """What it talks to in a case that needs `needs`, in the words of `Servers.targets`; nothing if empty."""
        return needs


class DeviceClient(Client, ABC):
    """Talks to devices. It offers ssh, telnet, engine, or some of them; what it gives must be the command's output."""

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

    @abstractmethod
    def together(self, targets: Sequence[Target], plan: Together) -> list[int]:
        """The length of each answer."""

    @abstractmethod
    def crew(self, target: Target, command: str, plan: CrewPlan, meter: Meter) -> Crew:
        """Several callers run `command` on one device, again and again."""

    def collector(self, command: str) -> Collector:
        """What takes the answer to `command`, for clients that offer `engine`."""
        raise NotImplementedError


class AsyncClient(DeviceClient):
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
            ready = time.perf_counter() + _WARM_UP
            for _ in range(20):
                await self.run(session, command)
                if time.perf_counter() > ready:
                    break
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
            await self.settle()
            with meter:
                sizes = await asyncio.gather(*(one(target) for target in targets))
                await self.settle()
                return sizes

        return asyncio.run(work())

    async def settle(self) -> None:
        """Close what visits have left open, if anything."""

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

    async def open_all(self, targets: Sequence[Target], limit: int) -> list[Any]:
        gate = asyncio.Semaphore(limit)

        async def one(target: Target) -> Any:
            async with gate:
                return await self.open(target)

        return await asyncio.gather(*(one(target) for target in targets))

    def together(self, targets: Sequence[Target], plan: Together) -> list[int]:
        async def work() -> list[int]:
            async def ask(session: Any) -> list[int]:
                return [len(await self.run(session, plan.command)) for _ in range(plan.times)]

            await self.visit(targets[0], [plan.command])
            plan.begun()
            with plan.opening:
                sessions = await self.open_all(targets, plan.limit)
            with plan.answering:
                sizes = await asyncio.gather(*(ask(session) for session in sessions))
            plan.answered()
            await asyncio.gather(*(self.close(session) for session in sessions))
            return [size for some in sizes for size in some]

        return asyncio.run(work())

    def idle(self, targets: Sequence[Target], limit: int, before: Hook, during: Hook) -> None:
        async def work() -> None:
            first = await self.open(targets[0])
            before()
            sessions = await self.open_all(targets, limit)
            during()
            await asyncio.gather(*(self.close(session) for session in [first, *sessions]))

        asyncio.run(work())

    def crew(self, target: Target, command: str, plan: CrewPlan, meter: Meter) -> Crew:
        async def work() -> Crew:
            start = Start()
            sessions = await self.open_several(target, plan.workers, one_link=plan.one_link)
            crew = Crew(sessions=len(sessions))
            await self.keep_running(sessions, command, plan.seconds, meter, crew, start)
            await asyncio.gather(*(self.close(session) for session in sessions))
            return crew

        return asyncio.run(work())

    async def open_several(self, target: Target, count: int, *, one_link: bool) -> list[Any]:
        return await asyncio.gather(*(self.open(target) for _ in range(count)))

    async def keep_running(
        self, sessions: Sequence[Any], command: str, seconds: float, meter: Meter, crew: Crew, start: Start
    ) -> None:
        """A caller for each of `sessions`, which may be the same one several times."""

        async def caller(session: Any, until: float) -> None:
            while time.perf_counter() < until:
                crew.sizes.append(len(await self.run(session, command)))

        await asyncio.gather(*(self.run(session, command) for session in sessions))
        start.tell(crew)
        with meter:
            until = time.perf_counter() + seconds
            await asyncio.gather(*(caller(session, until) for session in sessions))


class ThreadedClient(DeviceClient):
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
        ready = time.perf_counter() + _WARM_UP
        for _ in range(20):
            self.run(session, command)
            if time.perf_counter() > ready:
                break
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

    def together(self, targets: Sequence[Target], plan: Together) -> list[int]:
        def ask(session: Any) -> list[int]:
            return [len(self.run(session, plan.command)) for _ in range(plan.times)]

        self.visit(targets[0], [plan.command])
        plan.begun()
        with ThreadPoolExecutor(plan.limit) as pool:
            with plan.opening:
                sessions = list(pool.map(self.open, targets))
            with plan.answering:
                sizes = list(pool.map(ask, sessions))
            plan.answered()
            list(pool.map(self.close, sessions))
        return [size for some in sizes for size in some]

    def crew(self, target: Target, command: str, plan: CrewPlan, meter: Meter) -> Crew:
        def caller(session: Any) -> list[int]:
            sizes = []
            while time.perf_counter() < until:
                sizes.append(len(self.run(session, command)))
            return sizes

        crew = Crew(sessions=plan.workers)
        start = Start()
        with ThreadPoolExecutor(plan.workers) as threads:
            sessions = list(threads.map(lambda _: self.open(target), range(plan.workers)))
            list(threads.map(lambda session: self.run(session, command), sessions))
            start.tell(crew)
            with meter:
                until = time.perf_counter() + plan.seconds
                crew.sizes += [size for sizes in threads.map(caller, sessions) for size in sizes]
            list(threads.map(self.close, sessions))
        return crew
