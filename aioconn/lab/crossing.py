# SPDX-License-Identifier: Apache-2.0
"""One connection through a proxy: two sockets, and a lane for each direction. Timers of the loop move it, no task."""

from __future__ import annotations

import asyncio
import math
import random
from collections import deque
from collections.abc import Callable
from typing import Any, cast

from aioconn.lab.cable import hard_reset, plug, unplug
from aioconn.lab.weather import Ending, Weather

WINDOW = 64 * 1024  # bytes that a lane holds before its sender has to wait
SLICE = 0.02  # seconds of a limited rate that leave together

Item = bytes | memoryview | None  # data, or one of these
_FIN, _RST = b"", None


class Lane:
    """One direction: takes what its source sends and gives it to its sink when the weather lets it."""

    def __init__(self, crossing: Crossing, weather: Weather, lot: random.Random) -> None:
        self.weather = weather
        self.passed = 0  # bytes given to the sink
        self.source: End
        self.sink: End
        self._crossing = crossing
        self._loop = asyncio.get_running_loop()
        self._lot = lot
        self._queue: deque[tuple[float, Item]] = deque()
        self._queued = 0
        self._gone = 0  # bytes passed or lost
        self._over = False  # whatever comes is lost
        self._stalled = False
        self._idle_until = 0.0
        self._next_turn = False  # the next piece leaves in the next turn of the loop
        self._timer: asyncio.TimerHandle | None = None

    def change(self, weather: Weather) -> None:
        """From the next byte on, this weather."""
        self.weather = weather
        self._stalled = False
        self._idle_until = 0.0
        self.pump()

    def take(self, item: Item) -> None:
        """Data from the source, or its end."""
        if self._over:
            return
        weather = self.weather
        due = 0.0
        if weather.delay or weather.jitter:
            due = self._loop.time() + weather.delay + weather.jitter * self._lot.random()
        self._queue.append((due, item))
        if item:
            self._queued += len(item)
            if self._queued >= WINDOW:
                self.source.hold(True)
        self.pump()

    def pump(self) -> None:
        """Move on what may move; called for each arrival, timer and change."""
        self._stop_timer()
        if self._next_turn:
            return
        while not self._over and not self._crossing.unplugged and self._crossing.complete:
            if self._struck():
                return
            if not self._queue or self.sink.full:
                return
            now = self._loop.time()
            weather = self.weather
            if weather.stall and not self._stalled and self._gone >= weather.stall_at:
                self._stalled = True
                self._idle_until = now + weather.stall
            due, item = self._queue[0]
            if (wait := max(due, self._idle_until) - now) > 0:
                if wait != math.inf:
                    self._timer = self._loop.call_later(wait, self.pump)
                return
            if not item:
                self._queue.popleft()
                self._crossing.reset() if item is _RST else self.sink.tell_end()
                return
            self._give(item[: self._size(len(item))], now)
            if weather.piece and not weather.interval:
                self._next_turn = True
                self._loop.call_soon(self._turn)
                return

    def _turn(self) -> None:
        self._next_turn = False
        self.pump()

    def finish(self) -> None:
        """Whatever else comes is lost."""
        self._over = True
        self._stop_timer()
        self._queue.clear()
        self._queued = 0
        self.source.hold(False)

    def _struck(self) -> bool:
        """Play the ending whose time has come; whether there is nothing more to do."""
        weather = self.weather
        if weather.end is None or self._gone < weather.end_at:
            return False
        if weather.end in (Ending.BLACK_HOLE, Ending.TRUNCATE):
            end = self._queue[-1] if self._queue and not self._queue[-1][1] else None
            self._gone += self._queued
            self._queued = 0
            self._queue.clear()
            self.source.hold(False)
            if weather.end is Ending.BLACK_HOLE or end is None:
                return True
            self._queue.append(end)
            return False
        if not self.sink.full:  # the bytes before it go first
            if weather.end is Ending.RESET:
                self._crossing.reset()
            elif weather.end is Ending.FIN:
                self._crossing.finish()
            else:
                self.finish()
                self.sink.tell_end()
        return True

    def _size(self, most: int) -> int:
        """How many of the bytes at hand may leave together."""
        weather = self.weather
        if weather.end is not None and weather.end_at > self._gone:
            most = min(most, weather.end_at - self._gone)
        if weather.stall and weather.stall_at > self._gone:
            most = min(most, weather.stall_at - self._gone)
        if weather.rate:
            most = min(most, max(1, int(weather.rate * SLICE)))
        return min(most, weather.piece) if weather.piece else most

    def _give(self, data: bytes | memoryview, now: float) -> None:
        due, item = self._queue[0]
        assert item is not None
        if len(data) == len(item):
            self._queue.popleft()
        else:
            self._queue[0] = due, memoryview(item)[len(data) :]
        self._queued -= len(data)
        self._gone += len(data)
        self.passed += len(data)
        if self.weather.rate:
            self._idle_until = max(self._idle_until, now) + len(data) / self.weather.rate
        if self.weather.piece:
            self._idle_until = max(self._idle_until, now + self.weather.interval)
        self._crossing.count(self, len(data))
        self.sink.write(data)
        if self._queued < WINDOW:
            self.source.hold(False)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


