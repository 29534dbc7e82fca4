# SPDX-License-Identifier: Apache-2.0
"""The cancel adversary: runs a piece of work again and again, and cuts it off at each place where it waits.

A cut has a moment and a way. The moments of the k-th wait:

    WAITS     the work has just begun to wait
    GRANTED   what it waits for has come, in this very turn of the loop, and the work does not know yet
    TICK      not a wait of the work itself, but the k-th turn of the loop: reaches tasks that the work has started

and the ways in which an end may come to a task are those that asyncio and anyio have. After each cut the world must be
as it was, which the caller's `settle` asserts; that a cut was swallowed, or came out as something else, is found here.
"""

from __future__ import annotations

import asyncio
import sys
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine, Generator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import anyio

from tests.storm.clock import VirtualLoop, stack, waiting_at

PATIENCE = 100.0
"""Seconds that a piece of work that was cut may take to end."""

TURNS = 200
"""Turns of the loop that tasks get to end by themselves after a cut."""


class Moment(StrEnum):
    WAITS = "waits"
    GRANTED = "granted"
    TICK = "tick"


class Way(StrEnum):
    """How the end comes."""

    ONCE = "cancelled once"
    DOUBLE = "cancelled twice in one turn"
    AGAIN = "cancelled again in the next turn"
    HAMMER = "cancelled at each further wait"
    TIMEOUT = "asyncio.timeout"
    GROUP = "a sibling in its TaskGroup fails"
    SCOPE = "anyio scope"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    way: Way
    moment: Moment
    number: int

    def __str__(self) -> str:
        return f"{self.way} at {self.moment} {self.number}"


@dataclass(slots=True)
class Tally:
    """What was done: cuts in all, cuts by way, and the places in the work where they struck."""

    cuts: int = 0
    ways: Counter[Way] = field(default_factory=Counter)
    places: Counter[str] = field(default_factory=Counter)


class SiblingFailed(Exception):
    """The reason why a TaskGroup is cancelled here."""


class Struck:
    """Drives the work, counts its waits, and strikes when the time has come."""

    def __init__(self, work: Coroutine[Any, Any, Any], cut: Cut, unbegun: bool) -> None:
        self.work = work
        self.cut = cut
        self.unbegun = unbegun
        self.strike: Callable[[], object] | None = None
        self.task: asyncio.Task[Any] | None = None
        self.waits = 0
        self.struck = False
        self.place = ""
        self.started = False
        self.early = False
        self.ended = False
        self.returned = False
        self.result: Any = None

    def __await__(self) -> Generator[Any, Any, Any]:
        self.task = asyncio.current_task()
        self.started = True
        sent: Any = None
        thrown: BaseException | None = None
        while True:
            try:
                waited = self.work.send(sent) if thrown is None else self.work.throw(thrown)
            except StopIteration as stop:
                self.ended = self.returned = True
                self.result = stop.value
                return stop.value
            except BaseException:
                self.ended = True
                raise
            self._look(waited)
            sent = thrown = None
            try:
                sent = yield waited
            except BaseException as error:
                thrown = error

    def _look(self, waited: Any) -> None:
        due = self.waits == self.cut.number and self.cut.moment is not Moment.TICK
        self.waits += 1
        if due:
            self.place = self._place()
            if self.cut.moment is Moment.GRANTED and isinstance(waited, asyncio.Future):
                waited.add_done_callback(lambda _: self.fire())
            else:
                self.fire()
        elif self.struck and self.cut.way is Way.HAMMER and self.waits < self.cut.number + 50:
            assert self.task is not None
            self.task.cancel()

    def _place(self) -> str:
        ours = [at for at in waiting_at(self.work) if "/aioconn/" in at[0]] or waiting_at(self.work)
        file, line, name = ours[-1]
        return f"{file.rpartition('/aioconn/')[2]}:{line} in {name}"

    def fire(self) -> None:
        """Strike, if the work still goes on."""
        if self.strike is None or not (self.started or self.unbegun):
            self.early = True
        elif not self.ended and not self.struck:
            self.struck = True
            self.place = self.place or (self._place() if self.started else "before it began")
            self.strike()


async def cut_everywhere(
    make: Callable[[], Coroutine[Any, Any, Any]],
    *,
    settle: Callable[[], Awaitable[None]],
    undo: Callable[[Any], Awaitable[None]] | None = None,
    ways: tuple[Way, ...] = tuple(Way),
    moments: tuple[Moment, ...] = (Moment.WAITS, Moment.GRANTED),
    unbegun: bool = True,
    stride: int = 1,
    limit: int = 2_000,
) -> Tally:
    """Cut `make()` at its wait number 0, 1, 2, ... until it ends uncut, in every way; `settle()` follows each.

    `undo(result)` takes back what the work did when the cut came too late. `stride` is that of the turns of the loop;
    with `unbegun`, they may come before the work has begun. Raises AssertionError with the cut in a note.
    """
    tally = Tally()
    for way in ways:
        for moment in moments:
            for number in range(0, limit, stride if moment is Moment.TICK else 1):
                cut = Cut(way=way, moment=moment, number=number)
                if not await _cut_once(make, cut, settle, undo, tally, unbegun):
                    break
            else:
                raise AssertionError(f"{way} at {moment}: still not through after {limit}")
    return tally


