# SPDX-License-Identifier: Apache-2.0
"""What a device taught about how many sessions it bears: it refused one more, and that is remembered for a while."""

from __future__ import annotations

from aioconn.policy import LEARNED_FOR


class Lesson:
    """A limit that nobody configured, on a clock that the caller brings.

    For `LEARNED_FOR` seconds the device is taken to bear what it bore when it refused. Then one more is tried; each
    that succeeds raises the limit by one, and a refusal starts it all again. When one more has been allowed for another
    `LEARNED_FOR` without a change, the lesson is forgotten.
    """

    __slots__ = ("_until", "sessions")

    def __init__(self) -> None:
        self.sessions: int | None = None
        """What the device is taken to bear; None if that is not known."""
        self._until = 0.0

    def limit(self, now: float) -> int | None:
        """How many sessions may be tried for."""
        if self.sessions is None or now >= self._until + LEARNED_FOR:
            return None
        return self.sessions + (now >= self._until)

    def refused(self, others: int, now: float, memory: float = LEARNED_FOR) -> None:
        """The device has `others` of our sessions, at least one, and would not have one more."""
        self.settle(now)
        self.sessions = others if self.sessions is None else min(others, self.sessions)
        self._until = now + memory

    def confirmed(self, sessions: int, now: float) -> bool:
        """The device has `sessions` of ours. True if that is more than it was taken to bear."""
        self.settle(now)
        if self.sessions is None or sessions <= self.sessions:
            return False
        self.sessions += 1
        if now > self._until:
            self._until = now
        return True

    def settle(self, now: float, *, configured: int | None = None) -> None:
        """Forget what is too old, or no less than what is allowed anyway."""
        if self.sessions is None:
            return
        if now >= self._until + LEARNED_FOR or (configured is not None and self.sessions >= configured):
            self.sessions = None

    def changes(self) -> tuple[float, ...]:
        """The moments at which time alone changes the limit."""
        return () if self.sessions is None else (self._until, self._until + LEARNED_FOR)
