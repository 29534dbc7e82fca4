# SPDX-License-Identifier: Apache-2.0
"""A device in memory that knows the truth: who is on it, who logged in when, who was answered what.

It keeps all of its time on the loop's clock. `FakeConnection` is a connection class on it, with the hooks that a pool
calls; what it is to suffer stands in the device's `Weather`, which may be replaced at any time.
"""

from __future__ import annotations

import asyncio
import random
import weakref
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import aioconn
from aioconn.connection import BaseConnection, State, service
from aioconn.errors import (
    AuthenticationFailed,
    HostUnreachable,
    MissingValue,
    Phase,
    SessionBroken,
    SessionClosed,
    ShellRefused,
)
from aioconn.request import BaseOptions, Request
from tests.storm.clock import VirtualLoop

DEVICES: weakref.WeakValueDictionary[str, FakeDevice] = weakref.WeakValueDictionary()
"""Host -> device, for connections, which are made by a manager from what a testbed says."""

CLASS = f"{__name__}.FakeConnection"


@dataclass(frozen=True, slots=True, kw_only=True)
class Weather:
    """What a device does from now on. Times are virtual seconds; a share is the chance of each single case.

    unready          something that an opening needs is missing: it fails before anything was tried
    down             nothing accepts a connection
    silent           connections are accepted, and nothing is said
    wrong_password   no password is right
    vty_limit        sessions beyond it are refused
    connect, login   how long each part of an opening takes
    think            how long an answer takes
    goodbye          how long a polite close takes
    recovery         how long it takes to bring a session back in step
    lost_logins      share of openings that end in an error of the network, half-way
    failed_recovery  share of recoveries that do not succeed
    hung_recovery    share of recoveries that never end
    hung_goodbye     share of polite closes that never end
    failed_check     share of checks that do not succeed
    """

    unready: bool = False
    down: bool = False
    silent: bool = False
    wrong_password: bool = False
    vty_limit: int | None = None
    connect: float = 0.01
    login: float = 0.02
    think: float = 0.01
    goodbye: float = 0.01
    recovery: float = 0.1
    lost_logins: float = 0.0
    failed_recovery: float = 0.0
    hung_recovery: float = 0.0
    hung_goodbye: float = 0.0
    failed_check: float = 0.0


class Line:
    """One session, as the device sees it. Words come in, and go out in their order, each after a while."""

    __slots__ = (
        "alive",
        "connection",
        "device",
        "due",
        "heard",
        "idle_since",
        "inbox",
        "known_dead",
        "left",
        "mode",
        "number",
        "opened",
        "reader",
        "unanswered",
    )

    def __init__(self, device: FakeDevice, connection: FakeConnection, number: int) -> None:
        self.device = device
        self.connection = connection
        self.number = number
        self.alive = True
        self.heard = True  # the connection knows whether it lives
        self.left = False  # the connection has given it up
        self.known_dead = 0  # the turn of the loop in which the connection got to know
        self.mode = "exec"
        self.due = 0.0
        self.opened = 0.0  # when its login ended
        self.idle_since = 0.0  # when it was last used, proved or given back
        self.unanswered = 0
        self.inbox: deque[str] = deque()
        self.reader: asyncio.Future[None] | None = None

    def __repr__(self) -> str:
        return f"<Line {self.number} of {self.connection!r}>"

    def send(self, word: str) -> None:
        loop = asyncio.get_running_loop()
        self.unanswered += 1
        self.due = max(self.due, loop.time()) + self.device.weather.think
        loop.call_at(self.due, self._answer, word)

    def _answer(self, word: str) -> None:
        if self.alive:
            self.inbox.append(word)
            self.wake()

    def wake(self) -> None:
        if self.reader is not None and not self.reader.done():
            self.reader.set_result(None)

    async def receive(self) -> str:
        while not self.inbox:
            if not self.alive and self.heard:
                if self.connection.state is State.CLOSED:
                    raise SessionClosed("closed during the call", device=self.device.name)
                raise SessionBroken("the device closed the session", device=self.device.name)
            self.reader = asyncio.get_running_loop().create_future()
            await self.reader
        self.unanswered -= 1
        return self.inbox.popleft()

    def end(self, heard: bool) -> None:
        """The device gives the session up; `heard` if the other side gets to know."""
        self.alive = False
        self.heard = heard
        self.device.lines.pop(self, None)
        self.device.ghosts[self] = None
        if heard:
            asyncio.get_running_loop().call_soon(self.connection.hear_the_end, self)
            self.wake()


