# SPDX-License-Identifier: Apache-2.0
"""What one device can bear, held over all its connections: plain functions on a clock that the caller brings."""

from __future__ import annotations

import heapq
import itertools
import sys
from collections import OrderedDict
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

from aioconn.admission.lesson import Lesson
from aioconn.admission.line import Claim, Group, Line, Waiter
from aioconn.policy import LEARNED_FOR, TURN, Limits, LoginRate

__all__ = ["Budget", "Claim"]


@dataclass(slots=True, eq=False)
class _Place:
    group: Group
    since: float
    login_at: float | None = None
    live: bool = False
    refused: bool = False
    yielding: bool = False


class Budget:
    """Sessions at once and logins per minute of one device, shared fairly by groups.

    A place and a login are granted together. The group that holds fewest sessions is served first, and among equals
    whoever came first; a claim that needs no login is not held up by one that waits for the rate. A place is given back
    with `give()`, which hands it on.

    The device may bear less than it was configured for: `refused()` and `confirmed()` teach the budget a limit of its
    own, for a time.

    `now` never goes back. Whoever owns the budget calls `advance()` at `next_change()`, which any call may move. Any
    function that takes `now` may grant. Holders are compared as dictionary keys.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._rate = LoginRate(limits.logins_per_minute)
        self._lesson = Lesson()
        self._places: dict[Any, _Place] = {}
        self._groups: dict[str, Group] = {}
        self._waiters: OrderedDict[Any, Waiter] = OrderedDict()
        self._unasked = Line()
        self._for_login = Line()  # those who said that they need a login, when the rate allowed none
        self._only_login: OrderedDict[Any, Waiter] = OrderedDict()  # they hold a place
        self._turns = itertools.count()
        self._early_turns = itertools.count(-sys.maxsize)
        self._givers: list[Group] = []
        self._serving = False
        self._now = float("-inf")
        self._live = self._refused = self._yielding = 0
        self._granted = self._withdrawn = 0

    # ------------------------------------------------------------------ what there is

    @property
    def limits(self) -> Limits:
        """As configured."""
        return self._limits

    @property
    def used(self) -> int:
        return len(self._places)

    @property
    def waiting(self) -> int:
        return len(self._waiters) + len(self._only_login)

    @property
    def waiters(self) -> Collection[Any]:
        """Who waits for a place; the same object for the budget's lifetime."""
        return self._waiters

    @property
    def holders(self) -> list[Any]:
        return list(self._places)

    @property
    def learned(self) -> int | None:
        """How many sessions the device is taken to bear; None if it never refused one, or that is forgotten."""
        return self._lesson.sessions

    def holds(self, holder: Any) -> bool:
        return holder in self._places

    def waits(self, holder: Any) -> bool:
        return holder in self._waiters or holder in self._only_login

    def logs_in(self, holder: Any) -> bool:
        """Whether its place came with a login."""
        return (place := self._places.get(holder)) is not None and place.login_at is not None

    def limit(self, now: float) -> int | None:
        """Sessions at once, as configured or as learned, whichever is less."""
        configured, learned = self._limits.max_sessions, self._lesson.limit(now)
        return configured if learned is None else learned if configured is None else min(learned, configured)

    def statistics(self, now: float) -> dict[str, Any]:
        """Plain numbers. `longest_wait` is that of the one who has waited longest by now, in seconds; `logins` those of
        the last minute."""
        limit = self.limit(now)
        oldest = [next(iter(queue.values())).since for queue in (self._waiters, self._only_login) if queue]
        return {
            "used": len(self._places),
            "waiting": self.waiting,
            "waiting_by_group": {
                group.name: group.waiting for group in self._groups.values() if group.waiting
            },
            "waiting_for_login": len(self._only_login),
            "limit": limit,
            "learned": self.learned if self._lesson.limit(now) is not None else None,
            "logins": self._rate.recent(now),
            "logins_per_minute": self._rate.per_minute,
            "longest_wait": now - min(oldest, default=now),
            "granted": self._granted,
            "withdrawn": self._withdrawn,
        }

    def crowd(self) -> str:
        """Who holds how many and who waits, in one line."""
        groups = sorted(self._groups.values(), key=lambda group: group.name)
        held = ", ".join(f"{group.name} {group.held}" for group in groups if group.held)
        waiting = ", ".join(f"{group.name} {group.waiting}" for group in groups if group.waiting)
        text = f"{len(self._places)} open ({held or 'none'})"
        if waiting:
            text += f", waiting: {waiting}"
        text += f", max_sessions {self._limits.max_sessions}"
        if self.learned is not None:
            text += f" (the device refused more than {self.learned})"
        return f"{text}, logins_per_minute {self._limits.logins_per_minute}"

    def __repr__(self) -> str:
        return f"<Budget {self.crowd()}>"

    # ------------------------------------------------------------------ coming and going

    def ask(self, claim: Claim, now: float, *, first: bool = False) -> bool:
        """Grant a place, with a login if one is needed, now or as soon as there is one. True if now.

        `first` puts the claim ahead of all that wait in its group: it has had its turn, and the device refused it.
        Raises ValueError if the holder has a place or waits for one.
        """
        holder = claim.holder
        if holder in self._places or self.waits(holder):
            raise ValueError(f"{holder!r} has asked before")
        if (group := self._groups.get(claim.group)) is None:
            group = self._groups[claim.group] = Group(claim.group)
        if self._is_free(now):  # most devices have room for all that ever come: nobody joins a line then
            self._serving = True
            try:
                self._grant(claim, group, now)
            finally:
                self._serving = False
            self._serve(now)
            return holder in self._places
        turn = next(self._early_turns) if first else next(self._turns)
        waiter = self._waiters[holder] = Waiter(claim, group, turn, now)
        group.waiting += 1
        self._unasked.join(waiter)
        self._serve(now)
        return holder in self._places

    def ask_login(self, claim: Claim, now: float) -> bool:
        """Grant a login to a holder that has its place and got it without one. True if now.

        It goes ahead of all who have no place yet. Raises ValueError if the holder has no place or has asked before.
        """
        holder = claim.holder
        if (place := self._places.get(holder)) is None or holder in self._only_login:
            raise ValueError(f"{holder!r} has no place, or has asked before")
        self._only_login[holder] = Waiter(claim, place.group, 0, now)
        self._serve(now)
        return holder not in self._only_login

    def withdraw(self, holder: Any, now: float) -> None:
        """The holder no longer wants what it waits for; what it was granted, and has not begun to use, is passed on,
        the login as well. After `confirmed()`, and for whoever has begun, it is the same as `give()`."""
        place = self._places.get(holder)
        if self.waits(holder) or place is not None:
            self._withdrawn += 1
        if place is not None and place.login_at is not None and not place.live:
            self._rate.take_back(place.login_at)
        self.give(holder, now)

    def give(self, holder: Any, now: float) -> None:
        """The session is gone, or its attempt has failed: its place is handed on. The unknown is ignored."""
        if (waiter := self._waiters.get(holder)) is not None:
            self._leave_line(waiter)
            self._forget(waiter.group)
            return
        if (place := self._places.pop(holder, None)) is None:
            return
        group = place.group
        self._only_login.pop(holder, None)
        self._live -= place.live
        self._refused -= place.refused
        if place.yielding:
            self._yielding -= 1
            group.yielding -= 1
            self._givers.append(group)
        else:
            self._count(group, -1)
        self._serve(now)

    def advance(self, now: float) -> None:
        """Time has passed: grant what it has made possible."""
        self._serve(now)

    def reconsider(self, now: float) -> None:
        """Ask all again whether they need a login: a link came up that has room for more shells."""
        for waiter in reversed(self._for_login.everybody()):
            self._for_login.leave(waiter)
            self._unasked.join(waiter)
        self._serve(now)

    def resize(self, limits: Limits, now: float) -> None:
        """New limits. Sessions above them stay until they are given back."""
        self._limits = limits
        self._rate.per_minute = limits.logins_per_minute
        self._serve(now)

    def next_change(self, now: float) -> float | None:
        """When time alone will have made a grant possible; None if somebody has to come or go for that."""
        times: list[float] = []
        if self._for_login or self._only_login:
            times.append(self._rate.due(self._now))
        if self._waiters:
            times += self._lesson.changes()
        return max(now, min(pending)) if (pending := [time for time in times if time > self._now]) else None

    # ------------------------------------------------------------------ what the device says

    def confirmed(self, holder: Any, now: float) -> bool:
        """The session is up; its turn begins. True if that raised the learned limit."""
        if (place := self._places.get(holder)) is None:
            return False
        self._refused -= place.refused
        place.refused = False
        if not place.live:
            place.live, place.since = True, now
            self._live += 1
            if place.login_at is not None:  # the device counted it some time since: later is on the safe side
                self._rate.take_back(place.login_at)
                self._rate.record(now)
                place.login_at = now
        raised = self._lesson.confirmed(self._live, now)
        self._serve(now)
        return raised

    def leaving(self, holder: Any) -> None:
        """The session is being closed: the device may have its line back before we know. `give()` follows."""
        if (place := self._places.get(holder)) is not None:
            self._live -= place.live
            place.live = False

    def refused(self, holder: Any, now: float, *, memory: float = LEARNED_FOR) -> bool:
        """The device would not have one more session. True if a limit was learned from that, for `memory` seconds: give
        the place back and ask again, `first`. False if we hold no other session: then it is not us who crowd it."""
        live = self._live
        if (place := self._places.get(holder)) is not None:
            live -= place.live
            if not place.refused:
                place.refused = True
                self._refused += 1
        if len(self._places) - self._refused < 1:
            return False
        # Those that are still opening may be refused as well: what comes about after all raises the limit again.
        self._lesson.refused(max(1, live), now, memory)
        return True

    # ------------------------------------------------------------------ giving up for others

    def hungry(self, now: float, giver: str | None = None) -> str | None:
        """The group that would be served if one more session were given up, besides those that are being given up
        already; None if nobody would, be it for want of a login, or only the group `giver` itself.

        Asked after every change, and again as long as there is somebody and an idle session to give up.
        """
        taker = self._taker(giver, now)
        return taker[0].name if taker is not None else None

    def turn_over(self, holder: Any, now: float) -> str | None:
        """The group that a working session should be passed on to at its release; None if it should stay.

        It is passed on after a turn of `TURN` seconds, to a group that holds none or at least two fewer.
        """
        if not self._waiters or (place := self._places.get(holder)) is None:
            return None
        if place.yielding or now - place.since < TURN:
            return None
        if (taker := self._taker(place.group.name, now)) is None:
            return None
        group, held = taker
        fair = held == 0 or held <= place.group.held - place.group.yielding - 2
        return group.name if fair else None

    def yielding(self, holder: Any) -> None:
        """The session is being given up for another group; `give()` follows when it is gone."""
        if (place := self._places.get(holder)) is not None and not place.yielding:
            place.yielding = True
            place.group.yielding += 1
            self._yielding += 1

    def _taker(self, giver: str | None, now: float) -> tuple[Group, int] | None:
        """Who would get one more place than those that come free already, and what it would hold before that."""
        limit = self.limit(now)
        own = self._groups.get(giver) if giver is not None else None
        if limit is None or len(self._waiters) == (own.waiting if own is not None else 0):
            return None
        if (first := self._first(now)) is None:
            return None
        coming = limit - len(self._places) + self._yielding
        taker = (first.group, first.group.held) if coming <= 0 else self._taker_after(coming, now)
        return None if taker is None or taker[0] is own else taker

    def _taker_after(self, coming: int, now: float) -> tuple[Group, int] | None:
        """The same, when `coming` others are served before. None if a login will be lacking."""
        logins = self._logins_left(now)
        queues = self._unasked.heads(coming + 1) + (self._for_login.heads(coming + 1) if logins else [])
        nexts = [(next(queue), queue) for queue in queues]
        got: dict[Group, int] = {}
        served: dict[Group, int] = {}  # in which order, after all ranks that there are

        def entry(waiter: Waiter, queue: Iterator[Waiter]) -> tuple[int, int, int, Waiter, Iterator[Waiter]]:
            group = waiter.group
            rank = waiter.turn if waiter.turn < 0 else served.get(group, waiter.rank)
            return group.held + got.get(group, 0), rank, waiter.turn, waiter, queue

        heap = [entry(waiter, queue) for waiter, queue in nexts]
        heapq.heapify(heap)
        while heap:
            held, _, _, waiter, queue = heapq.heappop(heap)
            group = waiter.group
            if held < group.held + got.get(group, 0):  # it has been served since it was put here
                heapq.heappush(heap, entry(waiter, queue))
                continue
            if waiter.claim.login():
                logins -= 1
            if logins < 0:
                return None
            if coming == 0:
                return group, held
            coming -= 1
            got[group] = got.get(group, 0) + 1
            served[group] = sys.maxsize - coming
            if (following := next(queue, None)) is not None:
                heapq.heappush(heap, entry(following, queue))
        return None

    # ------------------------------------------------------------------ serving

    def _serve(self, now: float) -> None:
        """Grant all that can be granted. What a claim does to the budget while it is told is seen by the same loop."""
        self._now = max(now, self._now)
        if self._serving:
            return
        self._lesson.settle(now, configured=self._limits.max_sessions)
        if not (self._waiters or self._only_login or self._givers):
            return
        self._serving = True
        try:
            while True:
                granted = self._grant_login(self._now) or self._grant_place(self._now)
                if self._givers:  # counted after the grant: what was given up must not fall back to the giver
                    self._count(self._givers.pop(0), -1)
                elif not granted:
                    return
        finally:
            self._serving = False

    def _is_free(self, now: float) -> bool:
        """Whether a claim can be granted as it comes: nobody waits, and there is room for it and a login."""
        if self._serving or self._waiters or self._only_login or not self._logins_left(now):
            return False
        limit = self.limit(now)
        return limit is None or len(self._places) < limit

    def _grant_login(self, now: float) -> bool:
        if not self._only_login or not self._logins_left(now):
            return False
        holder, waiter = self._only_login.popitem(last=False)
        place = self._places[holder]
        self._live -= place.live
        place.live, place.login_at = False, now
        self._rate.record(now)
        self._granted += 1
        waiter.claim.granted()
        return True

    def _grant_place(self, now: float) -> bool:
        if not self._waiters:
            return False
        limit = self.limit(now)
        if (limit is not None and len(self._places) >= limit) or (waiter := self._first(now)) is None:
            return False
        self._leave_line(waiter)
        self._grant(waiter.claim, waiter.group, now)
        return True

    def _grant(self, claim: Claim, group: Group, now: float) -> None:
        place = _Place(group, now)
        if claim.login():
            self._rate.record(now)
            place.login_at = now
        self._places[claim.holder] = place
        group.served = next(self._turns)
        self._count(group, 1)
        self._granted += 1
        claim.granted()

    def _first(self, now: float) -> Waiter | None:
        """Who is served by the next place. While the rate allows no login, those who need one are set apart, so that
        nobody is asked again and again."""
        if self._logins_left(now):
            heads = (self._unasked.head(), self._for_login.head())
            return min(
                (head for head in heads if head is not None),
                key=lambda head: (head.group.held, head.rank, head.turn),
                default=None,
            )
        while (waiter := self._unasked.head()) is not None and waiter.claim.login():
            self._unasked.leave(waiter)
            self._for_login.join(waiter)
        return waiter

    def _logins_left(self, now: float) -> int:
        if self._rate.per_minute is None:
            return sys.maxsize
        return max(0, self._rate.per_minute - self._rate.recent(now))

    def _leave_line(self, waiter: Waiter) -> None:
        del self._waiters[waiter.claim.holder]
        if not self._unasked.leave(waiter):
            self._for_login.leave(waiter)
        waiter.group.waiting -= 1

    def _count(self, group: Group, change: int) -> None:
        group.held += change
        self._unasked.moved(group)
        self._for_login.moved(group)
        self._forget(group)

    def _forget(self, group: Group) -> None:
        if not group.held and not group.waiting:
            self._groups.pop(group.name, None)
