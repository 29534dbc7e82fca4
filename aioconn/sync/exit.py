# SPDX-License-Identifier: Apache-2.0
"""The end of the process: what is open is closed, politely if devices let it, and in any case soon.

Python runs this when its threads that are no daemons have ended, and home loops still run: after the last line of a
script, `sys.exit()`, an exception that nobody caught, Ctrl-C. Nothing here starts a thread, which is too late by then.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import os
import queue
import sys
import time
import weakref
from collections.abc import Iterable
from typing import Any

from aioconn.broker.estate import here
from aioconn.connection import State
from aioconn.errors import AioconnError
from aioconn.home import homes
from aioconn.home.ending import AFTER_CHILDREN, after_children
from aioconn.manager import ConnectionManager, Host
from aioconn.testbed.device import Device

LISTENING = 0.3
"""Seconds in which other processes may be told that this one ends."""

POLITE = 1.2
"""Seconds in which sessions may be closed with a goodbye; then they are cut."""

CUT = 0.5
"""Seconds for that."""

STOP = 0.2
"""Seconds in which what runs at home loops may end."""

TIDYING = 0.05
"""Seconds for each of the four things that a home loop does after that. Then it is frozen, and ends with us."""

AGAIN = 0.05
"""Seconds between two cancellations of what is being cut: each of them ends one wait."""


def watch(device: Device) -> None:
    """Have what is open of a device closed at the end of the process. A plain function, for any thread."""
    _manager_of[id(device.manager)] = device.manager
    _stand_by()


def watch_task(task: asyncio.Task[Any]) -> None:
    """Have a task at a home loop, that opens sessions, cancelled before those are closed. A plain function."""
    _tasks[id(task)] = task
    _stand_by()


def close_all() -> None:
    """Close what is open of all that is watched, and end the home loops. It takes two seconds and a half at most.

    For a thread without a loop. Whoever waits for a call at that time gets an error.
    """
    if (broker := here().broker) is not None:
        broker.stop(LISTENING)
    started = time.monotonic()
    departures = _departures()
    ended: queue.SimpleQueue[Departure] = queue.SimpleQueue()
    under_way = {departure for departure in departures if departure.begin(ended)}
    try:
        _wait(under_way, ended, started + POLITE)
        until = time.monotonic() + CUT
        while under_way and (now := time.monotonic()) < until:
            for departure in under_way:
                departure.cut()
            _wait(under_way, ended, min(now + AGAIN, until))
    except KeyboardInterrupt:  # somebody cannot wait, and the process ends as it was about to
        for departure in under_way:
            departure.cut()
    with contextlib.suppress(KeyboardInterrupt):
        homes.stop(STOP, TIDYING, for_good=True)


class Departure:
    """The devices at one home loop, and their end."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._managers: list[ConnectionManager] = []
        self._tasks: list[asyncio.Task[Any]] = []
        self._leaving: asyncio.Task[None] | None = None
        # A home loop whose devices have all left it ends, and takes with it whatever else runs there.
        self._lease = homes.lease_of(loop)

    def add_manager(self, manager: ConnectionManager) -> None:
        self._managers.append(manager)

    def add_task(self, task: asyncio.Task[Any]) -> None:
        self._tasks.append(task)

    def begin(self, ended: queue.SimpleQueue[Departure]) -> bool:
        """Begin it at home, and return; `ended` is told of its end. False if that loop does not run."""

        def begin() -> None:
            self._leaving = self._loop.create_task(self._leave())
            self._leaving.add_done_callback(lambda _: self._left(ended))

        return self._loop.is_running() and self._call(begin)

    def cut(self) -> None:
        """Be polite no longer."""
        self._call(lambda: self._leaving is not None and self._leaving.cancel())

    def _left(self, ended: queue.SimpleQueue[Departure]) -> None:
        if self._lease is not None:
            self._lease.release()
        ended.put(self)

    def _call(self, step: Any) -> bool:
        try:
            self._loop.call_soon_threadsafe(step)
        except RuntimeError:  # closed
            return False
        return True

    async def _leave(self) -> None:
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await _ends(self._tasks)
        # those behind others first
        hops = _hops(self._managers)
        others: list[Host] = [manager for manager in self._managers if id(manager) not in hops]
        for group in (others, hops.values()):
            await _ends([asyncio.ensure_future(_close(manager)) for manager in group])


