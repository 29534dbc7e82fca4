# SPDX-License-Identifier: Apache-2.0
"""A stream without a network, for tests: what the peer feeds arrives in the same call, what is written is
kept."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from aioconn.transport.base import Receiver, Stream


class MemoryPeer:
    """The device's end. `on_write` is called with each write, and may `feed()` the answer."""

    def __init__(self, on_write: Callable[[bytes], None] | None = None) -> None:
        self.written = b""
        self.on_write = on_write
        self._stream: MemoryStream | None = None
        self._unread = bytearray()

    def feed(self, data: bytes) -> None:
        """Send `data`; it waits while nobody has opened a stream or reading is paused."""
        self._unread += data
        self._deliver()

    def lose(self, error: Exception | None = None) -> None:
        """End the stream from the device's side. What was not read is lost."""
        self._unread.clear()
        if self._stream is not None:
            self._stream.end(error)

    @property
    def open(self) -> bool:
        return self._stream is not None and not self._stream.over

    def connect(self, stream: MemoryStream) -> None:
        self._stream = stream
        self._deliver()

    def take(self, data: bytes) -> None:
        self.written += data
        if self.on_write is not None:
            self.on_write(data)

    def _deliver(self) -> None:
        stream = self._stream
        while self._unread and stream is not None and not stream.paused and not stream.over:
            data = bytes(self._unread)
            self._unread.clear()
            stream.receiver.data_received(data)

    def resumed(self) -> None:
        self._deliver()


class MemoryStream(Stream):
    """Our end."""

    def __init__(self, peer: MemoryPeer, receiver: Receiver) -> None:
        self.receiver = receiver
        self.paused = False
        self.over = False
        self._peer = peer

    def write(self, data: bytes) -> None:
        if not self.over:
            self._peer.take(data)

    def pause_reading(self) -> None:
        self.paused = True

    def resume_reading(self) -> None:
        self.paused = False
        self._peer.resumed()

    async def close(self) -> None:
        self.end(None)

    def abort(self) -> None:
        if not self.over:
            self.over = True
            asyncio.get_running_loop().call_soon(self.receiver.connection_lost, None)

    def end(self, error: Exception | None) -> None:
        """Tell the receiver, once."""
        if not self.over:
            self.over = True
            self.receiver.connection_lost(error)


async def open_memory(peer: MemoryPeer, receiver: Receiver) -> Stream:
    """Connect `receiver` to `peer`; what was fed before arrives now."""
    stream = MemoryStream(peer, receiver)
    peer.connect(stream)
    return stream
