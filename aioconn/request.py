# SPDX-License-Identifier: Apache-2.0
"""What a connection is made from, and what it may ask of whoever made it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from aioconn.credentials import Credentials
from aioconn.events import Listeners
from aioconn.path import Path
from aioconn.policy import CLOSE_TIMEOUT, COMMAND_TIMEOUT, CONNECT_TIMEOUT


@dataclass(frozen=True, kw_only=True)
class BaseOptions:
    """Options that every connection class has; times in seconds."""

    timeout: float = COMMAND_TIMEOUT
    connect_timeout: float = CONNECT_TIMEOUT
    close_timeout: float = CLOSE_TIMEOUT

    def __post_init__(self) -> None:
        for name in ("timeout", "connect_timeout", "close_timeout"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name}: {getattr(self, name)} is not above zero")


class Environment(Protocol):
    """What a connection asks of its device's manager."""

    async def admit(self, connection: Any) -> None:
        """Wait until the device can bear one more session and login; raises LimitReached."""
        ...

    def admitted(self, connection: Any) -> bool:
        """Whether `admit` has let it in."""
        ...

    def opened(self, connection: Any) -> None:
        """The work of the attempt is done, or it has failed: the next one may begin. May be called again."""
        ...

    def leave(self, connection: Any) -> None:
        """The session that was admitted is gone. A plain function; unadmitted ones may be named as well."""
        ...

    def crowd(self) -> str:
        """Who holds the sessions that a connection waits for, in one line."""
        ...

    async def jump(self, connection: Any) -> Any:
        """The link through which this connection's path goes (an SSH link), or None."""
        ...


class Alone:
    """The environment of a connection without a manager: no limits, no jump hosts."""

    async def admit(self, connection: Any) -> None: ...

    def admitted(self, connection: Any) -> bool:
        return True

    def opened(self, connection: Any) -> None: ...

    def leave(self, connection: Any) -> None: ...

    def crowd(self) -> str:
        return ""

    async def jump(self, connection: Any) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """All that a connection is made from. `arguments` are the caller's keyword arguments."""

    device: str
    path: Path
    alias: str = "default"
    arguments: Mapping[str, Any] = field(default_factory=dict)
    credentials: Credentials = field(default_factory=Credentials)
    platform: Any = None
    listeners: Listeners = field(default_factory=Listeners)
    environment: Environment = field(default_factory=Alone)
