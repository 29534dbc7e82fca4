# SPDX-License-Identifier: Apache-2.0
"""FRRouting's own telnet VTYs."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from aioconn.errors import (
    AuthenticationFailed,
    CommandRejected,
    ConnectTimeout,
    HostUnreachable,
    ShellRefused,
)
from tests.integration.conftest import Load
from tests.integration.servers.frr import ENABLE, IDLE, MOTD, PASSWORD, Frr
from tests.integration.servers.tap import Tap

pytestmark = pytest.mark.integration


def vty(port: int, *, password: str = PASSWORD, enable: str = ENABLE, **options: Any) -> dict[str, Any]:
    return {
        "os": "frr",
        "connections": {
            "vty": {"protocol": "telnet", "host": "127.0.0.1", "port": port, "arguments": options}
        },
        "credentials": {"default": {"password": password}, "enable": {"password": enable}},
    }


@pytest.mark.parametrize("daemon", ["zebra", "bgpd"])
async def test_password_enable_and_commands(load: Load, frr: Frr, daemon: str) -> None:
    r1 = load(r1=vty(frr.ports[daemon]))["r1"]
    connection = await r1.connect()
    assert connection.mode == "privileged"
    first = await r1.execute("show version")
    assert first.startswith("FRRouting ")
    for _ in range(5):
        assert await r1.execute("show version") == first
    assert await r1.execute("show history") != first


async def test_modes_up_and_down(load: Load, frr: Frr) -> None:
    connection: Any = await load(r1=vty(frr.ports["zebra"]))["r1"].connect()
    for mode in ("config", "user", "privileged", "user", "config"):
        await connection.enter_mode(mode)
        assert connection.mode == mode
    with pytest.raises(CommandRejected):
        await connection.execute("configure terminal", mode="user")


@pytest.mark.parametrize("rows", [4, 12, 24])
async def test_a_pager_leaves_no_trace(load: Load, frr: Frr, rows: int) -> None:
    r1 = load(r1=vty(frr.ports["zebra"]))["r1"]
    await r1.connect()
    whole = await r1.execute("list")
    assert len(whole.splitlines()) > 100
    assert b"--More--" not in whole.raw
    paged: Any = await r1.connect(alias="paged", on_open=[], rows=rows)
    output = await paged.execute("list")
    assert output == whole
    assert b"--More--" in output.raw
    assert await paged.execute("show version") == await r1.execute("show version")


async def test_configuration_counts_and_a_refused_line_names_itself(load: Load, frr: Frr) -> None:
    r1 = load(r1=vty(frr.ports["zebra"]))["r1"]
    connection: Any = await r1.connect()
    await r1.configure(["interface lo", "description to the core"])
    assert "description to the core" in frr.show("show running-config")
    assert "description to the core" in await r1.execute("show running-config")
    with pytest.raises(CommandRejected) as caught:
        await r1.configure(["interface lo", "descriptoin wrong", "description never"])
    assert caught.value.command == "descriptoin wrong"
    assert "Unknown command" in caught.value.line
    assert "never" not in frr.show("show running-config")
    assert connection.mode == "privileged"
    with pytest.raises(CommandRejected, match="Unknown command"):
        await r1.execute("show bogus")
    assert (await r1.execute("show version")).startswith("FRRouting ")
    await r1.configure(["interface lo", "no description"])
    assert "to the core" not in frr.show("show running-config")


async def test_a_message_of_the_day_that_runs_into_the_prompt(load: Load, frr: Frr) -> None:
    r1 = load(r1=vty(frr.ports["ospfd"]))["r1"]
    connection: Any = await r1.connect()
    assert connection.mode == "privileged"
    assert connection._line.shell.prompts.host == "r1-ospfd"
    version = await r1.execute("show version")
    assert version.startswith("FRRouting ")
    assert MOTD not in version
    assert await r1.execute(["show version", "show version"]) == [version, version]


async def test_an_idle_session_that_the_device_closes_is_replaced(load: Load, frr: Frr) -> None:
    r1 = load(r1=vty(frr.ports["ospfd"]))["r1"]
    connection = await r1.connect()
    version = await r1.execute("show version")
    async with asyncio.timeout(IDLE + 3):
        while connection.connected:
            await asyncio.sleep(0.02)
    assert not r1.connected
    assert await r1.execute("show version") == version
    assert r1["default"] is connection
    assert r1.connected


async def test_a_daemon_without_a_password_lets_nobody_in(load: Load, frr: Frr) -> None:
    with pytest.raises((ShellRefused, AuthenticationFailed), match=r"Vty password is not set\."):
        await load(r1=vty(frr.ports["staticd"]))["r1"].connect()


async def test_a_wrong_password_is_tried_once(load: Load, frr: Frr) -> None:
    async with Tap(frr.ports["zebra"]) as tap:
        with pytest.raises(AuthenticationFailed) as caught:
            await load(r1=vty(tap.port, password="not-the-one"))["r1"].connect()
    assert bytes(tap.sent).count(b"not-the-one") == 1
    assert tap.connections == 1
    assert "not-the-one" not in str(caught.value)


async def test_a_wrong_enable_password_is_tried_once(load: Load, frr: Frr) -> None:
    async with Tap(frr.ports["zebra"]) as tap:
        r1 = load(r1=vty(tap.port, enable="not-the-one"))["r1"]
        with pytest.raises(AuthenticationFailed) as caught:
            await r1.connect()
        assert bytes(tap.sent).count(b"not-the-one") == 1
        assert "not-the-one" not in str(caught.value)
        connection: Any = await r1.connect(enable=False)
        assert connection.mode == "user"
        assert (await r1.execute("show version")).startswith("FRRouting ")
        await r1.disconnect()


async def test_two_sessions_do_not_mix(load: Load, frr: Frr) -> None:
    r1 = load(r1=vty(frr.ports["zebra"]))["r1"]
    await r1.connect()
    other: Any = await r1.connect(alias="other")
    version, table = await asyncio.gather(r1.execute("show version"), other.execute("list"))
    pairs = [(r1.execute("show version"), other.execute("list")) for _ in range(10)]
    outputs = await asyncio.gather(*(call for pair in pairs for call in pair))
    assert outputs == [version, table] * 10


@pytest.mark.parametrize("gated", [False, True])
async def test_a_crowd_before_a_short_queue(load: Load, frr: Frr, gated: bool) -> None:
    """The daemon's listen queue has three places: who finds none is connected, as far as the client can tell."""
    testbed = load(**{f"r{number}": vty(frr.ports["bgpd"]) for number in range(80)})
    loop = asyncio.get_running_loop()
    started = loop.time()
    results = await testbed.execute("show version", limit=3 if gated else 80, timeout=12)
    assert loop.time() - started < 20
    assert len(results) == 80
    # the kernel forgets some of those that found no place, and they never hear a byte: that is told as what it is
    forgotten = results.failed
    assert not gated or not forgotten
    assert all(isinstance(error, (ConnectTimeout, HostUnreachable)) for error in forgotten.values())
    again = await testbed.execute("show version", list(forgotten), limit=3, timeout=12)
    assert set(again.failed) == set()
    assert len({*results.ok.values(), *again.ok.values()}) == 1
