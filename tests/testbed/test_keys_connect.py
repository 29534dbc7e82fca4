# SPDX-License-Identifier: Apache-2.0
"""Keys that decide how a session comes about, on devices that are logged in to."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator
from typing import Any

import asyncssh
import pytest

import aioconn
from aioconn.errors import AuthenticationFailed, HostUnreachable, LimitReached
from aioconn.lab import Lab
from aioconn.testbed.load import load_spec

pytestmark = pytest.mark.clock("jumping")

NOBODY = "127.0.0.2"  # a loopback address where the lab does not listen


@pytest.fixture
async def lab() -> AsyncIterator[Lab]:
    async with Lab() as lab:
        yield lab


def testbed_of(path: dict[str, Any], **keys: Any) -> aioconn.Testbed:
    """One device r1 with one path, which checks no host keys."""
    path = {"host_key_policy": "ignore", **path}
    return aioconn.load({"devices": {"r1": {"os": "iosxe", "connections": {"cli": path}, **keys}}})


def credentials(**logins: str) -> dict[str, dict[str, str]]:
    return {
        name: dict(zip(("username", "password"), login.split("/"), strict=True))
        for name, login in logins.items()
    }


@pytest.mark.parametrize("protocol", ["ssh", "telnet"])
async def test_of_several_addresses_the_first_that_answers(lab: Lab, protocol: str) -> None:
    served = await lab.add("r1", protocols=(protocol,))
    port = served.ssh_port if protocol == "ssh" else served.telnet_port
    path = {"protocol": protocol, "ip": [NOBODY, "127.0.0.3", "127.0.0.1", "127.0.0.4"], "port": port}
    async with testbed_of(path, credentials=credentials(default="admin/admin")) as testbed:
        r1 = testbed["r1"]
        session = await r1.connect()
        assert session.path.host == "127.0.0.1"
        assert "Version" in await r1.execute("show version")
        # and the next session begins where this one is
        await r1.connect(alias="pool", pool_size=2)
        assert "Version" in await r1.pool.execute("show version")
        await session.close()
        await r1.connect()
        assert session.path.host == "127.0.0.1"


async def test_an_address_that_refuses_the_password_is_the_last(lab: Lab) -> None:
    """A password that is wrong at one address is wrong at the others, and an account is soon locked."""
    served = await lab.add("r1", protocols=("telnet",))
    path = {"protocol": "telnet", "ip": ["127.0.0.1", NOBODY], "port": served.telnet_port}
    async with testbed_of(path, credentials=credentials(default="admin/wrong")) as testbed:
        with pytest.raises(AuthenticationFailed):
            await testbed["r1"].connect()
    path["ip"] = [NOBODY, "127.0.0.3"]
    async with testbed_of(path) as testbed:
        with pytest.raises(HostUnreachable, match=r"127\.0\.0\.3"):
            await testbed["r1"].connect()


@pytest.mark.parametrize("protocol", ["ssh", "telnet"])
async def test_login_creds_choose_who_logs_in(lab: Lab, protocol: str) -> None:
    served = await lab.add("r1", protocols=(protocol,), username="ops", password="right", enable="en")
    port = served.ssh_port if protocol == "ssh" else served.telnet_port
    logins: dict[str, Any] = credentials(default="admin/wrong", local="ops/right")
    logins["local"]["enable_password"] = "en"
    path = {"protocol": protocol, "ip": "127.0.0.1", "port": port, "login_creds": "local"}
    async with testbed_of(path, credentials=logins) as testbed:
        session = await testbed["r1"].connect()
        assert session.mode == "privileged"


@pytest.mark.parametrize("protocol", ["ssh", "telnet"])
async def test_fallback_credentials_are_tried_when_those_before_are_refused(
    lab: Lab, protocol: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    served = await lab.add("r1", protocols=(protocol,), username="ops", password="right")
    port = served.ssh_port if protocol == "ssh" else served.telnet_port
    connections = {
        "defaults": {"fallback_credentials": ["old", "local"]},
        "cli": {"protocol": protocol, "ip": "127.0.0.1", "port": port, "host_key_policy": "ignore"},
    }
    tried: list[str] = []

    def accepts(user: str, password: str) -> bool:
        tried.append(f"{user}/{password}")
        return password == "right"

    monkeypatch.setattr(served, "accepts", accepts)
    logins = credentials(default="admin/wrong", old="ops/former", local="ops/right", never="x/y")
    async with aioconn.load(
        {"devices": {"r1": {"os": "iosxe", "connections": connections, "credentials": logins}}}
    ) as testbed:
        session = await testbed["r1"].connect()
        assert session.path.login == ("local",)
        # the wrong ones are not tried again
        await session.close()
        await session.open()
        assert session.path.login == ("local",)
        assert tried == ["admin/wrong", "ops/former", "ops/right", "ops/right"]


@pytest.mark.skipif(os.environ.get("AIOCONN_CLOCK") == "real", reason="waits for three minutes")
@pytest.mark.parametrize("protocol", ["ssh", "telnet"])
async def test_each_of_the_fallback_credentials_is_a_login(
    lab: Lab, protocol: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    served = await lab.add("r1", protocols=(protocol,), username="ops", password="right")
    port = served.ssh_port if protocol == "ssh" else served.telnet_port
    connections = {
        "defaults": {"fallback_credentials": ["old", "local"], "logins_per_minute": 2},
        "cli": {"protocol": protocol, "ip": "127.0.0.1", "port": port, "host_key_policy": "ignore"},
    }
    tried: list[str] = []

    def accepts(user: str, password: str) -> bool:
        tried.append(password)
        return password == "right"

    monkeypatch.setattr(served, "accepts", accepts)
    logins = credentials(default="admin/wrong", old="ops/former", local="ops/right")
    async with aioconn.load(
        {"devices": {"r1": {"os": "iosxe", "connections": connections, "credentials": logins}}}
    ) as testbed:
        with pytest.raises(LimitReached, match="logins_per_minute 2"):
            await testbed["r1"].connect(timeout=30)
        assert tried == ["wrong", "former"]
        tried.clear()
        await testbed["r1"].connect(timeout=150)  # two in the second minute, one in the third
        assert tried == ["wrong", "former", "right"]


async def test_line_is_the_password_of_a_line_that_asks_for_no_name(lab: Lab) -> None:
    served = await lab.add("r1", protocols=("telnet",), login="password", password="line-pw", enable="en")
    port = served.telnet_port
    connections = {"cli": {"protocol": "telnet", "ip": "127.0.0.1", "port": port}}
    legacy = {
        "tacacs": {"username": "ops"},
        "passwords": {"tacacs": "right", "line": "line-pw", "enable": "en"},
    }
    async with aioconn.load(
        {"testbed": legacy, "devices": {"r1": {"os": "iosxe", "connections": connections}}}
    ) as testbed:
        assert (await testbed["r1"].connect()).mode == "privileged"
    served = await lab.add("r2", protocols=("telnet",), username="ops", password="right", enable="en")
    connections["cli"]["port"] = (
        served.telnet_port
    )  # which asks for a name: it is not the line's password then
    async with aioconn.load(
        {"testbed": legacy, "devices": {"r2": {"os": "iosxe", "connections": connections}}}
    ) as testbed:
        assert (await testbed["r2"].connect()).mode == "privileged"


async def _pipe(source: Any, target: Any) -> None:
    with contextlib.suppress(OSError):
        while data := await source.read(4096):
            target.write(data)
    target.close()


@contextlib.asynccontextmanager
async def terminal_server(port: int, name: str, password: str) -> AsyncIterator[int]:
    """Asks who we are, and hands on to `port` whoever knows the password; the port that it listens at."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            await ask(reader, writer)
        writer.close()

    async def ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"ts1\r\n\r\nUsername: ")
        heard = (await reader.readline()).strip()
        writer.write(heard + b"\r\nPassword: ")
        heard += b"/" + (await reader.readline()).strip()
        if heard != f"{name}/{password}".encode():
            writer.write(b"\r\n% Login invalid\r\n")
            return
        onward, back = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"\r\n")
        await asyncio.gather(_pipe(reader, back), _pipe(onward, writer))

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


