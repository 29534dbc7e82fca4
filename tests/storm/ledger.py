# SPDX-License-Identifier: Apache-2.0
"""Who asked when, who was served when: the books by which a pool is judged, kept apart from the pool itself."""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from typing import Any

SLACK = 3
"""Turns of the loop between being handed something and knowing it."""


LATE = 0.0101
"""Seconds by which a deadline may be missed: pools look at their waiters' deadlines once in 10 ms."""


class Violation(AssertionError):
    """Something happened that must not. The message tells what, and the way there."""


@dataclass(slots=True, eq=False)
class Ask:
    """One caller's wait for a session of one pool. Times are the loop's."""

    number: int
    pool: str
    asked: float
    deadline: float
    passed_at: int = 0  # the turn of the loop in which somebody who came later was served first


class Ledger:
    """Asks and grants of the pools. First come, first served; nobody waits beyond his deadline."""

    def __init__(self) -> None:
        self.numbers = 0
        self.lines: dict[str, dict[int, Ask]] = {}
        self.passed: dict[Ask, None] = {}
        self.deadlines: list[tuple[float, int, Ask]] = []
        self.longest: dict[str, float] = {}
        self.served: dict[str, int] = {}

    def ask(self, pool: str, now: float, deadline: float) -> Ask:
        self.numbers += 1
        ask = Ask(number=self.numbers, pool=pool, asked=now, deadline=deadline)
        self.lines.setdefault(pool, {})[ask.number] = ask
        heapq.heappush(self.deadlines, (deadline, ask.number, ask))
        return ask

    def waits(self, ask: Ask) -> bool:
        return ask.number in self.lines[ask.pool]

    def grant(self, ask: Ask, now: float, tick: int) -> None:
        """Served. Whoever stands before him in the line has been passed, or is about to hear of his own session."""
        line = self.lines[ask.pool]
        if ask.number not in line:
            raise Violation(f"{ask} was served though it had left the line")
        for number, other in line.items():
            if number == ask.number:
                break
            if not other.passed_at:
                other.passed_at = tick
                self.passed[other] = None
        del line[ask.number]
        self.passed.pop(ask, None)
        self.longest[ask.pool] = max(self.longest.get(ask.pool, 0.0), now - ask.asked)
        self.served[ask.pool] = self.served.get(ask.pool, 0) + 1

    def leave(self, ask: Ask) -> None:
        """He waits no longer: cancelled, refused or too late."""
        self.lines[ask.pool].pop(ask.number, None)
        self.passed.pop(ask, None)

    def check(self, now: float, tick: int) -> None:
        for ask in self.passed:
            if tick - ask.passed_at > SLACK:
                raise Violation(f"{ask} waits while somebody who came later was served")
        deadlines = self.deadlines
        while deadlines and deadlines[0][0] < now - LATE:
            _, _, ask = heapq.heappop(deadlines)
            if self.waits(ask):
                raise Violation(f"{ask} still waits at {now:.3f}, after its deadline")

    @property
    def waiting(self) -> int:
        return sum(map(len, self.lines.values()))


def shares(counts: list[int]) -> float:
    """How much more than the mean the luckiest got; endless if somebody got nothing."""
    if not counts or not min(counts):
        return float("inf")
    return max(counts) * len(counts) / sum(counts)


def told(thing: Any) -> str:
    """An error and what is behind it, in a line."""
    cause = getattr(thing, "__cause__", None)
    return f"{type(thing).__name__}: {thing}" + (f" (from {told(cause)})" if cause is not None else "")
