# SPDX-License-Identifier: Apache-2.0
"""The ways to end a command early."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from aioconn.errors import AioconnError, CommandTimeout
from tests.desync.tap import Tap

Ask = Callable[[float | None], Coroutine[Any, Any, Any]]

WAYS = ("cancel", "twice", "deadline", "group", "timeout")
PLACES = ("received", "sent", "time", "turns")


class Broken(Exception):
    """Another task of the group failed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """`amount` counts bytes, seconds or turns of the loop, whichever `place` says, from the moment of asking.

    What the stream brings, or is given, behind the byte of the cut follows `turns` turns and `delay` seconds later.
    """

    way: str
    place: str
    amount: float
    turns: int = 0
    delay: float = 0.0
    again: int = 0

    async def through(self, ask: Ask, tap: Tap) -> tuple[bool, Any]:
        """Whether it has cut `ask()` short, and what that answered if not."""
        if self.way == "timeout":
            try:
                return False, await ask(self.amount)
            except CommandTimeout:
                return True, None
        if self.way == "deadline":
            return await self._by_deadline(ask, tap)
        if self.way == "group":
            # in a task of its own: up to Python 3.12 a group that fails at its end leaves the task marked as cancelled
            return await asyncio.ensure_future(self._by_group(ask, tap))
        return await self._by_cancel(ask, tap)

    async def _by_cancel(self, ask: Ask, tap: Tap) -> tuple[bool, Any]:
        task = asyncio.ensure_future(ask(None))
        fired = False

        def fire() -> None:
            nonlocal fired
            fired = task.cancel()
            if self.way == "twice":
                after_turns(self.again, task.cancel)

        disarm = self._arm(tap, fire)
        try:
            return False, await task
        except asyncio.CancelledError:
            if not (fired and task.cancelled()):
                raise
            return True, None
        finally:
            disarm()

    async def _by_deadline(self, ask: Ask, tap: Tap) -> tuple[bool, Any]:
        loop = asyncio.get_running_loop()
        deadline = asyncio.timeout(None)
        try:
            async with deadline:
                disarm = self._arm(tap, lambda: deadline.reschedule(loop.time()))
                try:
                    return False, await ask(None)
                finally:
                    disarm()
        except TimeoutError:
            if not deadline.expired():
                raise
            return True, None

    async def _by_group(self, ask: Ask, tap: Tap) -> tuple[bool, Any]:
        broken: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        async def fail() -> None:
            await broken

        def fire() -> None:
            if not broken.done():
                broken.set_exception(Broken())

        answers: list[Any] = []

        async def answer() -> None:
            try:
                answers.append(await ask(None))
            except AioconnError as error:
                answers.append(error)
            if not broken.done():
                broken.set_result(None)

        disarm = self._arm(tap, fire)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(fail())
                group.create_task(answer())
        except* Broken:
            pass
        finally:
            disarm()
        for found in answers:
            if isinstance(found, AioconnError):
                raise found
            return False, found
        return True, None

    def _arm(self, tap: Tap, fire: Callable[[], object]) -> Callable[[], object]:
        loop = asyncio.get_running_loop()
        if self.place == "time":
            return loop.call_later(self.amount, fire).cancel
        if self.place == "turns":
            return after_turns(int(self.amount), fire)
        gate = tap.to_us if self.place == "received" else tap.to_device
        gate.arm(int(self.amount), fire, turns=self.turns, delay=self.delay)
        return gate.disarm


def cut_at(rng: random.Random, *, received: int, sent: int, seconds: float) -> Cut:
    """A cut at any byte of what a command sends and is answered, or at any time until it is answered, as likely."""
    way = rng.choice(WAYS)
    place = "time" if way == "timeout" else rng.choices(PLACES, (50, 25, 15, 10))[0]
    amount: float
    if place == "received":
        amount = rng.randint(1, max(received, 1))
    elif place == "sent":
        amount = rng.randint(1, max(sent, 1))
    elif place == "turns":
        amount = rng.randint(1, 12)
    else:
        amount = rng.uniform(0.0, seconds) + 1e-4
    return Cut(
        way=way,
        place=place,
        amount=amount,
        turns=rng.choice((0, 0, 1, 2, 5)),
        delay=rng.choice((0.0, 0.0, 0.0, rng.uniform(0, 0.03))),
        again=rng.randint(0, 5),
    )


def after_turns(turns: int, call: Callable[[], object]) -> Callable[[], object]:
    """Call it after so many turns of the loop; returns what calls that off."""
    loop = asyncio.get_running_loop()
    off = False

    def turn(left: int) -> None:
        if off:
            return
        if left:
            loop.call_soon(turn, left - 1)
        else:
            call()

    def call_off() -> None:
        nonlocal off
        off = True

    loop.call_soon(turn, turns)
    return call_off
