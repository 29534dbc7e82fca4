# SPDX-License-Identifier: Apache-2.0
"""TCP for the HTTP library: sockets that we have connected ourselves, directly, through an SSH link or a SOCKS proxy.

The library asks its `socket_factory` for a socket, and connects that. What it gets is connected already, so that
resolving, connecting, jump hosts and forks are treated as everywhere else.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from typing import TYPE_CHECKING, Any, cast

from aiohttp.abc import AbstractResolver, ResolveResult

from aioconn.errors import ConnectError
from aioconn.home.descriptors import keep, making
from aioconn.transport.base import Progress
from aioconn.transport.tcp import connect_socket, watch

if TYPE_CHECKING:
    from aioconn.protocols.rest.proxy import Proxy
    from aioconn.transport.base import Stream
    from aioconn.transport.ssh import SshLink


class NothingPrepared(OSError):
    """The library wants a connection that nobody has made yet."""


class Connected(socket.socket):
    """A socket that is connected, and takes no notice of being told so once more."""

    tunnelled = False
    """Whether it leads further than to its peer: then nobody shall compare addresses with the kind of socket."""

    @property
    def family(self) -> socket.AddressFamily:
        return socket.AF_UNIX if self.tunnelled else super().family

    def connect(self, address: Any, /) -> None:
        return None

    def connect_ex(self, address: Any, /) -> int:
        return 0


class Carrier:
    """Makes the connections of one session, of which one is enough at a time. The library closes what it was given."""

    def __init__(
        self,
        link: SshLink | None,
        proxy: Proxy | None,
        *,
        device: str,
        path: str,
        keepalive: float,
        progress: Progress,
    ) -> None:
        self._link = link
        self._proxy = proxy
        self._where: dict[str, str] = {"device": device, "path": path}
        self._keepalive = keepalive
        self._progress = progress
        self._prepared: Connected | None = None
        self._made: list[Connected] = []
        self._relays: set[_Relay] = set()
        self._ended = False

    async def prepare(self, host: str, port: int) -> None:
        """Connect; the next socket that is asked for is this one. Raises a ConnectError; a cancel leaves nothing."""
        self.discard()
        proxy = self._proxy
        if proxy is None:
            sock = await self._connect(host, port)
        else:
            # first, so that what is missing is said before anybody is spoken to
            from aioconn.protocols.rest.socks import ask_for

            try:
                sock = await self._connect(proxy.host, proxy.port)
            except ConnectError as error:
                raise type(error)(
                    f"the proxy {error.message}",
                    **self._where,
                    phase=error.phase,
                    seen=error.seen,
                    hint=error.hint,
                ) from error
            await ask_for(sock, proxy, host, port, **self._where)
            sock.tunnelled = True
            if self._ended:
                sock.close()
                raise asyncio.CancelledError
        self._prepared = sock

    async def _connect(self, host: str, port: int) -> Connected:
        if self._link is None:
            plain = await connect_socket(host, port, **self._where, progress=self._progress)
            watch(plain, self._keepalive)
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock = Connected(plain.family, plain.type, plain.proto, fileno=plain.detach())
        else:
            sock = await self._through(self._link, host, port)
        if self._ended:
            sock.close()
            raise asyncio.CancelledError
        sock.setblocking(False)
        self._made = [one for one in self._made if one.fileno() >= 0]
        self._made.append(sock)
        return sock

    async def _through(self, link: SshLink, host: str, port: int) -> Connected:
        """A pair of sockets: the library has one, and what comes out of the other goes through the link."""
        relay = _Relay(self._relays)
        relay.stream = await link.open_tcp(host, port, relay.far)
        ours = theirs = None
        try:
            with making:
                theirs, ours = socket.socketpair()
                keep(theirs)
                keep(ours)
            ours.setblocking(False)
            await asyncio.get_running_loop().create_connection(lambda: relay, sock=ours)
        except BaseException:
            relay.end()
            for sock in (ours, theirs):
                if sock is not None:
                    sock.close()
            raise
        return Connected(theirs.family, theirs.type, theirs.proto, fileno=theirs.detach())

    def give(self, _: object) -> socket.socket:
        """For the library, as its `socket_factory`. Raises NothingPrepared."""
        sock, self._prepared = self._prepared, None
        if sock is None:
            raise NothingPrepared("not connected yet")
        return sock

    def discard(self) -> None:
        """Close what was prepared and is not asked for any more."""
        sock, self._prepared = self._prepared, None
        if sock is not None:
            sock.close()

    @property
    def address(self) -> tuple[str, int]:
        """Where the prepared socket is connected to, as far as the library wants to know."""
        if self._prepared is not None and self._prepared.family != socket.AF_UNIX:
            with contextlib.suppress(OSError):
                name = self._prepared.getpeername()
                return str(name[0]), self._prepared.family
        return "127.0.0.1", socket.AF_INET

    def abort(self) -> None:
        """End all connections now."""
        self._ended = True
        self.discard()
        for sock in self._made:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        for relay in list(self._relays):
            relay.end()


class Resolver(AbstractResolver):
    """Tells the library the address that is connected to already."""

    def __init__(self, carrier: Carrier) -> None:
        self._carrier = carrier

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        address, known = self._carrier.address
        return [
            ResolveResult(
                hostname=host, host=address, port=port, family=known, proto=0, flags=socket.AI_NUMERICHOST
            )
        ]

    async def close(self) -> None:
        return None


class _Relay(asyncio.Protocol):
    """Between our end of a pair of sockets and a stream through an SSH link."""

    def __init__(self, company: set[_Relay]) -> None:
        self.stream: Stream | None = None
        self.far = _Far(self)
        self._company = company
        self._transport: asyncio.Transport | None = None
        self._over = False
        company.add(self)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        for data in self.far.early:
            self._transport.write(data)
        self.far.early.clear()
        if self._over:
            self._transport.close()

    def data_received(self, data: bytes) -> None:
        if self.stream is not None:
            self.stream.write(data)

    def pause_writing(self) -> None:
        if self.stream is not None:
            self.stream.pause_reading()

    def resume_writing(self) -> None:
        if self.stream is not None:
            self.stream.resume_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self.end()

    def take(self, data: bytes) -> None:
        """What came through the link."""
        if self._transport is not None:
            self._transport.write(data)
        elif not self._over:
            self.far.early.append(data)

    def finish(self) -> None:
        """The far end has ended: what has come so far is still delivered."""
        self._over = True
        self._company.discard(self)
        if self._transport is not None:
            self._transport.close()

    def end(self) -> None:
        self._over = True
        self._company.discard(self)
        if self.stream is not None:
            self.stream.abort()
        if self._transport is not None:
            self._transport.abort()


class _Far:
    """The receiver of the stream."""

    def __init__(self, relay: _Relay) -> None:
        self._relay = relay
        self.early: list[bytes] = []

    def data_received(self, data: bytes, /) -> None:
        self._relay.take(data)

    def connection_lost(self, error: Exception | None, /) -> None:
        self._relay.finish()
