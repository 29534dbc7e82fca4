# SPDX-License-Identifier: Apache-2.0
"""Deadlines that cost next to nothing as long as they are kept.

`asyncio.timeout` makes a timer for each use and cancels it again, which takes half the time of a call that has nothing
to wait for. Here all deadlines of one alarm share a timer: it goes off at the earliest of them, looks which have
passed, and is set to the next. Who is done before takes his deadline away, and leaves the timer alone.
"""

from __future__ import annotations

import asyncio
import math
from types import TracebackType


class Alarm:
    """The deadlines of tasks of one loop, used in that loop alone."""

    __slots__ = ("_timer", "at", "loop", "running")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.running: set[Deadline] = set()
        self.at = math.inf  # when it goes off
        self._timer: asyncio.TimerHandle | None = None

    def after(self, seconds: float) -> Deadline:
        """A deadline for the running task, which begins when it is entered; see `Deadline`."""
        return Deadline(self, self.loop.time() + seconds)

    def stop(self) -> None:
        """Forget the timer, when no deadline is to come any more."""
        if self._timer is not None and not self.running:
            self._timer.cancel()
            self._timer, self.at = None, math.inf

    def set(self, when: float) -> None:
        """Go off at that time."""
        if self._timer is not None:
            self._timer.cancel()
        self.at = when
        self._timer = self.loop.call_at(when, self._go_off)

    def _go_off(self) -> None:
        at, self.at, self._timer = self.at, math.inf, None
        for deadline in [one for one in self.running if one.when <= at]:
            self.running.discard(deadline)
            deadline.pass_by()
        if self.running:
            self.set(min(one.when for one in self.running))


class Deadline:
    """`with alarm.after(seconds):` ends what the task does inside as `asyncio.timeout` does: with TimeoutError.

    `when` is in the loop's time, `task` whoever has entered it.
    """

    __slots__ = ("_alarm", "_cancelling", "passed", "task", "when")

    def __init__(self, alarm: Alarm, when: float) -> None:
        self.when = when
        self.passed = False
        self._alarm = alarm

    def __enter__(self) -> Deadline:
        task = asyncio.current_task(
            self._alarm.loop
        )  # a quarter of what it costs to look for the loop (3.11)
        if task is None:
            raise RuntimeError("a deadline is for tasks")
        self.task = task
        self._cancelling = task.cancelling()
        alarm = self._alarm
        alarm.running.add(self)
        if self.when < alarm.at:
            alarm.set(self.when)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._alarm.running.discard(self)
        if (
            self.passed
            and self.task.uncancel() <= self._cancelling
            and kind is not None
            and issubclass(kind, asyncio.CancelledError)
        ):
            raise TimeoutError from error

    def pass_by(self) -> None:
        """It has passed; the alarm says so."""
        self.passed = True
        self.task.cancel()
