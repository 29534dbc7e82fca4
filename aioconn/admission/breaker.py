# SPDX-License-Identifier: Apache-2.0
"""When a path of a device that failed may be tried again: plain functions on a clock that the caller brings."""

from __future__ import annotations

import copy
import random
from collections.abc import Callable, Hashable
from enum import StrEnum

from aioconn.errors import (
    AioconnError,
    AuthenticationFailed,
    CircuitOpen,
    DeviceBusy,
    HostKeyChanged,
    HostKeyUnknown,
    LimitReached,
    MissingDependency,
    MissingValue,
    Phase,
    SessionBroken,
    SessionClosed,
    UsageError,
)
from aioconn.policy import BACKOFF_BASE, BACKOFF_CEILING, BACKOFF_FLOOR, HEALTHY_AFTER, PERMANENT_FOR

PERMANENT = (AuthenticationFailed, HostKeyChanged, HostKeyUnknown)
NOT_TRIED = (
    UsageError,
    MissingValue,
    MissingDependency,
    CircuitOpen,
    LimitReached,
    DeviceBusy,
    SessionClosed,
)


class Circuit(StrEnum):
    """Whether a path may be tried."""

    CLOSED = "closed"  # by anybody
    OPEN = "open"  # by nobody before `retry_at`, then by one
    HALF_OPEN = "half-open"  # somebody is trying


