# SPDX-License-Identifier: Apache-2.0
"""HTTP/2 over TLS before a simulated device that speaks HTTP/1.1, and paths of its own on which it misbehaves."""

from __future__ import annotations

import asyncio
import contextlib
import io
import ssl
import struct
from collections.abc import AsyncIterator
from typing import cast

import aiohttp
from h2 import events
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.exceptions import ProtocolError
from yarl import URL

from aioconn.lab import authority
from tests.relay import Relay

_OWN = ("connection", "keep-alive", "transfer-encoding", "content-length", "date", "server")


def tls(*protocols: str, clients: bool = False) -> ssl.SSLContext:
    """What the front shows; with `clients` it wants a certificate."""
    context = authority.context(clients=authority.authority() if clients else None)
    if protocols:
        context.set_alpn_protocols(protocols)
    return context


def frame(kind: int, payload: bytes = b"", *, flags: int = 0, stream: int = 0) -> bytes:
    return len(payload).to_bytes(3) + bytes([kind, flags]) + stream.to_bytes(4) + payload


SETTINGS = frame(4)


def goaway(last: int, code: int = 0, words: bytes = b"") -> bytes:
    return frame(7, struct.pack(">II", last, code) + words)


class Http2Front:
    """`requests` are the paths it was asked for, `resets` the streams that its clients reset."""

    def __init__(self, behind: int = 0, *, context: ssl.SSLContext | None = None, streams: int = 100) -> None:
        self.behind = behind
        self.context = context or tls("h2")
        self.streams = streams
        self.requests: list[str] = []
        self.resets: list[int] = []
        self.sent = 0
        """Bytes of bodies."""
        self.once: set[str] = set()
        """Paths that have misbehaved already."""
        self.connections: set[_Connection] = set()
        self.accepted = 0
        self.port = 0
        self.session: aiohttp.ClientSession | None = None

    @contextlib.asynccontextmanager
    async def listening(self) -> AsyncIterator[Http2Front]:
        self.session = aiohttp.ClientSession(
            auto_decompress=False,
            cookie_jar=aiohttp.DummyCookieJar(),
            connector=aiohttp.TCPConnector(limit=0, force_close=True),
            timeout=aiohttp.ClientTimeout(total=None),
        )
        server = await asyncio.get_running_loop().create_server(
            lambda: _Connection(self), "127.0.0.1", 0, ssl=self.context
        )
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            tasks = [task for connection in self.connections for task in connection.tasks.values()]
            self.cut()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self.session.close()

    def cut(self) -> None:
        """End all connections."""
        for connection in list(self.connections):
            connection.transport.abort()
            connection.end()


