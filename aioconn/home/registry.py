# SPDX-License-Identifier: Apache-2.0
"""The loop threads of a process, leased to those whose devices live on them."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable, Iterator

from aioconn.errors import SessionClosed
from aioconn.home.descriptors import in_child
from aioconn.home.thread import GRACE, TIDYING, LoopThread, new_loop

MAX_LOOPS = 32


class HomeLease:
    """The right to use a loop, which is there at least until `release()`."""

    __slots__ = ("_homes", "thread")

    def __init__(self, homes: Homes, thread: LoopThread) -> None:
        self._homes = homes
        self.thread = thread

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        return self.thread.loop

    def release(self) -> None:
        """Give it back. A plain function that waits for nothing, for any thread and for finalizers; may be repeated.

        A thread that nobody leases any more ends by itself when the calls under way on it have ended.
        """
        self._homes.take_back(self)


class Homes:
    """The loop threads of this process: one for each who wants one of his own, while there are few, and a shared one.

    Thread-safe. A forked child has none of its parent's threads: there it is empty again.
    """

    def __init__(
        self,
        *,
        max_loops: int = MAX_LOOPS,
        loop_factory: Callable[[], asyncio.AbstractEventLoop] = new_loop,
    ) -> None:
        self.max_loops = max_loops
        self.loop_factory = loop_factory
        self._begin()
        _all_homes.add(self)

    def _begin(self) -> None:
        self._lock = threading.Lock()
        self._leases: dict[LoopThread, set[HomeLease]] = {}
        self._shared: LoopThread | None = None
        # Leases come back through a queue: whoever has the lock sees to it, and nobody waits for the lock to give back.
        self._returned: deque[HomeLease] = deque()
        self._retired: list[LoopThread] = []  # by us, and not seen to have ended
        self._ended = False

    @property
    def threads(self) -> tuple[LoopThread, ...]:
        """Those that somebody leases."""
        with self._locked():
            return tuple(self._leases)

    def __len__(self) -> int:
        return len(self._leases)

    def __repr__(self) -> str:
        return f"<Homes {len(self)} threads, {sum(map(len, self._leases.copy().values()))} leases>"

    def own(self, name: str) -> HomeLease:
        """Lease a loop of one's own; past `max_loops` of them, the one that has the fewest leases so far."""
        with self._locked():
            own = [thread for thread in self._usable() if thread is not self._shared]
            if len(own) < self.max_loops:
                thread = self._start(f"aioconn home of {name}")
            else:
                thread = min(own, key=lambda thread: len(self._leases[thread]))
            return self._lease(thread)

    def shared(self) -> HomeLease:
        """Lease the one loop that all share who ask for it."""
        with self._locked():
            if self._shared not in self._usable():
                self._shared = self._start("aioconn shared home")
            assert self._shared is not None
            return self._lease(self._shared)

    def lease_of(self, loop: asyncio.AbstractEventLoop) -> HomeLease | None:
        """One more lease of the thread that runs `loop`; None if it is none of ours, or about to end."""
        with self._locked():
            for thread in self._usable():
                if thread.loop is loop:
                    return self._lease(thread)
        return None

    def stop(self, grace: float = GRACE, tidying: float = TIDYING, *, for_good: bool = False) -> bool:
        """Stop all threads, whoever uses them, at the same time; whether all have ended. See `LoopThread.stop`.

        `for_good`: none is started any more, and who asks for one gets `SessionClosed`. It starts none itself, so that
        it can be called when the interpreter is about to end.
        """
        with self._locked():
            self._ended = self._ended or for_good
            threads = [*self._leases, *self._retired]
            self._leases.clear()
            self._shared = None
        for thread in threads:
            thread.halt(grace, tidying)
        until = time.monotonic() + grace + 4 * tidying
        ended = [thread.join(until - time.monotonic()) for thread in threads]
        return all(ended)

    def take_back(self, lease: HomeLease) -> None:
        """What `lease.release()` does."""
        self._returned.append(lease)
        self._see_to_returned()

    def forget(self) -> None:
        """Begin anew with nothing, as a forked child must. The parent's threads, and their loops, are left alone."""
        _left_to_the_parent.append((self._leases, self._retired))
        self._begin()

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        try:
            with self._lock:
                yield
        finally:
            self._see_to_returned()

    def _usable(self) -> list[LoopThread]:
        """Also forgets threads that somebody has stopped."""
        for thread in [thread for thread in self._leases if not thread.takes_calls]:
            del self._leases[thread]
        return list(self._leases)

    def _start(self, name: str) -> LoopThread:
        if self._ended:
            raise SessionClosed("the process is about to end, and opens nothing any more")
        thread = LoopThread(name, loop_factory=self.loop_factory)
        thread.start()
        self._leases[thread] = set()
        return thread

    def _lease(self, thread: LoopThread) -> HomeLease:
        lease = HomeLease(self, thread)
        self._leases[thread].add(lease)
        return lease

    def _see_to_returned(self) -> None:
        # Looked at again after the lock is free: one that came back meanwhile has been left to us.
        while self._returned and self._lock.acquire(blocking=False):
            unused = []
            try:
                while self._returned:
                    lease = self._returned.popleft()
                    leases = self._leases.get(lease.thread)
                    if leases is not None:
                        leases.discard(lease)
                        if not leases:
                            del self._leases[lease.thread]
                            unused.append(lease.thread)
                self._retired = [thread for thread in self._retired if thread.is_alive] + unused
            finally:
                self._lock.release()
            for thread in unused:
                thread.retire()


_all_homes: weakref.WeakSet[Homes] = weakref.WeakSet()
_left_to_the_parent: list[object] = []


def _forget_all() -> None:
    for registry in list(_all_homes):
        registry.forget()


in_child(_forget_all)

homes = Homes()
"""Those of this process."""
