# SPDX-License-Identifier: Apache-2.0
"""A testbed that is served under a name, from its beginning to its end."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

from aioconn.app.daemon_view import Status
from aioconn.broker.estate import Estate, here
from aioconn.broker.server import Broker
from aioconn.sync.served import Card, Claim
from aioconn.testbed.testbed import Testbed

IDLE = 1800.0
"""Seconds without any process attached after which it ends by itself."""
GOODBYE = 5.0
"""Seconds that sessions get to be closed politely; a second signal makes it shorter."""
CUT = 2.0
"""Seconds for those that had to be cut."""
SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Daemon:
    """Serves while it is entered, until `ended()` returns.

    The name is its own until the last session is closed: the next daemon of that name does not log in before that.
    """

    def __init__(
        self, testbed: Testbed, claim: Claim, *, idle: float = IDLE, estate: Estate | None = None
    ) -> None:
        self.testbed = testbed
        self.idle_limit = idle
        self.started = time.time()
        self.on_change: Callable[[], None] | None = None
        """Called, in the loop that it was entered in, when processes have come or gone."""
        self._claim = claim
        self._estate = estate or here()
        self._broker: Broker | None = None
        self._loop = asyncio.get_running_loop()
        self._changed = asyncio.Event()
        self._wires = 0
        self._asked = 0  # for the status
        self._used = 0  # calls for anything else, when the last wire was closed
        self._quiet_since = time.monotonic()
        self._signal: int | None = None
        self._closing: asyncio.Future[Any] | None = None

    @property
    def name(self) -> str:
        return self._claim.name

    @property
    def broker(self) -> Broker:
        assert self._broker is not None, "it has been entered"
        return self._broker

    async def __aenter__(self) -> Self:
        """Raises `UsageError` if the name is taken."""
        self._claim.take()
        try:
            self._listen()
        except BaseException:
            self._claim.release()
            raise
        for number in SIGNALS:
            self._loop.add_signal_handler(number, self._told, number)
        return self

    def _listen(self) -> None:
        source = self.testbed.spec.source
        key = self._estate.enroll(self.testbed)
        self._broker = self._estate.serve(name=self.name, on_change=self._change, about=self.about)
        address = self._broker.address
        self._claim.publish(
            Card(
                name=self.name,
                path=address.path,
                token=address.token,
                estate=address.estate,
                key=key,
                pid=os.getpid(),
                testbed=self.testbed.name,
                source=os.path.abspath(source) if source else "",
            )
        )

    def _change(self) -> None:
        """From whatever thread a process comes to, or leaves, or calls; the last is no reason to wake us up."""
        wires = self._broker.wires if self._broker is not None else 0
        if wires != self._wires:
            self._wires = wires
            if not wires and (used := self.broker.calls - self._asked) != self._used:
                self._used = used
                self._quiet_since = time.monotonic()
            with contextlib.suppress(RuntimeError):  # closed: this is the end
                self._loop.call_soon_threadsafe(self._changed.set)

    def _told(self, number: int) -> None:
        if self._closing is not None:
            self._closing.cancel()  # told twice: they need not be polite
        self._signal = number
        self._changed.set()

    async def ended(self) -> str:
        """Wait for the time to end, and say why it has come."""
        while True:
            self._changed.clear()
            if self._signal is not None:
                return signal.strsignal(self._signal) or f"signal {self._signal}"
            left = self.idle_limit - self.idle  # all of it while somebody is attached
            if left <= 0:
                return f"nobody was attached for {self.idle_limit:g} s"
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(left):
                    await self._changed.wait()
                if self.on_change is not None:
                    self.on_change()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nobody is let in any more, calls under way end, sessions are closed, and the name is free."""
        self._claim.withdraw()
        try:
            self._estate.stop()
            self._closing = asyncio.ensure_future(self.testbed.disconnect())
            for patience in (GOODBYE, CUT):
                if (await asyncio.wait({self._closing}, timeout=patience))[0]:
                    break
                self._closing.cancel()
            if self._closing.done() and not self._closing.cancelled():
                self._closing.exception()  # a device that does not say goodbye is no news now
        finally:
            self._claim.release()

    @property
    def idle(self) -> float:
        """Seconds since the last process left that wanted more than to know the status."""
        return 0.0 if self.broker.wires else time.monotonic() - self._quiet_since

    def about(self) -> dict[str, Any]:
        """What the broker adds to its own numbers for whoever asks, over a wire that does not count. For any thread."""
        self._asked += 1
        others = self.broker.wires > 1
        return self._about(0.0 if others else time.monotonic() - self._quiet_since)

    def status(self) -> Status:
        """The same as `aioconn serve --status` gets from outside."""
        return Status.of({**self.broker.statistics(), **self._about(self.idle)})

    def _about(self, idle: float) -> dict[str, Any]:
        numbers = [device.manager.statistics() for device in self.testbed.devices.values()]
        return {
            "name": self.name,
            "pid": os.getpid(),
            "testbed": self.testbed.name,
            "file": self.testbed.spec.source,
            "socket": self.broker.path,
            "started": round(self.started, 3),
            "idle": round(idle, 3),
            "idle_limit": self.idle_limit,
            "devices": len(numbers),
            "connected": sum(it["connected"] > 0 for it in numbers),
            "sessions": sum(it["sessions_used"] for it in numbers),
        }
