# SPDX-License-Identifier: Apache-2.0
"""The same call on many devices of a testbed. Each gives a result, in the order in which they were asked for."""

from __future__ import annotations

import contextlib
import functools
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

from aioconn.errors import AioconnError
from aioconn.results import Result, Results
from aioconn.testbed.device import Device

if TYPE_CHECKING:
    from aioconn.workers.crew import Workers

Call = Literal["connect", "execute", "configure"]


class Round:
    """One call: `connect`, or a service and what it is to do. `timeout` bounds each device, `deadline` all; seconds."""

    def __init__(
        self, call: Call, what: Any, *, timeout: float, deadline: float | None = None, via: str | None = None
    ) -> None:
        self._what = what
        self._keys: dict[str, Any] = {"timeout": timeout, "via": via}
        # that clock is one for all processes
        end = None if deadline is None else time.monotonic() + deadline
        self._part = functools.partial(part, call=call, end=end)

    async def over(
        self, devices: Sequence[Device], *, limit: int, workers: int | Literal["auto"] | Workers = 1
    ) -> Results[Any]:
        """What came of it. A cancellation ends what is under way; devices that are connected by then stay so here."""
        from aioconn.workers.spread import spread

        results = spread(
            devices, self._what, workers=workers, limit=limit, how=self._part, keep=workers == 1, **self._keys
        )
        async with contextlib.aclosing(results):
            found = {result.device: result async for result in results}
        return Results({device.name: found[device.name] for device in devices})


async def part(
    device: Any,
    what: Any,
    /,
    *,
    timeout: float,
    via: str | None,
    keep: bool,
    call: Call,
    end: float | None,
) -> Result[Any]:
    """One device's part, in whatever process; over at `end` (`time.monotonic`) at the latest."""
    started = time.monotonic()
    left = timeout if end is None else min(timeout, end - started)
    value, failure, opened = None, None, False
    try:
        if left <= 0:
            raise AioconnError("its turn did not come before the deadline", device=device.name)
        if call == "connect":
            value = await device.connect(via=via, timeout=left)
        else:
            if not device.connected:
                opened = True
                await device.connect(timeout=left)
                left = max(left - (time.monotonic() - started), 0.001)
            service = device.execute if call == "execute" else device.configure
            value = await service(what, timeout=left)
    except Exception as error:
        failure = error
    finally:
        if opened and not keep and device.connected:
            await device.disconnect()
    return Result(device=device.name, value=value, error=failure, elapsed=time.monotonic() - started)
