# SPDX-License-Identifier: Apache-2.0
"""Serial lines behind a console server: slow, silent until spoken to, for one user, and as somebody left them."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

import aioconn
from aioconn.errors import ConnectError, ShellRefused
from tests.integration.conftest import Load
from tests.integration.servers.consoles import Consoles
from tests.integration.servers.frr import Frr

pytestmark = pytest.mark.integration


def login_line(consoles: Consoles, **options: Any) -> dict[str, Any]:
    path = {"protocol": "telnet", "host": "127.0.0.1", "port": consoles.login, "arguments": options}
    login = {"username": consoles.user.name, "password": consoles.user.password}
    return {"os": "linux", "connections": {"console": path}, "credentials": {"default": login}}


def router_line(consoles: Consoles, **options: Any) -> dict[str, Any]:
    path = {"protocol": "telnet", "host": "127.0.0.1", "port": consoles.router, "arguments": options}
    # never asked for, but it might be
    enable = {"enable": {"password": "not-needed"}}
    return {"os": "frr", "connections": {"console": path}, "credentials": enable}


async def test_a_login_that_waits_for_return(load: Load, consoles: Consoles) -> None:
    r1 = load(r1=login_line(consoles))["r1"]
    await r1.connect()
    assert await r1.execute("id -un") == consoles.user.name
    assert await r1.execute(["seq 1 300", "echo end"]) == ["\n".join(map(str, range(1, 301))), "end"]
    await r1.disconnect()
    # the server takes a moment to let go of the line
    async with asyncio.timeout(5):
        while not r1.connected:
            try:
                await r1.connect()
            except ShellRefused:
                await asyncio.sleep(0.1)
    assert await r1.execute("id -un") == consoles.user.name


async def test_the_line_is_taken(load: Load, consoles: Consoles) -> None:
    testbed = load(first=login_line(consoles), second=login_line(consoles))
    await testbed["first"].connect()
    with pytest.raises(ConnectError, match=r"(?i)in use") as caught:
        await testbed["second"].connect()
    assert isinstance(caught.value, ShellRefused)
    assert await testbed["first"].execute("id -un") == consoles.user.name
    await testbed["first"].disconnect()


async def leave(port: int, *texts: str) -> None:
    """Somebody types these texts and goes."""
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    for text in texts:
        writer.write(text.encode())
        await asyncio.sleep(0.3)
    writer.close()
    await writer.wait_closed()
    await asyncio.sleep(0.3)


@pytest.mark.parametrize(
    "lines",
    [
        (),
        ("",),
        ("configure terminal",),
        ("configure terminal", "interface lo"),
        ("show vers",),
        ("disable",),
    ],
)
async def test_a_line_as_somebody_left_it(
    load: Load, frr: Frr, consoles: Consoles, lines: tuple[str, ...]
) -> None:
    await leave(consoles.router, *(f"{line}\r\n" for line in lines))
    r1 = load(r1=router_line(consoles))["r1"]
    connection: Any = await r1.connect()
    assert connection.mode == "privileged"
    version = frr.show("show version").rstrip()
    assert await r1.execute("show version") == version
    assert await r1.execute(["show version", "show version"]) == [version, version]


async def test_much_through_a_slow_line(load: Load, frr: Frr, consoles: Consoles) -> None:
    r1 = load(r1=router_line(consoles))["r1"]
    await r1.connect()
    output = await r1.execute("show running-config")
    assert output == frr.show("show running-config").rstrip()
    assert await r1.execute("list") == frr.show("list").rstrip()
    await r1.configure(["interface lo", "description by the back door"])
    assert "by the back door" in frr.show("show running-config")
    await r1.configure(["interface lo", "no description"])


async def test_a_half_typed_line_of_somebody_else(load: Load, frr: Frr, consoles: Consoles) -> None:
    await leave(consoles.router, "show runn")
    r1: aioconn.Device = load(r1=router_line(consoles))["r1"]
    await r1.connect()
    assert await r1.execute("show version") == frr.show("show version").rstrip()
