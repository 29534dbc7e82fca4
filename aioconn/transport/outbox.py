# SPDX-License-Identifier: Apache-2.0
"""What asyncssh writes, in as few pieces as it can leave in.

asyncssh puts an empty packet ahead of each one that it encrypts, in a write of its own, and a login is a dozen of them.
A write is a system call, which takes longer than all that Python does for a packet.
"""

from __future__ import annotations

import asyncio
from typing import Any


class Outbox:
    """Stands between asyncssh's connection and its transport (a socket, or a channel of a jump host).

    What is written in one turn of the loop leaves at the end of it; `hold` and `flush` send at once what is written
    in between.
    """

    __slots__ = ("_held", "_holding", "_loop", "_transport")

    def __init__(self, loop: asyncio.AbstractEventLoop, transport: Any) -> None:
        self._loop = loop
        self._transport = transport
        self._held: list[bytes] = []
        self._holding = False

    def hold(self) -> None:
        """`flush()` is about to be called, in the same callback."""
        self._holding = True

    def flush(self) -> None:
        """Send what is held."""
        self._holding = False
        held = self._held
        if held:
            data = b"".join(held) if len(held) > 1 else held[0]
            held.clear()
            try:
                self._transport.write(data)
            except (OSError, RuntimeError):  # it is closing, or over (uvloop); its end will be told
                pass

    # the transport, as far as asyncssh uses it

    def write(self, data: bytes) -> None:
        if not self._held and not self._holding:
            self._loop.call_soon(self.flush)
        self._held.append(data)

    def abort(self) -> None:
        self.flush()  # why it ends
        self._transport.abort()

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return self._transport.get_extra_info(name, default)
