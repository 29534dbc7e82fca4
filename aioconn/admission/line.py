# SPDX-License-Identifier: Apache-2.0
"""Who waits for a session of a device, in the order in which they are served. Plain data, no clock."""

from __future__ import annotations

import heapq
import itertools
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, eq=False)
class Claim:
    """Somebody wants a session on the device.

    `group` shares with other groups: an alias. `login` is asked whether the session would need a new login; it is
    asked again at the moment of granting, and must answer without changing anything. `granted` is called once, from
    whatever function of the budget made room; it must not raise, and may call the budget.
    """

    holder: Any
    group: str
    login: Callable[[], bool]
    granted: Callable[[], None]


@dataclass(slots=True, eq=False)
class Group:
    """Those who share with others as one: what they hold, what of it is being given up, how many wait, and the turn at
    which one of them was served last."""

    name: str
    held: int = 0
    yielding: int = 0
    waiting: int = 0
    served: int = 0


@dataclass(slots=True, eq=False)
class Waiter:
    """A claim that is not granted yet; the lower its `turn`, the earlier it came."""

    claim: Claim
    group: Group
    turn: int
    since: float

    @property
    def rank(self) -> int:
        """Its place among groups that hold as much: when one of a group is served, the others join the line anew, or a
        large pool would keep a small one out. A turn below zero is somebody who has been served already, in vain."""
        return self.turn if self.turn < 0 else max(self.turn, self.group.served)


class Line:
    """Waiters in the order in which they are served: the group that holds fewest first, then by rank.

    Groups stand in a heap under what they hold and the rank of their first waiter. Whoever changes either pushes the
    group again; entries that are no longer true are dropped when they come up.
    """

    __slots__ = ("_heap", "_queues")

    def __init__(self) -> None:
        self._queues: dict[Group, OrderedDict[Any, Waiter]] = {}
        self._heap: list[tuple[int, int, Group]] = []

    def __bool__(self) -> bool:
        return bool(self._queues)

    def join(self, waiter: Waiter) -> None:
        """Take a waiter in: last in its group, or where its turn is if that is earlier than the others'."""
        queue = self._queues.setdefault(waiter.group, OrderedDict())
        last = next(reversed(queue.values())) if queue else waiter
        queue[waiter.claim.holder] = waiter
        if waiter.turn < last.turn:
            earlier = list(itertools.takewhile(lambda other: other.turn < waiter.turn, queue.values()))
            for other in (waiter, *reversed(earlier)):
                queue.move_to_end(other.claim.holder, last=False)
        if next(iter(queue.values())) is waiter:
            self.moved(waiter.group)

    def leave(self, waiter: Waiter) -> bool:
        """Take a waiter out; False if it is not in this line."""
        queue = self._queues.get(waiter.group)
        if queue is None or queue.pop(waiter.claim.holder, None) is None:
            return False
        if queue:
            self.moved(waiter.group)
        else:
            del self._queues[waiter.group]
        return True

    def moved(self, group: Group) -> None:
        """What the group holds, or its first waiter, or that one's rank, has changed."""
        if (queue := self._queues.get(group)) is None:
            return
        heapq.heappush(self._heap, (group.held, next(iter(queue.values())).rank, group))
        if len(self._heap) > 2 * len(self._queues) + 16:
            self._heap = [
                (group.held, next(iter(queue.values())).rank, group) for group, queue in self._queues.items()
            ]
            heapq.heapify(self._heap)

    def head(self) -> Waiter | None:
        while self._heap:
            held, rank, group = self._heap[0]
            if (queue := self._queues.get(group)) is not None and group.held == held:
                waiter = next(iter(queue.values()))
                if waiter.rank == rank:
                    return waiter
            heapq.heappop(self._heap)
        return None

    def heads(self, count: int) -> list[Iterator[Waiter]]:
        """The waiters of the first `count` groups, each group's in order."""
        entries: dict[Group, tuple[int, int, Group]] = {}
        while len(entries) < count and (waiter := self.head()) is not None:
            entries[waiter.group] = heapq.heappop(self._heap)
        for entry in entries.values():
            heapq.heappush(self._heap, entry)
        return [iter(self._queues[group].values()) for group in entries]

    def everybody(self) -> list[Waiter]:
        return [waiter for queue in self._queues.values() for waiter in queue.values()]
