# SPDX-License-Identifier: Apache-2.0
"""Who may come in: same user, knows the token, speaks our version. Then the wire is handed to the home it is for."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import functools
import os
import socket
from collections.abc import AsyncGenerator
from typing import Protocol

from aioconn.broker.death import Deaths
from aioconn.broker.frames import Frame, Hello, Inbox, Proof, Refused, Target, Welcome, encode
from aioconn.broker.handshake import TIMEOUT, Host
from aioconn.broker.origin import Origin, origin_of
from aioconn.broker.owing import Overseer
from aioconn.broker.peer import Peer
from aioconn.broker.words import home_of
from aioconn.errors import BadFrame, BrokerRefused
from aioconn.home import HomeLease, homes
from aioconn.home.descriptors import keep, making
from aioconn.home.errand import errands_at

AT_ONCE = 64
"""Handshakes under way; whoever comes then waits in the system's line."""

FIRST_FRAMES = 4096
"""Bytes that a process may make us keep before it has shown who it is."""

PROGRAM = 64
"""Letters that are kept of what a process says it runs."""

NO_ROOM = 1.0
"""Seconds until the next try where the system has no descriptor left, which is not told by anything."""


class House(Overseer, Protocol):
    """What the porter needs of the broker at whose door he stands."""

    @property
    def loop(self) -> asyncio.AbstractEventLoop: ...

    def take_in(self, peer: Peer, /) -> bool: ...

    def number_of(self, home: asyncio.AbstractEventLoop, /) -> int: ...


