# SPDX-License-Identifier: Apache-2.0
"""A relay that notes what each side says: what reached the server is known even where the server keeps no log."""

from __future__ import annotations

import asyncio
from types import TracebackType


class Tap:
    """Listens on `port` of loopback and passes everything on to the server's port.

    `sent` is what clients said, `said` what the server did; `connections` counts the clients.
    """

    def __init__(self, target: int) -> None:
        self.port = 0
        self.sent = bytearray()
        self.said = bytearray()
        self.connections = 0
        self._target = target
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Tap:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._tasks.add(asyncio.ensure_future(self._serve(reader, writer)))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inner_reader, inner_writer = await asyncio.open_connection("127.0.0.1", self._target)
        try:
            passing = [
                asyncio.ensure_future(_pass(reader, inner_writer, self.sent)),
                asyncio.ensure_future(_pass(inner_reader, writer, self.said)),
            ]
            try:
                await asyncio.wait(passing, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for one in passing:
                    one.cancel()
                await asyncio.gather(*passing, return_exceptions=True)
        finally:
            for side in (writer, inner_writer):
                side.close()


async def _pass(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, note: bytearray) -> None:
    while data := await reader.read(65536):
        note += data
        writer.write(data)
        await writer.drain()