async def _close(manager: Host) -> None:
    try:
        await manager.disconnect_all()
    except AioconnError:  # nobody has the device any more, only what it opened
        for connection in manager.connections.values():
            await connection.close()


async def _ends(tasks: Iterable[asyncio.Task[Any]]) -> None:
    """Wait for all of them; a cancellation is passed to each that is left, and comes out when they have ended."""
    left = set(tasks)
    cancelled: asyncio.CancelledError | None = None
    while left:
        try:
            done, left = await asyncio.wait(left)
        except asyncio.CancelledError as error:
            cancelled = error
            for task in left:
                task.cancel()
            continue
        for task in done:  # what went wrong with a goodbye is no news now
            if not task.cancelled():
                task.exception()
    if cancelled is not None:
        raise cancelled


def _hops(managers: Iterable[ConnectionManager]) -> dict[int, Host]:
    """Those through which others are reached."""
    found: dict[int, Host] = {}
    for manager in managers:
        with contextlib.suppress(AioconnError):
            device = manager.device
            for hop in [hop for path in device.paths.values() for hop in path.proxy]:
                found[id(device.manager_of(hop))] = device.manager_of(hop)
    return found


def _departures() -> list[Departure]:
    """One for each loop at which something is, or may come to be, open."""
    found: dict[int, Departure] = {}

    def at(loop: asyncio.AbstractEventLoop) -> Departure:
        return found.setdefault(id(loop), Departure(loop))

    for task in [reference() for reference in _tasks.valuerefs()]:
        if task is not None and not task.done():
            at(task.get_loop()).add_task(task)
    for manager in [reference() for reference in _manager_of.valuerefs()]:
        if manager is not None and manager.loop is not None and _is_open(manager):
            at(manager.loop).add_manager(manager)
    return list(found.values())


def _is_open(manager: ConnectionManager) -> bool:
    return any(
        connection.state not in (State.NEW, State.CLOSED) for connection in manager.connections.values()
    )


def _wait(under_way: set[Departure], ended: queue.SimpleQueue[Departure], until: float) -> None:
    while under_way and (left := until - time.monotonic()) > 0:
        with contextlib.suppress(queue.Empty):
            under_way.discard(ended.get(timeout=left))


# ---------------------------------------------------------------------- of this process

# By identity, and in one step each: devices are made, and forgotten, in any thread.
_manager_of: weakref.WeakValueDictionary[int, ConnectionManager] = weakref.WeakValueDictionary()
_tasks: weakref.WeakValueDictionary[int, asyncio.Task[Any]] = weakref.WeakValueDictionary()
_standing_by = False


def _stand_by() -> None:
    """Children of `multiprocessing` end without what `atexit` holds; what they run instead is asked for here."""
    global _standing_by
    if _standing_by:
        return
    _standing_by = True
    processes = sys.modules.get("multiprocessing.process")
    if processes is not None and processes.parent_process() is not None:
        from multiprocessing.util import Finalize

        Finalize(None, close_all, exitpriority=AFTER_CHILDREN)


def _forget() -> None:
    """In a forked child: what the parent has open is the parent's."""
    global _manager_of, _tasks, _standing_by
    _left_to_the_parent.append((_manager_of, _tasks))
    _manager_of = weakref.WeakValueDictionary()
    _tasks = weakref.WeakValueDictionary()
    _standing_by = False


_left_to_the_parent: list[object] = []

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
atexit.register(after_children, close_all)
