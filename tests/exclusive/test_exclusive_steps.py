# SPDX-License-Identifier: Apache-2.0
"""Random people who ask for a device, give up and give back. Each step is taken by hand, so nothing else orders them.

A coroutine that waits is resumed when the test says so, which lets a cancel, a grant and everybody else's doings fall
between any two of its steps. What must hold is said from outside: who may pass, who must, and who cannot go on waiting.
"""

from __future__ import annotations

import asyncio
import contextvars
import random
from collections import Counter
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, TypeVar

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from aioconn.caller import Caller
from aioconn.errors import Deadlock
from aioconn.exclusive import Exclusivity
from aioconn.exclusive.hold import Hold
from tests.crowd import KINDS, begin_as, end, idle

T = TypeVar("T")
Pick = Callable[[Sequence[T]], T]

PEOPLE = 8


class Person:
    """A task: a context of its own, and the wishes that it is inside of."""

    def __init__(self, name: str, context: contextvars.Context, inside: Sequence[Wish] = ()) -> None:
        self.context = context
        self.inside = list(inside)
        self.wish: Wish | None = None  # what it waits for
        code = Person.__init__.__code__
        self.caller = Caller(name, self, code, 0)


class Wish:
    """One thing that a person asks for. It waits, is granted, is told so, and is over."""

    def __init__(self, person: Person, kind: str, coroutine: Coroutine[Any, Any, Hold | None]) -> None:
        self.person = person
        self.exclusive = kind == "take"
        self.coroutine = coroutine
        self.future: asyncio.Future[None] | None = None
        self.hold: Hold | None = None
        self.granted = False
        self.given_up = False
        self.over = False

    @property
    def waits(self) -> bool:
        return not (self.granted or self.given_up)

    @property
    def live(self) -> bool:
        return self.granted and not self.over