async def _cut_once(
    make: Callable[[], Coroutine[Any, Any, Any]],
    cut: Cut,
    settle: Callable[[], Awaitable[None]],
    undo: Callable[[Any], Awaitable[None]] | None,
    tally: Tally,
    unbegun: bool,
) -> bool:
    """Whether the cut came before the work was through."""
    before = asyncio.all_tasks()
    driven = Struck(make(), cut, unbegun)
    try:
        await _drive(driven)
        if driven.struck:
            tally.cuts += 1
            tally.ways[cut.way] += 1
            tally.places[driven.place] += 1
        if driven.returned and undo is not None:
            await undo(driven.result)
        await settle()
        await _tasks_gone(before)
    except BaseException as error:
        error.add_note(f"when it was {cut}, waiting at {driven.place or 'nothing'}")
        raise
    return driven.struck or (cut.moment is Moment.TICK and driven.early)


async def _drive(driven: Struck) -> None:
    cut = driven.cut
    task = asyncio.create_task(_BODIES.get(cut.way, _plain)(driven), name=f"work, {cut}")
    if cut.moment is Moment.TICK:
        _at_tick(cut.number, driven.fire)
    await asyncio.wait({task}, timeout=PATIENCE)
    driven.work.close()  # if it never began
    loop = asyncio.get_running_loop()
    if isinstance(loop, VirtualLoop):
        loop.no_alarms()
    if not task.done():
        where = stack(task)
        task.cancel()
        await asyncio.wait({task}, timeout=PATIENCE)
        raise AssertionError(f"does not end\n{where}")
    if task.cancelled():
        raise AssertionError("the way itself was cancelled")
    task.result()


def _at_tick(number: int, callback: Callable[[], object]) -> None:
    """On a virtual loop without disturbing it; on a real one the loop spins until then."""
    loop = asyncio.get_running_loop()
    if isinstance(loop, VirtualLoop):
        loop.at_tick(loop.ticks + 1 + number, callback)
    elif number > 0:
        loop.call_soon(_at_tick, number - 1, callback)
    else:
        loop.call_soon(callback)


# ---------------------------------------------------------------------- the ways


async def _plain(driven: Struck) -> None:
    """Native cancels, of a task of the work's own."""
    loop = asyncio.get_running_loop()

    async def body() -> Any:
        return await driven

    task = asyncio.create_task(body())

    def strike() -> None:
        task.cancel("first")
        if driven.cut.way is Way.DOUBLE:
            task.cancel("second")
        elif driven.cut.way is Way.AGAIN:
            loop.call_soon(task.cancel, "second")

    driven.strike = strike
    await asyncio.wait({task})
    if driven.struck:
        assert task.cancelled(), f"the cancel was swallowed or became something else: {_outcome(task)}"
    else:
        task.result()


def _outcome(task: asyncio.Task[Any]) -> str:
    return repr(task.exception() or task.result())


async def _timeout(driven: Struck) -> None:
    loop = asyncio.get_running_loop()
    deadline = asyncio.timeout(None)
    try:
        async with deadline:
            driven.strike = lambda: deadline.reschedule(loop.time())
            await driven
    except TimeoutError:
        assert deadline.expired(), "a TimeoutError, and it was not the deadline's"
    else:
        assert not deadline.expired(), f"the timeout was swallowed, and there is {driven.result!r}"
    _not_cancelled_any_more()


async def _group(driven: Struck) -> None:
    fails: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def sibling() -> None:
        await fails

    def strike() -> None:
        if not fails.done():
            fails.set_exception(SiblingFailed())

    async def body() -> None:
        try:
            await driven
        finally:
            if not fails.done():
                fails.set_result(None)

    driven.strike = strike
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(sibling())
            group.create_task(body())
    except* SiblingFailed:
        pass
    if sys.version_info >= (3, 13):  # before that TaskGroup itself leaves its parent's count raised
        _not_cancelled_any_more()


async def _scope(driven: Struck) -> None:
    with anyio.CancelScope() as scope:
        driven.strike = scope.cancel
        await driven
    assert scope.cancelled_caught or driven.returned
    _not_cancelled_any_more()


def _not_cancelled_any_more() -> None:
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0, "a cancel leaks out of the block that it was meant for"


_BODIES: dict[Way, Callable[[Struck], Coroutine[Any, Any, None]]] = {
    Way.TIMEOUT: _timeout,
    Way.GROUP: _group,
    Way.SCOPE: _scope,
}


async def _tasks_gone(before: set[asyncio.Task[Any]]) -> None:
    loop = asyncio.get_running_loop()
    pause = 0.0 if isinstance(loop, VirtualLoop) else 0.005
    for _ in range(TURNS):
        if not asyncio.all_tasks() - before:
            return
        await asyncio.sleep(pause)
    left = asyncio.all_tasks() - before
    raise AssertionError("tasks are left behind\n" + "\n".join(map(stack, left)))
