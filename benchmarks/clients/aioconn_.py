# SPDX-License-Identifier: Apache-2.0
"""aioconn, as scripts use it: a testbed, devices, `fan_out`."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from benchmarks.clients.base import AsyncClient, Crew, CrewPlan, Hook, Start
from benchmarks.clients.cuts import CutClient, CutSession
from benchmarks.clients.links import LinkClient
from benchmarks.clients.pool import Pool, PoolClient
from benchmarks.clients.scripts import ScriptClient
from benchmarks.clients.snmp import SnmpClient, SnmpSession
from benchmarks.meter import Meter
from benchmarks.target import HOST_NAME, PASSWORD, USER, Target

_TIMEOUT = 600.0
_JUMP = "jump"


class Aioconn(AsyncClient, PoolClient, ScriptClient, CutClient, SnmpClient, LinkClient):
    name = "aioconn"
    offers = frozenset(
        {"ssh", "telnet", "engine", "links", "turns", "asking", "script", "function", "timeouts", "cancels"}
        | {"snmp", "snmp-many", "snmp-walk"}
        | {"jump", "live ssh", "live telnet", "import"}
    )
    module = "aioconn"
    packages = ("aioconn", "asyncssh", "telnetlib3")

    def server(self, needs: str) -> str:
        servers = {"turns": "", "asking": "lab", "links": "ssh", "script": "ssh", "function": "ssh"}
        return servers.get(needs, needs)

    def pool(self, size: int, target: Target | None, *, idle: bool = False) -> Pool:
        from benchmarks.clients.aioconn_pool import AioconnPool

        return AioconnPool(size, target)

    def cut_session(self, needs: str, target: Target) -> CutSession:
        from benchmarks.clients.aioconn_cuts import AioconnCuts

        return AioconnCuts(target, cancels=needs == "cancels")

    def snmp_session(self, target: Target) -> SnmpSession:
        from benchmarks.clients.aioconn_snmp import AioconnSnmp

        return AioconnSnmp(target)

    def testbed(self, targets: Sequence[Target], platform: str = "iosxe") -> Any:
        import aioconn

        # devices do not keep it, and those behind another one need it
        self._testbed = aioconn.load(self.mapping(targets, platform))
        return self._testbed

    def mapping(self, targets: Sequence[Target], platform: str = "iosxe") -> dict[str, Any]:
        """The testbed as data."""
        login = {"credentials": {"default": {"username": USER, "password": PASSWORD}}}
        devices = {target.name: self._device(target, platform) for target in targets}
        if targets[0].jump:
            jump = Target(name=_JUMP, protocol="ssh", port=targets[0].jump)
            devices[_JUMP] = self._device(jump, "linux")
        return {"testbed": login, "devices": devices}

    def _device(self, target: Target, platform: str) -> dict[str, Any]:
        path: dict[str, Any] = {"protocol": target.protocol, "ip": target.host, "port": target.port}
        if target.protocol == "ssh":
            path["arguments"] = {"host_key_policy": "ignore"}
        if target.jump:
            path["proxy"] = _JUMP
        return {"os": platform, "connections": {"cli": path}}

    async def open(self, target: Target) -> Any:
        device = self.testbed([target])[target.name]
        await device.connect()
        return device

    async def open_all(self, targets: Sequence[Target], limit: int) -> list[Any]:
        testbed, gate = self.testbed(targets), asyncio.Semaphore(limit)

        async def one(device: Any) -> Any:
            async with gate:
                await device.connect()
            return device

        return await asyncio.gather(*(one(testbed[target.name]) for target in targets))

    async def run(self, session: Any, command: str) -> str:
        output: str = await session.execute(command, timeout=_TIMEOUT)
        return output

    async def close(self, session: Any) -> None:
        await session.destroy_all()

    def fan_out(
        self, targets: Sequence[Target], commands: Sequence[str], limit: int, meter: Meter
    ) -> list[int]:
        return self._fan_out(targets, commands, list(commands), limit, meter)

    def visit_all(
        self, targets: Sequence[Target], commands: Sequence[str], limit: int, meter: Meter
    ) -> list[int]:
        async def work(device: Any) -> list[str]:
            return [await device.execute(command, timeout=_TIMEOUT) for command in commands]

        return self._fan_out(targets, commands, work, limit, meter)

    def _fan_out(
        self,
        targets: Sequence[Target],
        commands: Sequence[str],
        work: list[str] | Callable[[Any], Awaitable[list[str]]],
        limit: int,
        meter: Meter,
    ) -> list[int]:
        import aioconn

        async def run() -> list[int]:
            testbed = self.testbed(targets)
            devices = [testbed[target.name] for target in targets]
            await self.visit(targets[0], commands)
            sizes: list[int] = []
            with meter:
                async for result in aioconn.fan_out(devices, work, limit=limit, timeout=_TIMEOUT):
                    if result.error is not None:
                        raise result.error
                    outputs: list[str] = result.value or []
                    sizes.append(sum(map(len, outputs)))
            return sizes

        return asyncio.run(run())

    def further(
        self, target: Target, count: int, command: str, new: Meter, further: Meter, look: Hook
    ) -> Sequence[int]:
        async def work() -> Sequence[int]:
            # not every platform is known to bear several shells on one link
            names = [f"s{number}" for number in range(count)]
            device, *others = (self.testbed([target], "eos")[target.name] for _ in range(1 + count))
            await device.connect()
            with new:
                sessions = [await other.connect() for other in others]
            look()
            with further:
                sessions += [await device.connect(alias=name) for name in names]
            look()
            sizes = [len(await self.run(session, command)) for session in sessions]
            for one in (device, *others):
                await one.destroy_all()
            return sizes

        return asyncio.run(work())

    def crew(self, target: Target, command: str, plan: CrewPlan, meter: Meter) -> Crew:
        async def work() -> Crew:
            # not every platform is known to bear several shells on one link
            platform = "eos" if plan.one_link else "iosxe"
            device = self.testbed([target], platform)[target.name]
            start = Start()
            pool = await device.connect(alias="pool", pool_size=max(1, plan.workers // 2))
            crew = Crew(sessions=pool.size)
            await self.keep_running([pool] * plan.workers, command, plan.seconds, meter, crew, start)
            await device.destroy_all()
            return crew

        return asyncio.run(work())

    def collector(self, command: str) -> Any:
        from aioconn.platforms.loader import load_platform
        from aioconn.wire.dialogue import Answer, Dialogue
        from aioconn.wire.echo import Discipline
        from aioconn.wire.exchange import Exchange
        from aioconn.wire.prompt import Prompts

        platform = load_platform("iosxe")
        pager = platform.pager
        answers = (
            [Answer(pattern=pager.pattern, send=pager.more.encode(), pager=True)] if pager is not None else []
        )
        exchange = Exchange(
            command,
            prompts=Prompts(platform, HOST_NAME),
            discipline=Discipline.READER,
            dialogue=Dialogue(answers),
        )
        exchange.start()
        return _Collector(exchange)


class _Collector:
    def __init__(self, exchange: Any) -> None:
        self._exchange = exchange

    def feed(self, data: bytes) -> bool:
        self._exchange.feed(data)
        return self._exchange.done is not None

    def text(self) -> str:
        text: str = self._exchange.answered().text
        return text
