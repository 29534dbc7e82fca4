# SPDX-License-Identifier: Apache-2.0
"""An event loop whose time jumps: instead of waiting for its next timer it sets its clock to it.

It is asyncio's own loop with another selector. Nothing in it may do real I/O. When there is no timer to go to and the
work has not ended, nobody will ever wake anybody: that is a deadlock, and it is reported with the stack of each task.
So is work that runs in circles without waiting for anything.
"""

from __future__ import annotations

import asyncio
import selectors
import sys
from collections.abc import Callable, Coroutine
from types import CodeType
from typing import Any, TypeVar

R = TypeVar("R")

START = 1_000.0
HORIZON = 7 * 24 * 3_600.0
SPIN = 20_000
"""Turns of the loop in which no time passes, after which somebody is running in circles."""


class Stuck(AssertionError):
    """The work cannot end any more, or goes on for ever. The message holds the stack of each task."""


class LeftBehind(AssertionError):
    """The work ended, and left tasks behind or let something slip in the loop."""


class JumpingSelector(selectors.SelectSelector):
    """Finds nothing ready, ever, and takes no time. `ticks` counts how often it was asked: the turns of the loop."""

    def __init__(self, horizon: float) -> None:
        super().__init__()
        self.now = START
        self.ticks = 0
        self.moved = 0  # the turn in which time passed last
        self.horizon = START + horizon
        self.alarms: dict[int, Callable[[], object]] = {}

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        self.ticks += 1
        if self.alarms and (alarm := self.alarms.pop(self.ticks, None)) is not None:
            alarm()
            return []
        if timeout is None:
            raise Stuck("nothing is due any more, and the work has not ended\n" + stacks())
        if timeout > 0:
            self.moved = self.ticks
            self.now += timeout
            if self.now > self.horizon:
                raise Stuck(f"the work goes on for more than {self.horizon - START:g} s\n" + stacks())
        elif self.ticks - self.moved > SPIN:
            raise Stuck(f"{SPIN} turns of the loop, and no time passes\n" + stacks())
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    """asyncio's loop on a virtual clock. `ticks` are its turns so far."""

    def __init__(self, *, horizon: float = HORIZON) -> None:
        self._jumping = JumpingSelector(horizon)
        super().__init__(self._jumping)

    def time(self) -> float:
        return self._jumping.now

    @property
    def ticks(self) -> int:
        return self._jumping.ticks

    def at_tick(self, tick: int, callback: Callable[[], object]) -> None:
        """Call `callback` when the loop has come to that turn, ahead of all that is ready in it."""
        self._jumping.alarms[tick] = callback

    def no_alarms(self) -> None:
        """Forget all that `at_tick` was told."""
        self._jumping.alarms.clear()


def run(main: Callable[[], Coroutine[Any, Any, R]], *, horizon: float = HORIZON, eager: bool = False) -> R:
    """Run `main()` on a virtual clock, for at most `horizon` virtual seconds; nothing may be left when it ends."""
    errors: list[dict[str, Any]] = []
    loop = VirtualLoop(horizon=horizon)
    loop.set_exception_handler(lambda _, context: errors.append(context))
    if eager:
        make_eager(loop)
    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        result = runner.run(main())
        left = asyncio.all_tasks(loop)
        if left:
            raise LeftBehind("tasks left behind\n" + "\n".join(map(stack, left)))
    if errors:
        raise LeftBehind("the loop reports\n" + "\n".join(map(told, errors)))
    return result


def make_eager(loop: asyncio.AbstractEventLoop) -> None:
    """Tasks begin at once, inside `create_task`, where Python can do that (3.12)."""
    if sys.version_info >= (3, 12):
        loop.set_task_factory(asyncio.eager_task_factory)


def told(context: dict[str, Any]) -> str:
    """What a loop's exception handler was given, in a line."""
    return f"{context.get('message')}: {context.get('exception')!r}"


def stacks() -> str:
    """Every task of the loop that is running, or was until just now."""
    try:
        return "\n".join(sorted(map(stack, asyncio.all_tasks()))) or "no task at all"
    except RuntimeError:
        return "no running loop"


def stack(task: asyncio.Task[Any]) -> str:
    """A task's name and where it waits, outermost first."""
    lines = [f"{file}:{line} in {name}" for file, line, name in waiting_at(task.get_coro())]
    return f"{task.get_name()}\n    " + "\n    ".join(lines or ["not started"])


def waiting_at(awaitable: Any) -> list[tuple[str, int, str]]:
    """The frames of a suspended coroutine, outermost first: asyncio itself shows the first alone."""
    found = []
    while awaitable is not None:
        code: CodeType | None = None
        for kind in ("cr", "gi", "ag"):
            code = getattr(awaitable, f"{kind}_code", None)
            if code is not None:
                frame = getattr(awaitable, f"{kind}_frame")
                name = getattr(code, "co_qualname", code.co_name)
                found.append((code.co_filename, frame.f_lineno if frame is not None else 0, name))
                inner = "await" if kind != "gi" else "yieldfrom"
                awaitable = getattr(awaitable, f"{kind}_{inner}")
                break
        if code is None:
            break
    return found
