# SPDX-License-Identifier: Apache-2.0
"""A SOCKS proxy (4, 4a, 5) for tests: leads wherever it is asked to, and can be told to misbehave."""

from __future__ import annotations

import asyncio
import ipaddress

from tests.relay import Relay, both_ways


class SocksServer(Relay):
    """`asked` are the targets that it was asked for, as texts. Every name is this machine, and so is every address."""

    def __init__(self, *, login: tuple[str, str] | None = None) -> None:
        super().__init__()
        self.login = login
        self.asked: list[tuple[str, int]] = []
        self.reply = 0
        """What it answers to a request: another number than 0 refuses it."""
        self.hangs: str | None = None
        """Where it says nothing any more: `hello`, `login` or `target`."""
        self.says: bytes | None = None
        """What it says to everybody who comes, before it closes."""

    def url(self, scheme: str = "socks5", login: str = "") -> str:
        return f"{scheme}://{login}{'@' if login else ''}127.0.0.1:{self.port}"

    async def _hang(self, where: str) -> None:
        if self.hangs == where:
            await asyncio.Event().wait()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.says is not None:
            writer.write(self.says)
            await writer.drain()
            return
        await self._hang("hello")
        version = (await reader.readexactly(1))[0]
        if version == 4:
            host, port = await self._four(reader)
            refusal, grant = bytes([0, 0x5B]) + bytes(6), bytes([0, 0x5A]) + bytes(6)
        else:
            if not await self._log_in(reader, writer):
                return
            host, port = await self._five(reader)
            refusal = bytes([5, self.reply, 0, 1]) + bytes(6)
            grant = bytes([5, 0, 0, 1]) + bytes(6)
        self.asked.append((host, port))
        await self._hang("target")
        if self.reply:
            writer.write(refusal)
            await writer.drain()
            return
        back, there = await asyncio.open_connection("127.0.0.1", port)
        try:
            writer.write(grant)
            await both_ways(reader, writer, back, there)
        finally:
            there.close()

    async def _log_in(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        methods = await reader.readexactly((await reader.readexactly(1))[0])
        if self.login is None:
            writer.write(b"\x05\x00")
            return True
        if 2 not in methods:
            writer.write(b"\x05\xff")
            await writer.drain()
            return False
        writer.write(b"\x05\x02")
        await reader.readexactly(1)
        user = await reader.readexactly((await reader.readexactly(1))[0])
        password = await reader.readexactly((await reader.readexactly(1))[0])
        await self._hang("login")
        right = (user.decode(), password.decode()) == self.login
        writer.write(b"\x01\x00" if right else b"\x01\x01")
        await writer.drain()
        return right

    async def _four(self, reader: asyncio.StreamReader) -> tuple[str, int]:
        request = await reader.readexactly(7)
        await reader.readuntil(b"\0")
        host = str(ipaddress.IPv4Address(request[3:7]))
        if host.startswith("0.0.0."):
            host = (await reader.readuntil(b"\0"))[:-1].decode()
        return host, int.from_bytes(request[1:3])

    async def _five(self, reader: asyncio.StreamReader) -> tuple[str, int]:
        kind = (await reader.readexactly(4))[3]
        if kind == 3:
            host = (await reader.readexactly((await reader.readexactly(1))[0])).decode()
        else:
            host = str(ipaddress.ip_address(await reader.readexactly(4 if kind == 1 else 16)))
        return host, int.from_bytes(await reader.readexactly(2))
