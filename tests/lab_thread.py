# SPDX-License-Identifier: Apache-2.0
"""A lab that runs in a thread of its own, for tests that are plain functions and for processes that they start."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from aioconn.lab import Lab, LabDevice

ENOUGH = 20.0
"""Seconds after which the lab's thread hangs."""


class LabThread:
    """A running lab whose devices are added from any thread. `file` is a testbed that reaches all of them."""

    def __init__(self, folder: Path, *, seed: int = 0) -> None:
        self.lab = Lab(seed=seed)
        self.file = folder / "lab.yaml"
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="lab", daemon=True)

    def start(self) -> None:
        self._thread.start()
        self.call(self.lab.start())

    def stop(self) -> None:
        self.call(self.lab.stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(ENOUGH)
        assert not self._thread.is_alive()
        self._loop.close()

    def __enter__(self) -> LabThread:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def __getitem__(self, name: str) -> LabDevice:
        return self.lab[name]

    def add(self, name: str, **options: Any) -> LabDevice:
        """Add a device, and have the testbed file name it."""
        device: LabDevice = self.call(self.lab.add(name, **options))
        self.lab.write_testbed(self.file)
        return device

    def add_many(self, names: list[str], **options: Any) -> list[LabDevice]:
        async def add() -> list[LabDevice]:
            return [await self.lab.add(name, **options) for name in names]

        devices: list[LabDevice] = self.call(add())
        self.lab.write_testbed(self.file)
        return devices

    def testbed(self) -> dict[str, Any]:
        return self.lab.testbed()

    @property
    def sessions(self) -> int:
        """Sessions that the devices see."""
        return sum(device.sessions for device in self.lab.devices.values())

    @property
    def logins(self) -> int:
        return sum(device.logins for device in self.lab.devices.values())

    def typed(self, text: str) -> int:
        """How many commands with `text` in them the devices have seen."""
        return sum(
            text in entry.command for device in self.lab.devices.values() for entry in device.log.copy()
        )

    @staticmethod
    def wait_for(condition: Callable[[], bool], timeout: float = 5.0) -> bool:
        deadline = time.monotonic() + timeout
        while not condition() and time.monotonic() < deadline:
            time.sleep(0.005)
        return condition()

    def call(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        """Run a coroutine on the lab's loop."""
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(ENOUGH)
