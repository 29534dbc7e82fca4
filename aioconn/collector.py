# SPDX-License-Identifier: Apache-2.0
"""Python's collector of cyclic garbage, where looking at everything again and again would cost more than the work."""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_MANY = 100_000  # objects that a first look at would be felt
_CROWD = 200  # devices from which on it pays
_AT_ONCE = 50_000  # new objects, after which the collector looks at them while there is a crowd
_BUSY = 50  # sessions at once, from which on it pays to look less often
_WHILE_BUSY = 10_000  # new objects, after which it looks then


@contextmanager
def paused() -> Iterator[None]:
    """Nothing is looked for meanwhile: two thirds of the time that a large file takes would be spent on it.

    In several threads at once it may go on too early, which costs time and nothing else.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            if gc.get_count()[0] > _MANY and not gc.get_freeze_count():  # somebody else's stay frozen
                gc.freeze()  # all that was made is old from now on, without a look at each
                gc.unfreeze()
            gc.enable()


class _Crowds:
    """How many crowds are under way in this process, and how many sessions live, on whatever loop or thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._count = 0
        self._sessions = 0
        self._busy = False  # since there were many sessions, until there are few
        self._before: tuple[int, int, int] | None = None  # what was set, while something else is

    def enter(self, devices: int) -> bool:
        with self._lock:
            if devices < _CROWD or (not self._count and (gc.get_freeze_count() or not gc.isenabled())):
                return False  # what somebody else set aside, or switched off, stays so
            self._count += 1
            if self._count == 1:
                gc.collect(1)  # what is young and garbage would not be found again for long
                gc.freeze()
                self._adapt()
            return True

    def leave(self) -> None:
        with self._lock:
            self._count -= 1
            if not self._count:
                self._adapt()
                gc.unfreeze()

    def live(self, change: int) -> None:
        with self._lock:
            self._sessions += change
            if self._busy != (self._sessions > (_BUSY // 2 if self._busy else _BUSY)):
                self._busy = not self._busy
                self._adapt()

    def _adapt(self) -> None:
        before = self._before or gc.get_threshold()
        patience = _AT_ONCE if self._count else _WHILE_BUSY if self._busy else 0
        self._before = before if patience else None
        if before[0]:  # else it never looks, as somebody wanted
            gc.set_threshold(max(patience, before[0]), *before[1:])


_crowds = _Crowds()
live = _crowds.live
"""So many sessions more (or fewer) have a place on their device. Where many come and go, in waves, the collector looks
at the newest 700 objects again and again, nearly all of which are in use: a tenth of what connecting takes."""


@contextmanager
def crowded(devices: int) -> Iterator[None]:
    """Many devices are worked on: what exists already, their testbed above all, is not looked at meanwhile, and what
    they need not before there is much of it.

    Nearly all that a session needs is freed as it ends. The collector takes it for new, and looks at it five times,
    and at everything else each time that there is a quarter more: 0.2 ms of the 0.9 that a visit to a telnet device
    costs, and half of what connecting to 9,000 takes.
    """
    entered = _crowds.enter(devices)
    try:
        yield
    finally:
        if entered:
            _crowds.leave()
