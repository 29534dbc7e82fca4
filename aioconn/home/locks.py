# SPDX-License-Identifier: Apache-2.0
"""Locks that a forked child finds free."""

from __future__ import annotations

import threading
import weakref
from types import TracebackType

from aioconn.home.descriptors import in_child


class Lock:
    """A `threading.Lock` for what lives longer than a call.

    The thread that holds a lock when another one forks does not exist in the child, and would never release it there.
    So a child begins with a new lock, as free as if nobody had been at work: what it protects must be in order at each
    step, or be made anew by the child as well.
    """

    __slots__ = ("__weakref__", "_lock")

    def __init__(self) -> None:
        self._lock = threading.Lock()
        _locks.add(self)

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        return self._lock.acquire(blocking, timeout)

    def release(self) -> None:
        self._lock.release()

    def locked(self) -> bool:
        return self._lock.locked()

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        lock = self._lock
        if lock.locked():  # else the one who holds it has forked, and this is the child
            lock.release()

    def renew(self) -> None:
        """What happens in a child."""
        self._lock = threading.Lock()


_locks: weakref.WeakSet[Lock] = weakref.WeakSet()


def _renew_all() -> None:
    for lock in list(_locks):
        lock.renew()


in_child(_renew_all)
