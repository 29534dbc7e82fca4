# SPDX-License-Identifier: Apache-2.0
"""A device that is told to restart: its questions, the end of all its sessions, and its return."""

from __future__ import annotations

import asyncio
import os
from typing import Any

import pytest

import aioconn
from aioconn.errors import (
    AuthenticationFailed,
    CommandFailed,
    CommandTimeout,
    ConnectError,
    Deadlock,
    DeviceBusy,
    SessionClosed,
)
from aioconn.lab import Faults
from tests.cancelling import Way, cut_everywhere

# In real time one is done in tests/sync/test_operations.py.
MINUTES = "the devices take minutes to start"
pytestmark = [
    pytest.mark.clock("jumping"),
    pytest.mark.skipif(os.environ.get("AIOCONN_CLOCK") == "real", reason=MINUTES),
]

PROTOCOLS = ["ssh", "telnet"]
# What is shown before it goes, and lines to configure that a restart forgets if they are not saved.
UPLINK = ["interface Loopback0", "description uplink"]
SYSTEMS = {
    "cisco_iosxe": ("SHUTDOWN NOW", UPLINK),
    "cisco_iosxr": ("Preparing system for backup", None),
    "cisco_nxos": ("This command will reboot the system", UPLINK),
    "arista_eos": ("Proceed with reload?", UPLINK),
    "juniper_junos": ("Shutdown NOW!", None),
    "linux": ("password for admin:", None),
}


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("platform", SYSTEMS)
async def test_a_device_that_restarts(pair: Any, platform: str, protocol: str) -> None:
    said, lines = SYSTEMS[platform]
    device, served = await pair(protocol, personality=platform, boot=120.0)
    connection = await device.connect()
    for save in (False, True) if lines else (False,):
        if lines:
            await device.configure(lines)
        boots = served.boots
        reloaded = await device.reload(save=save)
        assert served.boots == boots + 1
        assert said in reloaded.output
        assert 120.0 <= reloaded.away <= reloaded.elapsed < 150.0
        assert connection.mode == connection.platform.default_mode
        assert (served.sessions, device.connected) == (1, True)
        if lines:
            assert ("description uplink" in served.config.render()) is save
    command = "uname -a" if platform == "linux" else "show version"
    assert len(await device.execute(command)) > 20


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_one_that_tells_nobody(pair: Any, protocol: str) -> None:
    """No connection ends: the others would wait for answers from them for as long as they are patient."""
    device, served = await pair(protocol, boot=300.0, vanishes=True)
    connection = await device.connect()
    await device.connect(alias="second")
    pool = await device.connect(alias="pool", pool_size=2)
    async with pool.acquire() as one, pool.acquire() as two:
        assert await one.execute("show clock") and await two.execute("show clock")  # noqa: PT018
    reloaded = await device.reload()
    assert 60.0 <= reloaded.elapsed - reloaded.away < 75.0  # the silence
    assert 300.0 <= reloaded.elapsed < 330.0
    assert connection.connected
    assert device["second"].state == "broken"
    assert pool.statistics()["open"] == 0
    async with asyncio.timeout(5):
        assert await device["second"].execute("show clock")
        assert await pool.execute("show clock")
    assert served.sessions == 3


@pytest.mark.parametrize("platform", ["cisco_iosxe", "linux"])
async def test_on_a_console(pair: Any, platform: str) -> None:
    """The line stays: it shows the device starting, and who is asked to log in has to."""
    device, served = await pair("telnet", personality=platform, console=True, boot=45.0)
    await device.connect()
    reloaded = await device.reload(pause=1)
    assert 45.0 <= reloaded.elapsed < 60.0
    assert "Press RETURN to get started" in reloaded.output
    assert (served.boots, served.logins, served.sessions) == (2, 2, 1)
    assert await device.execute("hostname" if platform == "linux" else "show clock")


@pytest.mark.parametrize("vanishes", [False, True])
async def test_what_else_hangs_on_it(lab: Any, vanishes: bool) -> None:
    """A path of another protocol, and a device behind it: both find out at once, and have their way back."""
    served = await lab.add("r1", forwards=True, vanishes=vanishes, boot=90.0)
    await lab.add("behind", protocols=("ssh",))
    data = lab.testbed()
    data["devices"]["behind"]["connections"]["cli"]["proxy"] = "r1"
    async with aioconn.load(data) as testbed:
        r1, behind = testbed["r1"], testbed["behind"]
        await r1.connect(via="cli")
        await r1.connect(alias="second", via="vty")
        session = await behind.connect()
        await r1.reload()
        await asyncio.sleep(1)
        assert (session.state, r1["second"].state) == ("broken", "broken")
        breaker = r1.manager.breaker("vty")  # its session may have been young when it was lost
        assert (breaker.failures, breaker.retry_at) == (0, 0.0)
        async with asyncio.timeout(5):
            assert await r1["second"].execute("show clock")
        assert await behind.execute("show clock", timeout=60)
        assert served.boots == 2


