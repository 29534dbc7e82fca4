# SPDX-License-Identifier: Apache-2.0
"""A crowd of tasks that each want one thing of an `Exclusivity`."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

from aioconn.caller import Caller
from aioconn.exclusive import Exclusivity
from aioconn.exclusive.hold import Hold

SHARED = ("enter", "hold")
KINDS = (*SHARED, "take")


def idle(exclusivity: Exclusivity) -> bool:
    """Whether nothing is held or waited for, and the next one could be alone."""
    numbers = exclusivity.statistics()
    if numbers["shared"] or numbers["exclusive"] or numbers["waiting"]:
        return False
    hold = exclusivity.try_take()
    if hold is None:
        return False
    hold.release()
    if not exclusivity.try_enter():
        return False
    exclusivity.leave()
    return True


async def turns(number: int = 3) -> None:
    for _ in range(number):
        await asyncio.sleep(0)


def begin(exclusivity: Exclusivity, kind: str) -> Coroutine[Any, Any, Hold | None]:
    return begin_as(exclusivity, kind, None)


def begin_as(exclusivity: Exclusivity, kind: str, caller: Caller | None) -> Coroutine[Any, Any, Hold | None]:
    match kind:
        case "enter":
            return exclusivity.enter()
        case "hold":
            return exclusivity.hold("lease", caller=caller)
        case _:
            return exclusivity.take(caller=caller)


def end(exclusivity: Exclusivity, hold: Hold | None) -> None:
    exclusivity.leave() if hold is None else hold.release()


class Crowd:
    """Tasks that each want one thing, and the order in which they got it."""

    def __init__(self, exclusivity: Exclusivity) -> None:
        self.exclusivity = exclusivity
        self.got: list[str] = []
        self.enough: dict[str, asyncio.Event] = {}
        self.tasks: dict[str, asyncio.Task[None]] = {}

    async def join(self, name: str, kind: str) -> None:
        self.enough[name] = asyncio.Event()
        self.tasks[name] = asyncio.create_task(self._live(name, kind), name=name)
        await turns()

    async def _live(self, name: str, kind: str) -> None:
        hold = await begin(self.exclusivity, kind)  # LIVING is this line
        self.got.append(name)
        try:
            await self.enough[name].wait()
        finally:
            end(self.exclusivity, hold)

    async def leave(self, *names: str) -> None:
        for name in names:
            self.enough[name].set()
        await turns()

    async def cancel(self, name: str) -> None:
        self.tasks[name].cancel()
        await asyncio.wait({self.tasks[name]})
        assert self.tasks[name].cancelled()

    async def end(self) -> None:
        await self.leave(*self.enough)
        await asyncio.wait(self.tasks.values(), timeout=5)
        assert idle(self.exclusivity)


LIVING = f"crowd.py:{Crowd._live.__code__.co_firstlineno + 1} in _live"
"""Where the tasks of a crowd ask."""


class Clock:
    """Stands still until the test moves it on."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now
