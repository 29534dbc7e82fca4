# SPDX-License-Identifier: Apache-2.0
"""What a connection is made from, and what it may ask of whoever made it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from aioconn.credentials import Credentials
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

if TYPE_CHECKING:
    from aioconn.exclusive import ConfigureOrder, Exclusivity


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
        for name in ("timeout", "connect_timeout", "close_timeout", "check_after", "idle_timeout", "lifetime"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name}: {getattr(self, name)} is not above zero")


class Environment(Protocol):
    """What a connection asks of its device's manager."""

    @property
    def exclusivity(self) -> Exclusivity | None:
        """Who may work on the device now; None if that is settled elsewhere."""
        ...

    @property
    def configures(self) -> ConfigureOrder | None:
        """The order among those who configure the device."""
        ...

    @property
    def links(self) -> Any:
        """The SSH links that sessions share; None if each has its own."""
        ...

    async def admit(self, connection: Any) -> None:
        """Wait until the device can bear one more session and login; raises LimitReached."""
        ...

    async def admit_login(self, connection: Any) -> None:
        """The same for a session that was admitted without a login of its own, and needs one after all."""
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

    def crowded(self, connection: Any, error: BaseException) -> bool:
        """The device refused one more session, with `error`. True if that means to wait for another one to end."""
        ...

    def attempted(self, connection: Any, error: BaseException | None) -> None:
        """An attempt to open has ended, well or not."""
        ...

    def lost(self, connection: Any, error: BaseException, lived: float) -> None:
        """The other side ended a session `lived` seconds after it was opened."""
        ...

    async def await_attempt(self, connection: Any, until: float) -> None:
        """Wait until the path may be tried again. Raises CircuitOpen at once if that is not before `until` (loop time)."""
        ...

    def tries_again(self, connection: Any, error: BaseException, until: float) -> bool:
        """Whether, after an attempt that ended with `error`, another one is due before `until`."""
        ...

    async def jump(self, connection: Any) -> Any:
        """The link through which this connection's path goes (an SSH link), or None."""
        ...


class Alone:
    """The environment of a connection without a manager: no limits, no jump hosts."""

    exclusivity = None
    configures = None
    links = None

    async def admit(self, connection: Any) -> None: ...

    async def admit_login(self, connection: Any) -> None: ...

    def admitted(self, connection: Any) -> bool:
        return True

    def opened(self, connection: Any) -> None: ...

    def leave(self, connection: Any) -> None: ...

    def crowd(self) -> str:
        return ""

    def crowded(self, connection: Any, error: BaseException) -> bool:
        return False

    def attempted(self, connection: Any, error: BaseException | None) -> None: ...

    def lost(self, connection: Any, error: BaseException, lived: float) -> None: ...

    async def await_attempt(self, connection: Any, until: float) -> None: ...

    def tries_again(self, connection: Any, error: BaseException, until: float) -> bool:
        return False

    async def jump(self, connection: Any) -> None: ...


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
    pooled: bool = False
