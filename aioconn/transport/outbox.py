# SPDX-License-Identifier: Apache-2.0
"""What asyncssh writes, in as few pieces as it can leave in, and as soon as it can.

A write is a system call, which takes longer than all that Python does for a packet; and waiting for the end of a turn
of the loop takes half as long as that. So a packet leaves at once, unless more are about to follow it.
"""

from __future__ import annotations

import asyncio
from typing import Any


class Outbox:
    """Stands between asyncssh's connection and its transport (a socket, or a channel of a jump host).

    Whoever is about to write several times, in one callback, sets `holding`, and calls `flush` at the end. Where nobody
    knows that more will come and it often does, `gathers`: what is written in one turn of the loop leaves at its end.
    """

    __slots__ = ("_held", "_loop", "_transport", "gathers", "holding")

    def __init__(self, loop: asyncio.AbstractEventLoop, transport: Any) -> None:
        self._loop = loop
        self._transport = transport
        self._held: list[bytes] = []
        self.holding = False
        self.gathers = False

    def flush(self) -> None:
        """Send what is held, and hold no more."""
        self.holding = False
        held = self._held
        if held:
            data = b"".join(held) if len(held) > 1 else held[0]
            held.clear()
            self._send(data)

    def _send(self, data: bytes) -> None:
        try:
            self._transport.write(data)
        except (OSError, RuntimeError):  # it is closing, or over (uvloop); its end will be told
            pass

    # the transport, as far as asyncssh uses it

    def write(self, data: bytes) -> None:
        if not self.holding:
            if not self.gathers:
                self._send(data)
                return
            self.holding = True
            self._loop.call_soon(self.flush)
        self._held.append(data)

    def abort(self) -> None:
        self.flush()  # why it ends
        self._transport.abort()

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return self._transport.get_extra_info(name, default)