class FakeDevice:
    """Counts who is on it: `lines` live, `ghosts` ended, which those who had them may not know yet."""

    _count = 0

    def __init__(self, seed: int = 0, weather: Weather | None = None, **defaults: Any) -> None:
        FakeDevice._count += 1
        self.name = "r1"
        self.host = f"fake-{FakeDevice._count}"
        self.rng = random.Random(seed)
        self.weather = weather or Weather()
        self.lines: dict[Line, None] = {}
        self.ghosts: dict[Line, None] = {}
        self.peak = 0
        self.logins = 0
        self.attempts = 0
        self.refusals = 0
        self.rejections = 0
        self.attempt_times: deque[float] = deque(maxlen=4096)
        self.login_times: deque[float] = deque(maxlen=4096)
        self.last_login: dict[str, float] = {}  # of each alias
        self.recoveries: dict[Any, float] = {}
        self.openings: dict[Any, float] = {}
        self.attempting: dict[Any, float] = {}
        self.refusal_times: deque[float] = deque(maxlen=64)
        self.rejected_at = 0.0  # the last wrong password, and the last session that came about
        self.succeeded_at = 0.0
        self.goodbyes: dict[Any, float] = {}
        self.on_ask: Callable[[FakeConnection, str], None] = lambda connection, word: None
        self.on_attempt: Callable[[FakeConnection], None] = lambda connection: None
        self.on_answered: Callable[[FakeConnection, str], None] = lambda connection, word: None
        DEVICES[self.host] = self
        self.device = aioconn.Device(
            self.name,
            connections={
                "a": {"protocol": "fake", "host": self.host, "class": CLASS},
                "b": {"protocol": "fake", "host": self.host, "class": CLASS},
                "defaults": {"via": "a", **defaults},
            },
            credentials={"default": {"username": "me", "password": "hush"}},
        )

    def turn(self, **changes: Any) -> None:
        """Change the weather."""
        self.weather = replace(self.weather, **changes)

    def happens(self, share: float) -> bool:
        return share > 0 and self.rng.random() < share

    def enter(self, connection: FakeConnection) -> Line:
        """Take a line of the device. Raises what a device says that has none left."""
        limit = self.weather.vty_limit
        if limit is not None and len(self.lines) >= limit:
            self.refusals += 1
            self.refusal_times.append(asyncio.get_running_loop().time())
            raise ShellRefused("too many sessions", device=self.name, path=connection.via)
        self.logins += 1
        now = asyncio.get_running_loop().time()
        self.login_times.append(now)
        self.last_login[connection.alias] = now
        line = Line(self, connection, self.logins)
        self.lines[line] = None
        self.peak = max(self.peak, len(self.lines))
        return line

    def leave(self, line: Line) -> None:
        """The connection is gone, and whoever reads from it finds that out."""
        line.alive, line.heard, line.left = False, True, True
        line.wake()
        self.lines.pop(line, None)
        self.ghosts.pop(line, None)

    def kill(self, line: Line, *, heard: bool = True) -> None:
        line.end(heard)

    def kill_all(self, *, heard: bool = True) -> int:
        victims = list(self.lines)
        for line in victims:
            line.end(heard)
        return len(victims)


async def for_ever() -> None:
    await asyncio.get_running_loop().create_future()


