# SPDX-License-Identifier: Apache-2.0
"""What a connection is: its names, its state, and what its class has to fill in."""

from __future__ import annotations

from abc import ABC, abstractmethod
from enum import StrEnum
from typing import Any, ClassVar, Generic, TypeVar

from aioconn import options as option_sets
from aioconn.credentials import Credentials
from aioconn.errors import AioconnError, SessionBroken, Where
from aioconn.events import Listeners
from aioconn.path import Path, Ways
from aioconn.request import BaseOptions, Request
from aioconn.transport.base import Progress


class State(StrEnum):
    """What a connection is doing. One method, `_enter`, changes it."""

    NEW = "new"
    OPENING = "opening"
    READY = "ready"
    BUSY = "busy"
    RECOVERING = "recovering"
    BROKEN = "broken"
    CLOSED = "closed"


O_co = TypeVar("O_co", bound=BaseOptions, covariant=True)


class Skeleton(ABC, Generic[O_co]):
    """What `BaseConnection` is before anything happens. One method, `_enter`, changes its state."""

    options_type: ClassVar[type[BaseOptions]] = BaseOptions

    def __init__(self, request: Request) -> None:
        self._request = request
        self._options: Any = option_sets.build(
            self.options_type, request.path, request.arguments, device=request.device
        )
        self._ways = Ways(request.path)
        self._credentials = request.credentials.logging_in(request.path.login, request.path.user)
        self._state = State.NEW
        self._broken_by: BaseException | None = None
        self._progress = Progress()
        self._last_seen: str | None = None

    # ------------------------------------------------------------------ what it is

    @property
    def device(self) -> str:
        """The device's name."""
        return self._request.device

    @property
    def alias(self) -> str:
        return self._request.alias

    @property
    def path(self) -> Path:
        """The path, or the one of its `others` that is in use."""
        return self._ways.current

    @property
    def via(self) -> str:
        """The path's name."""
        return self._request.path.name

    @property
    def options(self) -> O_co:
        options: O_co = self._options
        return options

    @property
    def credentials(self) -> Credentials:
        return self._credentials

    @property
    def listeners(self) -> Listeners:
        """Who hears of this connection's events."""
        return self._request.listeners

    @property
    def state(self) -> State:
        return self._state

    @property
    def connected(self) -> bool:
        """Whether the session is live: opened, not closed, not known to be dead."""
        return self._state in (State.READY, State.BUSY, State.RECOVERING)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.device}.{self.alias} via {self.via} {self._state}>"

    # ------------------------------------------------------------------ what a class implements

    @abstractmethod
    async def _open(self) -> None:
        """Open the session and bring it to where services can be called. Move `self._progress.phase` on.

        The deadline is set outside. When this raises or is cancelled, `_abort()` is called next.
        """

    @abstractmethod
    async def _close(self) -> None:
        """End the session politely and free everything; called at most once per `_open`, with a deadline outside."""

    def _abort(self) -> None:
        """Free everything now, without a goodbye. A plain function: it also runs where a cancellation struck."""

    async def _recover(self) -> bool:
        """Bring a session back in step whose service ended early; False if that failed and it must be replaced."""
        return False

    def _is_clean(self) -> bool:
        """Whether a session that is ready stands where it stood when it was opened, for a pool's next caller."""
        return True

    async def _reset(self) -> bool:
        """Bring a session that is ready but not clean to where it stood; False if it must be replaced."""
        return True

    async def _check(self) -> bool:
        """Whether a session that has been idle for long still answers."""
        return True

    def _needs_recovery(self, error: BaseException) -> bool:
        """Whether a service that ended with `error` left the session in the middle of something."""
        return not isinstance(error, Exception)

    def _seen(self) -> str | None:
        """What the device said last, for an error; secrets are redacted by the caller."""
        return None

    # ------------------------------------------------------------------ words

    def _where(self) -> Where:
        return {"device": self.device, "path": self.via}

    def _redacted_seen(self) -> str | None:
        seen = self._seen()
        return self.credentials.redact(seen) if seen else None

    def _broken_error(self) -> AioconnError:
        """An error of its own for each who is told of a lost session."""
        broken = self._broken_by
        if isinstance(broken, AioconnError):
            copied = SessionBroken(broken.message, **self._where(), seen=broken.seen)
            copied.__cause__ = broken.__cause__
            return copied
        return SessionBroken("the session is lost", **self._where())

    def _enter(self, state: State) -> None:
        self._state = state
