# SPDX-License-Identifier: Apache-2.0
"""A lab in a thread of its own."""

from __future__ import annotations

from pathlib import Path

import pytest

import aioconn.sync
from aioconn.errors import UsageError
from aioconn.lab import ThreadedLab


def test_devices_come_and_go(tmp_path: Path) -> None:
    lab = ThreadedLab()
    with pytest.raises(UsageError, match="not running"):
        lab.add("r1")
    with lab:
        lab.start()
        assert lab.add("r1", protocols=("telnet",)) is lab["r1"]
        lab.add("r2", personality="arista_eos", protocols=("telnet",))
        with aioconn.sync.load(lab.write_testbed(tmp_path / "lab.yaml")) as testbed:
            assert not testbed.execute("show version").failed
        assert [device.logins for device in lab.devices.values()] == [1, 1]
        lab.remove("r2")
        assert set(lab.testbed()["devices"]) == {"r1"}
        assert "1 devices" in repr(lab)
    lab.stop()
    with pytest.raises(UsageError, match="not running"):
        lab.add("r3")


async def test_from_a_thread_whose_loop_runs() -> None:
    with ThreadedLab() as lab:
        lab.add("r1")
        async with aioconn.load(lab.testbed()) as testbed:
            await testbed["r1"].connect()
            assert "Version" in await testbed["r1"].execute("show version")
