# SPDX-License-Identifier: Apache-2.0
"""Clients of NETCONF: the floor, asyncssh and lxml by hand, and aioconn."""

from __future__ import annotations

import asyncio
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

from benchmarks.clients.asyncssh_ import BareSsh
from benchmarks.clients.base import Client
from benchmarks.meter import Meter
from benchmarks.target import PASSWORD, USER, Target

NAMES = "{urn:ietf:params:xml:ns:yang:ietf-interfaces}name"
_HELLO = (
    b'<hello xmlns="urn:ietf:params:xml:ns:netconf:base:1.0"><capabilities><capability>'
    b"urn:ietf:params:netconf:base:1.1</capability></capabilities></hello>]]>]]>"
)
_RPC = '<rpc xmlns="urn:ietf:params:xml:ns:netconf:base:1.0" message-id="{}">{}</rpc>'
_GET_CONFIG = "<get-config><source><running/></source></get-config>"


class NetconfClient(Client, ABC):
    """Asks for a configuration. It offers netconf, for several callers on one session, and netconf-visits, for many
    devices. What an answer is worth is the number of its interfaces."""

    @abstractmethod
    def asked(self, target: Target, callers: int, count: int, budget: float, meter: Meter) -> list[int]:
        """So many callers on one session, `count` calls together, at most for `budget` seconds: what each gave."""

    @abstractmethod
    def visits(self, targets: Sequence[Target], limit: int, meter: Meter) -> list[int]:
        """Connect, ask once, close, on `limit` devices at once."""


class LoopNetconf(NetconfClient):
    """A client with coroutines."""

    @abstractmethod
    async def open(self, target: Target) -> Any:
        """A session."""

    @abstractmethod
    async def ask(self, session: Any) -> int: ...

    @abstractmethod
    async def close(self, session: Any) -> None: ...

    def asked(self, target: Target, callers: int, count: int, budget: float, meter: Meter) -> list[int]:
        async def work() -> list[int]:
            session = await self.open(target)
            await self.ask(session)
            got: list[int] = []
            until = time.perf_counter() + budget

            async def caller() -> None:
                for _ in range(count // callers):
                    if time.perf_counter() > until:
                        return
                    got.append(await self.ask(session))

            with meter:
                await asyncio.gather(*(caller() for _ in range(callers)))
            await self.close(session)
            return got

        return asyncio.run(work())

    def visits(self, targets: Sequence[Target], limit: int, meter: Meter) -> list[int]:
        async def work() -> list[int]:
            gate = asyncio.Semaphore(limit)

            async def visit(target: Target) -> int:
                async with gate:
                    session = await self.open(target)
                    found = await self.ask(session)
                    await self.close(session)
                    return found

            await visit(targets[0])
            with meter:
                return await asyncio.gather(*(visit(target) for target in targets))

        return asyncio.run(work())


class BareNetconf(LoopNetconf):
    """What must be done: framing without checks, one parse of each answer."""

    name = "asyncssh.netconf"
    offers = frozenset({"netconf", "netconf-visits"})
    packages = ("asyncssh", "lxml")
    floor = True

    def __init__(self) -> None:
        self._ssh = _Subsystems()

    async def open(self, target: Target) -> Any:
        return await self._ssh.open(target)

    async def ask(self, session: Any) -> int:
        from lxml import etree

        root = etree.fromstring(await session.call(_GET_CONFIG))
        return sum(1 for _ in root.iter(NAMES))

    async def close(self, session: Any) -> None:
        await session.call("<close-session/>")
        session.channel.close()
        await session.channel.wait_closed()
        session.connection.close()
        await session.connection.wait_closed()


class _Subsystems(BareSsh):
    async def _shell(self, connection: Any) -> Any:
        session = _Session(connection)
        made: Any = session  # it has all that asyncssh calls, without being of its class
        await connection.create_session(lambda: made, subsystem="netconf", request_pty=False, encoding=None)
        session.channel.write(_HELLO)
        await session.greeting
        return session


class _Session:
    """Answers come in the order of the calls."""

    def __init__(self, connection: Any) -> None:
        self.connection = connection
        self.channel: Any = None
        self.greeting: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._buffer = b""
        self._number = 0
        self._waiting: list[asyncio.Future[bytes]] = []

    def call(self, operation: str) -> asyncio.Future[bytes]:
        self._number += 1
        message = _RPC.format(self._number, operation).encode()
        self.channel.write(b"\n#%d\n%b\n##\n" % (len(message), message))
        answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._waiting.append(answer)
        return answer

    def connection_made(self, chan: Any) -> None:
        self.channel = chan

    def session_started(self) -> None: ...

    def data_received(self, data: bytes, datatype: int | None) -> None:
        self._buffer += data
        if not self.greeting.done():
            hello, mark, self._buffer = self._buffer.partition(b"]]>]]>")
            if mark:
                self.greeting.set_result(None)
            else:
                self._buffer = hello
                return
        while (end := self._buffer.find(b"\n##\n")) >= 0:
            framed, self._buffer = self._buffer[:end], self._buffer[end + 4 :]
            self._waiting.pop(0).set_result(framed.partition(b"\n#")[2].partition(b"\n")[2])

    def eof_received(self) -> bool:
        return False

    def pause_writing(self) -> None: ...

    def resume_writing(self) -> None: ...

    def exit_status_received(self, status: int) -> None: ...

    def connection_lost(self, exc: Exception | None) -> None: ...


class AioconnNetconf(LoopNetconf):
    name = "aioconn.netconf"
    offers = frozenset({"netconf", "netconf-visits"})
    packages = ("aioconn", "asyncssh", "lxml")

    def __init__(self) -> None:
        self._testbed: Any = None

    def visits(self, targets: Sequence[Target], limit: int, meter: Meter) -> list[int]:
        self._testbed = self._load(targets)
        return super().visits(targets, limit, meter)

    def _load(self, targets: Sequence[Target]) -> Any:
        import aioconn

        login = {"credentials": {"default": {"username": USER, "password": PASSWORD}}}
        devices = {target.name: self._device(target) for target in targets}
        return aioconn.load({"testbed": login, "devices": devices})

    def _device(self, target: Target) -> dict[str, Any]:
        path = {"protocol": "netconf", "ip": target.host, "port": target.port}
        return {"connections": {"nc": {**path, "host_key_policy": "ignore"}}}

    async def open(self, target: Target) -> Any:
        if self._testbed is None:
            self._testbed = self._load([target])
        device = self._testbed[target.name]
        await device.connect()
        return device

    async def ask(self, session: Any) -> int:
        reply = await session.get_config()
        return sum(1 for _ in reply.data.iter(NAMES))

    async def close(self, session: Any) -> None:
        await session.destroy_all()
