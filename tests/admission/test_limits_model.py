# SPDX-License-Identifier: Apache-2.0
"""Every grant of a budget is compared with a plain model, which looks at all who wait."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from aioconn.admission.limits import Budget, Claim
from aioconn.policy import LEARNED_FOR, TURN, Limits, LoginRate
from tests.examples import examples

WINDOW = LoginRate.WINDOW


@dataclass
class Wanting:
    group: str
    turn: int
    shares: bool  # goes over the group's link when that is up


@dataclass
class Holding:
    group: str
    since: float
    login_at: float | None
    live: bool = False
    yielding: bool = False


class Sharing(RuleBasedStateMachine):
    """Everything that may happen to a budget; the model finds whose turn it is by looking at all who wait."""

    GROUPS = "abcd"

    def __init__(self) -> None:
        super().__init__()
        self.limits = Limits(max_sessions=3, logins_per_minute=4)
        self.budget = Budget(self.limits)
        self.now = 0.0
        self.numbers = itertools.count()
        self.turns = itertools.count()
        self.early = itertools.count(-1_000_000)
        self.wanting: dict[int, Wanting] = {}
        self.logins_wanted: dict[int, None] = {}
        self.holding: dict[int, Holding] = {}
        self.givers: list[str] = []
        self.logins: list[float] = []
        self.links: set[str] = set()
        self.reactions: list[str] = []
        self.depth = 0
        self.served: Counter[str] = Counter()  # the turn at which one of a group got a place last
        self.granted = self.withdrawn = 0
        self.no_grant_before: float | None = None

    # -- the model

    def needs_login(self, claim: Wanting) -> bool:
        return not (claim.shares and claim.group in self.links)

    def room(self) -> float:
        rate = self.limits.logins_per_minute
        recent = sum(at + WINDOW > self.now for at in self.logins)
        return float("inf") if rate is None else max(0, rate - recent)

    def held(self) -> Counter[str]:
        return Counter([place.group for place in self.holding.values()] + self.givers)

    def order(
        self, held: Counter[str], wanting: dict[int, Wanting], room: float, served: Counter[str]
    ) -> list[int]:
        """Those who could be served, whoever is first before all."""
        able = [number for number, claim in wanting.items() if room > 0 or not self.needs_login(claim)]

        def place(number: int) -> tuple[int, int, int]:
            claim = wanting[number]
            in_line = claim.turn if claim.turn < 0 else max(claim.turn, served[claim.group])
            return held[claim.group], in_line, claim.turn

        return sorted(able, key=place)

    def on_grant(self, number: int) -> None:
        limit = self.budget.limit(self.now)
        assert self.no_grant_before is None or self.now >= self.no_grant_before, (
            "granted before next_change()"
        )
        assert not self.logins_wanted or not self.room(), "those who have a place get the logins"
        assert limit is None or len(self.holding) < limit
        assert self.order(self.held(), self.wanting, self.room(), self.served)[0] == number
        claim = self.wanting.pop(number)
        self.served[claim.group] = next(self.turns)
        login_at = None
        if self.needs_login(claim):
            self.logins.append(self.now)
            login_at = self.now
        self.holding[number] = Holding(claim.group, self.now, login_at)
        self.granted += 1
        self.react(number, claim.group)
        if self.givers:
            self.givers.pop(0)

    def react(self, number: int, group: str) -> None:
        """What whoever was granted something does at once."""
        reaction = self.reactions.pop() if self.reactions else "stay"
        if reaction == "give":
            self.do_give(number)
        elif reaction == "withdraw":
            self.do_withdraw(number)
        elif reaction == "ask":
            self.do_ask(group, shares=True, first=False)
        elif reaction == "confirm":
            self.do_confirm(number)

    def call(self, function: Callable[[], Any]) -> Any:
        self.depth += 1
        try:
            return function()
        finally:
            self.depth -= 1
            if not self.depth:
                self.givers.clear()
                self.no_grant_before = None

    # -- what can be done, also out of a grant

    def do_ask(self, group: str, *, shares: bool, first: bool) -> None:
        number = next(self.numbers)
        claim = self.wanting[number] = Wanting(group, next(self.early if first else self.turns), shares)
        asked = Claim(number, group, lambda: self.needs_login(claim), lambda: self.on_grant(number))
        self.call(lambda: self.budget.ask(asked, self.now, first=first))

    def do_give(self, number: int) -> None:
        self.logins_wanted.pop(number, None)
        if self.wanting.pop(number, None) is None:
            place = self.holding.pop(number)
            if place.yielding:
                self.givers.append(place.group)
        self.call(lambda: self.budget.give(number, self.now))

    def do_withdraw(self, number: int) -> None:
        self.withdrawn += 1
        self.logins_wanted.pop(number, None)
        if self.wanting.pop(number, None) is None:
            place = self.holding.pop(number)
            if place.login_at in self.logins and not place.live:
                self.logins.remove(place.login_at)
            if place.yielding:
                self.givers.append(place.group)
        self.call(lambda: self.budget.withdraw(number, self.now))

    def do_confirm(self, number: int) -> None:
        place = self.holding[number]
        if not place.live:
            place.live, place.since = True, self.now
            if place.login_at is not None:
                if place.login_at in self.logins:
                    self.logins.remove(place.login_at)
                self.logins.append(self.now)
                place.login_at = self.now
        self.call(lambda: self.budget.confirmed(number, self.now))

    # -- rules

    @rule(
        group=st.sampled_from(GROUPS),
        shares=st.booleans(),
        first=st.sampled_from([False, False, False, True]),
        reactions=st.lists(st.sampled_from(["stay", "give", "withdraw", "ask", "confirm"]), max_size=3),
    )
    def ask(self, group: str, shares: bool, first: bool, reactions: list[str]) -> None:
        self.reactions = reactions
        self.do_ask(group, shares=shares, first=first)

    @precondition(lambda self: self.holding or self.wanting)
    @rule(data=st.data(), reactions=st.lists(st.sampled_from(["stay", "give", "ask", "confirm"]), max_size=3))
    def give(self, data: st.DataObject, reactions: list[str]) -> None:
        self.reactions = reactions
        self.do_give(data.draw(st.sampled_from([*self.holding, *self.wanting])))

    @precondition(lambda self: self.holding or self.wanting)
    @rule(data=st.data())
    def withdraw(self, data: st.DataObject) -> None:
        self.reactions = []
        self.do_withdraw(data.draw(st.sampled_from([*self.wanting, *self.holding])))

    @precondition(lambda self: self.holding)
    @rule(data=st.data())
    def confirm(self, data: st.DataObject) -> None:
        self.do_confirm(data.draw(st.sampled_from(list(self.holding))))

    @precondition(lambda self: self.holding)
    @rule(data=st.data(), requeue=st.booleans())
    def refuse(self, data: st.DataObject, requeue: bool) -> None:
        number = data.draw(st.sampled_from(list(self.holding)))
        group = self.holding[number].group
        others = len(self.holding) - 1
        learned = self.budget.refused(number, self.now)
        assert others or not learned
        limit = self.budget.limit(self.now)
        assert not learned or (limit is not None and 1 <= limit <= others)
        self.do_give(number)
        if learned and requeue:
            self.do_ask(group, shares=False, first=True)

    @precondition(lambda self: self.holding)
    @rule(data=st.data())
    def ask_login(self, data: st.DataObject) -> None:
        number = data.draw(st.sampled_from(list(self.holding)))
        if number in self.logins_wanted:
            return
        self.logins_wanted[number] = None

        def granted() -> None:
            assert self.no_grant_before is None or self.now >= self.no_grant_before
            assert self.room() > 0
            assert next(iter(self.logins_wanted)) == number
            del self.logins_wanted[number]
            self.logins.append(self.now)
            self.holding[number].login_at, self.holding[number].live = self.now, False
            self.granted += 1
            if self.givers:
                self.givers.pop(0)

        claim = Claim(number, self.holding[number].group, lambda: True, granted)
        self.call(lambda: self.budget.ask_login(claim, self.now))

    @precondition(lambda self: self.holding)
    @rule(data=st.data(), at_release=st.booleans())
    def give_up(self, data: st.DataObject, at_release: bool) -> None:
        number = data.draw(st.sampled_from(list(self.holding)))
        place = self.holding[number]
        if at_release:
            taker = self.budget.turn_over(number, self.now)
            if taker is not None:
                assert self.now - place.since >= TURN
                assert taker != place.group
        else:
            taker = self.budget.hungry(self.now, place.group)
            if taker is not None:
                assert taker != place.group
        if taker is not None and not place.yielding:
            place.yielding = True
            self.budget.yielding(number)

    @rule(group=st.sampled_from(GROUPS), up=st.booleans())
    def link(self, group: str, up: bool) -> None:
        (self.links.add if up else self.links.discard)(group)
        self.call(lambda: self.budget.reconsider(self.now))

    @rule(
        max_sessions=st.sampled_from([1, 2, 3, 5, None]), logins_per_minute=st.sampled_from([1, 2, 4, None])
    )
    def resize(self, max_sessions: int | None, logins_per_minute: int | None) -> None:
        self.limits = Limits(max_sessions=max_sessions, logins_per_minute=logins_per_minute)
        self.call(lambda: self.budget.resize(self.limits, self.now))

    @rule(seconds=st.sampled_from([0.25, 1.0, 10.0, 31.0, 61.0, 150.0, 301.0]))
    def time_passes(self, seconds: float) -> None:
        """The owner comes when he was told to; coming before that gets nobody anything."""
        until = self.now + seconds
        while (at := self.budget.next_change(self.now)) is not None and at <= until:
            assert at > self.now
            self.now += (at - self.now) / 2
            self.no_grant_before = at
            self.call(lambda: self.budget.advance(self.now))
            self.now = at
            self.call(lambda: self.budget.advance(self.now))
        self.now = until
        self.no_grant_before = float("inf")
        self.call(lambda: self.budget.advance(self.now))

    # -- what always holds

    @invariant()
    def counts_agree(self) -> None:
        numbers = self.budget.statistics(self.now)
        assert set(self.budget.holders) == set(self.holding)
        assert numbers["used"] == len(self.holding)
        assert numbers["waiting"] == len(self.wanting) + len(self.logins_wanted)
        assert numbers["waiting_by_group"] == Counter(claim.group for claim in self.wanting.values())
        assert numbers["logins"] == sum(at + WINDOW > self.now for at in self.logins)
        assert numbers["granted"] == self.granted
        assert numbers["withdrawn"] == self.withdrawn
        assert all(self.budget.waits(number) for number in self.wanting)

    @invariant()
    def nobody_waits_who_could_be_served(self) -> None:
        assert not (self.logins_wanted and self.room())
        limit = self.budget.limit(self.now)
        if limit is None or len(self.holding) < limit:
            assert not self.order(self.held(), self.wanting, self.room(), self.served)

    @invariant()
    def sessions_are_given_up_for_those_who_would_get_them(self) -> None:
        """`hungry()` tells what serving one after the other would tell, unless logins run out on the way."""
        taker, coming = None, 0
        limit = self.budget.limit(self.now)
        if limit is not None:
            held, wanting, room = self.held(), dict(self.wanting), self.room()
            served, later = self.served.copy(), itertools.count(10**9)
            coming = max(
                0, limit - len(self.holding) + sum(place.yielding for place in self.holding.values())
            )
            for _ in range(coming + 1):
                if not (order := self.order(held, wanting, room, served)):
                    taker = None
                    break
                claim = wanting.pop(order[0])
                held[claim.group] += 1
                served[claim.group] = next(later)
                room -= self.needs_login(claim)
                taker = claim.group
        told = self.budget.hungry(self.now)
        if self.limits.logins_per_minute is None or coming == 0:
            assert told == taker
        else:
            assert told in (None, taker)
        for group in self.GROUPS:
            assert self.budget.hungry(self.now, group) == (None if told == group else told)

    def teardown(self) -> None:
        """When all are gone there is nothing left, and the budget serves as before."""
        self.reactions = []
        for number in [*self.wanting, *self.holding]:
            self.do_give(number)
        assert (self.budget.used, self.budget.waiting) == (0, 0)
        self.now += 10 * LEARNED_FOR
        self.call(lambda: self.budget.advance(self.now))
        assert self.budget.learned is None
        assert self.budget.next_change(self.now) is None
        self.do_ask("a", shares=False, first=False)
        assert len(self.holding) == 1


TestSharing = Sharing.TestCase
TestSharing.settings = settings(examples(60), stateful_step_count=40)
