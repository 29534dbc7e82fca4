# SPDX-License-Identifier: Apache-2.0
"""A connection class of somebody else's, and what it talks to."""

from __future__ import annotations

import asyncio
import socketserver
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Any

from aioconn.connection import BaseConnection, service, streaming
from aioconn.request import BaseOptions


class Greeter(BaseConnection[BaseOptions]):
    """Says hello."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    greeted = 0

    async def _open(self) -> None:
        self.reader, self.writer = await asyncio.open_connection(self.path.address, self.path.port)

    async def _close(self) -> None:
        self.writer.close()
        await self.writer.wait_closed()

    def _abort(self) -> None:
        if hasattr(self, "writer"):
            self.writer.transport.abort()

    @property
    def politeness(self) -> int:
        """How many were greeted."""
        return self.greeted

    @service
    async def greet(self, name: str, *, timeout: float | None = None) -> str:
        """Greet somebody by name."""
        self.writer.write(name.encode() + b"\n")
        self.greeted += 1
        return (await self.reader.readline()).decode().strip()

    @streaming
    async def greet_all(self, names: list[str], *, timeout: float | None = None) -> AsyncIterator[str]:
        """Greet many, one after the other."""
        for name in names:
            yield await self.greet(name)


class _Answers(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        while name := self.rfile.readline():
            self.wfile.write(b"hello " + name)


@contextmanager
def serving() -> Iterator[dict[str, Any]]:
    """What a testbed says of how to get there."""
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), _Answers) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield {"protocol": "tcp", "ip": "127.0.0.1", "port": server.server_address[1]}
        finally:
            server.shutdown()
            thread.join()
