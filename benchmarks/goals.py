# SPDX-License-Identifier: Apache-2.0
"""What aioconn is to reach, and how far it is from it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

OURS = "aioconn"
"""How the names of our own clients begin."""
_SEVERAL = ".workers"
"""How those of several processes end."""
NO_PEERS = (OURS, "asyncssh")
"""How those of whom do not count among the peers: ours, and the library beneath by itself."""


class Found(Protocol):
    """One client in one case, as far as goals look at it."""

    @property
    def case(self) -> str: ...
    @property
    def client(self) -> str: ...
    @property
    def floor(self) -> bool: ...
    @property
    def medians(self) -> dict[str, float]: ...
    @property
    def error(self) -> str | None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Goal:
    """`key` is to be at most `bound`, in each case whose title `cases` (a regular expression) is found in.

    With `higher` more is better, and it is to be at least that. `against` says what is compared: nothing, the value
    itself; `floor`, how many times the floor's value it is in the same round; `sizes`, the largest value among these
    cases as a multiple of the smallest; `peers` or a client's name: how many times better it is than the best of them,
    which is to be at least `bound`. With `multiple_of`, a client's name, it is how many times that one's value it is,
    and at most `bound`. It is about all of our clients that have one process, or about `client` alone.

    `why` is said where it is missed: what takes the difference. It has no numbers of its own, which would grow old.
    """

    words: str
    key: str
    bound: float
    higher: bool = False
    against: str = ""
    multiple_of: str = ""
    cases: str = ""
    client: str = ""
    why: str = ""

    @property
    def at_least(self) -> bool:
        return self.higher or self.against not in ("", "floor", "sizes")

    @property
    def compares(self) -> bool:
        """Whether it is about a ratio that measurements side by side make steadier."""
        return self.against in ("floor", "sizes")

    def is_about(self, client: str, case: str, *, floor: bool) -> bool:
        """`floor` tells that the others are compared to `client`."""
        ours = not floor and client.startswith(OURS) and not client.endswith(_SEVERAL)
        return (client == self.client if self.client else ours) and bool(re.search(self.cases, case))


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """`value` is the worst that was measured, `case` where; None if nothing was. With `error` one of the cases could
    not be measured, which is a goal that is not reached."""

    goal: Goal
    value: float | None = None
    case: str = ""
    error: str = ""

    @property
    def measured(self) -> bool:
        return self.value is not None or bool(self.error)

    @property
    def reached(self) -> bool | None:
        if self.error:
            return False
        if self.value is None:
            return None
        return self.value >= self.goal.bound if self.goal.at_least else self.value <= self.goal.bound

    def __str__(self) -> str:
        if self.error:
            return f"no: {self.error}"
        if self.value is None:
            return "not measured"
        if self.reached:
            return "yes"
        if not self.goal.bound or not self.value:
            return "no"
        far = self.goal.bound / self.value if self.goal.at_least else self.value / self.goal.bound
        return f"no: {far:.2f} times too {'little' if self.goal.at_least else 'much'}"


def judge(goal: Goal, results: Sequence[Found], ratios: Sequence[dict[str, float]]) -> Verdict:
    """The verdict on one workload's results; `ratios` are those to the floor, result by result."""
    values: list[tuple[float, str]] = []
    for one, ratio in zip(results, ratios, strict=True):
        if not goal.is_about(one.client, one.case, floor=one.floor):
            continue
        if one.error is not None:
            return Verdict(goal=goal, case=one.case, error=one.error)
        value = ratio.get(goal.key) if goal.against == "floor" else one.medians.get(goal.key)
        same = [other for other in results if other.case == one.case]
        if value is not None and goal.multiple_of:
            value = _multiple(goal, value, same)
        elif value is not None and goal.against not in ("", "floor", "sizes"):
            value = _times_better(goal, value, same)
        if value is not None:
            values.append((value, one.case))
    if not values:
        return Verdict(goal=goal)
    if goal.against == "sizes":
        least, most = min(values), max(values)
        return Verdict(goal=goal, value=most[0] / least[0], case=most[1]) if least[0] else Verdict(goal=goal)
    value, case = (min if goal.at_least else max)(values)
    return Verdict(goal=goal, value=value, case=case)


def _multiple(goal: Goal, value: float, same: Sequence[Found]) -> float | None:
    other = next((one.medians.get(goal.key) for one in same if one.client == goal.multiple_of), None)
    return value / other if other else None


def _times_better(goal: Goal, value: float, same: Sequence[Found]) -> float | None:
    others = [
        other.medians[goal.key]
        for other in same
        if goal.key in other.medians
        and (
            other.client == goal.against
            or (goal.against == "peers" and not other.floor and not other.client.startswith(NO_PEERS))
        )
    ]
    if not others or not value:
        return None
    return value / max(others) if goal.higher else min(others) / value
