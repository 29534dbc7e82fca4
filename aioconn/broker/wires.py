# SPDX-License-Identifier: Apache-2.0
"""The wires of this process to another one: idle ones by home, and threads that wait for one."""

from __future__ import annotations

import time
import weakref
from _thread import allocate_lock
from collections import deque

from aioconn.broker.books import Address
from aioconn.broker.frames import Target
from aioconn.broker.wire import Step, Wire
from aioconn.errors import BrokerGone, LimitReached

MOST = 60
"""Open at a time: a few less than are admitted, for those whose end the other side has not seen yet."""

WAIT = 60.0
"""Seconds until one must have come free."""

SPARE = 30.0
"""Seconds after which an idle wire is closed when there are others."""

_READY = Step.READY  # on Python 3.11 it takes a search to get a member from its class


class Waiter:
    __slots__ = ("_granted", "cause", "wire")

    def __init__(self) -> None:
        self.wire: Wire | None = None
        self.cause: BaseException | None = None
        self._granted = allocate_lock()
        self._granted.acquire()

    def wait(self, seconds: float) -> bool:
        return self._granted.acquire(timeout=seconds)

    def grant(self, wire: Wire | None) -> None:
        self.wire = wire
        self._granted.release()


class Wires:
    """Thread-safe. A wire that is forgotten by whoever took it gives its place back by itself."""

    def __init__(self, address: Address) -> None:
        self.address = address
        self.opened = 0
        self.replaced = 0
        self.closed: BaseException | None = None
        """Why none is given any more."""
        self._lock = allocate_lock()
        self._all: weakref.WeakSet[Wire] = weakref.WeakSet()
        self._idle: dict[int, list[Wire]] = {}  # by home; the one that was used last is the next
        self._homes: dict[int, int] = {}  # of the devices that were asked for
        self._waiting: deque[Waiter] = deque()

    def __len__(self) -> int:
        return len(self._all)

    @property
    def idle(self) -> int:
        return sum(map(len, list(self._idle.values())))

    @property
    def waiting(self) -> int:
        return len(self._waiting)

    def take(self, target: Target) -> Wire:
        """A wire, at the home of `target` if that is known. Raises `BrokerGone`, `BrokerRefused`, `LimitReached`."""
        surplus = waiter = None
        with self._lock:
            if self.closed is not None:
                raise self.closed
            stack = self._idle.get(self._homes.get(target.key, 0) if target.kind != "testbed" else 0)
            if stack:
                return stack.pop()
            if len(self._all) >= MOST:
                surplus = self._least_used()
                if surplus is None:
                    waiter = Waiter()
                    self._waiting.append(waiter)
            wire = self._place() if waiter is None else None
        if surplus is not None:
            surplus.close()
        if waiter is not None:
            wire = self._wait(waiter)
        assert wire is not None
        return wire if wire.step is _READY else self._connect(wire, target)

    def replace(self, wire: Wire, target: Target) -> Wire:
        """Another one for a wire that was found dead."""
        self.replaced += 1
        with self._lock:
            self._all.discard(wire)
            place = self._place()
        wire.close()
        return self._connect(place, target)

    def give(self, wire: Wire, target: Target | None = None) -> None:
        """Give it back after it was used for `target`. One that is not in step is closed."""
        # A device that had no home may have one by now.
        homeless = wire.home == 0 and target is not None and target.kind in ("device", "connection")
        keep = wire.step is _READY and wire.cause is None and not homeless
        old = None
        with self._lock:
            if not keep:
                self._all.discard(wire)
            if self._waiting:
                self._waiting.popleft().grant(wire if keep else self._place())
            elif keep:
                stack = self._idle.setdefault(wire.home, [])
                wire.idle_since = now = time.monotonic()
                stack.append(wire)
                if stack[0].idle_since < now - SPARE:
                    old = stack.pop(0)
                    self._all.discard(old)
        if not keep:
            wire.close()
        if old is not None:
            old.close()

    def shut(self, cause: BaseException | None) -> None:
        """Shut all, from any thread: who waits for an answer, or for a wire, hears it at once."""
        cause = cause or BrokerGone(f"the wires to process {self.address.pid} were closed by this one")
        with self._lock:
            wires, idle, waiting = list(self._all), list(self._idle.values()), list(self._waiting)
            self._all.clear()
            self._idle.clear()
            self._waiting.clear()
        for wire in wires:
            wire.shut(cause)
        for wire in (wire for stack in idle for wire in stack):
            wire.close()
        for waiter in waiting:
            waiter.cause = cause
            waiter.grant(None)

    def _place(self) -> Wire:
        wire = Wire(self.address)
        self._all.add(wire)
        return wire

    def _least_used(self) -> Wire | None:
        stack = min(filter(None, self._idle.values()), key=lambda stack: stack[0].idle_since, default=None)
        if stack is None:
            return None
        wire = stack.pop(0)
        self._all.discard(wire)
        return wire

    def _connect(self, wire: Wire, target: Target) -> Wire:
        try:
            wire.connect(target)
        except BaseException:
            self.give(wire)
            raise
        self.opened += 1
        if wire.home and target.kind != "testbed":
            self._homes[target.key] = wire.home
        return wire

    def _wait(self, waiter: Waiter) -> Wire:
        granted = False
        try:
            granted = waiter.wait(WAIT)
        finally:
            if not granted:
                self._withdraw(waiter)
        if waiter.cause is not None:
            raise waiter.cause
        if not granted:
            raise LimitReached(
                f"{MOST} calls of this process to process {self.address.pid} were under way for {WAIT:g} s",
                hint="call from fewer threads, or leave blocks that are not needed any more",
            )
        assert waiter.wire is not None
        return waiter.wire

    def _withdraw(self, waiter: Waiter) -> None:
        with self._lock:
            if waiter in self._waiting:
                self._waiting.remove(waiter)
        if waiter.wire is not None:  # granted meanwhile
            self.give(waiter.wire)
