# SPDX-License-Identifier: Apache-2.0
"""What a device connects with, by which path and under which name, as far as the caller does not say."""

from __future__ import annotations

import keyword
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from aioconn.connection import BaseConnection
from aioconn.errors import InvalidAlias, UnknownPath, nearest
from aioconn.path import Path
from aioconn.policy import POOL_TIMEOUT
from aioconn.protocols.registry import class_for

DEFAULT_ALIAS = "default"
CLI_PROTOCOLS = ("ssh", "telnet", "command")


@dataclass(frozen=True, slots=True, kw_only=True)
class Defaults:
    """`connections.defaults`: what `connect()` does when it is not told. `device` is a name, for errors."""

    class_name: str | None = None
    alias: str = DEFAULT_ALIAS
    via: tuple[str, ...] = ()
    arguments: Mapping[str, Any] = field(default_factory=dict)
    pool_size: int | None = None
    pool_timeout: float | None = POOL_TIMEOUT

    def checked_alias(self, alias: str | None, *, device: str) -> str:
        """The alias that is asked for. Raises `InvalidAlias`."""
        alias = alias or self.alias
        if not alias.isidentifier() or keyword.iskeyword(alias):
            raise InvalidAlias(
                f"alias {alias!r} is no Python identifier", device=device, hint="letters, digits and _"
            )
        return alias

    def chosen(
        self, via: str | Sequence[str] | None, paths: Mapping[str, Path], *, device: str
    ) -> list[Path]:
        """Those of `paths` to try: the argument, the defaults, the only one, else the first for a command line.

        Raises `UnknownPath`.
        """
        if not paths:
            raise UnknownPath("the device has no connections", device=device)
        names = [via] if isinstance(via, str) else list(via or self.via)
        if not names:
            cli = [name for name, path in paths.items() if (path.protocol or "ssh") in CLI_PROTOCOLS]
            names = [cli[0] if cli and len(paths) > 1 else next(iter(paths))]
        for name in names:
            if name not in paths:
                raise UnknownPath(f"no path {name!r}", device=device, hint=nearest(name, paths))
        return [paths[name] for name in names]

    def class_of(
        self, path: Path, cls: type[BaseConnection[Any]] | str | None, *, device: str
    ) -> type[BaseConnection[Any]]:
        """The class that is asked for, by the caller, the path or here, else its protocol's. Raises `UnknownClass`."""
        protocol = path.protocol or ("command" if path.command else "ssh")
        return class_for(cls or path.class_name or self.class_name, protocol, device=device, path=path.name)

    def pooling(self, size: int | None, timeout: float | None) -> tuple[int | None, float | None]:
        """Size and patience of the pool that is asked for; (None, None) for a single connection."""
        size = self.pool_size if size is None else size
        if size is None:
            return None, None
        return size, self.pool_timeout if timeout is None else timeout
