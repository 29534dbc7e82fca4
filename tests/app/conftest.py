# SPDX-License-Identifier: Apache-2.0
"""A lab in a thread of its own, and the command line as people start it: a process."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest

from aioconn.app.exits import Exit
from aioconn.app.loop import drive
from aioconn.lab import Lab, LabDevice

ROOT = Path(__file__).resolve().parents[2]


async def nothing() -> Exit:
    return Exit.OK


@pytest.fixture(scope="session", autouse=True)
def first_loop() -> None:
    """libuv, where uvloop is installed, keeps a pipe for signals from its first loop on."""
    drive(nothing)


class LabThread:
    """A running lab whose devices are added from any thread."""

    def __init__(self, folder: Path) -> None:
        self.lab = Lab()
        self.file = folder / "lab.yaml"
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="lab")

    def start(self) -> None:
        self._thread.start()
        self._call(self.lab.start())

    def stop(self) -> None:
        self._call(self.lab.stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def add(self, name: str, **options: Any) -> LabDevice:
        """Add a device, and have the testbed file name it."""
        device: LabDevice = self._call(self.lab.add(name, **options))
        self.lab.write_testbed(self.file)
        return device

    @property
    def sessions(self) -> int:
        return sum(device.sessions for device in self.lab.devices.values())

    def wait_for(self, condition: Callable[[], bool], timeout: float = 5.0) -> bool:
        deadline = time.monotonic() + timeout
        while not condition() and time.monotonic() < deadline:
            time.sleep(0.01)
        return condition()

    def _call(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(10)


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[LabThread]:
    running = LabThread(tmp_path)
    running.start()
    try:
        yield running
    finally:
        running.stop()


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """What a user's process sees: a home of its own, no colours or debugging asked for."""
    home = tmp_path / "home"
    home.mkdir()
    kept = {name: value for name, value in os.environ.items() if name in ("PATH", "LANG", "LC_ALL", "TMPDIR")}
    path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    return {**kept, "HOME": str(home), "PYTHONPATH": path, "TERM": "xterm-256color"}


@pytest.fixture
def command(tmp_path: Path, environment: dict[str, str]) -> Callable[..., subprocess.CompletedProcess[str]]:
    """`aioconn`, or another module, with these arguments, in a pipe, in an empty folder."""

    def call(
        *arguments: str | Path, module: str = "aioconn", **more: str
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", module, *map(str, arguments)],
            capture_output=True,
            text=True,
            timeout=50,
            check=False,
            cwd=tmp_path,
            env={**environment, **more},
        )

    return call
