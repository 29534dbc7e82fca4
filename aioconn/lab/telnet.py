# SPDX-License-Identifier: Apache-2.0
"""The telnet side of a lab: one light protocol object for each session (RFC 854, 855, 1073)."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, cast

from aioconn.home.descriptors import keep
from aioconn.lab.login import login
from aioconn.lab.player import Player

if TYPE_CHECKING:
    from aioconn.lab.device import LabDevice

IAC, DONT, DO, WONT, WILL, SB, SE = 255, 254, 253, 252, 251, 250, 240
ECHO, SGA, TTYPE, NAWS = 1, 3, 24, 31
# what Cisco IOS offers and asks when a session begins
OPENING = bytes((IAC, WILL, ECHO, IAC, WILL, SGA, IAC, DO, TTYPE, IAC, DO, NAWS))
BUFFER = 1024  # bytes: what people type is short, and there may be ten thousand of them
SUBNEGOTIATION = 256  # bytes of one that are kept


class Options:
    """Takes the option negotiation out of a stream, whatever its split. Plain data passes untouched."""

    __slots__ = ("_asked", "_state", "_sub", "_verb", "replies", "size")

    def __init__(self) -> None:
        self._state = 0  # 0 data, 1 after IAC, 2 after a verb, 3 in a subnegotiation, 4 after IAC in one
        self._verb = 0
        self._sub = bytearray()
        self._asked: set[tuple[int, int]] | None = None
        self.replies = bytearray()
        self.size: tuple[int, int] | None = None

    def data(self, data: bytes) -> bytes:
        """The data in `data`. What is to be answered goes to `replies`, a window size to `size`."""
        if not self._state and IAC not in data:
            return data
        out = bytearray()
        for byte in data:
            state = self._state
            if state == 0:
                if byte == IAC:
                    self._state = 1
                else:
                    out.append(byte)
            elif state == 1:
                if byte == IAC:
                    out.append(byte)
                    self._state = 0
                elif byte in (DO, DONT, WILL, WONT):
                    self._verb = byte
                    self._state = 2
                elif byte == SB:
                    self._sub.clear()
                    self._state = 3
                else:  # NOP, AYT, BRK, IP and the like
                    if byte == 244:
                        out.append(3)
                    elif byte == 246:
                        self.replies += b"\r\n[Yes]\r\n"
                    self._state = 0
            elif state == 2:
                self._negotiate(self._verb, byte)
                self._state = 0
            elif state == 3:
                if byte == IAC:
                    self._state = 4
                elif len(self._sub) < SUBNEGOTIATION:
                    self._sub.append(byte)
            elif byte == SE:
                self._state = 0
                self._subnegotiated()
            else:
                self._sub.append(byte)
                self._state = 3
        return bytes(out)

    def _negotiate(self, verb: int, option: int) -> None:
        if self._asked is None:
            self._asked = set()
        if (
            verb,
            option,
        ) in self._asked:  # an option is answered once, or two sides may never stop (RFC 1143)
            return
        self._asked.add((verb, option))
        if verb == DO and option not in (ECHO, SGA):
            self.replies += bytes((IAC, WONT, option))
        elif verb == WILL and option == TTYPE:
            self.replies += bytes((IAC, SB, TTYPE, 1, IAC, SE))
        elif verb == WILL and option == SGA:
            self.replies += bytes((IAC, DO, option))
        elif verb == WILL and option != NAWS:
            self.replies += bytes((IAC, DONT, option))

    def _subnegotiated(self) -> None:
        if len(self._sub) >= 5 and self._sub[0] == NAWS:
            self.size = (self._sub[1] << 8 | self._sub[2], self._sub[3] << 8 | self._sub[4])


class TelnetSession(asyncio.BufferedProtocol):
    """One telnet session of a device."""

    __slots__ = ("_buffer", "_device", "_loop", "_options", "_player", "_transport")

    def __init__(self, device: LabDevice, loop: asyncio.AbstractEventLoop) -> None:
        self._device = device
        self._loop = loop
        self._buffer = bytearray(BUFFER)
        self._options = Options()
        self._player: Player | None = None
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport = cast("asyncio.Transport", transport)  # uvloop's transports are no subclasses
        self._transport = transport
        if (sock := transport.get_extra_info("socket")) is not None:
            keep(sock)
        device = self._device
        device.connections[self] = None
        if device.faults.half_open:
            return
        self._player = Player(device, self, self._loop)
        if device.negotiates:
            transport.write(OPENING)
        self._player.shell.start(login(self._player.shell))
        self._player.play()

    def get_buffer(self, sizehint: int) -> bytearray:
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        if self._player is None:
            return
        options = self._options
        data = options.data(bytes(self._buffer[:nbytes]))
        if options.replies and self._transport is not None:
            self._transport.write(bytes(options.replies))
            options.replies.clear()
        if options.size is not None:
            self._player.shell.resize(options.size[0])
            options.size = None
        if data:
            self._player.feed(data)

    def eof_received(self) -> bool:
        return False

    def pause_writing(self) -> None:
        if self._player is not None:
            self._player.pause()

    def resume_writing(self) -> None:
        if self._player is not None:
            self._player.resume()

    def connection_lost(self, exc: Exception | None) -> None:
        self._device.connections.pop(self, None)
        if self._player is not None:
            self._player.lost()

    @property
    def stays(self) -> bool:
        """A console's line has nothing to do with what the device does."""
        return self._device.console

    def write_output(self, data: bytes) -> None:
        """Write what the shell says; 255 in data is doubled (RFC 854)."""
        if self._transport is not None:
            self._transport.write(data.replace(b"\xff", b"\xff\xff") if b"\xff" in data else data)

    def finish(self, *, reset: bool) -> None:
        if self._transport is None:
            return
        if reset:
            self._device.reset(self._transport)
        else:
            self._transport.close()
