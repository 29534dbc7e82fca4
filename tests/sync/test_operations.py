# SPDX-License-Identifier: Apache-2.0
"""Ping, copy, levels, the shell below and reload, in scripts without a loop and in their child processes."""

from __future__ import annotations

import signal
from collections.abc import Callable
from typing import Any

import pytest

from aioconn.errors import CannotCross, CommandFailed, UsageError
from aioconn.protocols.operations import Ping
from aioconn.protocols.reloading import Reloaded
from aioconn.sync import CliSession, Device, Secret, Statement, Testbed
from tests.forking import Child, in_child
from tests.lab_thread import LabThread

pytestmark = pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")

HERE, NOWHERE = "192.0.2.7", "198.51.100.7"
SYSTEM = {"personality": "arista_eos", "protocols": ("telnet",), "boot": 0.3}


@pytest.fixture
def r1(testbed_of: Callable[..., Testbed]) -> Device:
    device = testbed_of("r1", **SYSTEM)["r1"]
    device.connect()
    device.connect(alias="pool", pool_size=2)
    return device


def work_on(r1: Device) -> None:
    """The same here and in a child, on a device, a connection, a pool and a session of it."""
    with r1.pool.acquire() as session:
        for one in (r1, r1.default, r1.pool, session):
            ping = one.ping(HERE, count=1)
            assert isinstance(ping, Ping)
            assert (ping.ok, ping.rate, ping.output.command) == (True, 100.0, f"ping {HERE} repeat 1")
            assert one.ping(NOWHERE, count=1, check=False).ok is False
            with pytest.raises(CommandFailed, match="100% packet loss"):
                one.ping(NOWHERE, count=1)
            assert "Copy completed" in one.copy("notes.txt", "flash:notes.txt")
            reply = {"never asked": Statement(Secret("0pen"), limit=1, newline=False), "nor this": None}
            assert "Arista" in one.execute("show version", reply=reply)
            with one.bash_console() as bash:
                assert bash.execute("hostname") == "r1"
                assert bash.mode == "bash"
            assert "Arista" in one.execute("show version")
        assert session.mode == r1.default.mode == "privileged"
        session.disable()
        session.switchto(["enable", "config"])
        assert session.mode == "config"
        session.enable()
        with pytest.raises(ZeroDivisionError), session.bash_console():
            raise ZeroDivisionError
        assert session.mode == "privileged"
    with pytest.raises(ZeroDivisionError), r1.bash_console():
        raise ZeroDivisionError
    r1.transmit("show clo")
    r1.transmit("ck\r")
    found = r1.expect([r"never", r"(\d\d):\d\d:\d\d"])
    assert found.index == 1
    assert "Arista" in r1.execute("show version")


def test_in_the_process_that_owns_the_device(lab: LabThread, r1: Device) -> None:
    work_on(r1)
    asked: list[Any] = []

    def refuse(found: Any) -> str:
        asked.append(found[0])
        return "n"

    r1.execute("reload", reply={r"Proceed .*\[confirm\]": refuse})
    assert asked == ["Proceed with reload? [confirm]"]
    assert lab["r1"].boots == 1


def test_in_a_child(lab: LabThread, r1: Device) -> None:
    def child() -> None:
        work_on(r1)
        with pytest.raises(CannotCross):
            r1.execute("show version", reply={"x": lambda found: "y"})

    in_child(child)
    assert r1.default.mode == "privileged"


def test_reload_here_and_from_a_child(lab: LabThread, r1: Device) -> None:
    r1.configure(["interface Loopback0", "description uplink"])
    reloaded = r1.reload(pause=0.1)
    assert isinstance(reloaded, Reloaded)
    assert reloaded.away >= 0.3
    assert "description uplink" not in r1.execute("show running-config")

    def child() -> None:
        r1.configure(["interface Loopback0", "description uplink"])
        assert r1.pool.reload(save=True, pause=0.1).away >= 0.3
        assert "description uplink" in r1.execute("show running-config")

    in_child(child)
    assert lab["r1"].boots == 3
    assert "description uplink" in r1.pool.execute("show running-config")


def test_a_child_that_dies_in_the_shell_leaves_it(lab: LabThread, r1: Device) -> None:
    def child(me: Child) -> None:
        with r1.bash_console() as bash, r1.pool.bash_console() as session:
            assert isinstance(session, CliSession)
            assert bash.execute("hostname") == session.execute("hostname") == "r1"
            me.tell()
            signal.pause()

    running = Child(child)
    running.heard()
    running.kill()
    for _ in range(3):
        assert "Arista" in r1.execute("show version")
        assert "Arista" in r1.pool.execute("show version")


def test_a_platform_without_a_shell(testbed_of: Callable[..., Testbed]) -> None:
    device = testbed_of("r1", personality="frr", protocols=("ssh",))["r1"]
    device.connect()
    pool = device.connect(alias="pool", pool_size=1)
    for one in (device, device.default, pool):
        with pytest.raises(UsageError, match=r"names no shell|no mode 'bash_console'"), one.bash_console():
            raise AssertionError("not entered")
