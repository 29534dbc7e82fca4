# SPDX-License-Identifier: Apache-2.0
"""The way on from a jump host of the lab: a channel on one side, a socket on the other.

asyncssh's own forwarding drops what the far side says before the channel stands (2.24). Devices speak first; on uvloop
that loses each of their greetings.
"""

from __future__ import annotations

import asyncio
from typing import Any, cast

import asyncssh
from asyncssh.constants import OPEN_CONNECT_FAILED

Carrier = asyncio.Transport | asyncssh.SSHTCPChannel[bytes]


class End(asyncio.Protocol):
    """One side; what is to be written before it is there waits. asyncssh calls it as it would its own sessions."""

    other: End

    def __init__(self) -> None:
        self._carrier: Carrier | None = None
        self._early = b""
        self._ended = False  # nothing more comes from here

    def connection_made(self, transport: Any) -> None:
        self._carrier = transport
        if self._early:
            transport.write(self._early)
        if self.other._ended:
            transport.write_eof()

    def session_started(self) -> None: ...

    def data_received(self, data: bytes, datatype: int | None = None) -> None:
        self.other.write(data)

    def eof_received(self) -> bool:
        self._ended = True
        self.other.write_eof()
        return not self.other._ended

    def pause_writing(self) -> None:
        if self.other._carrier is not None:
            self.other._carrier.pause_reading()

    def resume_writing(self) -> None:
        if self.other._carrier is not None:
            self.other._carrier.resume_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        self._carrier = None
        self.other.close()

    def write(self, data: bytes) -> None:
        if self._carrier is not None:
            self._carrier.write(data)
        else:
            self._early += data

    def write_eof(self) -> None:
        if self._carrier is not None:
            self._carrier.write_eof()

    def close(self) -> None:
        carrier, self._carrier = self._carrier, None
        if carrier is not None:
            carrier.close()


async def reach(loop: asyncio.AbstractEventLoop, host: str, port: int) -> Any:
    """The session for a channel that leads to `host`; close its `other` where no channel comes about. Raises
    `asyncssh.ChannelOpenError`."""
    near, far = End(), End()
    near.other, far.other = far, near
    try:
        await loop.create_connection(lambda: far, host, port)
    except OSError as error:
        raise asyncssh.ChannelOpenError(OPEN_CONNECT_FAILED, str(error)) from None
    return cast(Any, near)