class End(asyncio.Protocol):
    """One of the two sockets. It reads nothing before both are there."""

    def __init__(self, crossing: Crossing) -> None:
        self.full = False  # what was written has not all been taken by the system
        self.lost = False
        self.incoming: Lane
        self.outgoing: Lane
        self.transport: asyncio.Transport | None = None
        self._opening: asyncio.Transport | None = None
        self._crossing = crossing
        self._held = True
        self._heard_end = False
        self._told_end = False

    # asyncio's protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._opening = cast(asyncio.Transport, transport)
        self._opening.set_write_buffer_limits(high=0)
        if hasattr(transport, "max_size"):
            cast(Any, transport).max_size = WINDOW
        self._opening.pause_reading()

    def data_received(self, data: bytes) -> None:
        self.incoming.take(data)

    def eof_received(self) -> bool:
        self._heard_end = True
        self.incoming.take(_FIN)
        return not self._told_end

    def pause_writing(self) -> None:
        self.full = True

    def resume_writing(self) -> None:
        self.full = False
        self.outgoing.pump()

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost = True
        self.transport = self._opening = None
        if exc is not None:
            self.incoming.take(_RST)
        self.outgoing.finish()
        self._crossing.left(self)

    # the lanes' side

    def begin(self) -> None:
        """Its opening has returned. uvloop does not bear that a transport is aborted before."""
        self.transport, self._opening = self._opening, None

    def write(self, data: bytes | memoryview) -> None:
        if self.transport is not None:
            self.transport.write(data)

    def hold(self, held: bool) -> None:
        """Read nothing for now, or again."""
        if held == self._held or self.transport is None or self.transport.is_closing():
            return
        self._held = held
        if held:
            self.transport.pause_reading()
        else:
            self.transport.resume_reading()

    def tell_end(self) -> None:
        """Send FIN; the socket is closed when both sides have."""
        if self._told_end or self.transport is None:
            return
        self._told_end = True
        try:
            self.transport.write_eof()
        except OSError:
            pass  # it was reset, and its end will be told
        if self._heard_end:
            self.transport.close()

    def end(self, *, reset: bool) -> None:
        """Close the socket now."""
        if self.transport is None:
            return
        if reset:
            hard_reset(self.transport)
        else:
            self.transport.abort()

    @property
    def socket(self) -> Any:
        return self.transport.get_extra_info("socket") if self.transport is not None else None


class Crossing:
    """A connection through the proxy. `near` is the client's socket, `far` the server's."""

    def __init__(
        self,
        to_client: Weather,
        to_server: Weather,
        *,
        drawn: bool,
        seed: float,
        on_end: Callable[[Crossing], None],
        count: Callable[[bool, int], None],
    ) -> None:
        lot = random.Random(seed)
        self.drawn = drawn  # the weather is its own
        self.unplugged = False
        self.begun = False  # somebody cares for the client's socket
        self.reaching = False  # the server's socket is connecting
        self.over = False
        self.to_client = Lane(self, to_client, lot)
        self.to_server = Lane(self, to_server, lot)
        self.near, self.far = End(self), End(self)
        self.near.incoming = self.far.outgoing = self.to_server
        self.far.incoming = self.near.outgoing = self.to_client
        self.to_server.source = self.to_client.sink = self.near
        self.to_client.source = self.to_server.sink = self.far
        self._on_end = on_end
        self._count = count

    @property
    def complete(self) -> bool:
        """Whether both sockets were there once."""
        return all(end.transport is not None or end.lost for end in (self.near, self.far))

    def begin_near(self) -> None:
        """The client is there."""
        self.near.begin()

    def begin_far(self) -> None:
        """The server is there as well; data may flow."""
        self.far.begin()
        if self.over:
            self.far.end(reset=True)
            return
        if self.unplugged:
            self.unplug()
        for lane in (self.to_client, self.to_server):
            lane.source.hold(False)
            lane.pump()

    def left(self, end: End) -> None:
        """A socket is closed; the other one hears of it through its lane, or never."""
        other = self.far if end is self.near else self.near
        if other.transport is None:
            self.over = True
            for lane in (self.to_client, self.to_server):
                lane.finish()
            self._on_end(self)

    def count(self, lane: Lane, size: int) -> None:
        self._count(lane is self.to_client, size)

    def change(self, *, to_client: Weather, to_server: Weather) -> None:
        for lane, weather in ((self.to_client, to_client), (self.to_server, to_server)):
            if weather is not lane.weather:
                lane.change(weather)

    def finish(self) -> None:
        """Tell both sides of an orderly end; what they still send is lost."""
        for lane in (self.to_client, self.to_server):
            lane.finish()
        for end in (self.near, self.far):
            end.tell_end()

    def reset(self) -> None:
        self.cut(reset=True)

    def cut(self, *, reset: bool = False) -> None:
        """Close both sockets now."""
        self.over = True
        for lane in (self.to_client, self.to_server):
            lane.finish()
        for end in (self.near, self.far):
            end.end(reset=reset or self.unplugged)

    def unplug(self) -> None:
        self.unplugged = True
        for end in (self.near, self.far):
            if end.socket is not None:
                unplug(end.socket)

    def plug(self) -> None:
        self.unplugged = False
        for end in (self.near, self.far):
            if end.socket is not None:
                plug(end.socket)
        for lane in (self.to_client, self.to_server):
            lane.pump()
