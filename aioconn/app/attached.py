# SPDX-License-Identifier: Apache-2.0
"""A testbed whose sessions a daemon holds, as a fan-out wants it: calls that block, made in threads."""

from __future__ import annotations

import asyncio
import contextlib
import re
import time
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Any, ParamSpec, Self, TypeVar

from aioconn.app.calls import Call, takes_commands, understand
from aioconn.broker.client import RemoteEstate, estate_of
from aioconn.errors import AliasInUse, Problem, UnknownAlias
from aioconn.events import Listeners, Opened, OpenFailed, ServiceFinished, ServiceStarted
from aioconn.sync import Device, Testbed
from aioconn.sync.finding import testbed_at
from aioconn.sync.served import find

CALLS_AT_ONCE = 48
"""Threads, each with a wire of its own; about so many sessions of a testbed are opened at a time anyway."""


P = ParamSpec("P")
T = TypeVar("T")


def attached(name: str | None, *, limit: int) -> AttachedTestbed:
    """That of the daemon of this name, see `aioconn.sync.attach`."""
    card = find(name)
    testbed = testbed_at(card.address, card.key, card.testbed)
    return AttachedTestbed(testbed, estate_of(card.address), limit=limit)


class AttachedTestbed:
    """Its devices, and the threads in which calls wait for the daemon while the block is entered.

    Nothing is closed at the daemon on leaving. Calls that are still under way then, as after Ctrl-C, end because this
    process is cut off: the daemon interrupts what they did, and keeps the sessions.
    """

    warnings: tuple[Problem, ...] = ()

    def __init__(self, testbed: Testbed, estate: RemoteEstate, *, limit: int) -> None:
        self.listeners = Listeners()
        self.limit = min(limit, CALLS_AT_ONCE)
        self._estate = estate
        self._threads = ThreadPoolExecutor(self.limit, "aioconn attached")
        self._devices = {name: AttachedDevice(device, self) for name, device in testbed.devices.items()}

    @property
    def devices(self) -> Mapping[str, AttachedDevice]:
        return self._devices

    async def call(self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """What `function` gives, in a thread. A caller who is cancelled leaves it there."""
        return await asyncio.wrap_future(self._threads.submit(function, *args, **kwargs))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._estate.close()  # no thread waits for anything after that
        self._threads.shutdown(wait=kind is None, cancel_futures=True)


class AttachedDevice:
    """A `Reachable`: one device of the daemon's, or the live connection of it that the fan-out works on."""

    def __init__(self, device: Device, testbed: AttachedTestbed) -> None:
        self._device = device
        self._testbed = testbed
        self._connection: Any = None
        self._path = ""
        self.name = device.name
        self.alias = device.alias

    def is_connected(self, alias: str | None = None) -> bool:
        """Never: it is for `connect()` to find out, because the daemon has to be asked, and may be slow to answer."""
        return False

    async def connect(self, *, via: str | None = None, timeout: float | None = None) -> None:
        """Find a live connection, over that path if one is named, or have the daemon open one, which stays."""
        listeners, started = self._testbed.listeners, time.monotonic()
        try:
            opened = await self._testbed.call(self._reach, via, timeout)
        except Exception as error:
            spent = time.monotonic() - started
            listeners.emit(OpenFailed(device=self.name, path=via or "", error=error, elapsed=spent))
            raise
        if opened:
            spent = time.monotonic() - started
            listeners.emit(Opened(device=self.name, path=self._path, elapsed=spent))

    async def execute(self, command: str, *, timeout: float | None = None) -> Any:
        """See `Device.execute`."""
        listeners, started = self._testbed.listeners, time.monotonic()
        about: Any = {
            "device": self.name,
            "path": self._path,
            "service": "execute",
            "what": command,
        }
        listeners.emit(ServiceStarted(**about))
        failure: BaseException | None = None
        try:
            return await self._testbed.call(self._connection.execute, command, timeout=timeout)
        except BaseException as error:
            failure = error
            raise
        finally:
            listeners.emit(ServiceFinished(**about, elapsed=time.monotonic() - started, error=failure))

    def understood(self, words: Sequence[str]) -> Call | None:
        """What the words mean to the connection that was found; None if it takes them as commands."""
        kind = type(self._connection)
        return None if takes_commands(kind) else understand(kind, words)

    async def pieces(self, call: Call, timeout: float) -> AsyncGenerator[Any, None]:
        """What a call gives, when all of it is there."""
        for piece in await self._testbed.call(self._serve, call, timeout):
            yield piece

    async def disconnect(self, alias: str | None = None) -> None:
        """Nothing: the sessions stay with the daemon."""

    # ------------------------------------------------------------------ in a thread

    def _reach(self, via: str | None, timeout: float | None) -> bool:
        """Decide what to talk to; whether it was opened for us."""
        live = self._live(via)
        self._connection = self._opened(via, timeout) if live is None else live
        self._path = self._connection.via
        return live is None

    def _serve(self, call: Call, timeout: float) -> list[Any]:
        found = getattr(self._connection, call.service)(*call.args, **call.kwargs, timeout=timeout)
        if not call.streams:
            return [found]
        until = time.monotonic() + timeout
        pieces: list[Any] = []
        with contextlib.closing(found):
            for piece in found:
                pieces.append(piece)
                if time.monotonic() > until:
                    raise TimeoutError
        return pieces

    def _opened(self, via: str | None, timeout: float | None) -> Any:
        try:
            return self._device.connect(via=via, timeout=timeout)
        except AliasInUse:
            if via is not None:  # the default one goes another way
                return self._device.connect(alias=alias_of(via), via=via, timeout=timeout)
            if (live := self._live(via)) is not None:  # somebody has just connected it, in a way of his own
                return live
            raise

    def _live(self, via: str | None) -> Any:
        """The default connection, or any over that path; None if there is none."""
        if via is None:
            with contextlib.suppress(UnknownAlias):
                connection = self._device.connection()
                return connection if connection.connected else None
            return None
        live = self._device.connections.values()
        return next((it for it in live if it.via == via and it.connected), None)


def alias_of(via: str) -> str:
    """The alias of a connection over a path that is not the usual one."""
    return "via_" + re.sub(r"\W", "_", via)