async def test_everybody_else_waits(pair: Any) -> None:
    device, served = await pair(boot=60.0)
    await device.connect()
    second = await device.connect(alias="second")
    busy = asyncio.create_task(second.execute("show lab wait 2000"))
    await asyncio.sleep(0.5)
    reloading = asyncio.create_task(device.reload())
    await asyncio.sleep(0.5)
    assert served.boots == 1  # somebody works
    with pytest.raises(DeviceBusy, match="exclusive since"):
        await second.execute("show clock", timeout=20)
    late = asyncio.create_task(second.execute("show clock", timeout=600))
    assert await busy == "waited 2000 ms"
    assert (await reloading).away >= 60.0
    assert "UTC" in await late
    async with device.transaction():
        with pytest.raises(Deadlock):
            await device.reload()
    async with device.exclusive():
        assert (await device.reload()).away >= 60.0


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_through_a_pool(pair: Any, protocol: str) -> None:
    device, served = await pair(protocol, boot=60.0, personality="arista_eos")
    pool = await device.connect(pool_size=3)
    working = [asyncio.create_task(pool.execute("show lab wait 1000")) for _ in range(3)]
    await asyncio.sleep(0.5)
    reloaded = await pool.reload()
    assert reloaded.away >= 60.0
    assert [await one for one in working] == ["waited 1000 ms"] * 3
    assert served.boots == 2
    async with asyncio.timeout(5):
        assert await asyncio.gather(*[pool.execute("show version") for _ in range(6)])
    async with pool.acquire() as session:
        with pytest.raises(Deadlock):  # its holder keeps the device in use himself
            await session.reload()
    async with device.exclusive(), pool.acquire() as session:
        assert (await session.reload()).away >= 60.0
        assert "Arista" in await session.execute("show version")
    assert (pool.statistics()["busy"], served.sessions) == (0, 1)


async def test_one_that_does_not_go_down(pair: Any) -> None:
    device, served = await pair()
    await device.connect()
    with pytest.raises(CommandFailed, match="is at its prompt again, and has not gone down") as refused:
        await device.reload(reply={r"Proceed with reload\?": "n"})
    assert "Proceed with reload" in refused.value.output
    with pytest.raises(CommandFailed, match="% Invalid input"):
        await device.reload(command="relaod")
    connection = device["default"]
    session = connection._line
    assert "Version" in await device.execute("show version")
    assert connection._line is session  # it was good all the time
    with pytest.raises(CommandFailed, match="asks something that nobody answers"):
        await device.reload(command="clear logging")
    assert "Version" in await device.execute("show version")
    assert (served.boots, served.sessions) == (1, 1)


async def test_one_that_does_not_come_back_in_time(pair: Any) -> None:
    device, served = await pair(boot=500.0)
    await device.connect()
    with pytest.raises(CommandTimeout, match=r"not back within 100 s; seen: .*(reset|refused|closed)"):
        await device.reload(timeout=100)
    assert not device.connected
    with pytest.raises(ConnectError):
        await device.execute("show clock", timeout=20)
    await asyncio.sleep(500)
    assert "UTC" in await device.execute("show clock", timeout=120)
    assert served.boots == 2


async def test_one_that_does_not_know_us_any_more(pair: Any) -> None:
    device, served = await pair(boot=30.0)
    await device.connect()
    served.faults = Faults(wrong_password=True)
    with pytest.raises(AuthenticationFailed):
        await device.reload(pause=60)
    assert served.logins == 1
    served.faults = Faults()


async def test_closed_while_it_is_away(pair: Any) -> None:
    device, served = await pair(boot=30.0)
    await device.connect()
    reloading = asyncio.create_task(device.reload())
    await asyncio.sleep(5)
    await device.disconnect()
    with pytest.raises(SessionClosed):
        await reloading
    await asyncio.sleep(60)
    assert served.sessions == 0
    await device.connect()


CUTS = [
    ("ssh", "cisco_nxos", (Way.ONCE,)),
    ("telnet", "cisco_iosxe", (Way.ONCE, Way.TIMEOUT)),
]


@pytest.mark.parametrize(("protocol", "platform", "ways"), CUTS, ids=["ssh", "telnet"])
async def test_a_reload_that_is_cut_anywhere(
    pair: Any, protocol: str, platform: str, ways: tuple[Way, ...]
) -> None:
    device, served = await pair(protocol, personality=platform, boot=20.0)
    connection = await device.connect()

    async def make() -> None:
        await device.reload(pause=1)

    async def settle() -> None:
        while served.away:
            await asyncio.sleep(1)
        device.manager.breaker(connection.via).reset()
        output = await connection.execute("show clock", timeout=60)
        assert "UTC" in output
        assert len(output.splitlines()) <= 2
        assert connection.mode == "privileged"
        assert served.sessions == 1
        assert device.manager.statistics()["exclusive"]["exclusive"] == 0

    tally = await cut_everywhere(make, settle=settle, ways=ways)
    assert tally.cuts > 15 * len(ways)
    assert {"reloading.py", "cli_operations.py"} <= {
        place.rpartition("/")[2].split(":")[0] for place in tally.places
    }


async def test_a_cut_reload_types_nothing_into_its_question(pair: Any) -> None:
    device, served = await pair(personality="arista_eos")
    await device.connect()
    reloading = asyncio.create_task(device.reload(reply={"Proceed with reload": None}))
    await asyncio.sleep(5)
    reloading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reloading
    assert "Arista" in await device.execute("show version")
    assert (served.boots, served.sessions) == (1, 1)