class _Connection(asyncio.Protocol):
    def __init__(self, front: Http2Front) -> None:
        self.front = front
        self.h2 = H2Connection(H2Configuration(client_side=False, header_encoding="utf-8"))
        self.tasks: dict[int, asyncio.Task[None]] = {}
        self.bodies: dict[int, asyncio.StreamReader] = {}
        self.heads: dict[int, dict[str, str]] = {}
        self.room = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self.front.connections.add(self)
        self.front.accepted += 1
        self.h2.initiate_connection()
        self.h2.update_settings({3: self.front.streams})
        self.flush()

    def connection_lost(self, exc: Exception | None) -> None:
        self.end()

    def end(self) -> None:
        self.front.connections.discard(self)
        for task in self.tasks.values():
            task.cancel()

    def flush(self) -> None:
        if data := self.h2.data_to_send():
            self.transport.write(data)

    def data_received(self, data: bytes) -> None:
        try:
            found = self.h2.receive_data(data)
        except ProtocolError:
            self.flush()
            self.transport.close()
            return
        for event in found:
            self.happened(event)
        self.flush()

    def happened(self, event: events.Event) -> None:
        if isinstance(event, events.RequestReceived):
            number = event.stream_id
            self.heads[number] = cast("dict[str, str]", dict(event.headers))
            self.bodies[number] = asyncio.StreamReader(limit=2**30)
            path = self.heads[number][":path"]
            self.front.requests.append(path)
            task = asyncio.get_running_loop().create_task(self.serve(number, path))
            self.tasks[number] = task
            task.add_done_callback(lambda _: self.tasks.pop(number, None))
        elif isinstance(event, events.DataReceived):
            self.bodies[event.stream_id].feed_data(event.data or b"")
            if not self.heads[event.stream_id][":path"].startswith("/h2/stuck"):
                self.h2.acknowledge_received_data(event.flow_controlled_length or 0, event.stream_id)
        elif isinstance(event, events.StreamEnded):
            self.bodies[event.stream_id].feed_eof()
        elif isinstance(event, events.StreamReset):
            self.front.resets.append(event.stream_id)
            if (serving := self.tasks.get(event.stream_id)) is not None:
                serving.cancel()
        elif isinstance(event, events.WindowUpdated):
            self.room.set()
        elif isinstance(event, events.ConnectionTerminated):
            self.transport.close()

    async def serve(self, number: int, path: str) -> None:
        try:
            if path.startswith("/h2/"):
                await self.misbehave(number, path.removeprefix("/h2/"))
            else:
                await self.pass_on(number, path)
        except ProtocolError:  # the client has gone on
            pass
        except aiohttp.ClientError:
            self.reset(number, ErrorCodes.INTERNAL_ERROR)

    async def pass_on(self, number: int, path: str) -> None:
        head = self.heads[number]
        session = self.front.session
        assert session is not None
        body = await self.bodies[number].read()
        headers = {name: value for name, value in head.items() if not name.startswith(":")}
        headers["Host"] = head[":authority"]
        url = f"http://127.0.0.1:{self.front.behind}{path}"
        async with session.request(
            head[":method"],
            URL(url, encoded=True),
            headers=headers,
            data=io.BytesIO(body),
            allow_redirects=False,
        ) as answer:
            fields = [
                (name.lower(), value) for name, value in answer.headers.items() if name.lower() not in _OWN
            ]
            if head[":method"] == "HEAD" or answer.status in (204, 304):
                self.answer(number, answer.status, fields, end=True)
                return
            self.answer(number, answer.status, fields)
            async for piece in answer.content.iter_any():
                await self.send(number, piece)
            self.h2.end_stream(number)
            self.flush()

    def answer(
        self,
        number: int,
        status: int = 200,
        fields: list[tuple[str, str]] | None = None,
        *,
        end: bool = False,
    ) -> None:
        self.h2.send_headers(number, [(":status", str(status)), *(fields or [])], end_stream=end)
        self.flush()

    async def send(self, number: int, data: bytes) -> None:
        while data:
            room = min(self.h2.local_flow_control_window(number), 16_384)
            if room <= 0:
                self.room.clear()
                await self.room.wait()
                continue
            self.h2.send_data(number, data[:room])
            self.front.sent += len(data[:room])
            data = data[room:]
            self.flush()

    def reset(self, number: int, code: ErrorCodes) -> None:
        self.h2.reset_stream(number, code)
        self.flush()

    async def misbehave(self, number: int, how: str) -> None:
        first = how not in self.front.once
        self.front.once.add(how)
        if how == "always-refused" or (how == "refused" and first):
            self.reset(number, ErrorCodes.REFUSED_STREAM)
        elif how == "broken" and first:
            self.reset(number, ErrorCodes.INTERNAL_ERROR)
        elif how == "old":
            self.reset(number, ErrorCodes.HTTP_1_1_REQUIRED)
        elif how == "half":
            self.answer(number)
            await self.send(number, b"half")
            self.reset(number, ErrorCodes.INTERNAL_ERROR)
        elif how == "early":
            self.answer(number, 413, end=True)
        elif how == "packed":
            self.answer(number, 200, [("content-encoding", "gzip")])
            await self.send(number, b"\x1f\x8b")
        elif how in ("hang", "stuck"):
            await asyncio.Event().wait()
        elif how == "endless":
            self.answer(number)
            while True:
                await self.send(number, bytes(10_000))
        elif how == "going":  # with the answer still to come
            self.transport.write(goaway(number))
            self.answer(number)
            await self.send(number, b"the last")
            self.h2.end_stream(number)
        elif how == "gone" and first:
            self.transport.write(goaway(max(0, number - 2), 11, b"enough of you"))
        elif how.startswith("long"):
            self.answer(number, 200, [("x-long", "x" * int(how[4:]))], end=True)
        else:
            await self.bodies[number].read()
            self.answer(number, 200, [("x-proved", "yes")])
            await self.send(number, b"well")
            self.h2.end_stream(number)
        self.flush()


class Liar(Relay):
    """Takes connections over TLS and, once the client has begun, says what it is told to, and then nothing.

    What follows settings is for the first request.
    """

    def __init__(self, says: bytes, *, protocol: str = "h2") -> None:
        super().__init__(tls(protocol))
        self.says = says

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.readexactly(24)
            said = self.says
            if said.startswith(SETTINGS) and len(said) > len(SETTINGS):
                writer.write(SETTINGS)
                said = said.removeprefix(SETTINGS)
                while (head := await reader.readexactly(9))[3] != 1:  # until a request comes
                    await reader.readexactly(int.from_bytes(head[:3]))
            writer.write(said)
            await writer.drain()
            while await reader.read(65_536):
                pass
        finally:
            writer.transport.abort()
