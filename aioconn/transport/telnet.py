# SPDX-License-Identifier: Apache-2.0
"""Telnet over a lower stream: what `wire.telnet` understands, sent and received.

Answers to one chunk leave at once and together, and in front of what its receiver says to its data: one packet where
there would be two. Nothing waits for a negotiation to end, because some servers never end it, and others say nothing
before every question is answered. The options beyond the
usual are telnetlib3's (`telnet_options`), which is not loaded before a peer asks for one of them.

Keepalive: a peer that has negotiated gets IAC NOP when neither side has said anything for so long. Nothing answers it,
but what stands on the way remembers the connection, and the system notices that nobody acknowledges it (`tcp.watch`),
or hears from a device that has restarted and knows of no connection. A raw TCP console gets no NOP, which would be
typed on it; there the system asks by itself. Neither finds a device whose system acknowledges what its telnet server
never reads: that shows at the next command.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from aioconn.errors import Phase, SessionBroken
from aioconn.transport.base import Progress, Receiver, Stream, Terminal
from aioconn.transport.tcp import open_tcp
from aioconn.wire.telnet import TelnetClient

if TYPE_CHECKING:
    from aioconn.transport.ssh import SshLink  # telnet alone does not pay for importing asyncssh
    from aioconn.transport.telnet_options import HostOptions

NOP = b"\xff\xf1"
EOR, TSPEED, LFLOW, NEW_ENVIRON = 25, 32, 33, 39
HOST_OPTIONS = frozenset({EOR, TSPEED, LFLOW, NEW_ENVIRON})
# Bytes of answers, while nothing else is said and no second passes without one. A login takes some fifty; what an
# endless storm of requests is answered with stays in memory while the peer does not read.
ANSWER_LIMIT = 64 * 1024


class TelnetStream(Stream):
    """Telnet over a lower stream, whose receiver it is."""

    def __init__(
        self, receiver: Receiver, terminal: Terminal, *, device: str, path: str, keepalive: float = 0.0
    ) -> None:
        self._receiver: Receiver | None = receiver  # let go of at the end: the two hold each other
        self._device = device
        self._path = path
        self._keepalive = keepalive
        self._lower: Stream | None = None
        self._telnet = TelnetClient(
            term=terminal.term, rows=terminal.rows, columns=terminal.columns, elsewhere=HOST_OPTIONS
        )
        self._host_options: HostOptions | None = None
        self._outbox = b""  # answers that have not left yet
        self._answered = 0  # bytes of answers since the caller last wrote, or a second passed without any
        self._answered_at = 0.0
        self._error: SessionBroken | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._last = 0.0  # when a byte last passed, while the timer runs
        self._ending = False

    def attach(self, lower: Stream) -> None:
        """The stream below is open."""
        self._lower = lower
        if self._telnet.heard:  # before the way was open for our answers
            self._answer()
            self._flush()
            self._start_timer()

    # From below

    def data_received(self, data: bytes) -> None:
        if self._timer is not None:
            self._last = time.monotonic()
        plain = self._telnet.receive(data)
        if plain is not data:
            self._answer()
            self._start_timer()
        if plain and self._receiver is not None:
            self._receiver.data_received(plain)
        if self._outbox:
            self._flush()

    def connection_lost(self, error: Exception | None) -> None:
        self._stop_timer()
        self._lower = None
        receiver, self._receiver = self._receiver, None
        if receiver is not None:
            receiver.connection_lost(self._error or error)

    def _answer(self) -> None:
        if self._lower is None or self._ending:
            return
        answers = self._telnet.answers()
        for command in self._telnet.left():
            if self._host_options is None:
                from aioconn.transport.telnet_options import HostOptions

                self._host_options = HostOptions()
            answers += self._host_options.answer(command)
        now = time.monotonic()
        if now > self._answered_at + 1:  # devices that ask for a timing mark now and then may do so for weeks
            self._answered = 0
        self._answered_at = now
        self._answered += len(answers)
        if self._answered <= ANSWER_LIMIT:
            self._outbox += answers
            return
        self._error = SessionBroken(
            "the device negotiates telnet options without end", device=self._device, path=self._path
        )
        self.abort()

    def _flush(self) -> None:
        outbox, self._outbox = self._outbox, b""
        if outbox and self._lower is not None and not self._ending:
            self._lower.write(outbox)

    # Keepalive

    def _start_timer(self) -> None:
        if not self._keepalive or self._ending or self._timer is not None:
            return
        if self._telnet.heard and self._lower is not None:
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
        self._answered = 0
        data = self._telnet.encode(data)
        if self._outbox:
            outbox, self._outbox = self._outbox, b""
            data = outbox + data
        self._lower.write(data)

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
    stream = TelnetStream(receiver, terminal, device=device, path=path, keepalive=keepalive)
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
