# SPDX-License-Identifier: Apache-2.0
"""A lab that runs in a thread of its own, for whoever has no loop, or another one."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine, Mapping
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar

from aioconn.errors import UsageError
from aioconn.lab.lab import Lab

if TYPE_CHECKING:
    from aioconn.lab.device import LabDevice

T = TypeVar("T")

ENOUGH = 30.0
"""Seconds after which the lab's thread hangs."""


class ThreadedLab:
    """`with ThreadedLab() as lab: lab.add("r1")`, or `start()` and `stop()`. Every call waits until it is done.

    Any thread may use it, also one whose loop runs: adding a device takes some milliseconds. `seed` as in `Lab`.
    """

    def __init__(self, *, seed: int = 0) -> None:
        self.lab = Lab(seed=seed)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to serve. May be repeated."""
        if self._thread is not None:
            return
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="aioconn lab", daemon=True)
        self._thread.start()
        self._call(self.lab.start())

    def stop(self) -> None:
        """Close every listener and session, and end the thread. May be repeated."""
        loop, thread = self._loop, self._thread
        if loop is None or thread is None:
            return
        try:
            self._call(self.lab.stop())
        finally:
            self._loop = self._thread = None
            loop.call_soon_threadsafe(loop.stop)
            thread.join(ENOUGH)
            if not thread.is_alive():
                loop.close()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def __getitem__(self, name: str) -> LabDevice:
        return self.lab[name]

    def __repr__(self) -> str:
        return f"<ThreadedLab of {self.lab!r}>"

    @property
    def devices(self) -> Mapping[str, LabDevice]:
        """The simulated devices by name: what they log, count and were configured with."""
        return self.lab.devices

    def add(self, name: str, **options: Any) -> LabDevice:
        """Put a device into the lab, with the options of `Lab.add`; it can be reached when this returns."""
        return self._call(self.lab.add(name, **options))

    def remove(self, name: str) -> None:
        """Switch a device off."""

        async def remove() -> None:
            self.lab.remove(name)

        self._call(remove())

    def testbed(self) -> dict[str, Any]:
        """A testbed in pyATS form that reaches every device, as a plain mapping."""
        return self.lab.testbed()

    def write_testbed(self, path: str | Path) -> Path:
        """Write the testbed as YAML."""
        return self.lab.write_testbed(path)

    def _call(self, work: Coroutine[Any, Any, T]) -> T:
        if self._loop is None:
            work.close()
            raise UsageError("the lab is not running", hint="use `with ThreadedLab() as lab`, or lab.start()")
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(ENOUGH)