class Porter:
    """Works on the broker's loop, which is the only one that calls it, but for `close_soon` and `gone`."""

    def __init__(self, broker: House, listener: socket.socket, token: bytes, deaths: Deaths) -> None:
        self._broker = broker
        self._loop = broker.loop
        self._listener = listener
        self._token = token
        self._deaths = deaths
        self._guests: set[asyncio.Task[bool]] = set()
        self._listens = False
        self._closed = False
        self._without_room: asyncio.TimerHandle | None = None
        self.handshakes = 0

    # ------------------------------------------------------------------ accepting

    def open(self) -> None:
        if not self._closed:
            self._listen(True)
            self._ending = _until_the_end(self)
            with contextlib.suppress(StopIteration):
                self._ending.__anext__().send(None)

    def close_soon(self) -> None:
        """From any thread."""
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self.close)

    def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        self._listen(False)
        if self._without_room is not None:
            self._without_room.cancel()
        self._listener.close()
        for guest in self._guests:
            guest.cancel()
        self._deaths.close()

    def _listen(self, listens: bool) -> None:
        if listens and not self._listens:
            self._loop.add_reader(self._listener, self._accept)
        elif self._listens and not listens:
            self._loop.remove_reader(self._listener)
        self._listens = listens

    def _accept(self) -> None:
        while len(self._guests) < AT_ONCE:
            try:
                with making:
                    sock, _ = self._listener.accept()
                    keep(sock)
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                if error.errno not in (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM):
                    raise
                self._broker.refuse("descriptors", f"there is no descriptor left ({error})")
                self._listen(False)
                self._without_room = self._loop.call_later(NO_ROOM, self._try_again)
                return
            sock.setblocking(False)
            guest = self._loop.create_task(self._receive(sock), name="aioconn handshake")
            self._guests.add(guest)
            guest.add_done_callback(functools.partial(self._received, sock))
        self._listen(False)

    def _try_again(self) -> None:
        self._without_room = None
        self._listen(True)

    def _received(self, sock: socket.socket, guest: asyncio.Task[bool]) -> None:
        self._guests.discard(guest)
        error = None if guest.cancelled() else guest.exception()
        if guest.cancelled() or error is not None or not guest.result():
            sock.close()
        if error is not None:
            self._broker.refuse("error", f"{type(error).__name__}: {error}")
        if not self._closed and self._without_room is None:
            self._listen(True)

    # ------------------------------------------------------------------ the handshake

    async def _receive(self, sock: socket.socket) -> bool:
        """Whether the socket is somebody else's now. A task that is cancelled may not even begin: it closes nothing."""
        try:
            async with asyncio.timeout(TIMEOUT):
                return await self._admit(sock)
        except TimeoutError:
            self._broker.refuse("silence", f"it did not end its handshake within {TIMEOUT:g} s")
        except BrokerRefused as error:
            self._broker.refuse("version", error.message)
            with contextlib.suppress(OSError):
                await self._send(sock, Refused(error.message))
        except BadFrame as error:
            self._broker.refuse("garbage", error.message)
        except OSError:
            pass  # it has gone
        return False

    async def _admit(self, sock: socket.socket) -> bool:
        origin = origin_of(sock)
        if origin.uid is not None and origin.uid != os.getuid():
            self._broker.refuse("user", f"it belongs to user {origin.uid}")
            return False
        inbox = Inbox("porter", FIRST_FRAMES)
        host = Host(self._token)
        hello = await self._next(sock, inbox)
        if hello is None:
            return False  # somebody looked whether there is anybody
        self.handshakes += 1
        if not isinstance(hello, Hello):
            raise BadFrame("a handshake begins with a greeting")
        await self._send(sock, host.challenge(hello))
        proof = await self._next(sock, inbox)
        if proof is None:
            return False  # it did not believe us
        if not isinstance(proof, Proof) or not host.believes(proof):
            self._broker.refuse("token", f"{_name(hello, origin)} does not know the token")
            await self._send(sock, Refused("the token is wrong"))
            return False
        return await self._take_in(sock, hello, origin)

    async def _next(self, sock: socket.socket, inbox: Inbox) -> Frame | None:
        """The one frame that is due now; None at the end."""
        while data := await self._loop.sock_recv(sock, FIRST_FRAMES):
            received = list(inbox.feed(data))
            if len(received) > 1 or (received and inbox.pending):
                raise BadFrame("more than it was asked for in a handshake")
            if received:
                return received[0]
        return None

    async def _send(self, sock: socket.socket, frame: Frame) -> None:
        await self._loop.sock_sendall(sock, encode(frame))

    async def _take_in(self, sock: socket.socket, hello: Hello, origin: Origin) -> bool:
        home, lease = self._home(hello.target)
        peer = Peer(
            self._broker,
            sock,
            pid=origin.pid or hello.pid,
            program=_program(hello),
            home=home,
            lease=lease,
        )
        if not self._broker.take_in(peer):
            peer.give_up()
            self._broker.refuse("wires", f"{_name(hello, origin)} has too many wires")
            await self._send(sock, Refused("too many wires of one process"))
            return False
        try:
            if origin.pid is not None:
                self._deaths.watch(origin.pid, peer.die)
            await self._send(sock, Welcome(self._broker.number_of(home)))
            peer.begin()
        except BaseException as error:
            peer.give_up()
            if isinstance(error, ProcessLookupError):
                return False
            raise
        return True

    def _home(self, target: Target | None) -> tuple[asyncio.AbstractEventLoop, HomeLease | None]:
        """The loop that a wire for `target` belongs to; that of the broker if it has none that runs."""
        home = home_of(self._broker.estate, target)
        if home is None or home is self._loop or not home.is_running():
            return self._loop, None
        lease = homes.lease_of(home)
        if lease is None and errands_at(home).closed:  # one of ours that is about to end
            return self._loop, None
        return home, lease

    def gone(self, peer: Peer) -> None:
        """A wire has ended. From any thread."""
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._deaths.unwatch, peer.pid, peer.die)


async def _until_the_end(porter: Porter) -> AsyncGenerator[None, None]:
    """A loop that ends closes its asynchronous generators, whoever ends it."""
    try:
        yield
    finally:
        porter.close()


def _name(hello: Hello, origin: Origin) -> str:
    return f"process {origin.pid or hello.pid} ({_program(hello)})"


def _program(hello: Hello) -> str:
    """What it says that it is, fit for logs and terminals."""
    return "".join(letter if letter.isprintable() else "?" for letter in hello.program[:PROGRAM]) or "?"
