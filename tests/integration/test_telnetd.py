# SPDX-License-Identifier: Apache-2.0
"""Telnet servers with login(1) and bash behind them."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from aioconn.errors import AuthenticationFailed, CommandTimeout, ConnectTimeout, HostUnreachable
from tests.integration.conftest import Load
from tests.integration.servers import sockets
from tests.integration.servers.tap import Tap
from tests.integration.servers.telnetd import KINDS, Telnetd

pytestmark = pytest.mark.integration

LINES = "\n".join(f"line {number}" for number in range(1, 201))


def telnet(
    telnetd: Telnetd, port: int | None, *, password: str | None = None, **options: Any
) -> dict[str, Any]:
    path = {"protocol": "telnet", "host": "127.0.0.1", "port": port, "arguments": options}
    login = {"username": telnetd.user.name, "password": password or telnetd.user.password}
    return {"os": "linux", "connections": {"cli": path}, "credentials": {"default": login}}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("confirm", ["prompt", "probe"])
async def test_login_and_commands(load: Load, telnetd: Telnetd, kind: str, confirm: str) -> None:
    r1 = load(r1=telnet(telnetd, telnetd.server(kind).port, confirm=confirm))["r1"]
    await r1.connect()
    assert await r1.execute("id -un") == telnetd.user.name
    assert await r1.execute(["seq -f 'line %g' 1 200", "true", "echo end"]) == [LINES, "", "end"]
    for number in range(10):
        assert await r1.execute(f"echo {number}") == str(number)
    assert await r1.execute("printf 'no newline'") == "no newline"


@pytest.mark.parametrize("kind", KINDS)
async def test_the_window_is_as_wide_as_we_said(load: Load, telnetd: Telnetd, kind: str) -> None:
    r1 = load(r1=telnet(telnetd, telnetd.server(kind).port, rows=50, columns=200))["r1"]
    await r1.connect()
    assert await r1.execute("stty size") == "50 200"
    word = "x" * 700
    assert await r1.execute(f"echo {word}") == word


@pytest.mark.parametrize("kind", KINDS)
async def test_a_wrong_password_is_tried_once(load: Load, telnetd: Telnetd, kind: str) -> None:
    """login(1) takes three seconds to say no."""
    async with Tap(telnetd.server(kind).port or 0) as tap:
        with pytest.raises(AuthenticationFailed) as caught:
            await load(r1=telnet(telnetd, tap.port, password="not-the-one"))["r1"].connect(timeout=12)
        assert bytes(tap.sent).count(b"not-the-one") == 1
        assert bytes(tap.sent).count(telnetd.user.name.encode()) == 1
        assert tap.connections == 1
    assert "not-the-one" not in str(caught.value)


async def test_a_timeout_then_the_next(load: Load, telnetd: Telnetd) -> None:
    r1 = load(r1=telnet(telnetd, telnetd.server("inetutils").port))["r1"]
    connection = await r1.connect()
    with pytest.raises(CommandTimeout):
        await r1.execute("sleep 20", timeout=0.3)
    assert await r1.execute("echo next") == "next"
    assert r1["default"] is connection
    task = asyncio.ensure_future(r1.execute("seq 1 100000000"))
    await asyncio.sleep(0.3)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await r1.execute("seq -f 'line %g' 1 200") == LINES


async def test_bytes_that_mean_something_to_telnet(load: Load, telnetd: Telnetd) -> None:
    r1 = load(r1=telnet(telnetd, telnetd.server("inetutils").port, encoding="latin-1"))["r1"]
    await r1.connect()
    assert await r1.execute("printf 'a\\377\\377b\\r\\nc\\n'") == "a\xff\xffb\nc"
    assert await r1.execute("printf '\\377\\361\\r%s' 1; echo") == "1\xf1"


async def test_a_port_that_says_nothing(load: Load, telnetd: Telnetd) -> None:
    async def hold(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.read(1000):
            pass
        writer.close()

    server = await asyncio.start_server(hold, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    loop = asyncio.get_running_loop()
    started = loop.time()
    with pytest.raises(ConnectTimeout, match="login"):
        await load(r1=telnet(telnetd, port))["r1"].connect(timeout=2)
    assert loop.time() - started < 4
    server.close()


async def test_nobody_listens(load: Load, telnetd: Telnetd) -> None:
    with pytest.raises(HostUnreachable, match="refused"):
        await load(r1=telnet(telnetd, sockets.free_port()))["r1"].connect()


async def test_many_at_once(load: Load, telnetd: Telnetd) -> None:
    port = telnetd.server("inetutils").port
    testbed = load(**{f"h{number}": telnet(telnetd, port) for number in range(20)})
    results = await testbed.execute(["seq -f 'line %g' 1 200", "echo $PPID"], timeout=40)
    results.raise_for_errors()
    assert {outputs[0] for outputs in results.ok.values()} == {LINES}
    assert len({outputs[1] for outputs in results.ok.values()}) == 20
