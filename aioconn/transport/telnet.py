# SPDX-License-Identifier: Apache-2.0
"""Telnet (RFC 854), the client's side. The only module that knows telnetlib3.

The framing is ours: chunks without a command go straight to the receiver (telnetlib3 walks every byte in
Python, 45 ms per MB). What the options mean is telnetlib3's: whole commands are fed to its `TelnetWriter`,
whose answers leave at once and together. Nothing waits for a negotiation to end, because some servers never
end it, and others say nothing before every question is answered.

Line ends: what the caller writes as CR or as LF is sent as CR NUL, as the Return key of a telnet client does,
and CR LF stays CR LF (RFC 854 allows no bare CR; some servers take CR LF for two). In binary mode (RFC 856),
and while the peer has not sent a single telnet command, which is what a raw TCP console looks like, line ends
go out as they are. Received bytes are handed on as they are, CR NUL included.

Keepalive: a peer that has negotiated gets IAC NOP when neither side has said anything for so long. Nothing answers it,
but what stands on the way remembers the connection, and the system notices that nobody acknowledges it (`tcp.watch`),
or hears from a device that has restarted and knows of no connection. A raw TCP console gets no NOP, which would be
typed on it; there the system asks by itself. Neither finds a device whose system acknowledges what its telnet server
never reads: that shows at the next command.
"""

from __future__ import annotations

import asyncio
import logging
import re
import time
from typing import TYPE_CHECKING

from telnetlib3 import (
    CHARSET,
    COM_PORT_OPTION,
    LINEMODE,
    NAWS,
    NEW_ENVIRON,
    STATUS,
    TSPEED,
    TTYPE,
    XDISPLOC,
    TelnetWriter,
)

from aioconn.errors import Phase
from aioconn.transport.base import Progress, Receiver, Stream, Terminal
from aioconn.transport.tcp import open_tcp

if TYPE_CHECKING:
    from aioconn.transport.ssh import SshLink  # telnet alone does not pay for importing asyncssh

logger = logging.getLogger(__name__)

IAC = b"\xff"
NOP = b"\xff\xf1"
_IAC, _SE, _SB, _WILL, _DONT = 255, 240, 250, 251, 254
_DATA, _COMMAND, _OPTION, _SUB, _SUB_IAC = range(5)
_LINE_END = re.compile(rb"\r\n|\r\x00|\r|\n")
SUBNEGOTIATION_LIMIT = 16 * 1024


