# SPDX-License-Identifier: Apache-2.0
"""A device's own listener in front of a server that somebody else's library runs behind a socket in the file system.

So its connections are counted as sessions, and can be refused, broken and cut at once, as those of other protocols.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aioconn.lab.device import LabDevice

GARBAGE = b"\x00\xff this is no HTTP/2 \x07\r\n" * 8


class Front(asyncio.Protocol):
    """One connection of a peer; bytes go through unchanged, as fast as the slower side takes them."""

    def __init__(self, device: LabDevice, behind: str) -> None:
        self._device = device
        self._behind = behind
        self._loop = asyncio.get_running_loop()
        self._peer: asyncio.Transport | None = None
        self._back: _Back | None = None
        self._task: asyncio.Task[None] | None = None
        self._sent = 0

    # ------------------------------------------------------------------ from the peer

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._peer = transport
        device = self._device
        device.enter(self)
        device.connections[self] = None
        faults = device.faults
        if device.full:
            device.refusals += 1
            self.end(reset=True)
        elif faults.garbage:
            transport.write(GARBAGE)
            transport.close()
        elif faults.half_open or faults.silent:
            transport.pause_reading()
        else:
            transport.pause_reading()  # until there is somebody to tell
            self._task = self._loop.create_task(self._reach())

    async def _reach(self) -> None:
        try:
            _, self._back = await self._loop.create_unix_connection(lambda: _Back(self), self._behind)
        except OSError:
            self.end(reset=True)
            return
        if self._peer is not None:
            self._peer.resume_reading()
        else:
            self._back.end()

    def data_received(self, data: bytes) -> None:
        if self._back is not None:
            self._back.write(data)

    def eof_received(self) -> bool:
        return False

    def pause_writing(self) -> None:
        if self._back is not None:
            self._back.pause()

    def resume_writing(self) -> None:
        if self._back is not None:
            self._back.resume()

    def connection_lost(self, exc: Exception | None) -> None:
        self._peer = None
        self._device.leave(self)
        self._device.connections.pop(self, None)
        if self._task is not None:
            self._task.cancel()
        if self._back is not None:
            self._back.end()

    # ------------------------------------------------------------------ to the peer

    def write(self, data: bytes) -> None:
        if self._peer is None:
            return
        limit = self._device.faults.reset_after
        left = len(data) if limit is None else max(0, limit - self._sent)
        self._sent += len(data)
        self._peer.write(data[:left])
        if left < len(data):
            self.end(reset=True)

    def pause(self) -> None:
        if self._peer is not None:
            self._peer.pause_reading()

    def resume(self) -> None:
        if self._peer is not None and not self._peer.is_closing():
            self._peer.resume_reading()

    def end(self, *, reset: bool = False) -> None:
        """End the connection from the device's side."""
        if self._peer is None:
            return
        if reset:
            self._device.reset(self._peer)
        else:
            self._peer.close()

    def finish(self, *, reset: bool) -> None:
        self.end(reset=reset)


class _Back(asyncio.Protocol):
    """The connection to the server behind."""

    def __init__(self, front: Front) -> None:
        self._front = front
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._front.write(data)

    def pause_writing(self) -> None:
        self._front.pause()

    def resume_writing(self) -> None:
        self._front.resume()

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._front.end()

    def write(self, data: bytes) -> None:
        if self._transport is not None:
            self._transport.write(data)

    def pause(self) -> None:
        if self._transport is not None:
            self._transport.pause_reading()

    def resume(self) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.resume_reading()

    def end(self) -> None:
        if self._transport is not None:
            self._transport.abort()
