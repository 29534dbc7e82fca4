# SPDX-License-Identifier: Apache-2.0
"""How long, how many, how often: the numbers that a device's owner may set. Times are in seconds."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

CONNECT_TIMEOUT = 30.0
COMMAND_TIMEOUT = 30.0
CLOSE_TIMEOUT = 2.0
RESYNC_TIMEOUT = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a device can bear: sessions at once, logins in any 60 seconds. None is no limit."""

    max_sessions: int | None = None
    logins_per_minute: int | None = None


class LoginRate:
    """A sliding window of logins on a clock that the caller reads; no waiting of its own."""

    __slots__ = ("_per_minute", "_starts")

    WINDOW = 60.0

    def __init__(self, per_minute: int | None) -> None:
        self._per_minute = per_minute
        self._starts: deque[float] = deque()

    def delay(self, now: float) -> float:
        """Seconds until a login may start; 0 if it may now."""
        while self._starts and self._starts[0] <= now - self.WINDOW:
            self._starts.popleft()
        if self._per_minute is None or len(self._starts) < self._per_minute:
            return 0.0
        return self._starts[-self._per_minute] + self.WINDOW - now

    def record(self, now: float) -> None:
        """A login starts."""
        if self._per_minute is not None:
            self._starts.append(now)
