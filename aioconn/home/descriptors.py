# SPDX-License-Identifier: Apache-2.0
"""The descriptors of this process, and what becomes of them in a forked child.

A child that kept a copy of a session's socket would keep the session: the device hears of its end only when the last
copy is closed. And one that closed its copy in an orderly way would say goodbye in its parent's name, and take the
socket out of the epoll that both share. So each of them is replaced in the child, by a plain `dup2` before anything
else runs there: its number stands for /dev/null from then on. Whatever the child does with the objects it has
inherited, closing them twice or leaving them to the garbage collector, reaches nothing of its parent's.

The hooks of a fork: `making` is held while the process is copied; in the child the descriptors go first. Then, in the
order in which their modules are imported, locks are new (`locks`), loops of the parent take no calls (`errand`), and
there are no loop threads (`registry`). What is built on top comes after them, and sooner before the fork.
"""

from __future__ import annotations

import contextlib
import os
import select
import selectors
import stat
import threading
import weakref
from collections.abc import Callable, Iterator
from typing import Protocol

Identity = tuple[int, int]


class HasNumber(Protocol):
    """A socket, asyncio's view of one, a selector."""

    def fileno(self) -> int: ...


class Kept:
    """A descriptor that forked children leave to their parent.

    A number may be closed and given to something else at any time. A socket is recognised by its inode, of which no two
    have the same; what has none of its own (epoll, pidfd, pty) is forgotten with `drop()` once it is closed.
    """

    __slots__ = ("_identity", "left_behind", "number")

    def __init__(self, number: int) -> None:
        self.number = number
        self.left_behind = False
        """In a child: the number means nothing here, and what it meant is the parent's."""
        self._identity = _identity(number)

    @property
    def is_there(self) -> bool:
        """Whether the number still stands for what was kept."""
        return self._identity is not None and self._identity == _identity(self.number)

    def drop(self) -> None:
        """Forget it. For any thread and for finalizers; may be repeated."""
        self._identity = None


class Making:
    """Held from the making of a descriptor until it is kept, and by a fork: no child is made in between.

    For microseconds only, without any wait: forks wait for it, though not longer than `PATIENCE`. The thread that holds
    it may itself fork, as a signal handler does.
    """

    def __init__(self) -> None:
        self._lock = threading.RLock()

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(self, *_: object) -> None:
        self._lock.release()

    def before_fork(self) -> None:
        self._lock.acquire(timeout=PATIENCE)

    def after_fork(self) -> None:
        with contextlib.suppress(RuntimeError):  # it was not ours in time
            self._lock.release()

    def after_fork_in_child(self) -> None:
        try:
            self._lock.release()
        except RuntimeError:  # and the one who has it does not exist here
            self._lock = threading.RLock()


PATIENCE = 1.0
"""Seconds that a fork waits for what is being made."""

making = Making()

_kept: dict[int, Kept] = {}
_selectors: weakref.WeakSet[selectors.BaseSelector] = weakref.WeakSet()


def keep(thing: HasNumber) -> Kept:
    """Let forked children have nothing of `thing`, which is not held. One that is closed already is none."""
    return keep_number(thing.fileno())


def keep_number(number: int) -> Kept:
    """The same for a bare number."""
    kept = Kept(number)
    if number >= 0:
        _kept[number] = kept  # in the place of an older one, which is closed
    return kept


def keep_selector(selector: selectors.BaseSelector) -> None:
    """Let forked children have nothing of all that is registered with a selector when they are made, nor itself.

    Only for a selector whose loop cannot run in a child: it would find nothing there.
    """
    _selectors.add(selector)


def _identity(number: int) -> Identity | None:
    try:
        status = os.fstat(number)
    except (OSError, OverflowError):
        return None
    return status.st_dev, status.st_ino


# ---------------------------------------------------------------------- in a child


def _leave_behind() -> None:
    numbers = set()
    for number, kept in list(_kept.items()):
        kept.left_behind = True
        if kept.is_there:
            numbers.add(number)
    _kept.clear()
    for selector in list(_selectors):
        numbers.update(_registered(selector))
    _selectors.clear()
    if numbers:
        for number, watched in _epolls(numbers).items():
            if not _make_private(number, watched):
                numbers.add(number)
    _replace(numbers)


def _registered(selector: selectors.BaseSelector) -> Iterator[int]:
    if not selector.get_map():  # as when it is closed
        return
    for key in list(selector.get_map().values()):
        yield key.fd
    itself = getattr(selector, "fileno", None)  # some have none, such as that of poll()
    if itself is not None:
        yield itself()


def _replace(numbers: set[int]) -> None:
    if not numbers:
        return
    try:
        nothing = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    except OSError:  # no number is free: closing them is the next best, and makes some
        for number in numbers:
            with contextlib.suppress(OSError):
                os.close(number)
        return
    for number in numbers:
        with contextlib.suppress(OSError):
            os.dup2(nothing, number, inheritable=False)
    os.close(nothing)


def _epolls(numbers: set[int]) -> dict[int, dict[int, int]]:
    """The epolls of loops that are not ours, and what they watch besides `numbers`, with the events.

    A child shares them with its parent. When it closes such a loop, as the interpreter does with one that nobody runs,
    what was registered is taken out for both: the parent's would never wake again. Those whose events bear no plain
    numbers, as Python's and libuv's do, are of programs that we do not know.
    """
    found: dict[int, dict[int, int]] = {}
    try:
        names = os.listdir("/proc/self/fd") if hasattr(select, "epoll") else []
    except OSError:
        return found
    for number in map(int, names):
        try:
            if stat.S_IFMT(os.fstat(number).st_mode):  # epolls and their like are of no type
                continue
            if os.readlink(f"/proc/self/fd/{number}") != "anon_inode:[eventpoll]":
                continue
            if number in numbers:
                continue
            with open(f"/proc/self/fdinfo/{number}") as info:
                watched = list(_watched(info))
        except OSError:  # the one that listed the folder
            continue
        if all(plain for _, _, plain in watched):
            found[number] = {other: events for other, events, _ in watched if other not in numbers}
    return found


def _watched(info: Iterator[str]) -> Iterator[tuple[int, int, bool]]:
    """Number, events, and whether the number is what an event will tell, which is half of `data` then.

    A line: `tfd: 6 events: 19 data: 7f1000000006 pos:0 ino:35c0f5 sdev:f`, all but the number hexadecimal (proc(5)).
    """
    for line in info:
        if not line.startswith("tfd:"):
            continue
        words = line.replace(":", " ").split()
        number, inode = int(words[1]), int(words[words.index("ino") + 1], 16) if "ino" in words else None
        identity = _identity(number)
        if identity is not None and inode in (None, identity[1]):
            yield number, int(words[3], 16), int(words[5], 16) & 0xFFFF_FFFF == number


def _make_private(number: int, watched: dict[int, int]) -> bool:
    """Put a copy of an epoll in its place, which watches only what is the child's as well."""
    try:
        with select.epoll() as copy:
            for other, events in watched.items():
                with contextlib.suppress(OSError):
                    copy.register(other, events)
            os.dup2(copy.fileno(), number, inheritable=False)
    except OSError:
        return False
    return True


def in_child(step: Callable[[], object]) -> None:
    """Call a plain function in each forked child, after the descriptors are gone and after all that was asked for
    before. It waits for nothing: of what another thread of the parent had begun there is nobody to end it."""
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=step)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=making.before_fork,
        after_in_parent=making.after_fork,
        after_in_child=making.after_fork_in_child,
    )
in_child(_leave_behind)
