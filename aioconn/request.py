# SPDX-License-Identifier: Apache-2.0
"""What a connection is made from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from aioconn.credentials import Credentials
from aioconn.environment import Alone, Environment
from aioconn.events import Listeners
from aioconn.path import Path
from aioconn.policy import (
    CHECK_AFTER,
    CLOSE_TIMEOUT,
    COMMAND_TIMEOUT,
    CONNECT_TIMEOUT,
    IDLE_TIMEOUT,
    LIFETIME,
)
from aioconn.wrapping import Wrappers


@dataclass(frozen=True, kw_only=True)
class BaseOptions:
    """Options that every connection class has; times in seconds.

    The last three are for pools: a session idle for longer than `check_after` is checked before it is used,
    one idle for `idle_timeout` is closed, and none is used for longer than `lifetime` (less up to a tenth of it).
    """

    timeout: float = COMMAND_TIMEOUT
    connect_timeout: float = CONNECT_TIMEOUT
    close_timeout: float = CLOSE_TIMEOUT
    check_after: float = CHECK_AFTER
    idle_timeout: float = IDLE_TIMEOUT
    lifetime: float = LIFETIME

    def __post_init__(self) -> None:
        for name in (
            "timeout",
            "connect_timeout",
            "close_timeout",
            "check_after",
            "idle_timeout",
            "lifetime",
        ):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name}: {getattr(self, name)} is not above zero")


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """All that a connection is made from. `arguments` are the caller's keyword arguments.

    A `pooled` connection is replaced by its pool when it breaks; it does not reopen itself.
    """

    device: str
    path: Path
    alias: str = "default"
    arguments: Mapping[str, Any] = field(default_factory=dict)
    credentials: Credentials = field(default_factory=Credentials)
    platform: Any = None
    listeners: Listeners = field(default_factory=Listeners)
    environment: Environment = field(default_factory=Alone)
    wrappers: Wrappers = field(default_factory=Wrappers)
    pooled: bool = False
