# SPDX-License-Identifier: Apache-2.0
"""Testbeds without a loop."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

import pytest

from aioconn.errors import TestbedError, UnknownDevice, UsageError
from aioconn.home import homes
from aioconn.lab import Faults
from aioconn.sync import CliConnection, Testbed, load
from aioconn.testbed import device as async_device
from tests.lab_thread import LabThread


def test_devices_by_name_and_alias(lab: LabThread) -> None:
    lab.add("r1")
    whole = lab.testbed()
    whole["devices"]["r1"]["alias"] = "uut"
    testbed = load(whole)
    assert testbed["r1"] is testbed["uut"] is testbed.devices["r1"]
    assert testbed["r1"].testbed is testbed
    assert list(testbed) == ["r1"]
    assert len(testbed) == 1
    assert "r1" in testbed
    assert "uut" in testbed
    assert "r2" not in testbed
    assert (testbed.name, testbed["r1"].name, testbed["r1"].alias) == ("lab", "r1", "uut")
    assert testbed["r1"].os == "iosxe"
    assert testbed["r1"].credentials.get().user == "admin"
    assert repr(testbed) == "<Testbed lab 0/1 devices connected>"
    with pytest.raises(UnknownDevice, match="r1"):
        testbed["r3"]


def test_all_devices_at_once(lab: LabThread, testbed_of: Callable[..., Testbed]) -> None:
    testbed = testbed_of("r1", "r2", "r3")
    lab["r2"].faults = Faults(wrong_password=True)
    connected = testbed.connect(timeout=20)
    assert list(connected) == ["r1", "r2", "r3"]
    assert [*connected.failed] == ["r2"]
    assert connected["r1"].value is testbed["r1"]["default"]
    assert isinstance(connected["r1"].value, CliConnection)
    lab["r2"].faults = Faults()
    outputs = testbed.execute("show version", ["r3", "r1"]).raise_for_errors()
    assert list(outputs) == ["r3", "r1"]
    assert "Version" in outputs.ok["r1"]
    testbed.configure(["interface Loopback0", "description uplink"], ["r1"]).raise_for_errors()
    assert "description uplink" in lab["r1"].config.render()
    assert list(testbed.disconnect()) == ["r1", "r2", "r3"]
    assert lab.wait_for(lambda: lab.sessions == 0)


@pytest.mark.programs
def test_all_devices_by_several_processes(
    lab: LabThread, testbed_of: Callable[..., Testbed], monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [f"r{number}" for number in range(6)]
    testbed = testbed_of(*names)
    for name in names:  # so slow that the other process is ready before all is done
        lab[name].faults = Faults(latency=0.2, wrong_password=name == "r2")
    connect, here = async_device.Device.connect, []

    async def seen(device: async_device.Device, *args: Any, **keys: Any) -> Any:
        here.append(device.name)
        return await connect(device, *args, **keys)

    monkeypatch.setattr(async_device.Device, "connect", seen)
    before = time.monotonic()
    calls = 0
    while len(here) == 6 * calls and time.monotonic() - before < 30:
        calls += 1
        results = testbed.execute("show version", limit=2, workers=2)
        assert list(results) == names
        assert [*results.failed] == ["r2"]
        assert "Version" in results.ok["r0"]
        assert not any(device.connected for device in testbed.devices.values())
    assert len(here) < 6 * calls
    testbed.configure("hostname renamed", ["r0"], workers=2).raise_for_errors()
    assert lab.wait_for(lambda: lab.sessions == 0)


def test_leaving_it_closes_every_session_and_thread(lab: LabThread) -> None:
    lab.add_many(["r1", "r2"])
    with load(lab.file) as testbed:
        testbed.connect().raise_for_errors()
        assert len(homes) == 2  # a thread for each
        assert lab.sessions == 2
    assert lab.wait_for(lambda: lab.sessions == 0)
    assert len(homes) == 0
    with load(lab.file, loop="shared") as testbed:
        testbed.connect().raise_for_errors()
        assert len(homes) == 1
    with pytest.raises(UnknownDevice), load(lab.file) as testbed:
        testbed["r1"].connect() and testbed["r3"]
    assert lab.wait_for(lambda: lab.sessions == 0)


def test_devices_that_nobody_touched_cost_no_threads(lab: LabThread, monkeypatch: Any) -> None:
    lab.add_many(["r1", "r2", "r3"])
    started: list[str] = []
    monkeypatch.setattr(homes, "own", lambda name: started.append(name))
    with load(lab.file):
        pass
    assert not started


def test_what_is_wrong_with_a_file_is_said_at_once() -> None:
    with pytest.raises(TestbedError, match="devices"):
        load({"testbed": {}})


def test_a_script_has_no_loop_to_live_on(lab: LabThread) -> None:
    lab.add("r1")
    wrong: Any = "caller"
    with pytest.raises(UsageError, match="none of own, shared"):
        load(lab.file, loop=wrong)


async def test_not_in_a_thread_whose_loop_runs(lab: LabThread) -> None:
    lab.add("r1")
    testbed = load(lab.file)
    for call in (testbed.connect, testbed.disconnect, testbed["r1"].connect):
        with pytest.raises(UsageError, match="event loop runs"):
            call()
    await asyncio.to_thread(testbed["r1"].connect)  # as the error says
    assert "UTC" in await asyncio.to_thread(testbed["r1"].execute, "show clock")
    await asyncio.to_thread(testbed.disconnect)
