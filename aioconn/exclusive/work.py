# SPDX-License-Identifier: Apache-2.0
"""A block of code during which nobody else works on a device."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from aioconn.caller import Caller, here
from aioconn.errors import DeviceBusy
from aioconn.exclusive.exclusive import Exclusivity
from aioconn.exclusive.hold import Hold
from aioconn.home import call_at_home, carry_acquiring


class ExclusiveWork:
    """`async with device.exclusive():`; see `ConnectionManager.exclusive`. `home` finds the device's home loop."""

    __slots__ = ("_device", "_exclusivity", "_hold", "_home", "_timeout")

    def __init__(
        self,
        device: str,
        exclusivity: Exclusivity,
        home: Callable[[], asyncio.AbstractEventLoop],
        timeout: float,
    ) -> None:
        self._device = device
        self._exclusivity = exclusivity
        self._home = home
        self._timeout = timeout
        self._hold: Hold | None = None

    async def __aenter__(self) -> Hold:
        home = self._home()
        hold = self._hold = await carry_acquiring(home, self._take, Hold.release, here())
        hold.mark()
        return hold

    async def _take(self, caller: Caller) -> Hold:
        try:
            async with asyncio.timeout(self._timeout):
                return await self._exclusivity.take(caller=caller)
        except TimeoutError:
            raise DeviceBusy(
                f"not alone on the device within {self._timeout:g} s: {self._exclusivity.blockers()}",
                device=self._device,
            ) from None

    async def __aexit__(self, *_: object) -> None:
        hold, self._hold = self._hold, None
        if hold is not None:
            hold.unmark()
            call_at_home(self._home(), hold.release)
