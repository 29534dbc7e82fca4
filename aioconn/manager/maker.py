# SPDX-License-Identifier: Apache-2.0
"""What is asked for by a name, a path and arguments, made of what the device, the path and the defaults say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from aioconn.admission import Admission
from aioconn.connection import BaseConnection
from aioconn.errors import InvalidAlias
from aioconn.manager.aliases import Connection, Fingerprint
from aioconn.manager.defaults import Defaults
from aioconn.manager.target import Target
from aioconn.path import Path
from aioconn.pool import pool_type
from aioconn.request import Request
from aioconn.wrapping import Wrappers


class Maker:
    """Makes the connections of one device, and opens none. Raises what is wrong with the request, nothing else."""

    __slots__ = ("_admission", "_name", "_wrappers", "defaults")

    def __init__(self, device: str, defaults: Defaults, admission: Admission, wrappers: Wrappers) -> None:
        self._name = device
        self._admission = admission
        self._wrappers = wrappers
        self.defaults = defaults

    def alias(self, alias: str | None, device: Target) -> str:
        """The alias that is asked for. Raises `InvalidAlias`."""
        alias = self.defaults.checked_alias(alias, device=self._name)
        if device.owns_name(alias):
            raise InvalidAlias(f"the device already has something called {alias!r}", device=self._name)
        return alias

    def paths(self, via: str | Sequence[str] | None, device: Target) -> list[Path]:
        """Those to try, in order. Raises `UnknownPath`."""
        return self.defaults.chosen(via, device.paths, device=self._name)

    def make(
        self,
        device: Target,
        alias: str,
        path: Path,
        cls: type[BaseConnection[Any]] | str | None,
        arguments: Mapping[str, Any],
        pooling: tuple[int | None, float | None],
    ) -> tuple[Connection, Fingerprint]:
        kind = self.defaults.class_of(path, cls, device=self._name)
        self._wrappers.complete(path.name)
        merged = {**self.defaults.arguments, **arguments}
        request = Request(
            device=self._name,
            alias=alias,
            path=path,
            arguments=merged,
            credentials=device.credentials.under(path.credentials),
            platform=device.platform_hint,
            listeners=device.listeners,
            environment=self._admission,
            wrappers=self._wrappers,
        )
        size, wait = pooling
        fingerprint = (kind, path.name, size, wait, tuple(sorted(merged.items(), key=lambda item: item[0])))
        if size is None:
            return kind(request), fingerprint
        return pool_type(kind)(kind, request, self._admission, size=size, timeout=wait), fingerprint
