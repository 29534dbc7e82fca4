# SPDX-License-Identifier: Apache-2.0
"""FRRouting's vtysh: behind OpenSSH, as on a router, and as a local program."""

from __future__ import annotations

from typing import Any

import pytest

from aioconn.errors import CommandRejected
from tests.integration.conftest import Load
from tests.integration.servers import openssh as ssh
from tests.integration.servers.frr import Frr
from tests.integration.servers.openssh import OpenSsh
from tests.integration.servers.site import Site

pytestmark = pytest.mark.integration


@pytest.fixture
def over_ssh(openssh: OpenSsh, frr: Frr, site: Site) -> dict[str, Any]:
    user = site.accounts.user("vty", groups=("frrvty",))
    server = openssh.server("vtysh", ssh.PASSWORD, f"ForceCommand {' '.join(frr.vtysh)}")
    path = {"protocol": "ssh", "host": "127.0.0.1", "port": server.port}
    login = {"username": user.name, "password": user.password}
    return {"os": "frr", "connections": {"cli": path}, "credentials": {"default": login}}


@pytest.fixture
def as_program(frr: Frr) -> dict[str, Any]:
    return {"os": "frr", "connections": {"cli": {"command": " ".join(frr.vtysh)}}}


@pytest.fixture(params=["over_ssh", "as_program"])
def described(request: pytest.FixtureRequest, frr: Frr) -> dict[str, Any]:
    """Both ways to it."""
    described: dict[str, Any] = request.getfixturevalue(request.param)
    return described


async def test_commands(load: Load, frr: Frr, described: dict[str, Any]) -> None:
    r1 = load(r1=described)["r1"]
    connection: Any = await r1.connect()
    assert connection.mode == "privileged"
    assert await r1.execute("show version") == frr.show("show version").rstrip()
    whole = await r1.execute("list")
    assert whole == frr.show("list").rstrip()
    assert await r1.execute(["list", "show version", "list"]) == [
        whole,
        frr.show("show version").rstrip(),
        whole,
    ]


async def test_configuration_is_seen_on_the_router(load: Load, frr: Frr, described: dict[str, Any]) -> None:
    r1 = load(r1=described)["r1"]
    connection: Any = await r1.connect()
    await r1.configure(
        ["ip prefix-list TEST seq 5 permit 198.51.100.0/24", "interface lo", "description mine"]
    )
    running = await r1.execute("show running-config")
    assert "ip prefix-list TEST seq 5 permit 198.51.100.0/24" in running
    assert " description mine" in running
    assert "description mine" in frr.show("show running-config")
    with pytest.raises(CommandRejected, match="Unknown command") as caught:
        await r1.configure(["interface lo", "descriptoin wrong", "description never"])
    assert caught.value.command == "descriptoin wrong"
    assert connection.mode == "privileged"
    await r1.configure(["no ip prefix-list TEST", "interface lo", "no description"])
    assert "TEST" not in await r1.execute("show running-config")


async def test_a_refused_command(load: Load, frr: Frr, described: dict[str, Any]) -> None:
    r1 = load(r1=described)["r1"]
    await r1.connect()
    for command in ("show bogus", "show ip", "bogus"):
        with pytest.raises(CommandRejected):
            await r1.execute(command)
    assert await r1.execute("show version") == frr.show("show version").rstrip()
