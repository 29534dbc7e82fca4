# SPDX-License-Identifier: Apache-2.0
"""A TCP proxy that stands between a client and a server and makes the weather on the way."""

from __future__ import annotations

import asyncio
import copy
import functools
import random
import socket
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

from aioconn.home.descriptors import keep, making
from aioconn.lab.cable import plug, unplug
from aioconn.lab.crossing import Crossing
from aioconn.lab.weather import CLEAR, Draw, Weather

BACKLOG = 1024
REACH_TIMEOUT = 30.0  # seconds until a server that does not answer counts as unreachable
TURNS = 20  # of the loop, more than any transport needs to tell its end


class Proxy:
    """Takes connections at `address` and `port`, and leads them to a server at `host` and `target`.

    `async with Proxy("127.0.0.1", device.telnet_port) as proxy`, or `start()` and `close()`. `to_client` and
    `to_server` may be replaced at any time, and living connections follow; `draw` decides for each new connection
    instead, with numbers from `seed`, and such a connection keeps what it got. With `half_open` new connections are
    accepted and lead nowhere.

    Everything belongs to the loop that started it; from elsewhere use its `call_soon_threadsafe`. `accepted` counts
    connections, `unreached` those that found no server, `bytes_to_client` and `bytes_to_server` what has passed.
    """

    def __init__(
        self,
        host: str,
        port: int,
        *,
        to_client: Weather = CLEAR,
        to_server: Weather = CLEAR,
        draw: Draw | None = None,
        seed: int = 0,
        half_open: bool = False,
    ) -> None:
        self.host = host
        self.target = port
        self.address = "127.0.0.1"
        self.port = 0
        self.draw = draw
        self.half_open = half_open
        self.accepted = 0
        self.unreached = 0
        self.bytes_to_client = 0
        self.bytes_to_server = 0
        self._to_client = to_client
        self._to_server = to_server
        self._lot = random.Random(seed)
        self._live: dict[Crossing, None] = {}
        self._joining: dict[Crossing, asyncio.Task[None]] = {}
        self._reserved: socket.socket | None = None
        self._listener: socket.socket | None = None
        self._unplugged = False
        self._closed = False

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def __repr__(self) -> str:
        way = f"{self.address}:{self.port} -> {self.host}:{self.target}"
        state = "closed" if self._closed else "refusing" if self._listener is None else "open"
        return f"<Proxy {way} {state}, {self.live} live of {self.accepted} accepted>"

    @property
    def live(self) -> int:
        """Connections that have a socket open on either side."""
        return len(self._live)

    @property
    def to_client(self) -> Weather:
        return self._to_client

    @to_client.setter
    def to_client(self, weather: Weather) -> None:
        self._to_client = weather
        self._changed()

    @property
    def to_server(self) -> Weather:
        return self._to_server

    @to_server.setter
    def to_server(self, weather: Weather) -> None:
        self._to_server = weather
        self._changed()

    # ------------------------------------------------------------------ life

    async def start(self) -> None:
        """Listen at a port that the system chooses; it stays ours until `close`."""
        # bound and never listening: while we refuse, nobody else can get the port
        self._reserved = self._bind(0)
        self.port = self._reserved.getsockname()[1]
        try:
            self.listen()
        except BaseException:
            self._reserved.close()
            raise

    def listen(self) -> None:
        """Accept connections again after `refuse`, at the same port."""
        if self._listener is not None or self._closed:
            return
        self._listener = self._bind(self.port)
        self._listener.setblocking(False)
        self._listener.listen(BACKLOG)
        if self._unplugged:
            unplug(self._listener)
        # asyncio's own server loses connections that are being accepted while it closes
        asyncio.get_running_loop().add_reader(self._listener.fileno(), self._accept, self._listener)

    def refuse(self) -> None:
        """Refuse new connections; those that live go on."""
        listener, self._listener = self._listener, None
        if listener is not None:
            asyncio.get_running_loop().remove_reader(listener.fileno())
            listener.close()

    async def close(self) -> None:
        """Close everything. All is cut before the first wait, so that a cancellation leaves nothing open."""
        self._closed = True
        self.refuse()
        if self._reserved is not None:
            self._reserved.close()
        self.cut()
        for crossing, task in self._joining.items():
            # the others are about to get a socket, and to see that it is too late
            if crossing.reaching:
                task.cancel()
        for _ in range(TURNS):
            if not self._live and not self._joining:
                break
            await asyncio.sleep(0)
        await asyncio.sleep(0)

    def cut(self, *, reset: bool = False) -> int:
        """End every living connection now, with FIN or with RST; the number of them."""
        victims = list(self._live)
        for crossing in victims:
            crossing.cut(reset=reset)
        return len(victims)

    def unplug(self) -> None:
        """From now on every packet vanishes, as if the cable were pulled: nothing is acknowledged, and whoever connects
        waits. Linux only, else OSError."""
        if self._listener is not None:
            unplug(self._listener)
        self._unplugged = True
        for crossing in self._live:
            crossing.unplug()

    def plug(self) -> None:
        """Undo `unplug`: connections that nobody has given up go on."""
        if not self._unplugged:
            return
        self._unplugged = False
        if self._listener is not None:
            plug(self._listener)
        for crossing in list(self._live):
            crossing.plug()

    # ------------------------------------------------------------------ for clients

    def through(self, testbed: Mapping[str, Any]) -> dict[str, Any]:
        """A copy of a testbed in which every path to our server leads through this proxy."""
        changed = copy.deepcopy(dict(testbed))
        for device in changed["devices"].values():
            for path in device["connections"].values():
                if (path.get("ip"), path.get("port")) == (self.host, self.target):
                    path["ip"], path["port"] = self.address, self.port
        return changed

    # ------------------------------------------------------------------ connections

    def _bind(self, port: int) -> socket.socket:
        with making:
            sock = socket.socket(proto=socket.IPPROTO_TCP)
            keep(sock)
        try:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            sock.bind((self.address, port))
        except BaseException:
            sock.close()
            raise
        return sock

    def _accept(self, listener: socket.socket) -> None:
        for _ in range(BACKLOG):
            try:
                with making:
                    sock = listener.accept()[0]
                    keep(sock)
            except OSError:  # nobody else is there for now
                return
            sock.setblocking(False)
            weather = (self._to_client, self._to_server) if self.draw is None else self.draw(self._lot)
            crossing = Crossing(
                *weather,
                drawn=self.draw is not None,
                seed=self._lot.random(),
                on_end=self._ended,
                count=self._count,
            )
            task = asyncio.get_running_loop().create_task(self._join(crossing, sock))
            self._joining[crossing] = task
            task.add_done_callback(functools.partial(self._joined, crossing, sock))

    async def _join(self, crossing: Crossing, sock: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        crossing.begun = True
        await loop.connect_accepted_socket(lambda: crossing.near, sock)
        crossing.begin_near()
        if self._closed:
            crossing.reset()
            return
        self.accepted += 1
        self._live[crossing] = None
        crossing.unplugged = self._unplugged
        if self.half_open:
            return
        with making:
            family = socket.AF_INET6 if ":" in self.host else socket.AF_INET
            far = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
            keep(far)
        far.setblocking(False)
        crossing.reaching = True
        try:
            async with asyncio.timeout(REACH_TIMEOUT):
                await loop.sock_connect(far, (self.host, self.target))
        except BaseException as error:
            far.close()
            if not isinstance(error, OSError):  # a TimeoutError is one
                raise
            self.unreached += 1
            crossing.reset()
            return
        finally:
            crossing.reaching = False
        await loop.create_connection(lambda: crossing.far, sock=far)
        crossing.begin_far()

    def _joined(self, crossing: Crossing, sock: socket.socket, task: asyncio.Task[None]) -> None:
        self._joining.pop(crossing, None)
        if not crossing.begun:  # cancelled before its first step
            sock.close()

    def _ended(self, crossing: Crossing) -> None:
        self._live.pop(crossing, None)

    def _changed(self) -> None:
        for crossing in [*self._live, *self._joining]:
            if not crossing.drawn:
                crossing.change(to_client=self._to_client, to_server=self._to_server)

    def _count(self, to_client: bool, size: int) -> None:
        if to_client:
            self.bytes_to_client += size
        else:
            self.bytes_to_server += size