@pytest.mark.parametrize(
    ("chosen", "works"),
    [(["termserv", "default"], True), (["default", "termserv"], False), (["termserv"], False)],
)
@pytest.mark.parametrize("console", [False, True])
async def test_login_creds_one_after_the_other(
    lab: Lab, chosen: list[str], works: bool, console: bool
) -> None:
    """With `console` the device behind the terminal server says nothing until Return is pressed."""
    served = await lab.add(
        "r1", protocols=("telnet",), username="ops", password="right", negotiates=False, console=console
    )
    logins = credentials(default="ops/right", termserv="tsuser/tspw")
    assert served.telnet_port is not None
    async with terminal_server(served.telnet_port, "tsuser", "tspw") as port:
        path = {"protocol": "telnet", "ip": "127.0.0.1", "port": port, "login_creds": chosen}
        async with testbed_of(path, credentials=logins) as testbed:
            if works:
                await testbed["r1"].connect()
                assert "Version" in await testbed["r1"].execute("show version")
            else:
                with pytest.raises(AuthenticationFailed):
                    await testbed["r1"].connect()
        await asyncio.sleep(0.1)


async def test_a_command_runs_on_the_proxy(lab: Lab) -> None:
    """As unicon does it: `telnet line-7` is what the proxy runs, and the device asks there."""
    served = await lab.add("r1", protocols=("telnet",), negotiates=False)
    asked: list[str | None] = []

    ended = asyncio.Event()

    async def run(process: asyncssh.SSHServerProcess[bytes]) -> None:
        asked.append(process.command)
        reader, writer = await asyncio.open_connection("127.0.0.1", served.telnet_port)
        try:
            await asyncio.gather(_pipe(process.stdin, writer), _pipe(reader, process.stdout))
        finally:
            writer.close()
            ended.set()

    class Server(asyncssh.SSHServer):
        def password_auth_supported(self) -> bool:
            return True

        def validate_password(self, username: str, password: str) -> bool:
            return (username, password) == ("hop", "hop")

    listener = await asyncssh.listen(
        "127.0.0.1",
        0,
        server_factory=Server,
        process_factory=run,
        server_host_keys=[asyncssh.generate_private_key("ssh-ed25519")],
        encoding=None,
    )
    jump = {"protocol": "ssh", "ip": "127.0.0.1", "port": listener.get_port(), "host_key_policy": "ignore"}
    whole = {
        "devices": {
            "js": {
                "os": "linux",
                "connections": {"ssh": jump},
                "credentials": credentials(default="hop/hop"),
            },
            "r1": {
                "os": "iosxe",
                "connections": {"cli": {"proxy": {"device": "js", "command": "telnet 'line 7'"}}},
                "credentials": credentials(default="admin/admin"),
            },
        }
    }
    try:
        async with aioconn.load(whole) as testbed:
            await testbed["r1"].connect()
            assert "Version" in await testbed["r1"].execute("show version")
            assert asked == ["telnet 'line 7'"]
        await ended.wait()
    finally:
        listener.close()
        await listener.wait_closed()


