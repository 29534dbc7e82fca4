# SPDX-License-Identifier: Apache-2.0
"""How long, how many, how often: the numbers that a device's owner may set. Times are in seconds."""

from __future__ import annotations

from dataclasses import dataclass

CONNECT_TIMEOUT = 30.0
COMMAND_TIMEOUT = 30.0
CLOSE_TIMEOUT = 2.0
RESYNC_TIMEOUT = 5.0
POOL_TIMEOUT = 30.0
SETTLE_TIMEOUT = 10.0  # bringing a pool's session back to where it began, a resync included
COPY_TIMEOUT = 600.0
RELOAD_TIMEOUT = 900.0
CHECK_AFTER = 30.0
IDLE_TIMEOUT = 540.0  # devices end idle sessions after 10 minutes: be first
LIFETIME = 3600.0

TURN = 1.0  # a session that others wait for is passed on at the first release after this
DOUBTED_FOR = 10.0  # one that refused a TCP connection may have been full, or was restarting its daemon
LEARNED_FOR = 300.0  # a device that refused a session is not asked for that many again

BACKOFF_BASE = 1.0  # the wait after failure n is anything up to BASE * 2**n, at most CEILING
BACKOFF_CEILING = 60.0
BACKOFF_FLOOR = 0.05
HEALTHY_AFTER = 30.0  # a session that lives this long was a success
# A wrong password tried again locks the account on many devices, for others as well; a changed host key does not change
# back by itself. Both wait for a person, and a person needs minutes.
PERMANENT_FOR = 900.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a device can bear: sessions at once, logins in any 60 seconds. None is no limit."""

    max_sessions: int | None = None
    logins_per_minute: int | None = None

    def __post_init__(self) -> None:
        for name in ("max_sessions", "logins_per_minute"):
            if (value := getattr(self, name)) is not None and value < 1:
                raise ValueError(f"{name}: {value} is not above zero")


class LoginRate:
    """A sliding window of logins on a clock that the caller reads; no waiting of its own."""

    __slots__ = ("_starts", "per_minute")

    WINDOW = 60.0

    def __init__(self, per_minute: int | None) -> None:
        self.per_minute = per_minute
        self._starts: list[float] = []

    def due(self, now: float) -> float:
        """When a login may start: `now`, or the moment at which the window has room again."""
        logins = self.recent(now)
        if self.per_minute is None or logins < self.per_minute:
            return now
        return self._starts[-self.per_minute] + self.WINDOW

    def delay(self, now: float) -> float:
        """Seconds until a login may start; 0 if it may now."""
        return self.due(now) - now

    def recent(self, now: float) -> int:
        """Logins of the last 60 seconds."""
        starts = self._starts
        while starts and starts[0] + self.WINDOW <= now:
            del starts[0]
        return len(starts)

    def record(self, now: float) -> None:
        """A login starts."""
        self.recent(now)
        self._starts.append(now)

    def take_back(self, at: float) -> None:
        """The login recorded at `at` did not take place."""
        starts = self._starts
        index = len(starts) - 1
        while index >= 0 and starts[index] > at:  # it is among the last
            index -= 1
        if index >= 0 and starts[index] == at:
            del starts[index]
