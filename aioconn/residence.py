# SPDX-License-Identifier: Apache-2.0
"""Which event loop a device lives on."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import Callable
from typing import Literal, TypeVar, get_args

from aioconn.errors import LoopMismatch, UsageError
from aioconn.home import HomeLease, homes, watch
from aioconn.home.locks import Lock

T = TypeVar("T")

LoopKind = Literal["caller", "own", "shared"]

lodging: contextvars.ContextVar[Literal["shared"] | None] = contextvars.ContextVar(
    "aioconn lodging", default=None
)
"""Where devices settle that live nowhere yet, whatever their own kind is. For work on very many of them at once."""


def home_of(home: asyncio.AbstractEventLoop | None, what: str) -> asyncio.AbstractEventLoop:
    """The loop to carry a call to, which is the running one if the call is at home. Raises `LoopMismatch` where the
    home loop does not run (any more): nothing could come back from there."""
    running = asyncio.get_running_loop()
    if home is None or home is running:
        return running
    if not home.is_running():
        raise LoopMismatch(
            f"the home loop of {what}, {id(home):#x}, does not run; called from loop {id(running):#x}",
            hint="call it while that loop runs, or give the device a loop of its own (loop='own')",
        )
    return home


def home_to_open_at(home: asyncio.AbstractEventLoop | None) -> asyncio.AbstractEventLoop:
    """Where something of a device is opened that is not open: at the device's home if that runs, else here. Never where
    it was open before: the device may live elsewhere by now, and a loop that it has left ends soon."""
    return home if home is not None and home.is_running() else asyncio.get_running_loop()


settling = Lock()
"""Around each change of the loop that a connection or a pool lives on. Who calls it just as it is closed may find its
loop gone, and no other; before he has it live at his own, another thread may have opened it elsewhere."""


class Residence:
    """A device's home loop, from its first connection to the end of its last. For any thread.

    `caller`: the loop that connects first. `own`: a loop in a thread of its own. `shared`: the one loop thread of all
    devices that ask for it. A device behind a jump host lives where that one lives: links do not cross loops.
    """

    def __init__(self, device: str, kind: LoopKind = "caller") -> None:
        if kind not in get_args(LoopKind):
            raise UsageError(f"loop {kind!r} is none of {', '.join(get_args(LoopKind))}", device=device)
        self._device = device
        self.kind: LoopKind = kind
        self.loop: asyncio.AbstractEventLoop | None = None
        self._lease: HomeLease | None = None
        self._with_neighbour = False
        self._lock = Lock()  # around each change of the three, and around who comes to open something
        self.guests = 0  # who open something at the home loop, or are about to

    @property
    def here(self) -> asyncio.AbstractEventLoop | None:
        """The running loop, if the device lives there and would settle there again."""
        loop = asyncio.get_running_loop()
        callers = self.kind == "caller" and not self._with_neighbour and lodging.get() is None
        return loop if callers and self.loop is loop else None

    @property
    def leased(self) -> asyncio.AbstractEventLoop | None:
        """The home loop, if it runs and is kept running for this device."""
        loop = self.loop
        return loop if self._lease is not None and loop is not None and loop.is_running() else None

    def claim(
        self, *, vacant: Callable[[], bool], neighbour: Residence | None = None
    ) -> asyncio.AbstractEventLoop:
        """The home loop, found or started. `vacant()`: nothing of the device lives there now, it may move."""
        while True:
            home = self._settled(vacant, neighbour)
            try:
                return home_of(home, self._device)
            except LoopMismatch:
                if self.loop is home:
                    raise
                # The device has left it in another thread, this very moment: it will find another.

    def claim_from_thread(
        self, *, vacant: Callable[[], bool], neighbour: Residence | None = None
    ) -> asyncio.AbstractEventLoop:
        """The same for a thread in which no loop runs. Raises `LoopMismatch` if the home loop does not run, and
        `UsageError` if there is none and the device is to live on a caller's."""
        while not (home := self._settled(vacant, neighbour)).is_running():
            if self.loop is home:  # else the device has left it in another thread, this very moment
                raise LoopMismatch(f"the home loop of {self._device}, {id(home):#x}, does not run", hint=_OWN)
        return home

    def _settled(self, vacant: Callable[[], bool], neighbour: Residence | None) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self.loop is None or self.loop.is_closed() or self._may_move(vacant):
                self.loop = self._settle(neighbour)
            return self.loop

    def _may_move(self, vacant: Callable[[], bool]) -> bool:
        return self._lease is None and not self.guests and vacant()

    def _settle(self, neighbour: Residence | None) -> asyncio.AbstractEventLoop:
        self._with_neighbour = neighbour is not None
        if neighbour is not None:
            return neighbour._settled(lambda: False, None)
        kind = lodging.get() or self.kind
        if kind == "caller":
            return self._callers()
        self._lease = homes.own(self._device) if kind == "own" else homes.shared()
        return self._lease.loop

    def _callers(self) -> asyncio.AbstractEventLoop:
        try:
            running = asyncio.get_running_loop()
        except RuntimeError:
            if self.loop is not None and self.loop.is_running():
                return self.loop
            raise UsageError(
                "no event loop runs here that the device could live on", device=self._device, hint=_OWN
            ) from None
        watch(running)  # so that calls from elsewhere hear of its end
        return running

    def arrive(self) -> bool:
        """Somebody is about to open something at the running loop: until he departs, the device stays there. False if
        it lives elsewhere: another thread has just found nothing here that would have kept it."""
        running = asyncio.get_running_loop()
        with self._lock:
            if self.loop is not running:
                return False
            self.guests += 1
            return True

    def depart(self) -> None:
        """Whatever came of it, as often as `arrive()` was True, and at the same loop."""
        with self._lock:
            self.guests -= 1

    def leave(self) -> None:
        """Nothing of the device is open any more: its thread ends when nobody else needs it."""
        with self._lock:
            lease, self._lease = self._lease, None
            if lease is not None or self._with_neighbour:  # who may live elsewhere by the next time
                self.loop = None
        if lease is not None:
            lease.release()


_OWN = "give the device a loop of its own (loop='own')"


def undisturbed(work: Callable[[], T]) -> T:
    """What `work` returns. Ctrl-C, which may reach the main thread at any point of its code, leaves nothing half done:
    there the work is done in another thread, and goes on to its end even if nobody waits for it any more."""
    if threading.current_thread() is not threading.main_thread():
        return work()
    outcome: list[T] = []
    failure: list[BaseException] = []

    def run() -> None:
        try:
            outcome.append(context.run(work))
        except BaseException as error:
            failure.append(error)

    context = contextvars.copy_context()
    worker = threading.Thread(target=run, name="aioconn settling", daemon=True)
    worker.start()
    worker.join()
    if failure:
        try:
            raise failure[0]
        finally:
            failure.clear()
    return outcome[0]
