# SPDX-License-Identifier: Apache-2.0
"""The manager's words, on simulated devices."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import pytest

import aioconn
from aioconn.connection import BaseConnection, service
from aioconn.errors import (
    AliasInUse,
    AuthenticationFailed,
    InvalidAlias,
    InvalidOption,
    LimitReached,
    LoopMismatch,
    SessionClosed,
    UnknownAlias,
    UnknownClass,
    UnknownPath,
)
from aioconn.lab import Faults, Lab
from aioconn.protocols.cli import CliConnection


class Own(BaseConnection[Any]):
    """A class that a user might bring."""

    async def _open(self) -> None: ...

    async def _close(self) -> None: ...

    @service
    async def greet(self, name: str, *, timeout: float | None = None) -> str:
        return f"hello {name}"


OWN = f"{__name__}.Own"


def devices(lab: Lab, **keys: Any) -> aioconn.Testbed:
    """A testbed of the whole lab; `keys` go into every device's `connections.defaults`."""
    whole = lab.testbed()
    for device in whole["devices"].values():
        device["connections"].setdefault("defaults", {}).update(keys)
    return aioconn.load(whole)


async def test_one_alias_one_connection(pair: Any) -> None:
    device, served = await pair()
    first, second = await asyncio.gather(device.connect(), device.connect())
    assert first is second is await device.connect()
    assert served.logins == 1
    assert device.manager.default_alias == "default"
    assert device.default is first
    assert device["default"] is first


async def test_the_same_alias_for_another_request(pair: Any) -> None:
    device, served = await pair()
    first = await device.connect()
    with pytest.raises(AliasInUse, match="replace=True"):
        await device.connect(timeout=5, confirm="probe")
    second = await device.connect(confirm="probe", replace=True)
    assert second is not first
    assert not first.connected
    assert served.logins == 2
    await asyncio.sleep(0.01)
    assert served.sessions == 1


@pytest.mark.parametrize("alias", ["1st", "with space", "class", "execute", "manager", "name", ""])
async def test_bad_aliases(pair: Any, alias: str) -> None:
    device, served = await pair()
    if alias == "":
        assert (await device.connect(alias=alias)).alias == "default"
        return
    with pytest.raises(InvalidAlias):
        await device.connect(alias=alias)
    assert not device.connections
    assert served.logins == 0


async def test_unknown_names_are_told_with_the_known_ones(pair: Any) -> None:
    device, _ = await pair()
    with pytest.raises(UnknownPath, match=r"clii.*did you mean 'cli'"):
        await device.connect(via="clii")
    with pytest.raises(UnknownAlias, match=r"connect\(\)"):
        await device.execute("show version")
    await device.connect(alias="vty_1")
    with pytest.raises(UnknownAlias, match="did you mean 'vty_1'"):
        device["vty_2"]
    with pytest.raises(AttributeError, match="vty_1"):
        _ = device.vty_2
    with pytest.raises(InvalidOption, match="did you mean 'timeout'"):
        await device.connect(alias="other", timeoutt=3)
    assert list(device.connections) == ["vty_1"]


async def test_via_is_tried_in_order(lab: Lab) -> None:
    await lab.add("r1", protocols=("ssh", "telnet"))
    testbed = devices(lab)
    r1 = testbed["r1"]
    lab["r1"].faults = Faults(wrong_password=True)
    names = list(r1.paths)
    with pytest.raises(AuthenticationFailed) as caught:
        await r1.connect(via=names)
    assert caught.value.path == names[-1]
    assert any(names[0] in note for note in caught.value.__notes__)
    lab["r1"].faults = Faults()
    connection = await r1.connect(via=list(reversed(names)))
    assert connection.via == names[-1]
    await testbed.disconnect()


async def test_classes(pair: Any) -> None:
    device, _ = await pair()
    own = await device.connect(alias="own", cls=OWN)
    assert await device.own.greet("r1") == "hello r1"
    with device.using_alias("own"):
        assert await device.greet("again") == "hello again"
    assert type(own).__name__ == "Own"
    for wrong, word in [
        ("nothing", "dotted path"),
        ("no.such.module", "No module named"),
        ("aioconn.results.Output", "no BaseConnection"),
        ("aioconn.results.Nothing", "Nothing"),
    ]:
        with pytest.raises(UnknownClass, match=word):
            await device.connect(alias="broken", cls=wrong)
    assert isinstance(await device.connect(alias="uni", cls="unicon.Unicon"), CliConnection)


async def test_using_alias_is_for_this_task_only(pair: Any) -> None:
    device, _ = await pair()
    await device.connect()
    await device.connect(alias="other", cls=OWN)
    seen: list[str] = []

    async def look() -> None:
        await asyncio.sleep(0)
        seen.append(device.manager.default_alias)

    waiting = asyncio.ensure_future(look())
    with device.using_alias("other"):
        assert device.manager.default_alias == "other"
        await waiting
    assert seen == ["default"]
    with pytest.raises(UnknownAlias), device.using_alias("nobody"):
        pass


