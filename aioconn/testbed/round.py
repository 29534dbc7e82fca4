# SPDX-License-Identifier: Apache-2.0
"""The same call on many devices of a testbed. Each gives a result, in the order in which they were asked for."""

from __future__ import annotations

import contextlib
import functools
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

from aioconn.results import Results
from aioconn.testbed.device import Device
from aioconn.visits import Call, visit

if TYPE_CHECKING:
    from aioconn.workers.crew import Workers


class Round:
    """One call: `connect`, or a service and what it is to do. `timeout` bounds each device, `deadline` all; seconds."""

    def __init__(
        self, call: Call, what: Any, *, timeout: float, deadline: float | None = None, via: str | None = None
    ) -> None:
        self._what = what
        self._keys: dict[str, Any] = {"timeout": timeout, "via": via}
        # that clock is one for all processes
        end = None if deadline is None else time.monotonic() + deadline
        self._part = functools.partial(visit, call=call, end=end)

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
