# SPDX-License-Identifier: Apache-2.0
"""Plays a shell on a connection: writes, waits by timers of the loop, stops while the peer does not read."""

from __future__ import annotations

import asyncio
import math
from typing import Protocol

from aioconn.lab.device import LabDevice, Wire
from aioconn.lab.dialects import load
from aioconn.lab.login import login
from aioconn.lab.shell import Fate, Shell

BOOTED = b"\r\nBooting...\r\n\r\nPress RETURN to get started!\r\n\r\n"
TURN = 256 * 1024  # bytes that one session writes before others get a turn


class Terminal(Wire, Protocol):
    """What a player writes to."""

    @property
    def stays(self) -> bool:
        """Whether the connection outlives a restart of the device, as that of a console does."""
        ...

    def write_output(self, data: bytes) -> None: ...


class Player:
    """One live session. It has no task: timers and the transport's callbacks move it on."""

    __slots__ = ("_loop", "_paused", "_syslog", "_timer", "_waiting", "closed", "device", "shell", "wire")

    def __init__(
        self, device: LabDevice, wire: Terminal, loop: asyncio.AbstractEventLoop, *, user: str = ""
    ) -> None:
        self.device = device
        self.shell = Shell(device, device.next_identity(), load, user=user)
        self.wire = wire
        self.closed = False
        self._loop = loop
        self._timer: asyncio.TimerHandle | asyncio.Handle | None = None
        self._syslog: asyncio.TimerHandle | None = None
        self._waiting = False
        self._paused = False
        device.enter(self)

    @property
    def stays(self) -> bool:
        return self.wire.stays

    def feed(self, data: bytes) -> None:
        """What the peer typed."""
        if self.closed:
            return
        if self.shell.receive(data) and self._waiting:
            self._wake()
        elif not self._waiting:
            self.play()
        elif echo := self.shell.flush():
            self.wire.write_output(echo)

    def play(self) -> None:
        """Go on until there is nothing more to do for now."""
        written = 0
        shell = self.shell
        while not self._paused and not self.closed:
            step = shell.pull()
            if step is None:
                if shell.restarts:
                    self.device.restart()
                elif shell.fate is not Fate.OPEN:
                    self.end(reset=shell.fate is Fate.RESET)
                elif self._syslog is None and self.device.faults.syslog_interval:
                    self._schedule_syslog()
                return
            if isinstance(step, (int, float)):
                self._waiting = True
                if step != math.inf:
                    self._timer = self._loop.call_later(step, self._wake)
                return
            self.wire.write_output(step)
            written += len(step)
            if written >= TURN:
                self._waiting = True
                self._timer = self._loop.call_soon(self._wake)
                return

    def pause(self) -> None:
        """The peer reads too slowly."""
        self._paused = True
        self.shell.stalled()

    def resume(self) -> None:
        self._paused = False
        if not self._waiting:
            self.play()

    def end(self, *, reset: bool = False) -> None:
        """End the session from the device's side."""
        if not self.closed:
            self.lost()
            self.wire.finish(reset=reset)

    def restart(self) -> None:
        """The device starts anew, and the line stays: another session begins on it."""
        self._stop()
        self.shell = Shell(self.device, self.device.next_identity(), load)
        self._waiting = True
        self._timer = self._loop.call_later(self.device.boot, self._booted)

    def _booted(self) -> None:
        self.wire.write_output(BOOTED)
        self.shell.start(login(self.shell))
        self._wake()

    def lost(self) -> None:
        """The connection is gone, whoever ended it: nothing of the session stays behind."""
        if self.closed:
            return
        self.closed = True
        self._stop()
        self.device.leave(self)

    def _stop(self) -> None:
        for timer in (self._timer, self._syslog):
            if timer is not None:
                timer.cancel()
        self._timer = self._syslog = None

    def _wake(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._waiting = False
        self.play()

    def _schedule_syslog(self) -> None:
        self._syslog = self._loop.call_later(self.device.faults.syslog_interval, self._log)

    def _log(self) -> None:
        self._syslog = None
        if self.closed or not self.device.faults.syslog_interval:
            return
        if not self._paused:
            device = self.device
            self.wire.write_output(self.shell.announce(device.text(device.personality.syslog)))
        self._schedule_syslog()