async def test_disconnect_keeps_the_alias_and_destroy_does_not(pair: Any) -> None:
    device, served = await pair()
    connection = await device.connect()
    assert device.is_connected()
    assert not device.is_connected("unknown")
    await device.disconnect()
    assert not device.is_connected()
    with pytest.raises(SessionClosed):
        await device.execute("show version")
    assert await device.connect() is connection
    await device.destroy()
    assert not device.connections
    await asyncio.sleep(0.01)
    assert served.sessions == 0


async def test_instantiate_does_not_open(pair: Any) -> None:
    device, served = await pair()
    connection = device.manager.instantiate(alias="later")
    assert (connection.connected, served.logins) == (False, 0)
    await connection.open()
    assert "Version" in await device.later.execute("show version")


async def test_max_sessions_holds_and_waiters_come_in(lab: Lab) -> None:
    served = await lab.add("r1", protocols=("ssh",))
    async with devices(lab, max_sessions=2) as testbed:
        r1 = testbed["r1"]
        await r1.connect(alias="a")
        await r1.connect(alias="b")
        with pytest.raises(LimitReached, match="a 1, b 1"):
            await r1.connect(alias="c", timeout=0.1)
        assert set(r1.connections) == {"a", "b"}
        waiting = asyncio.ensure_future(r1.connect(alias="c"))
        await asyncio.sleep(0.02)
        await r1.destroy("a")
        assert (await waiting).connected
        assert served.peak_sessions == 2
        assert r1.manager.statistics()["sessions_used"] == 2


async def test_a_lost_session_gives_its_place_back(lab: Lab) -> None:
    served = await lab.add("r1", protocols=("ssh",))
    async with devices(lab, max_sessions=1) as testbed:
        r1 = testbed["r1"]
        await r1.connect(alias="a")
        served.kill_sessions()
        async with asyncio.timeout(20):
            while r1.is_connected("a"):
                await asyncio.sleep(0.001)
        assert (await r1.connect(alias="b", timeout=5)).connected


async def test_concurrent_callers_try_a_wrong_password_once(lab: Lab) -> None:
    await lab.add("r1", protocols=("ssh",), faults=Faults(wrong_password=True))
    tried = 0

    def count(event: object) -> None:
        nonlocal tried
        tried += type(event).__name__ == "OpenFailed"

    async with devices(lab) as testbed:
        testbed.listeners.add(count)
        failures = await asyncio.gather(*[testbed["r1"].connect() for _ in range(10)], return_exceptions=True)
    assert [type(failure) for failure in failures] == [AuthenticationFailed] * 10
    assert tried == 1


async def test_one_of_two_waiters_cancelled_does_not_cancel_the_other(pair: Any) -> None:
    device, served = await pair()
    first = asyncio.ensure_future(device.connect())
    second = asyncio.ensure_future(device.connect())
    await asyncio.sleep(0.002)
    first.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await first
    assert (await second).connected
    assert served.logins == 1


def test_another_loop_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    device = aioconn.Device("r1", connections={"a": {"protocol": "ssh", "ip": "127.0.0.1", "class": OWN}})
    with asyncio.Runner() as one, asyncio.Runner() as two:
        one.run(device.connect())
        with pytest.raises(LoopMismatch):
            two.run(device.connect(alias="second"))
        one.run(device.destroy_all())
        two.run(device.connect())
        two.run(device.destroy_all())


@pytest.mark.parametrize("depth", [1, 2])
async def test_a_jump_host_is_connected_once_for_all_behind_it(lab: Lab, depth: int) -> None:
    """SSH and telnet, one and two hops deep."""
    jumps = [
        await lab.add(f"jump{number}", personality="linux", protocols=("ssh",), forwards=True)
        for number in range(depth)
    ]
    for number in range(5):
        await lab.add(f"r{number}", protocols=("ssh", "telnet"))
    whole = lab.testbed()
    for number in range(5):
        paths = whole["devices"][f"r{number}"]["connections"]
        for path in paths.values():
            if isinstance(path, dict) and "protocol" in path:
                path["proxy"] = "jump0"
    if depth == 2:
        for path in whole["devices"]["jump0"]["connections"].values():
            if isinstance(path, dict) and "protocol" in path:
                path["proxy"] = "jump1"
    async with aioconn.load(whole) as testbed:
        results = await testbed.execute("show version", [f"r{number}" for number in range(5)])
        results.raise_for_errors()
        telnet = next(name for name, path in testbed["r0"].paths.items() if path.protocol == "telnet")
        await testbed["r0"].connect(alias="t", via=telnet)
        assert "Version" in await testbed["r0"].t.execute("show version")
        assert [len(jump.connections) for jump in jumps] == [1] * depth
    await asyncio.sleep(0.05)
    assert not any(jump.connections for jump in jumps)
