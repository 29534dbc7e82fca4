# SPDX-License-Identifier: Apache-2.0
"""Which event loop a device lives on."""

from __future__ import annotations

import asyncio
from typing import Literal, get_args

from aioconn.errors import LoopMismatch, UsageError
from aioconn.home import HomeLease, homes, watch

LoopKind = Literal["caller", "own", "shared"]


def home_of(home: asyncio.AbstractEventLoop | None, what: str) -> asyncio.AbstractEventLoop:
    """The loop to carry a call to, which is the running one if the call is at home. Raises `LoopMismatch` where the
    home loop does not run (any more): nothing could come back from there."""
    running = asyncio.get_running_loop()
    if home is None or home is running:
        return running
    if not home.is_running():
        raise LoopMismatch(
            f"the home loop of {what}, {id(home):#x}, does not run; called from loop {id(running):#x}",
            hint="call it while that loop runs, or give the device a loop of its own (loop='own')",
        )
    return home


class Residence:
    """A device's home loop, from its first connection to the end of its last.

    `caller`: the loop that connects first. `own`: a loop in a thread of its own. `shared`: the one loop thread of all
    devices that ask for it. A device behind a jump host lives where that one lives: links do not cross loops.
    """

    def __init__(self, device: str, kind: LoopKind = "caller") -> None:
        if kind not in get_args(LoopKind):
            raise UsageError(f"loop {kind!r} is none of {', '.join(get_args(LoopKind))}", device=device)
        self._device = device
        self.kind: LoopKind = kind
        self.loop: asyncio.AbstractEventLoop | None = None
        self._lease: HomeLease | None = None

    def claim(self, *, vacant: bool, neighbour: Residence | None = None) -> asyncio.AbstractEventLoop:
        """The home loop, found or started. `vacant`: nothing of the device lives there now, it may move."""
        if self.loop is None or self.loop.is_closed() or (vacant and self._lease is None):
            self.loop = self._settle(neighbour)
        return home_of(self.loop, self._device)

    def _settle(self, neighbour: Residence | None) -> asyncio.AbstractEventLoop:
        if neighbour is not None:
            return neighbour.claim(vacant=neighbour.loop is None)
        if self.kind == "caller":
            running = asyncio.get_running_loop()
            watch(running)  # so that calls from elsewhere hear of its end
            return running
        self._lease = homes.own(self._device) if self.kind == "own" else homes.shared()
        return self._lease.loop

    def leave(self) -> None:
        """Nothing of the device is open any more: its thread ends when nobody else needs it."""
        lease, self._lease = self._lease, None
        if lease is not None:
            self.loop = None
            lease.release()
