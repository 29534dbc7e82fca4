# SPDX-License-Identifier: Apache-2.0
"""Between a command line and its stream: tells when so many bytes have passed, and holds what follows for a while."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

from aioconn.protocols.cli import CliConnection
from aioconn.protocols.shell import Shell
from aioconn.transport.base import Stream
from tests.desync.clock import JumpingLoop

Fire = Callable[[], object]


class Gate:
    """One direction. `arm(n, fire, turns, delay)`: call `fire` when exactly n more bytes have passed.

    The rest follows at once, or after so many turns of the loop, or after so many seconds; nothing overtakes it.
    """

    def __init__(self, onward: Callable[[bytes], None]) -> None:
        self.passed = 0
        self._onward = onward
        self._fire: Fire | None = None
        self._at = 0
        self._turns = 0
        self._delay = 0.0
        self._held: deque[bytes] | None = None

    def arm(self, count: int, fire: Fire, *, turns: int, delay: float) -> None:
        self._fire, self._at = fire, self.passed + count
        self._turns, self._delay = turns, delay
        if not count:
            self._fire_now()

    def disarm(self) -> None:
        self._fire = None

    def put(self, data: bytes) -> None:
        if self._held is not None:
            self._held.append(data)
            return
        if self._fire is not None and self.passed + len(data) >= self._at:
            first = self._at - self.passed
            self._pass(data[:first])
            self._fire_now()
            data = data[first:]
            if self._held is not None:
                self._held.append(data)
                return
        self._pass(data)

    def _pass(self, data: bytes) -> None:
        if data:
            self.passed += len(data)
            self._onward(data)

    def _fire_now(self) -> None:
        fire, self._fire = self._fire, None
        assert fire is not None
        fire()
        if self._turns or self._delay:
            self._held = deque()
            self._wait(self._turns)

    def _wait(self, turns: int) -> None:
        loop = asyncio.get_running_loop()
        if turns:
            loop.call_soon(self._wait, turns - 1)
        elif self._delay:
            delay, self._delay = self._delay, 0.0
            loop.call_later(delay, self._wait, 0)
        else:
            self.open()

    def open(self) -> None:
        """Let go what is held."""
        held, self._held = self._held or (), None
        for data in held:
            self._pass(data)


class Tap(Stream):
    """The stream of a shell, both ways through a gate."""

    def __init__(self, shell: Shell, stream: Stream) -> None:
        self._stream = stream
        self._lost = shell.connection_lost
        self.to_us = Gate(shell.data_received)
        self.to_device = Gate(stream.write)
        shell.data_received = self.to_us.put  # type: ignore[method-assign]
        shell.connection_lost = self._end  # type: ignore[method-assign]
        shell.attach(self)

    def write(self, data: bytes) -> None:
        self.to_device.put(data)

    def pause_reading(self) -> None:
        self._stream.pause_reading()

    def resume_reading(self) -> None:
        self._stream.resume_reading()

    async def close(self) -> None:
        self.to_device.open()
        await self._stream.close()

    def abort(self) -> None:
        self._stream.abort()

    def _end(self, error: Exception | None) -> None:
        self.to_us.open()
        self._lost(error)


class TappedConnection(CliConnection):
    """A command line with a tap in it."""

    tap: Tap

    async def _open(self) -> None:
        loop = asyncio.get_running_loop()
        if isinstance(loop, JumpingLoop):  # names and keys are the business of threads
            with loop.in_real_time():
                await super()._open()
        else:
            await super()._open()
        assert self._line is not None
        shell = self._line.shell
        assert shell._stream is not None
        self.tap = Tap(shell, shell._stream)
