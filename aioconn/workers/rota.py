# SPDX-License-Identifier: Apache-2.0
"""Who works on which device: plain functions, no process and no loop.

Devices that share something, such as a jump host, form a party and stay together, for each process would open its own.
The parties are handed out one by one to whoever has room, so that slow devices keep nobody waiting but themselves.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from typing import Generic, TypeVar

T = TypeVar("T")

HERE = 0
"""The number of the process that asks; the others are numbered from 1."""


def parties(names: Sequence[Iterable[str]]) -> list[list[int]]:
    """The places of those that share a name with each other, directly or over others; in the order of the first."""
    first_with: dict[str, int] = {}
    parent = list(range(len(names)))

    def root(place: int) -> int:
        while parent[place] != place:
            parent[place] = parent[parent[place]]
            place = parent[place]
        return place

    for place, shared in enumerate(names):
        for name in shared:
            one, other = sorted((root(place), root(first_with.setdefault(name, place))))
            parent[other] = one
    found: dict[int, list[int]] = {}
    for place in range(len(names)):
        found.setdefault(root(place), []).append(place)
    return list(found.values())


class Rota(Generic[T]):
    """What is still to be done. A party whose first member a process has taken is that process's."""

    def __init__(self, free: Iterable[list[T]], here: Iterable[T] = ()) -> None:
        self._free = deque(free)
        self._of: dict[int, deque[T]] = {HERE: deque(here)}

    def take(self, process: int) -> T | None:
        """The next one for this process; None if there is none."""
        own = self._of.setdefault(process, deque())
        if not own and self._free:
            own.extend(self._free.popleft())
        return own.popleft() if own else None

    def give_up(self, process: int, taken: Iterable[T] = ()) -> None:
        """The process has gone: what it had not taken yet is free again, and what it had `taken` to no end."""
        if left := [*taken, *self._of.pop(process, ())]:
            self._free.appendleft(left)  # as one party: some of them may have to stay together

    def clear(self) -> None:
        """Nothing is to be done any more."""
        self._free.clear()
        self._of.clear()

    def __len__(self) -> int:
        return sum(map(len, self._free)) + sum(map(len, self._of.values()))


def shares(limit: int, processes: int) -> list[int]:
    """How many devices each process may work on at once, so that all together keep to `limit`."""
    return [limit // processes + (number < limit % processes) for number in range(processes)]
