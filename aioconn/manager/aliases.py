# SPDX-License-Identifier: Apache-2.0
"""The connections of a device by name."""

from __future__ import annotations

import contextlib
import contextvars
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

from aioconn.connection import BaseConnection
from aioconn.errors import UnknownAlias, nearest
from aioconn.pool import ConnectionPool

Connection = BaseConnection[Any] | ConnectionPool[Any]
Fingerprint = tuple[Any, ...]
"""What a connection was asked for with: the same again is the same connection."""


class Aliases:
    """Alias -> connection or pool, live or not. Changed at the device's home, read from any thread."""

    __slots__ = ("_connections", "_device", "_fingerprints", "_in_use")

    def __init__(self, device: str) -> None:
        self._device = device
        self._connections: dict[str, Connection] = {}
        self._fingerprints: dict[str, Fingerprint] = {}
        self._in_use: contextvars.ContextVar[str | None] = contextvars.ContextVar(
            f"aioconn alias of {device}", default=None
        )

    def __iter__(self) -> Iterator[Connection]:
        """The connections as they are now: others may be made or forgotten meanwhile."""
        return iter(list(self._connections.values()))

    def pools(self) -> list[ConnectionPool[Any]]:
        return [one for one in self if isinstance(one, ConnectionPool)]

    def view(self) -> Mapping[str, Connection]:
        """All of them as they are now, read-only."""
        return MappingProxyType(self._connections.copy())

    def find(self, alias: str) -> Connection | None:
        return self._connections.get(alias)

    def get(self, alias: str) -> Connection:
        """Raises `UnknownAlias`."""
        connection = self._connections.get(alias)
        if connection is None:
            raise UnknownAlias(
                f"no connection {alias!r}",
                device=self._device,
                hint=nearest(alias, list(self._connections)) if self._connections else "call connect()",
            )
        return connection

    def is_for(self, alias: str, fingerprint: Fingerprint) -> bool:
        """Whether that is what the alias was asked for with."""
        return self._fingerprints.get(alias) == fingerprint

    def keep(self, alias: str, connection: Connection, fingerprint: Fingerprint) -> None:
        self._connections[alias] = connection
        self._fingerprints[alias] = fingerprint

    def forget(self, alias: str, connection: Connection) -> None:
        """Unless another connection has the alias by now."""
        if self._connections.get(alias) is connection:
            del self._connections[alias], self._fingerprints[alias]

    # ------------------------------------------------------------------ the one that calls go to

    @property
    def in_use(self) -> str | None:
        """That of `using()` in this task."""
        return self._in_use.get()

    @contextlib.contextmanager
    def using(self, alias: str) -> Iterator[Connection]:
        """Within the block, and in this task only, calls of the device go to `alias`. Raises `UnknownAlias`."""
        connection = self.get(alias)
        token = self._in_use.set(alias)
        try:
            yield connection
        finally:
            self._in_use.reset(token)
