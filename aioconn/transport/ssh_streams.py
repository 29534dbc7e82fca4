# SPDX-License-Identifier: Apache-2.0
"""SSH channels as streams. Each is also asyncssh's session object: one object per channel, no copy on the
way."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import asyncssh

from aioconn.policy import CLOSE_TIMEOUT
from aioconn.transport.base import Receiver, Stream
from aioconn.transport.outbox import Outbox
from aioconn.transport.ssh_errors import broken

_LOG = logging.getLogger("asyncssh")

Channel = asyncssh.SSHClientChannel[bytes] | asyncssh.SSHTCPChannel[bytes]


class ChannelStream(Stream):
    """What a shell, a subsystem and a forwarded connection have in common."""

    def __init__(self, receiver: Receiver, outbox: Outbox | None, *, device: str, path: str) -> None:
        self._receiver: Receiver | None = receiver
        self._outbox = outbox
        self._device = device
        self._path = path
        self._channel: Channel | None = None
        self._closing = False
        self._closers: tuple[asyncio.Future[None], ...] = ()

    # asyncssh's session

    def connection_made(self, chan: Any) -> None:
        self._channel = chan
        chan.log_received_packet = self._log  # its own makes each message ready before it asks who wants it
        if self._receiver is None:
            chan.abort()  # discarded while it was being opened

    def data_received(self, data: bytes, datatype: int | None) -> None:
        if self._receiver is not None:
            self._receiver.data_received(data)

    def eof_received(self) -> bool:
        # A shell that sends no more is over; some servers wait for us to say so.
        if self._channel is not None:
            self._channel.close()
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        self._end(exc)

    def _log(self, pkttype: int, pktid: int | None, packet: Any, note: str = "") -> None:
        channel: Any = self._channel
        if channel is not None and _LOG.isEnabledFor(logging.DEBUG):
            type(channel).log_received_packet(channel, pkttype, pktid, packet, note)

    def _end(self, error: Exception | None) -> None:
        receiver, self._receiver = self._receiver, None
        self._channel = None
        for closer in self._closers:
            if not closer.done():
                closer.set_result(None)
        if receiver is not None:
            receiver.connection_lost(
                None if self._closing else broken(error, device=self._device, path=self._path)
            )

    # aioconn's stream

    def write(self, data: bytes) -> None:
        channel, outbox = self._channel, self._outbox
        if channel is None or outbox is None:
            return
        held = outbox.holding  # an answer to what is just arriving leaves with the rest of it
        outbox.holding = True
        try:
            channel.write(data)
        except OSError:  # it is closing, and its end will be told
            pass
        finally:
            if not held:
                outbox.flush()

    def pause_reading(self) -> None:
        if self._channel is not None:
            self._channel.pause_reading()

    def resume_reading(self) -> None:
        if self._channel is not None:
            self._channel.resume_reading()

    async def close(self) -> None:
        channel = self._channel
        if channel is None:
            return
        self._closing = True
        channel.close()
        loop = asyncio.get_running_loop()
        closer = loop.create_future()
        self._closers += (closer,)
        timer = loop.call_later(CLOSE_TIMEOUT, self.abort)  # which ends it as well
        try:
            await closer
        finally:
            timer.cancel()
            self.abort()

    def abort(self) -> None:
        if self._channel is None:
            return
        self._closing = True
        self._channel.abort()
        self._channel = None
        # The channel itself only ends when the peer agrees, which may be never.
        asyncio.get_running_loop().call_soon(self._end, None)

    def discard(self) -> None:
        """Abort what nobody got: its receiver hears nothing of it, now or when the channel opens late."""
        self._receiver = None
        if self._channel is not None:
            self._channel.abort()
            self._channel = None


class SessionStream(ChannelStream, asyncssh.SSHClientSession[bytes]):
    """A shell."""


class SubsystemStream(SessionStream):
    """A subsystem: what its program writes to its standard error is no part of the protocol."""

    def data_received(self, data: bytes, datatype: int | None) -> None:
        if datatype is None:
            super().data_received(data, datatype)


class ForwardStream(ChannelStream, asyncssh.SSHTCPSession[bytes]):
    """A TCP connection from the other end of the link."""
