# SPDX-License-Identifier: Apache-2.0
"""The pool of each connection class: it has the services of that class by name."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import AsyncIterator, Callable
from typing import Any, TypeVar

from aioconn.connection import BaseConnection
from aioconn.pool.pool import ConnectionPool
from aioconn.protocols.lasting import Lasting

C = TypeVar("C", bound=BaseConnection[Any])


@functools.cache
def pool_type(kind: type[C]) -> type[ConnectionPool[C]]:
    """A subclass of `ConnectionPool` for the class `kind`."""
    offered: dict[str, Any] = {"services": kind.services, "streams": kind.streams}
    for name in kind.services:
        if not hasattr(ConnectionPool, name):
            offered[name] = _offer(name, getattr(kind, name))
    for name in kind.streams:
        if not hasattr(ConnectionPool, name):
            offered[name] = _offer_stream(name, getattr(kind, name))
    for name in dir(kind):
        if getattr(getattr(kind, name, None), "__aioconn_service__", None) == "block":
            offered[name] = _offer_block(name, getattr(kind, name))
    return type(f"{kind.__name__}Pool", (ConnectionPool,), offered)


def _offer(name: str, original: Callable[..., Any]) -> Callable[..., Any]:
    lasting: Lasting | None = getattr(original, "__aioconn_lasting__", None)

    @functools.wraps(original)
    async def call(
        self: ConnectionPool[Any], /, *args: Any, timeout: float | None = None, **keys: Any
    ) -> Any:
        if lasting is not None:
            return await self._calls.call_lasting(name, lasting, args, keys, timeout)
        return await self._calls.call(name, args, keys, timeout)

    return call


def _offer_block(name: str, original: Callable[..., Any]) -> Callable[..., Any]:
    """What is to be entered, on a session that is lent for that long."""

    @contextlib.asynccontextmanager
    @functools.wraps(original)
    async def block(self: ConnectionPool[Any], /, *args: Any, **keys: Any) -> AsyncIterator[Any]:
        async with (
            self.acquire(timeout=keys.get("timeout")) as session,
            getattr(session, name)(*args, **keys),
        ):
            yield session

    return block


def _offer_stream(name: str, original: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    def stream(self: ConnectionPool[Any], /, *args: Any, **keys: Any) -> Any:
        return self._calls.stream(name, args, keys)

    return stream