class TelnetStream(Stream):
    """Telnet over a lower stream, whose receiver it is."""

    def __init__(self, receiver: Receiver, terminal: Terminal, *, keepalive: float = 0.0) -> None:
        self._receiver = receiver
        self._terminal = terminal
        self._keepalive = keepalive
        self._lower: Stream | None = None
        self._outbox = bytearray()
        self._state = _DATA
        self._command = bytearray()
        self._writer: TelnetWriter | None = None  # made when the peer's first command comes: 16 KiB
        self._timer: asyncio.TimerHandle | None = None
        self._last = 0.0  # when a byte last passed, while the timer runs
        self._ending = False

    def attach(self, lower: Stream) -> None:
        """The stream below is open."""
        self._lower = lower
        self._flush()
        self._start_timer()

    # From below

    def data_received(self, data: bytes) -> None:
        if self._timer is not None:
            self._last = time.monotonic()
        if self._state == _DATA and IAC not in data:
            self._receiver.data_received(data)
            return
        plain = self._parse(data)
        self._flush()
        if plain:
            self._receiver.data_received(plain)

    def connection_lost(self, error: Exception | None) -> None:
        self._stop_timer()
        self._receiver.connection_lost(error)

    def _parse(self, data: bytes) -> bytes:
        """Take the commands out of `data`; they may begin or end in other chunks."""
        plain: list[bytes] = []
        position, end = 0, len(data)
        while position < end:
            if self._state == _DATA:
                at = data.find(IAC, position)
                if at < 0:
                    plain.append(data[position:])
                    break
                plain.append(data[position:at])
                position = at + 1
                self._state = _COMMAND
                continue
            if self._state == _SUB:
                at = data.find(IAC, position)
                self._collect(data[position : at if at >= 0 else end])
                if at < 0:
                    break
                position = at + 1
                self._state = _SUB_IAC
                continue
            byte = data[position]
            position += 1
            if self._state == _COMMAND:
                if byte == _IAC:
                    plain.append(IAC)
                    self._state = _DATA
                elif byte == _SB:
                    self._command = bytearray((_IAC, _SB))
                    self._state = _SUB
                elif _WILL <= byte <= _DONT:
                    self._command = bytearray((_IAC, byte))
                    self._state = _OPTION
                else:
                    self._state = _DATA  # go-ahead, NOP, data mark and the like mean nothing to us
            elif self._state == _OPTION:
                self._command.append(byte)
                self._negotiate()
            elif byte == _SE:
                self._command += bytes((_IAC, _SE))
                self._negotiate()
            else:
                # A doubled IAC is one in the data; anything else after it is a broken peer, and ends nothing.
                self._collect(bytes((_IAC, byte)))
                self._state = _SUB
        return b"".join(plain)

    def _collect(self, data: bytes) -> None:
        if len(self._command) + len(data) <= SUBNEGOTIATION_LIMIT:
            self._command += data

    def _negotiate(self) -> None:
        """Let telnetlib3 answer one whole command."""
        self._state = _DATA
        command, self._command = self._command, bytearray()
        writer = self._writer = self._writer or self._make_writer()
        try:
            for byte in command:
                writer.feed_byte(bytes((byte,)))
        except Exception as error:
            # What a peer sends must not end the session; what it asked for in this way stays unanswered.
            logger.debug("telnet command %s is not understood: %s", command.hex(" "), error)
            writer.iac_received = None
            writer.cmd_received = None
        self._start_timer()

    def _make_writer(self) -> TelnetWriter:
        writer = TelnetWriter(_Outbox(self._outbox), None, client=True)
        terminal = self._terminal
        writer.compression = False
        # Line editing on our side, and knobs of a serial port, are nothing that a script can use.
        writer.always_wont |= {LINEMODE, XDISPLOC, CHARSET, STATUS}
        writer.always_dont |= {COM_PORT_OPTION, CHARSET, STATUS}
        writer.set_ext_send_callback(TTYPE, lambda: terminal.term)
        size = _without_iac(terminal.rows), _without_iac(terminal.columns)
        writer.set_ext_send_callback(NAWS, lambda: size)
        writer.set_ext_send_callback(TSPEED, lambda: (38400, 38400))
        writer.set_ext_send_callback(NEW_ENVIRON, lambda keys: {})
        return writer

    def _flush(self) -> None:
        if self._outbox and self._lower is not None:
            self._lower.write(bytes(self._outbox))
            self._outbox.clear()

    # Keepalive

    def _start_timer(self) -> None:
        if not self._keepalive or self._ending or self._timer is not None:
            return
        if self._writer is not None and self._lower is not None:
            self._last = time.monotonic()
            self._timer = asyncio.get_running_loop().call_later(self._keepalive, self._on_timer)

    def _on_timer(self) -> None:
        if self._lower is None:
            return
        wait = self._last + self._keepalive - time.monotonic()
        if wait <= 0:
            self._lower.write(NOP)
            wait = self._keepalive
        self._timer = asyncio.get_running_loop().call_later(wait, self._on_timer)

    def _stop_timer(self) -> None:
        self._ending = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    # From above

    def write(self, data: bytes) -> None:
        if self._lower is None:
            return
        if self._timer is not None:
            self._last = time.monotonic()
        if self._writer is not None and not self._writer.outbinary:
            data = _LINE_END.sub(_line_end, data)
        self._lower.write(data.replace(IAC, IAC + IAC))

    def pause_reading(self) -> None:
        if self._lower is not None:
            self._lower.pause_reading()

    def resume_reading(self) -> None:
        if self._lower is not None:
            self._lower.resume_reading()

    async def close(self) -> None:
        self._stop_timer()
        if self._lower is not None:
            await self._lower.close()

    def abort(self) -> None:
        self._stop_timer()
        if self._lower is not None:
            self._lower.abort()


def _line_end(match: re.Match[bytes]) -> bytes:
    return match[0] if len(match[0]) == 2 else b"\r\x00"


def _without_iac(number: int) -> int:
    """The nearest number below that is sent without a byte 255: BusyBox's telnetd (1.35) takes a doubled one
    for two bytes of the window's size, and the byte left over for something typed."""
    while IAC in number.to_bytes(2, "big"):
        number -= 1
    return number


class _Outbox(asyncio.Transport):
    """The transport that telnetlib3 answers to: collects, for one write below."""

    def __init__(self, buffer: bytearray) -> None:
        super().__init__()
        self._buffer = buffer

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self._buffer += data

    def is_closing(self) -> bool:
        return False

    def close(self) -> None:
        """A request to log out is not followed."""


async def open_telnet(
    host: str,
    port: int,
    receiver: Receiver,
    *,
    device: str,
    path: str,
    terminal: Terminal,
    tunnel: SshLink | None,
    progress: Progress,
    keepalive: float = 0.0,
) -> Stream:
    """A telnet stream, directly or through an SSH link. Raises `HostUnknown` or `HostUnreachable`.

    It returns as soon as the connection stands. When cancelled nothing is left, and `receiver` hears nothing.
    `keepalive` is the silence, in seconds, after which the peer gets a NOP; 0 is never.
    """
    stream = TelnetStream(receiver, terminal, keepalive=keepalive)
    if tunnel is None:
        lower = await open_tcp(
            host, port, stream, device=device, path=path, progress=progress, keepalive=keepalive
        )
        stream.attach(lower)
    else:
        progress.phase = Phase.TCP
        stream.attach(await tunnel.open_tcp(host, port, stream))
    progress.phase = Phase.LOGIN
    return stream
