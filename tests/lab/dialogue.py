# SPDX-License-Identifier: Apache-2.0
"""Clients for the tests of the lab: one without sockets, one on a raw telnet stream, one over asyncssh."""

from __future__ import annotations

import asyncio
import math
from typing import Any

import asyncssh

from aioconn.lab.device import LabDevice
from aioconn.lab.dialects import load as load_dialect
from aioconn.lab.login import greet
from aioconn.lab.personality import load
from aioconn.lab.shell import Fate, Shell

DEADLINE = 5.0


class Dialogue:
    """A shell played without time: pauses are noted in `waits` and skipped."""

    def __init__(self, personality: str = "cisco_iosxe", **settings: Any) -> None:
        settings.setdefault("rows", 0)
        kind = load(personality)
        self.device = LabDevice("r1", kind, forgets=load_dialect(kind.dialect).forgets, **settings)
        self.shell = Shell(self.device, 1, load_dialect, user="admin")
        self.waits: list[float] = []
        self.shell.start(greet(self.shell))
        self.greeting = self.pull()

    @property
    def fate(self) -> Fate:
        return self.shell.fate

    def pull(self) -> bytes:
        """All that comes out until something is typed."""
        out = b""
        while (step := self.shell.pull()) is not None:
            if isinstance(step, bytes):
                out += step
            else:
                self.waits.append(step)
                if step == math.inf:
                    break
        return out

    def type(self, data: bytes) -> bytes:
        self.shell.receive(data)
        return self.pull()

    def say(self, *lines: str) -> str:
        """Type lines; what comes back, with plain line ends."""
        return "".join(self.type(line.encode() + b"\r").decode().replace("\r\n", "\n") for line in lines)


class Telnet:
    """A telnet client that knows no options: it skips what the server negotiates."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    @classmethod
    async def open(cls, device: LabDevice) -> Telnet:
        return cls(*await asyncio.open_connection("127.0.0.1", device.telnet_port))

    async def until(self, end: bytes) -> bytes:
        async with asyncio.timeout(DEADLINE):
            return await self.reader.readuntil(end)

    async def say(self, text: str, end: bytes) -> bytes:
        self.writer.write(text.encode() + b"\r")
        return await self.until(end)

    async def login(self, device: LabDevice, end: bytes) -> bytes:
        await self.until(b": ")
        await self.say(device.username, b"Password: ")
        return await self.say(device.password, end)

    async def rest(self) -> bytes:
        """What comes until the end of the stream."""
        async with asyncio.timeout(DEADLINE):
            return await self.reader.read()

    async def close(self) -> None:
        self.writer.close()
        try:
            await self.writer.wait_closed()
        except ConnectionError:
            pass


OPTIONS: dict[str, Any] = {
    "known_hosts": None,
    "config": None,
    "client_keys": None,
    "agent_path": None,
    "username": "admin",
    "kex_algs": ["curve25519-sha256"],
}


def ssh(device: LabDevice, *, password: str = "admin", **options: Any) -> Any:
    """An asyncssh connection to a device, as a context manager."""
    return asyncssh.connect("127.0.0.1", device.ssh_port, **{**OPTIONS, "password": password, **options})


class SshShell:
    """A shell on an SSH connection."""

    def __init__(self, process: asyncssh.SSHClientProcess[bytes]) -> None:
        self.process = process

    @classmethod
    async def open(cls, link: asyncssh.SSHClientConnection) -> SshShell:
        return cls(await link.create_process(term_type="vt100", encoding=None))

    async def until(self, end: bytes) -> bytes:
        async with asyncio.timeout(DEADLINE):
            return bytes(await self.process.stdout.readuntil(end))

    async def say(self, text: str, end: bytes) -> bytes:
        self.process.stdin.write(text.encode() + b"\r")
        return await self.until(end)
