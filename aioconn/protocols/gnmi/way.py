# SPDX-License-Identifier: Apache-2.0
"""How gRPC, which makes its own connections, gets to a target: by its address, or through an SSH link.

For the link there is a socket in a folder that only this user may enter. Whoever connects there is connected to the
target from the other end of the link.
"""

from __future__ import annotations

import asyncio
import shutil
import socket
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, cast

from aioconn.errors import AioconnError, Where
from aioconn.home.descriptors import keep, making
from aioconn.protocols.gnmi.channel import target_of
from aioconn.protocols.gnmi.library import Owner
from aioconn.transport.base import Progress, Stream
from aioconn.transport.tcp import connect_socket

if TYPE_CHECKING:
    from aioconn.transport.ssh import SshLink

_BACKLOG = 8


class Way:
    """To one target, for one session. `close()` ends what goes this way; a plain function."""

    def __init__(self, host: str, port: int, link: SshLink | None, where: Where) -> None:
        self.host = host
        self.port = port
        self._link = link
        self._where = where
        self._folder: Path | None = None
        self._server: asyncio.Server | None = None
        self._relays: set[_Relay] = set()
        self._owner = Owner()

    @property
    def target(self) -> str:
        """As gRPC writes it."""
        return target_of(self.host, self.port) if self._folder is None else f"unix:{self._socket}"

    @property
    def authority(self) -> str:
        """What the target is called in requests, where gRPC cannot tell it from the address."""
        return f"{self.host}:{self.port}" if self._folder is not None else ""

    @property
    def _socket(self) -> str:
        assert self._folder is not None
        return str(self._folder / "way")

    async def open(self) -> None:
        """Prepare it, if it goes through a link. Raises `HostUnreachable` if that does not get there."""
        link = self._link
        if link is None:
            return
        probe = _Relay(self)
        (await link.open_tcp(self.host, self.port, probe.far)).abort()  # so that it is known why not
        self._folder = Path(tempfile.mkdtemp(prefix="aioconn-"))
        with making:
            sock = socket.socket(socket.AF_UNIX)
            keep(sock)
        try:
            sock.setblocking(False)
            sock.bind(self._socket)
            loop = asyncio.get_running_loop()
            self._server = await loop.create_unix_server(lambda: _Relay(self), sock=sock, backlog=_BACKLOG)
        except BaseException:
            sock.close()
            self.close()
            raise

    async def connect(self, progress: Progress) -> socket.socket:
        """A connected socket, for what gRPC does not do. Raises a ConnectError."""
        if self._folder is None:
            return await connect_socket(self.host, self.port, **self._where, progress=progress)
        with making:
            sock = socket.socket(socket.AF_UNIX)
            keep(sock)
        try:
            sock.setblocking(False)
            await asyncio.get_running_loop().sock_connect(sock, self._socket)
        except BaseException:
            sock.close()
            raise
        return sock

    def close(self) -> None:
        if not self._owner.is_here:
            return
        server, self._server = self._server, None
        if server is not None:
            server.close()
        for relay in list(self._relays):
            relay.end()
        folder, self._folder = self._folder, None
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)

    async def reach(self, relay: _Relay) -> Stream:
        """A stream through the link."""
        assert self._link is not None
        return await self._link.open_tcp(self.host, self.port, relay.far)

    def enter(self, relay: _Relay) -> None:
        self._relays.add(relay)

    def leave(self, relay: _Relay) -> None:
        self._relays.discard(relay)


class _Relay(asyncio.Protocol):
    """Between one connection of gRPC's and a stream through the link; each side waits for the other."""

    def __init__(self, way: Way) -> None:
        self.far = _Far(self)
        self._way = way
        self._near: asyncio.Transport | None = None
        self._stream: Stream | None = None
        self._task: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._near = cast("asyncio.Transport", transport)
        self._near.pause_reading()
        self._way.enter(self)
        self._task = asyncio.get_running_loop().create_task(self._reach())

    async def _reach(self) -> None:
        try:
            self._stream = await self._way.reach(self)
        except AioconnError:
            self.end()
            return
        if self._near is None:
            self._stream.abort()
        else:
            self._near.resume_reading()

    def data_received(self, data: bytes) -> None:
        if self._stream is not None:
            self._stream.write(data)

    def pause_writing(self) -> None:
        if self._stream is not None:
            self._stream.pause_reading()

    def resume_writing(self) -> None:
        if self._stream is not None:
            self._stream.resume_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        self._near = None
        self.end()

    def take(self, data: bytes) -> None:
        """What came through the link."""
        if self._near is not None:
            self._near.write(data)

    def finish(self) -> None:
        """The far end has ended: what has come so far is still delivered."""
        if self._near is not None:
            self._near.close()

    def end(self) -> None:
        self._way.leave(self)
        if self._task is not None:
            self._task.cancel()
        stream, self._stream = self._stream, None
        if stream is not None:
            stream.abort()
        near, self._near = self._near, None
        if near is not None:
            near.abort()


class _Far:
    """The receiver of the stream."""

    def __init__(self, relay: _Relay) -> None:
        self._relay = relay

    def data_received(self, data: bytes, /) -> None:
        self._relay.take(data)

    def connection_lost(self, error: Exception | None, /) -> None:
        self._relay.finish()
