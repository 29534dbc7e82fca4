# SPDX-License-Identifier: Apache-2.0
"""Where the connections of a device live, and when they have left."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import TypeVar

from aioconn.connection import State
from aioconn.errors import SessionClosed
from aioconn.exclusive import Exclusivity
from aioconn.home import carry
from aioconn.manager.aliases import Aliases
from aioconn.manager.openings import Openings
from aioconn.residence import Residence, undisturbed

T = TypeVar("T")


class Dwelling:
    """The residence of a device, and those who live in it. `neighbour()`: where its jump host lives, if it has one."""

    __slots__ = (
        "_aliases",
        "_exclusivity",
        "_leaves_soon",
        "_neighbour",
        "_openings",
        "residence",
    )

    def __init__(
        self,
        residence: Residence,
        aliases: Aliases,
        openings: Openings,
        exclusivity: Exclusivity,
        neighbour: Callable[[], Residence | None],
    ) -> None:
        self.residence = residence
        self._aliases = aliases
        self._openings = openings
        self._exclusivity = exclusivity
        self._neighbour = neighbour
        self._leaves_soon = False  # was to leave while somebody connected

    # ------------------------------------------------------------------ found

    def home(self) -> asyncio.AbstractEventLoop:
        """The loop to carry a call to; claimed by the first one. Raises LoopMismatch if it does not run."""
        if (here := self.residence.here) is not None:
            return here
        return self.residence.claim(vacant=self._vacant, neighbour=self._neighbour())

    def home_to_connect(self) -> asyncio.AbstractEventLoop:
        """The same for who opens something. If it is the running loop, nobody leaves it before `connected()`."""
        running = asyncio.get_running_loop()
        while (home := self.home()) is running and not self.residence.arrive():
            pass
        return home

    def claim_from_thread(self) -> asyncio.AbstractEventLoop:
        """The loop to bring a call to from a thread that runs none; found, or started in a thread of its own.

        Raises UsageError if the device is to live on a caller's loop and nothing has connected it yet.
        """
        if (home := self.residence.leased) is not None:
            return home
        return undisturbed(
            lambda: self.residence.claim_from_thread(vacant=self._vacant, neighbour=self._neighbour())
        )

    async def carry(self, home: asyncio.AbstractEventLoop, call: Callable[[], Coroutine[None, None, T]]) -> T:
        """What `call()` gives at home. If the device leaves that one while the call is still on its way there, the call
        is made again from here, and finds where the device lives next."""
        begun = False

        async def work() -> T:
            nonlocal begun
            begun = True
            return await call()

        try:
            return await carry(home, work)
        except SessionClosed:
            if begun or self.residence.loop is home:
                raise
        return await call()

    def _vacant(self) -> bool:
        """Whether nothing of the device lives there."""
        return not self._openings and all(connection.state is State.NEW for connection in self._aliases)

    # ------------------------------------------------------------------ left

    @property
    def quiet(self) -> bool:
        """Whether all connections are closed, and none is being opened."""
        return not self._openings and all(
            connection.state in (State.NEW, State.CLOSED) for connection in self._aliases
        )

    def connected(self) -> None:
        """Who got the running loop from `home_to_connect()` has ended, whatever came of it."""
        self.residence.depart()
        if self._leaves_soon:
            self.leave()

    def leave(self) -> None:
        """Once nothing lives there: nor anybody who keeps the device, or waits for it, and gives back at this loop."""
        exclusivity, home = self._exclusivity, self.residence.loop
        if home is None or home is not asyncio.get_running_loop():
            return  # it lives elsewhere by now
        self._leaves_soon = bool(self.residence.guests)  # which may open something here the very next moment
        if self._leaves_soon or not self.quiet:
            return
        for connection in self._aliases:
            if (closing := connection.closing) is not None:
                closing.add_done_callback(lambda _: self.leave())
                return
        if exclusivity.idle:
            self.residence.leave()
        else:
            exclusivity.on_idle = self.leave
