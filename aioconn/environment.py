# SPDX-License-Identifier: Apache-2.0
"""What connections and pools may ask of whoever made them: their device's manager."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from aioconn.exclusive import ConfigureOrder, Exclusivity


class Environment(Protocol):
    """What a connection asks of its device's manager."""

    @property
    def home(self) -> asyncio.AbstractEventLoop | None:
        """The loop that the device lives on now; None if that is not settled."""
        ...

    @property
    def exclusivity(self) -> Exclusivity | None:
        """Who may work on the device now; None if that is settled elsewhere."""
        ...

    @property
    def whole(self) -> Exclusivity | None:
        """The same for what needs the device for itself, also where a pool keeps the order among its own calls."""
        ...

    @property
    def configures(self) -> ConfigureOrder | None:
        """The order among those who configure the device."""
        ...

    @property
    def links(self) -> Any:
        """The SSH links that sessions share; None if each has its own."""
        ...

    async def admit(self, connection: Any) -> None:
        """Wait until the device can bear one more session and login; raises LimitReached."""
        ...

    async def admit_login(self, connection: Any) -> None:
        """Wait until the device can bear one more login; at once for a session that was admitted with one."""
        ...

    def admitted(self, connection: Any) -> bool:
        """Whether `admit` has let it in."""
        ...

    def opened(self, connection: Any) -> None:
        """The work of the attempt is done, or it has failed: the next one may begin. May be called again."""
        ...

    def leaving(self, connection: Any) -> None:
        """The session is being closed; `leave` follows."""
        ...

    def leave(self, connection: Any) -> None:
        """The session that was admitted is gone. A plain function; unadmitted ones may be named as well."""
        ...

    def crowd(self) -> str:
        """Who holds the sessions that a connection waits for, in one line."""
        ...

    def crowded(self, connection: Any, error: BaseException) -> bool:
        """The device refused one more session, with `error`. True if that means to wait for another one to end."""
        ...

    def attempted(self, connection: Any, error: BaseException | None) -> None:
        """An attempt to open has ended, well or not."""
        ...

    def lost(self, connection: Any, error: BaseException, lived: float) -> None:
        """The other side ended a session `lived` seconds after it was opened."""
        ...

    def device_gone(self, connection: Any, error: BaseException) -> None:
        """The device ends everything that it has open: all other sessions are lost, noticed or not."""
        ...

    def device_back(self) -> None:
        """It can be reached again, and what its paths have suffered is over."""
        ...

    async def await_attempt(self, connection: Any, until: float) -> None:
        """Wait until the path may be tried. Raises CircuitOpen at once if that is not before `until` (loop time)."""
        ...

    def tries_again(self, connection: Any, error: BaseException, until: float) -> bool:
        """Whether, after an attempt that ended with `error`, another one is due before `until`."""
        ...

    async def jump(self, connection: Any) -> Any:
        """The link through which this connection's path goes (an SSH link), or None."""
        ...


class Alone:
    """The environment of a connection without a manager: no limits, no jump hosts."""

    home: asyncio.AbstractEventLoop | None = None
    exclusivity = None
    whole = None
    configures = None
    links = None

    async def admit(self, connection: Any) -> None: ...

    async def admit_login(self, connection: Any) -> None: ...

    def admitted(self, connection: Any) -> bool:
        return True

    def opened(self, connection: Any) -> None: ...

    def leaving(self, connection: Any) -> None: ...

    def leave(self, connection: Any) -> None: ...

    def crowd(self) -> str:
        return ""

    def crowded(self, connection: Any, error: BaseException) -> bool:
        return False

    def attempted(self, connection: Any, error: BaseException | None) -> None: ...

    def lost(self, connection: Any, error: BaseException, lived: float) -> None: ...

    def device_gone(self, connection: Any, error: BaseException) -> None: ...

    def device_back(self) -> None: ...

    async def await_attempt(self, connection: Any, until: float) -> None: ...

    def tries_again(self, connection: Any, error: BaseException, until: float) -> bool:
        return False

    async def jump(self, connection: Any) -> None: ...


class PoolEnvironment(Environment, Protocol):
    """What a pool asks of its device's manager beside what its sessions ask."""

    @property
    def rivals(self) -> Collection[object]:
        """Those who wait for a place on the device; the same object always. While it is empty, nothing needs to be
        given up for anybody."""
        ...

    def claim(self, connection: Any, granted: Callable[[], None]) -> None:
        """Ask for a place for one more session; `granted` is called once, now or later."""
        ...

    def withdraw(self, connection: Any) -> None:
        """Ask no longer, or give back what was granted."""
        ...

    def yields(self, connection: Any, *, wanted: bool) -> bool:
        """Whether a session should be given up for another pool's sake; `wanted`: somebody waits for it here."""
        ...

    def yielding(self, connection: Any) -> None:
        """The session is being given up for another group."""
        ...

    def attempt(self, connection: Any) -> bool:
        """Begin an attempt to open, if the path may be tried now."""
        ...

    def retry(self, connection: Any) -> tuple[float, Callable[[], BaseException]]:
        """The loop time from which the path may be tried again, and the error for who cannot wait that long."""
        ...


class Inside:
    """The environment of a pool's sessions: the manager's, without the order that the pool keeps itself."""

    exclusivity = None

    def __init__(self, outer: PoolEnvironment, left: Callable[[Any], None]) -> None:
        self._outer = outer
        self._left = left

    @property
    def home(self) -> asyncio.AbstractEventLoop | None:
        return self._outer.home

    @property
    def whole(self) -> Any:
        return self._outer.exclusivity

    @property
    def configures(self) -> Any:
        return self._outer.configures

    @property
    def links(self) -> Any:
        return self._outer.links

    async def admit(self, connection: Any) -> None:
        await self._outer.admit(connection)

    async def admit_login(self, connection: Any) -> None:
        await self._outer.admit_login(connection)

    def admitted(self, connection: Any) -> bool:
        return self._outer.admitted(connection)

    def opened(self, connection: Any) -> None:
        self._outer.opened(connection)

    def leaving(self, connection: Any) -> None:
        self._outer.leaving(connection)

    def leave(self, connection: Any) -> None:
        self._outer.leave(connection)
        self._left(connection)

    def crowd(self) -> str:
        return self._outer.crowd()

    def crowded(self, connection: Any, error: BaseException) -> bool:
        return self._outer.crowded(connection, error)

    def attempted(self, connection: Any, error: BaseException | None) -> None:
        self._outer.attempted(connection, error)

    def lost(self, connection: Any, error: BaseException, lived: float) -> None:
        self._outer.lost(connection, error, lived)

    def device_gone(self, connection: Any, error: BaseException) -> None:
        self._outer.device_gone(connection, error)

    def device_back(self) -> None:
        self._outer.device_back()

    async def await_attempt(self, connection: Any, until: float) -> None:
        await self._outer.await_attempt(connection, until)

    def tries_again(self, connection: Any, error: BaseException, until: float) -> bool:
        return False

    async def jump(self, connection: Any) -> Any:
        return await self._outer.jump(connection)