async def test_sshtunnel_through_a_server_of_the_testbed(lab: Lab) -> None:
    jump = await lab.add("js", personality="linux", protocols=("ssh",), forwards=True, password="hop")
    served = await lab.add("r1", protocols=("ssh",))
    whole: dict[str, Any] = {
        "testbed": {
            "servers": {
                "js": {
                    "address": [NOBODY, "127.0.0.1"],
                    "credentials": credentials(ssh="admin/hop"),
                    "custom": {
                        "port": jump.ssh_port,
                        "ssh_options": "-o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null",
                    },
                }
            }
        },
        "devices": {
            "r1": {
                "os": "iosxe",
                "credentials": credentials(default="admin/admin"),
                "connections": {
                    "a": {
                        "protocol": "ssh",
                        "ip": "127.0.0.1",
                        "port": served.ssh_port,
                        "sshtunnel": {"host": "js", "tunnel_port": 20001},
                        "ssh_options": "-o StrictHostKeyChecking=no",
                    }
                },
            }
        },
    }
    assert load_spec(whole).warnings == ()
    async with aioconn.load(whole) as testbed:
        assert list(testbed.devices) == ["r1"]
        await testbed["r1"].connect()
        assert "Version" in await testbed["r1"].execute("show version")
        assert len(jump.connections) == 1
    await asyncio.sleep(0.05)
    assert not jump.connections


async def test_the_consoles_of_a_device_that_has_several(lab: Lab) -> None:
    served = await lab.add("r1", protocols=("telnet",))
    console = {"protocol": "telnet", "ip": NOBODY, "port": served.telnet_port}
    connections = {"defaults": {"connections": ["a", "b"]}, "a": console, "b": {**console, "ip": "127.0.0.1"}}
    whole = {
        "devices": {
            "r1": {
                "os": "iosxe",
                "connections": connections,
                "credentials": credentials(default="admin/admin"),
            }
        }
    }
    assert [warning.key for warning in load_spec(whole).warnings] == [
        "devices.r1.connections.defaults.connections"
    ]
    async with aioconn.load(whole) as testbed:
        assert (await testbed["r1"].connect()).via == "b"