class Stage:
    """Moves people by hand, and checks after each step what it has led to."""

    def __init__(self) -> None:
        self.exclusivity = Exclusivity("r1")
        self.people: list[Person] = []
        self.queue: list[Wish] = []  # who waits, or has waited and was not told yet how it ended
        self.held: list[Wish] = []
        self.done: Counter[str] = Counter()
        for _ in range(PEOPLE):
            self.stranger(lambda people: people[0])

    # ------------------------------------------------------------------ what may happen

    @property
    def free_people(self) -> list[Person]:
        return [person for person in self.people if person.wish is None]

    @property
    def open_wishes(self) -> list[Wish]:
        return [wish for wish in self.queue if not wish.given_up]

    @property
    def unanswered(self) -> list[Wish]:
        return [wish for wish in self.queue if wish.granted or wish.given_up]

    def stranger(self, pick: Pick[Person]) -> None:
        """Somebody new, in place of one who goes; what that one holds is given back by others."""
        if self._has_room(pick):
            self.people.append(Person(self._name(), contextvars.Context()))

    def child(self, pick: Pick[Person]) -> None:
        """A task is started by another: it begins inside of what that one is inside of."""
        if free := self.free_people:
            parent = pick(free)
            self._has_room(pick)
            self.people.append(Person(self._name(), parent.context.copy(), parent.inside))

    def ask(self, pick: Pick[Person], kind: str) -> None:
        if not (free := self.free_people):
            return
        person = pick(free)
        wish = Wish(person, kind, begin_as(self.exclusivity, kind, person.caller))
        may, must = self._may_pass(wish), self._must_pass(wish)
        own = [*self._inside(person), *self._owners()]
        stuck = wish.exclusive and any(other.person is person for other in own)
        try:
            wish.future = person.context.run(wish.coroutine.send, None)
        except StopIteration as stop:
            assert may, "let in past others"
            wish.granted = True
            self._told(wish, stop.value, marked=True)
            self.done["passed"] += 1
        except Deadlock:
            assert stuck, "no deadlock"
            assert not must
            wish.over = True
            self.done["deadlock"] += 1
        else:
            assert not must, "kept waiting for nobody"
            assert not stuck, "waits for itself"
            person.wish = wish
            self.queue.append(wish)
            self.done["waited"] += 1

    def cancel(self, pick: Pick[Wish]) -> None:
        """As a task is cancelled: what it waits for is, if that is not too late; told is it later."""
        if self.open_wishes:
            wish = pick(self.open_wishes)
            assert wish.future is not None
            wish.future.cancel()
            wish.given_up = True
            self.done["cancelled after the grant" if wish.granted else "cancelled"] += 1

    def throw_away(self, pick: Pick[Wish]) -> None:
        """A coroutine is closed that nobody will ever resume."""
        if waiting := [wish for wish in self.queue if wish.waits]:
            wish = pick(waiting)
            wish.given_up = True
            self._answered(wish)
            wish.person.context.run(wish.coroutine.close)
            self.done["thrown away"] += 1

    def tell(self, pick: Pick[Wish], marked: bool) -> None:
        """Resume one whose wait has come to an end, this way or the other."""
        if self.unanswered:
            wish = pick(self.unanswered)
            self._answered(wish)
            try:
                if wish.given_up:
                    wish.over = True
                    wish.person.context.run(wish.coroutine.throw, asyncio.CancelledError())
                else:
                    wish.person.context.run(wish.coroutine.send, None)
            except asyncio.CancelledError:
                assert wish.given_up
                self.done["told that it was cancelled"] += 1
            except StopIteration as stop:
                assert not wish.given_up, "a cancel was swallowed"
                self._told(wish, stop.value, marked)
                self.done["told that it was granted"] += 1

    def give_back(self, pick: Pick[Wish], unmarked: bool) -> None:
        if self.held:
            wish = pick(self.held)
            wish.over = True
            self.held.remove(wish)
            if wish.hold is not None and unmarked:
                wish.person.context.run(wish.hold.unmark)
                wish.person.inside = [other for other in wish.person.inside if other is not wish]
            end(self.exclusivity, wish.hold)
            self.done["given back"] += 1

    def give_all_back(self) -> None:
        """Everybody is told and ends what he does: nobody may be left."""
        for _ in range(10_000):
            if self.unanswered:
                self.tell(lambda wishes: wishes[0], marked=False)
            elif self.held:
                self.give_back(lambda wishes: wishes[0], unmarked=True)
            else:
                break
            self.look()
        assert not self.queue, "somebody waits for ever"
        assert idle(self.exclusivity), repr(self.exclusivity)

    # ------------------------------------------------------------------ what must hold

    def look(self) -> None:
        """After each step: who has been granted something, in what order, and whether all that could be was."""
        for number, wish in enumerate(self.queue):
            assert wish.future is not None
            if wish.waits and wish.future.done():
                assert not wish.future.cancelled()
                assert not any(earlier.waits for earlier in self.queue[:number]), "out of order"
                assert not self._owners(), "let in while another one is alone"
                assert not (wish.exclusive and self._shared()), "alone, and not alone"
                wish.granted = True
        if not any(wish.given_up and not wish.granted for wish in self.queue):
            first = next((wish for wish in self.queue if wish.waits), None)
            if first is not None:
                assert self._owners() or (first.exclusive and self._shared()), "waits for nobody"
        numbers = self.exclusivity.statistics()
        assert (numbers["shared"], numbers["exclusive"]) == (len(self._shared()), len(self._owners()))

    def _live(self) -> list[Wish]:
        return [*self.held, *(wish for wish in self.queue if wish.live)]

    def _owners(self) -> list[Wish]:
        return [wish for wish in self._live() if wish.exclusive]

    def _shared(self) -> list[Wish]:
        return [wish for wish in self._live() if not wish.exclusive]

    def _inside(self, person: Person) -> list[Wish]:
        return [wish for wish in person.inside if wish.live]

    def _may_pass(self, wish: Wish) -> bool:
        inside = self._inside(wish.person)
        if any(other.exclusive for other in inside) or (inside and not wish.exclusive):
            return True
        if any(other.waits for other in self.queue) or self._owners():
            return False
        return not (wish.exclusive and self._shared())

    def _must_pass(self, wish: Wish) -> bool:
        """Those who have given up and do not know it yet may still be in the way, and then are so until they know."""
        silent = any(other.given_up and not other.granted for other in self.queue)
        return self._may_pass(wish) and (not silent or bool(self._inside(wish.person)))

    # ------------------------------------------------------------------ bookkeeping

    def _name(self) -> str:
        self.done["people"] += 1
        return f"task {self.done['people']}"

    def _has_room(self, pick: Pick[Person]) -> bool:
        """If need be, one goes who waits for nothing."""
        if len(self.people) < PEOPLE:
            return True
        if not (free := self.free_people):
            return False
        self.people.remove(pick(free))
        return True

    def _answered(self, wish: Wish) -> None:
        self.queue.remove(wish)
        wish.person.wish = None

    def _told(self, wish: Wish, hold: Hold | None, marked: bool) -> None:
        wish.hold = hold
        self.held.append(wish)
        if hold is not None and marked:
            wish.person.context.run(hold.mark)
            wish.person.inside = [*self._inside(wish.person), wish]