class FakeConnection(BaseConnection[BaseOptions]):
    """A connection to a `FakeDevice`: `ask(word)` returns the word, unless the session is out of step."""

    _line: Line | None = None
    _ended: asyncio.Future[None] | None = None

    def __init__(self, request: Request) -> None:
        super().__init__(request)
        assert isinstance(self.path.host, str)
        self.server = DEVICES[self.path.host]

    @property
    def line(self) -> Line | None:
        """The session as the device sees it."""
        return self._line

    @property
    def number(self) -> int:
        """The session's number; 0 if there is none."""
        return self._line.number if self._line is not None else 0

    # ------------------------------------------------------------------ services

    @service
    async def ask(self, word: str, *, timeout: float | None = None) -> str:
        """One word there, one word back."""
        line, server = self._live(), self.server
        server.on_ask(self, word)
        try:
            line.send(word)
            return await line.receive()
        finally:
            server.on_answered(self, word)

    @service
    async def enter(self, mode: str, *, timeout: float | None = None) -> None:
        """Leave the session in another mode than it began in."""
        line = self._live()
        line.send(mode)
        await line.receive()
        line.mode = mode

    @service
    async def fail(self, *, timeout: float | None = None) -> None:
        """An error that leaves the session as it was."""
        self._live()
        raise ValueError("nothing to do with the session")

    # ------------------------------------------------------------------ the hooks of the template

    async def _open(self) -> None:
        server = self.server
        loop = asyncio.get_running_loop()
        if server.weather.unready:
            raise MissingValue("no password", **self._where())
        server.on_attempt(self)
        server.attempts += 1
        server.attempt_times.append(loop.time())
        server.attempting[self] = server.openings[self] = loop.time()
        try:
            self._progress.phase = Phase.TCP
            await asyncio.sleep(server.weather.connect)
            if server.weather.down:
                raise HostUnreachable("connection refused", **self._where())
            if server.weather.silent:
                await for_ever()
            self._progress.phase = Phase.AUTH
            line = self._line = server.enter(self)
            del server.openings[self]  # the device sees it from here on
            await asyncio.sleep(server.weather.login)
            if server.weather.wrong_password:
                server.rejections += 1
                raise AuthenticationFailed("permission denied", **self._where())
            if server.happens(server.weather.lost_logins) or not line.alive:
                raise HostUnreachable("reset by peer", **self._where())
            line.opened = line.idle_since = server.succeeded_at = loop.time()
        except AuthenticationFailed:
            server.rejected_at = loop.time()
            raise
        finally:
            del server.attempting[self]
            server.openings.pop(self, None)

    async def _close(self) -> None:
        server = self.server
        if self._line is not None and not self._line.left:
            loop = asyncio.get_running_loop()
            server.goodbyes[self] = loop.time()
            ended = self._ended = loop.create_future()
            if self._line.heard and not server.happens(server.weather.hung_goodbye):
                loop.call_later(server.weather.goodbye, self._end)
            try:
                await ended
            finally:
                del server.goodbyes[self]

    def _end(self) -> None:
        if self._ended is not None and not self._ended.done():
            self._ended.set_result(None)

    def _abort(self) -> None:
        if self._line is not None:
            self.server.leave(self._line)
            self._end()  # whoever waits for the end of the goodbye sees that the stream is gone

    def _needs_recovery(self, error: BaseException) -> bool:
        return self._line is not None and self._line.unanswered > 0

    async def _recover(self) -> bool:
        server, line = self.server, self._live()
        server.recoveries[self] = asyncio.get_running_loop().time()
        try:
            if server.happens(server.weather.hung_recovery):
                await for_ever()
            await asyncio.sleep(server.weather.recovery)
            if server.happens(server.weather.failed_recovery) or not line.alive:
                return False
            while line.unanswered:  # as an interrupt and a proof of the prompt would
                await line.receive()
            line.idle_since = asyncio.get_running_loop().time()
            return True
        finally:
            server.recoveries.pop(self, None)

    def _is_clean(self) -> bool:
        line = self._line
        return line is not None and not line.unanswered and line.mode == "exec"

    async def _reset(self) -> bool:
        server, line = self.server, self._live()
        server.recoveries[self] = asyncio.get_running_loop().time()
        try:
            if server.happens(server.weather.hung_recovery):
                await for_ever()
            await asyncio.sleep(server.weather.recovery)
            if server.happens(server.weather.failed_recovery):
                return False
            line.mode = "exec"
            line.idle_since = asyncio.get_running_loop().time()
            return self._is_clean() and line.alive
        finally:
            server.recoveries.pop(self, None)

    async def _check(self) -> bool:
        server, line = self.server, self._live()
        line.send("check")
        answer = await line.receive()
        line.idle_since = asyncio.get_running_loop().time()
        return answer == "check" and not server.happens(server.weather.failed_check)

    # ------------------------------------------------------------------ inside

    def hear_the_end(self, line: Line) -> None:
        """As a reader does that finds the end of the file."""
        if line is self._line:
            loop = asyncio.get_running_loop()
            line.known_dead = loop.ticks if isinstance(loop, VirtualLoop) else 1
            self._lost(None)

    def _live(self) -> Line:
        if self._line is None:
            raise SessionBroken("no session", **self._where())
        return self._line
