# SPDX-License-Identifier: Apache-2.0
"""TCP: name resolution, the connection itself, and a plain byte stream over it (consoles that speak raw
TCP)."""

from __future__ import annotations

import asyncio
import errno
import functools
import socket
from collections.abc import Callable
from typing import Any, TypeVar, cast

from aioconn.errors import ConnectError, HostUnknown, HostUnreachable, Phase, SessionBroken
from aioconn.home.descriptors import keep, making
from aioconn.policy import CLOSE_TIMEOUT
from aioconn.transport.base import Progress, Receiver, Stream

P = TypeVar("P", bound=asyncio.BaseProtocol)

READ_SIZE = 64 * 1024
STAGGER = 0.25  # seconds before the next address is tried as well (RFC 8305, section 5)
PATIENCE = 10.0  # seconds that what was sent may stay unacknowledged, at least
_PROBES = 3
_MOST_SECONDS, _MOST_MILLISECONDS = 32_767, 2**31 - 1  # what Linux takes


async def connect_tcp(
    factory: Callable[[], P],
    host: str,
    port: int,
    *,
    device: str,
    path: str,
    progress: Progress,
    keepalive: float = 0.0,
) -> tuple[asyncio.Transport, P]:
    """A TCP connection with `factory()` on it; `HostUnknown` or `HostUnreachable` if there is none.

    Several addresses are tried side by side, a quarter of a second apart. When cancelled no socket is left.
    For `keepalive` see `watch`.
    """
    loop = asyncio.get_running_loop()
    sock = await connect_socket(host, port, device=device, path=path, progress=progress)
    try:
        transport, protocol = await loop.create_connection(factory, sock=sock)
    except OSError as error:
        sock.close()
        raise unreachable(error, host, port, device=device, path=path) from error
    except BaseException:
        sock.close()
        raise
    # The selector transport allocates this many bytes for each read, 256 KiB unless told otherwise.
    if hasattr(transport, "max_size"):
        cast(Any, transport).max_size = READ_SIZE
    watch(sock, keepalive)
    return transport, protocol


async def connect_socket(
    host: str, port: int, *, device: str, path: str, progress: Progress
) -> socket.socket:
    """The connected socket alone, as in `connect_tcp`; it does not block, and forked children leave it to us."""
    if _is_address(host):
        addresses = [host]
    else:
        addresses = await _resolve(host, port, device=device, path=path, progress=progress)
    progress.phase = Phase.TCP
    try:
        return await (_attempt(addresses[0], port) if len(addresses) == 1 else _race(addresses, port))
    except OSError as error:
        raise unreachable(error, host, port, device=device, path=path) from error


def watch(sock: Any, keepalive: float) -> None:
    """Let the system notice a peer that is gone, which ends the connection by itself with ETIMEDOUT.

    After `keepalive` seconds without a byte it begins to ask, and at twice that, unanswered, the peer counts as gone;
    so it does when something that was sent stays unacknowledged for twice `keepalive`. With the default of 30 s that
    is a minute: a spanning tree or a routing protocol finds another way within it, and nobody waits for the quarter
    of an hour for which Linux repeats itself. Below `PATIENCE` a few lost packets would be taken for a death: they
    are sent again after 0.2, 0.6, 1.4, 3 and 6.2 s. With 0 the system's own patience holds: hours of silence.
    """
    for level, option, value in _watching(keepalive, PATIENCE):
        sock.setsockopt(level, option, value)


@functools.lru_cache(maxsize=16)
def _watching(keepalive: float, patience: float) -> list[tuple[int, int, int]]:
    """Level, option and value of all that `watch` sets."""
    options = [(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)]
    if not keepalive:
        return options
    wanted = {
        "TCP_KEEPIDLE": keepalive,
        "TCP_KEEPALIVE": keepalive,  # what macOS calls it
        "TCP_KEEPINTVL": keepalive / _PROBES,
        "TCP_KEEPCNT": _PROBES,
        # Linux: once it is set it decides, and not the number of probes (tcp(7))
        "TCP_USER_TIMEOUT": 1000 * max(2 * keepalive, patience),
    }
    for name, value in wanted.items():
        if (option := getattr(socket, name, None)) is not None:
            most = _MOST_MILLISECONDS if name == "TCP_USER_TIMEOUT" else _MOST_SECONDS
            options.append((socket.IPPROTO_TCP, option, min(max(1, round(value)), most)))
    return options


async def _resolve(host: str, port: int, *, device: str, path: str, progress: Progress) -> list[str]:
    progress.phase = Phase.RESOLVE
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (socket.gaierror, UnicodeError) as error:
        reason = error.strerror if isinstance(error, socket.gaierror) else "not a valid host name"
        hint = "check the spelling, or use the address"
        raise HostUnknown(
            f"{host!r} does not resolve", device=device, path=path, seen=reason, hint=hint
        ) from error
    addresses = list(dict.fromkeys(cast(str, entry[4][0]) for entry in found))
    v6 = [address for address in addresses if ":" in address]
    v4 = [address for address in addresses if ":" not in address]
    first, second = (v6, v4) if addresses and ":" in addresses[0] else (v4, v6)
    mixed = [address for pair in zip(first, second, strict=False) for address in pair]
    return mixed + [address for address in addresses if address not in mixed]


def _is_address(host: str) -> bool:
    for family in (socket.AF_INET, socket.AF_INET6):
        try:  # a tenth of what the module ipaddress takes
            socket.inet_pton(family, host.partition("%")[0])
            return True
        except (OSError, UnicodeError):
            pass
    return False


