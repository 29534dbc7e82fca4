# SPDX-License-Identifier: Apache-2.0
"""Services that take longer than others, and those that need the device for themselves."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable, Coroutine
from typing import Any, Concatenate, ParamSpec, TypeVar

from aioconn.connection.serving import Serving
from aioconn.exclusive import ExclusiveWork, Exclusivity

P = ParamSpec("P")
R = TypeVar("R")
C = TypeVar("C", bound=Serving[Any])


class Lasting:
    """`@Lasting(seconds)` in place of `@service`: a service that may take so long if the caller names no `timeout`.

    With `alone` it waits, within that time, until everybody else has ended on the device, and keeps others out.
    """

    __slots__ = ("alone", "seconds")

    def __init__(self, seconds: float, *, alone: bool = False) -> None:
        self.seconds = seconds
        self.alone = alone

    def __call__(
        self, function: Callable[Concatenate[C, P], Coroutine[Any, Any, R]]
    ) -> Callable[Concatenate[C, P], Coroutine[Any, Any, R]]:
        @functools.wraps(function)
        async def call(connection: C, /, *args: P.args, **kwargs: P.kwargs) -> R:
            limit: Any = kwargs.get("timeout")
            limit = self.seconds if limit is None else limit
            if connection._is_to_be_wrapped():
                return await connection._wrapped(function, args, kwargs, limit, call)

            async def serve(left: float) -> R:
                return await connection._serve(function, args, {**kwargs, "timeout": left})

            whole = connection._request.environment.whole if self.alone else None
            if whole is None:
                return await serve(limit)
            connection._check_usable()
            return await alone(connection.device, whole, connection._home, limit, serve)

        call.__aioconn_service__ = "call"  # type: ignore[attr-defined]
        call.__aioconn_lasting__ = self  # type: ignore[attr-defined]
        return call


async def alone(
    device: str,
    whole: Exclusivity,
    home: Callable[[], Any],
    limit: float,
    work: Callable[[float], Coroutine[Any, Any, R]],
) -> R:
    """What `work(seconds that are left)` gives, with everybody else kept out. Raises `DeviceBusy`, `Deadlock`."""
    loop = asyncio.get_running_loop()
    until = loop.time() + limit
    async with ExclusiveWork(device, whole, home, limit):
        return await work(max(until - loop.time(), 0.001))
