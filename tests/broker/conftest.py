# SPDX-License-Identifier: Apache-2.0
"""An estate of simulated devices that live in threads of this process, and wires to it."""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import aioconn
from aioconn.broker.estate import Address, Estate
from aioconn.broker.frames import Target
from aioconn.broker.server import Broker
from tests.broker.caller import Wire
from tests.conftest import open_descriptors
from tests.lab_thread import LabThread


class Shared:
    """What one test shares: `r1`, `r2` and `slow`, by telnet, each on a loop of its own."""

    def __init__(self, lab: LabThread, folder: Path, loop: str = "own") -> None:
        self.lab = lab
        self.estate = Estate()
        self.testbed = aioconn.load(lab.testbed(), loop=loop)  # type: ignore[arg-type]
        self.folder = folder
        self._wires = contextlib.ExitStack()

    def start(self) -> Broker:
        return self.estate.serve(directory=self.folder)

    @property
    def address(self) -> Address:
        return self.estate.address()

    @property
    def broker(self) -> Broker:
        assert self.estate.broker is not None
        return self.estate.broker

    def target(self, device: str = "", alias: str = "") -> Target:
        """Of a device, of a connection of it, or of the testbed."""
        if not device:
            return Target("testbed", self.estate.enroll(self.testbed))
        key = self.estate.enroll(self.testbed[device])
        return Target("connection", key, alias) if alias else Target("device", key)

    def wire(self, target: Target | None = None) -> Wire:
        return self._wires.enter_context(Wire(self.address, target))

    def connect(self, device: str = "r1", **how: Any) -> Wire:
        """A wire at the home of a device that is connected by it."""
        with Wire(self.address, self.target(device)) as wire:
            wire.call("connect", **how)
        return self.wire(self.target(device))

    def gone(self, timeout: float = 5.0) -> bool:
        """Whether no wire is left, in a while."""
        return LabThread.wait_for(lambda: not self.broker.wires, timeout)

    def stop(self) -> None:
        self._wires.close()
        self.estate.stop()
        asyncio.run(self._disconnect())

    async def _disconnect(self) -> None:
        await self.testbed.disconnect()


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LabThread]:
    with LabThread(tmp_path_factory.mktemp("lab")) as lab:
        lab.add("r1", protocols=("telnet",))
        lab.add("r2", protocols=("telnet",))
        yield lab


@pytest.fixture
def folder() -> Path:
    """A private one, with a path that is short enough for a socket."""
    return Path(tempfile.mkdtemp(prefix="aioconn-"))


@pytest.fixture
def shared(lab: LabThread, folder: Path) -> Iterator[Shared]:
    before = open_descriptors()
    shared = Shared(lab, folder)
    shared.start()
    yield shared
    shared.stop()
    assert not list(folder.iterdir())
    folder.rmdir()
    # the lab, in its own thread, closes its ends a little later
    assert lab.wait_for(lambda: not open_descriptors() - before), open_descriptors() - before