async def _attempt(address: str, port: int) -> socket.socket:
    """A socket that is connected, and that forked children leave to us from its beginning."""
    with making:
        # asyncio sends small writes at once (TCP_NODELAY) only where the protocol is named
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        sock = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        keep(sock)
    try:
        sock.setblocking(False)
        # Telnet servers send the second byte of a data mark as urgent (RFC 854, the Synch signal), above all after an
        # interrupt: taken out of the stream it would leave a command whose next byte is the first of the output.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_OOBINLINE, 1)
        await asyncio.get_running_loop().sock_connect(sock, (address, port))
    except BaseException:
        sock.close()
        raise
    return sock


async def _race(addresses: list[str], port: int) -> socket.socket:
    """The first socket that connects; the others are closed. Raises the last OSError if none does."""
    loop = asyncio.get_running_loop()
    tasks: list[asyncio.Task[socket.socket]] = []
    winner: socket.socket | None = None

    failure: OSError = OSError(errno.EHOSTUNREACH, "no address")
    remaining = iter(addresses)
    more = True
    pending: set[asyncio.Task[socket.socket]] = set()
    try:
        while True:
            if more and (address := next(remaining, None)) is not None:
                tasks.append(loop.create_task(_attempt(address, port)))
                pending.add(tasks[-1])
            else:
                more = False
            if not pending:
                raise failure
            done, pending = await asyncio.wait(
                pending, timeout=STAGGER if more else None, return_when=asyncio.FIRST_COMPLETED
            )
            for task in done:
                if (error := task.exception()) is None:
                    winner = task.result()
                    return winner
                if not isinstance(error, OSError):
                    raise error
                failure = error
    finally:
        for task in tasks:
            task.add_done_callback(lambda task: _close_loser(task, winner))
            task.cancel()


def _close_loser(task: asyncio.Task[socket.socket], winner: socket.socket | None) -> None:
    if not task.cancelled() and task.exception() is None and task.result() is not winner:
        task.result().close()


_REASONS = {
    errno.ECONNREFUSED: "refused",
    errno.EHOSTUNREACH: "no route to the host",
    errno.ENETUNREACH: "no route to the network",
    errno.ETIMEDOUT: "no answer",
    errno.ECONNRESET: "reset",
}


def unreachable(error: OSError, host: str, port: int, *, device: str, path: str) -> ConnectError:
    """The error that says why `host` and `port` accept no connection."""
    reason = _REASONS.get(error.errno or 0) or error.strerror or str(error) or type(error).__name__
    hint = None
    if error.errno == errno.ECONNREFUSED:
        hint = "nothing listens there: check the port, and that the service is enabled on the device"
    elif error.errno == errno.EMFILE:
        hint = "this process has no file descriptor left: raise `ulimit -n`"
    return HostUnreachable(f"{host} port {port}: {reason}", device=device, path=path, hint=hint)


_GONE = "the device or the path to it is gone"


class TcpStream(Stream, asyncio.Protocol):
    """A TCP connection as a stream; also its asyncio protocol."""

    def __init__(self, receiver: Receiver, *, device: str, path: str) -> None:
        self._receiver: Receiver | None = receiver  # let go of at the end: the two hold each other
        self._device = device
        self._path = path
        self._transport: asyncio.Transport | None = None
        self._closers: tuple[asyncio.Future[None], ...] = ()
        self._closing = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        if self._receiver is not None:
            self._receiver.data_received(data)

    def eof_received(self) -> None:
        # It is over. An orderly close would first wait for a peer that may never read what is still to be sent.
        if self._transport is not None:
            self._transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        receiver, self._receiver = self._receiver, None
        for closer in self._closers:
            if not closer.done():
                closer.set_result(None)
        if receiver is None:
            return
        error: Exception | None = None
        if exc is not None and not self._closing:
            error = SessionBroken(
                "the connection broke",
                device=self._device,
                path=self._path,
                seen=str(exc) or type(exc).__name__,
                hint=_GONE if isinstance(exc, TimeoutError) else None,
            )
        receiver.connection_lost(error)

    def write(self, data: bytes) -> None:
        if self._transport is not None:
            self._transport.write(data)

    def pause_reading(self) -> None:
        if self._transport is not None:
            self._transport.pause_reading()

    def resume_reading(self) -> None:
        if self._transport is not None:
            self._transport.resume_reading()

    async def close(self) -> None:
        if self._transport is None:
            return
        self._closing = True
        transport = self._transport
        transport.close()
        loop = asyncio.get_running_loop()
        closer = loop.create_future()
        self._closers += (closer,)
        timer: asyncio.TimerHandle | None = None
        if transport.get_write_buffer_size():  # else it has closed a turn of the loop from now
            timer = loop.call_later(CLOSE_TIMEOUT, self.abort)  # which ends it as well
        try:
            await closer
        finally:
            if timer is not None:
                timer.cancel()
            self.abort()

    def abort(self) -> None:
        if self._transport is not None:
            self._closing = True
            self._transport.abort()

    def discard(self) -> None:
        """Abort a stream that nobody got: its receiver hears nothing of it."""
        self._receiver = None
        self.abort()


async def open_tcp(
    host: str,
    port: int,
    receiver: Receiver,
    *,
    device: str,
    path: str,
    progress: Progress,
    keepalive: float = 0.0,
) -> TcpStream:
    """A byte stream to `host` and `port`. Raises `HostUnknown` or `HostUnreachable`; a cancel leaves
    nothing."""
    stream = TcpStream(receiver, device=device, path=path)
    try:
        await connect_tcp(
            lambda: stream, host, port, device=device, path=path, progress=progress, keepalive=keepalive
        )
    except BaseException:
        stream.discard()
        raise
    return stream