class Breaker:
    """One path of a device. As long as it works, anybody may try it at any time; while it fails, one at a time, and
    less and less often.

    After failure n in a row the path is closed for anything up to `BACKOFF_BASE * 2**n` seconds (full jitter: those who
    failed together do not come back together), and for `PERMANENT_FOR` after an error that only a person can end.
    Failures are forgotten when the path has been healthy for `HEALTHY_AFTER`: a session that logs in and dies at once,
    again and again, is a failure as well.

    An attempt is known by its `holder`. It begins with `attempt()` and ends with `succeeded()`, `failed()`
    or `release()`; after each of these, those who wait for the path should look again.
    """

    __slots__ = (
        "_on_reset",
        "_outage",
        "_permanent",
        "_random",
        "_under_way",
        "_works_since",
        "failures",
        "last_error",
        "retry_at",
    )

    def __init__(
        self, rng: random.Random | None = None, *, on_reset: Callable[[], object] = lambda: None
    ) -> None:
        self._random = rng  # 2.5 KiB: made when something fails, and most paths never do
        self._on_reset = on_reset
        self._under_way: dict[Hashable, int] = {}
        self._outage = 0
        self._permanent = False
        self._works_since: float | None = None
        self.failures = 0
        """In a row."""
        self.last_error: BaseException | None = None
        """Without its traceback, which would keep alive what the attempt had in its hands."""
        self.retry_at = 0.0
        """When the next attempt may start; 0 while anybody may."""

    @property
    def state(self) -> Circuit:
        if not self.retry_at:
            return Circuit.CLOSED
        return Circuit.HALF_OPEN if self._under_way else Circuit.OPEN

    def due(self, now: float) -> float | None:
        """Seconds until an attempt may start, 0 if it may now; None if that depends on how another one ends, which is
        under way."""
        if not self.retry_at:
            return 0.0
        return None if self._under_way else max(0.0, self.retry_at - now)

    def attempt(self, holder: Hashable, now: float, *, force: bool = False) -> bool:
        """Begin an attempt; False if it may not begin now. `force` begins it in any case: somebody asked for it in so
        many words."""
        if not force and self.due(now) != 0.0:
            return False
        self._settle(now)
        self._under_way[holder] = self._outage
        return True

    def succeeded(self, holder: Hashable, now: float) -> None:
        """The attempt brought a session about: the path works."""
        self._under_way.pop(holder, None)
        if self.retry_at or self._works_since is None:
            self._close()
            self._works_since = now

    def failed(self, holder: Hashable, error: BaseException, now: float) -> float:
        """It did not. Returns for how many seconds the path is closed because of that; 0 if this does not count.

        What counts is an error of the path. Not one that came before anything was tried, nor a cancellation, nor the
        failure of an attempt that was under way already when another one failed: that is the same outage.
        """
        outage = self._under_way.pop(holder, self._outage)
        if not isinstance(error, Exception) or isinstance(error, NOT_TRIED):
            return 0.0
        if outage != self._outage and not (self._is_worse(error) and self.retry_at):
            return 0.0
        return self._count(error, now)

    def release(self, holder: Hashable) -> None:
        """It ended without telling anything about the path: it was cancelled, or the device was merely crowded."""
        self._under_way.pop(holder, None)

    def lost(self, now: float, error: BaseException | None = None, *, lived: float | None = None) -> float:
        """The other side ended a session, `lived` seconds after it came about (if that is not known: since the path
        works). If that was soon, it counts as a failure; returns the same as `failed()`."""
        if self.retry_at:
            return 0.0  # known to fail: the sessions that it carried die of the same cause
        if lived is None:
            lived = now - self._works_since if self._works_since is not None else 0.0
        if lived >= HEALTHY_AFTER:
            return 0.0
        return self._count(error or SessionBroken(f"lost {lived:.1f} s after it came about"), now)

    def reset(self) -> None:
        """Forget every failure: somebody has put something right. Attempts under way go on."""
        self._close()
        self._works_since = None
        self.failures, self.last_error = 0, None
        self._on_reset()

    def refusal(self, device: str, path: str, now: float) -> CircuitOpen:
        """The error for a caller whose deadline lies before the next attempt; its cause is the last real error."""
        retry_in = self.due(now)
        when = "is under way" if retry_in is None else f"is due in {retry_in:.1f} s"
        times = "once" if self.failures == 1 else f"{self.failures} times in a row"
        error = CircuitOpen(
            f"failed {times}, the next attempt {when}; last: {_reason(self.last_error)}",
            device=device,
            path=path,
            phase=(self.last_error.phase if isinstance(self.last_error, AioconnError) else None) or Phase.TCP,
            hint="put that right; connect() then tries at once" if self._permanent else None,
            last_error=self.last_error,
            retry_in=retry_in or 0.0,
            retry_at=self.retry_at,
        )
        error.__cause__ = self.last_error
        return error

    def __repr__(self) -> str:
        last = f", last: {_reason(self.last_error)}" if self.last_error is not None else ""
        return f"<Breaker {self.state}, {self.failures} failures{last}>"

    def _is_worse(self, error: BaseException) -> bool:
        return _is_permanent(error) and not self._permanent

    def _count(self, error: BaseException, now: float) -> float:
        self._settle(now)
        self._outage += 1
        self.failures += 1
        permanent = _is_permanent(error)
        wait = PERMANENT_FOR if permanent else self._backoff()
        if self._permanent and self.retry_at > now + wait:
            wait = self.retry_at - now  # what a person has to put right is so still
        else:
            self._permanent, self.last_error = permanent, _kept(error)
        self.retry_at = now + wait
        return wait

    def _backoff(self) -> float:
        longest = min(BACKOFF_CEILING, BACKOFF_BASE * 2.0 ** min(self.failures, 30))
        self._random = self._random or random.Random()
        return self._random.uniform(BACKOFF_FLOOR, longest)

    def _close(self) -> None:
        self.retry_at, self._permanent = 0.0, False

    def _settle(self, now: float) -> None:
        """Failures are forgotten after a while of health."""
        if not self.retry_at and self._works_since is not None and now - self._works_since >= HEALTHY_AFTER:
            self.failures, self.last_error = 0, None


def _is_permanent(error: BaseException) -> bool:
    """Whether only a person can end it. A connection that ended after the password was sent may just have been lost."""
    return isinstance(error, PERMANENT) and (not isinstance(error, AuthenticationFailed) or error.certain)


def _reason(error: BaseException | None) -> str:
    if error is None:
        return "nothing"
    return error.message if isinstance(error, AioconnError) else f"{type(error).__name__}: {error}"


def _kept(error: BaseException) -> BaseException:
    """The error without its traceback and causes: those hold frames, and with them what was in use, secrets as well."""
    return copy.copy(error) if isinstance(error, AioconnError) else error