async def test_a_hundred_thousand_steps_lose_nothing():
    chance = random.Random(2_026)
    stage = Stage()
    steps: list[tuple[Callable[[], None], int]] = [
        (lambda: stage.ask(chance.choice, chance.choices(KINDS, (5, 3, 2))[0]), 30),
        (lambda: stage.tell(chance.choice, chance.random() < 0.8), 30),
        (lambda: stage.give_back(chance.choice, chance.random() < 0.7), 20),
        (lambda: stage.cancel(chance.choice), 6),
        (lambda: stage.throw_away(chance.choice), 1),
        (lambda: stage.child(chance.choice), 4),
        (lambda: stage.stranger(chance.choice), 4),
    ]
    plan = chance.choices([step for step, _ in steps], [weight for _, weight in steps], k=100_000)
    for number, step in enumerate(plan):
        step()
        stage.look()
        if number % 1_000 == 999:
            stage.give_all_back()
    stage.give_all_back()
    assert min(stage.done.values()) >= 100, stage.done
    assert len(stage.done) == 10, stage.done


class People(RuleBasedStateMachine):
    """The same, for Hypothesis, which finds the shortest way to a mistake."""

    def __init__(self) -> None:
        super().__init__()
        self.stage = Stage()

    @rule(data=st.data(), kind=st.sampled_from(KINDS))
    def ask(self, data: st.DataObject, kind: str) -> None:
        self.stage.ask(self._pick(data), kind)

    @precondition(lambda self: self.stage.unanswered)
    @rule(data=st.data(), marked=st.booleans())
    def tell(self, data: st.DataObject, marked: bool) -> None:
        self.stage.tell(self._pick(data), marked)

    @precondition(lambda self: self.stage.held)
    @rule(data=st.data(), unmarked=st.booleans())
    def give_back(self, data: st.DataObject, unmarked: bool) -> None:
        self.stage.give_back(self._pick(data), unmarked)

    @precondition(lambda self: self.stage.open_wishes)
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        self.stage.cancel(self._pick(data))

    @precondition(lambda self: self.stage.queue)
    @rule(data=st.data())
    def throw_away(self, data: st.DataObject) -> None:
        self.stage.throw_away(self._pick(data))

    @precondition(lambda self: self.stage.free_people)
    @rule(data=st.data(), stranger=st.booleans())
    def come(self, data: st.DataObject, stranger: bool) -> None:
        (self.stage.stranger if stranger else self.stage.child)(self._pick(data))

    @invariant()
    def holds(self) -> None:
        self.stage.look()

    def teardown(self) -> None:
        self.stage.give_all_back()

    @staticmethod
    def _pick(data: st.DataObject) -> Callable[[Sequence[T]], T]:
        return lambda choices: data.draw(st.sampled_from(choices))


async def test_no_sequence_of_steps_that_hypothesis_finds_goes_wrong():
    """Within a loop, for the futures alone: nothing here waits for it."""
    run_state_machine_as_test(
        People, settings=settings(max_examples=40, stateful_step_count=40, deadline=None, database=None)
    )
