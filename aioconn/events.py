# SPDX-License-Identifier: Apache-2.0
"""What happens, as values: listeners turn them into progress, logs, metrics or traces.

The library configures no logging and prints nothing. Secrets never stand in an event: what was typed at a
password prompt is not part of any, and commands are redacted by the connection that sends them.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from aioconn.errors import Phase

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Base of all: the device, the alias and path concerned, and `time.monotonic()` of the moment."""

    device: str
    alias: str = ""
    path: str = ""
    at: float = field(default_factory=time.monotonic)


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening(Event):
    """A connection attempt enters `phase`."""

    phase: Phase


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened(Event):
    """A session is ready; `elapsed` is in seconds."""

    elapsed: float


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenFailed(Event):
    """A connection attempt ended with `error`."""

    error: BaseException
    elapsed: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceStarted(Event):
    """A service begins; `what` is its (redacted) subject: the command, the URL, the OID."""

    service: str
    what: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceFinished(Event):
    """A service ended, well (`error` is None) or not."""

    service: str
    what: str = ""
    elapsed: float = 0.0
    error: BaseException | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovered(Event):
    """A session that was left in the middle of something is in step again (`kept`), or was given up: `error` says why.

    `elapsed` is in seconds.
    """

    kept: bool
    elapsed: float
    error: BaseException | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Unsolicited(Event):
    """Text that no command asked for: a log line on the console, or the rest of an earlier answer."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Closed(Event):
    """A session is gone; `error` tells why if we did not close it ourselves."""

    error: BaseException | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Acquired(Event):
    """A pool handed out a session; `waited` is in seconds."""

    waited: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Replaced(Event):
    """A pool has given a session up: `reason` is `lost`, `dirty`, `idle`, `lifetime`, `surplus` or `yielded`."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CircuitOpened(Event):
    """Attempts on the path failed; the next one is due in `retry_in` seconds."""

    error: BaseException
    failures: int
    retry_in: float


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitLearned(Event):
    """The device refused a session: it is taken to bear `sessions` of them; None when the lesson has been forgotten."""

    sessions: int | None


Listener = Callable[[Event], None]


class Listeners:
    """Those who want to hear. A listener that raises is logged and does not disturb the work.

    A child's events go to its parent as well: connection, device and testbed each have their own.
    """

    __slots__ = ("_callbacks", "_parent", "anywhere")

    def __init__(self, parent: Listeners | None = None) -> None:
        self._callbacks: tuple[Listener, ...] = ()
        self._parent = parent
        self.anywhere: list[Listener] = parent.anywhere if parent is not None else []
        """All of the testbed, or of whatever else stands above; the same list for its lifetime. While it is empty,
        nobody listens here either: what a path so short looks at that a call would be felt in it."""

    def __bool__(self) -> bool:
        return bool(self.anywhere) and (bool(self._callbacks) or bool(self._parent))

    def add(self, callback: Listener) -> Callable[[], None]:
        """Call `callback` for each event, at once and in the home loop. Returns what removes it again."""
        self._callbacks += (callback,)
        self.anywhere.append(callback)

        def remove() -> None:
            for _ in range(sum(other is callback for other in self._callbacks)):
                self.anywhere.remove(callback)
            self._callbacks = tuple(other for other in self._callbacks if other is not callback)

        return remove

    def emit(self, event: Event) -> None:
        """Tell everybody. Callers on a hot path test `if listeners:` before they build the event."""
        for callback in self._callbacks:
            try:
                callback(event)
            except Exception:
                logger.exception("listener %r failed on %s", callback, type(event).__name__)
        if self._parent is not None:
            self._parent.emit(event)
