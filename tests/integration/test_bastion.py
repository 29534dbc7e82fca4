# SPDX-License-Identifier: Apache-2.0
"""Devices behind jump hosts: OpenSSH that forwards and gives no shell."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from aioconn.errors import AuthenticationFailed, ConnectError, HostUnreachable
from tests.integration.conftest import Load
from tests.integration.servers import openssh as ssh
from tests.integration.servers import sockets
from tests.integration.servers.frr import Frr
from tests.integration.servers.openssh import OpenSsh, Sshd
from tests.integration.test_frr import vty
from tests.integration.test_openssh import shell, whoami

pytestmark = pytest.mark.integration

FORWARDING = (ssh.PASSWORD, "AllowTcpForwarding yes", "PermitTTY no", "ForceCommand /usr/sbin/nologin")


@pytest.fixture(scope="session")
def bastion(openssh: OpenSsh) -> Sshd:
    return openssh.server("bastion", *FORWARDING)


@pytest.fixture(scope="session")
def inner(openssh: OpenSsh) -> Sshd:
    """A second one, to be reached through the first."""
    return openssh.server("inner-bastion", *FORWARDING)


def behind(description: dict[str, Any], *hops: str) -> dict[str, Any]:
    path = next(path for name, path in description["connections"].items() if name != "defaults")
    path["proxy"] = list(hops)
    return description


def accepted(server: Sshd) -> int:
    server.daemon.wait_idle()
    return server.daemon.log().count("Accepted ")


async def test_one_link_carries_all_devices(load: Load, openssh: OpenSsh, bastion: Sshd) -> None:
    target = openssh.server("password", ssh.PASSWORD)
    before = accepted(bastion)
    devices = {f"r{number}": behind(shell(openssh, target.port), "jump") for number in range(12)}
    testbed = load(jump=shell(openssh, bastion.port), **devices)
    results = await testbed.execute("id -un", list(devices), timeout=20)
    results.raise_for_errors()
    assert set(results.ok.values()) == {openssh.user.name}
    assert sockets.count(bastion.port, {0x01}) == 1
    await testbed.disconnect()
    assert accepted(bastion) == before + 1


async def test_two_hops(load: Load, openssh: OpenSsh, bastion: Sshd, inner: Sshd) -> None:
    target = openssh.server("password", ssh.PASSWORD)
    before = accepted(bastion), accepted(inner)
    chained = {f"r{number}": behind(shell(openssh, target.port), "inner") for number in range(3)}
    testbed = load(
        outer=shell(openssh, bastion.port), inner=behind(shell(openssh, inner.port), "outer"), **chained
    )
    results = await testbed.execute("id -un", list(chained), timeout=20)
    results.raise_for_errors()
    assert set(results.ok.values()) == {openssh.user.name}
    await testbed.disconnect()
    assert (accepted(bastion) - before[0], accepted(inner) - before[1]) == (1, 1)


async def test_two_hops_that_the_path_lists(load: Load, openssh: OpenSsh, bastion: Sshd, inner: Sshd) -> None:
    target = openssh.server("password", ssh.PASSWORD)
    before = accepted(bastion), accepted(inner)
    testbed = load(
        outer=shell(openssh, bastion.port),
        inner=behind(shell(openssh, inner.port), "outer"),
        listed=behind(shell(openssh, target.port), "outer", "inner"),
        chained=behind(shell(openssh, target.port), "inner"),
    )
    for name in ("listed", "chained"):
        await testbed[name].connect()
        assert await whoami(testbed[name]) == openssh.user.name
    await testbed.disconnect()
    assert (accepted(bastion) - before[0], accepted(inner) - before[1]) == (1, 1)


async def test_telnet_through_a_bastion(load: Load, openssh: OpenSsh, bastion: Sshd, frr: Frr) -> None:
    testbed = load(
        jump=shell(openssh, bastion.port),
        zebra=behind(vty(frr.ports["zebra"]), "jump"),
        bgpd=behind(vty(frr.ports["bgpd"]), "jump"),
    )
    results = await testbed.execute("show version", ["zebra", "bgpd"], timeout=15)
    results.raise_for_errors()
    assert all(text.startswith("FRRouting ") for text in results.ok.values())


async def test_a_bastion_that_refuses_us_is_named_and_asked_once(
    load: Load, openssh: OpenSsh, bastion: Sshd
) -> None:
    before = bastion.logins_refused()
    target = openssh.server("password", ssh.PASSWORD)
    devices = {f"r{number}": behind(shell(openssh, target.port), "jump") for number in range(5)}
    testbed = load(jump=shell(openssh, bastion.port, password="not-the-one"), **devices)
    results = await testbed.execute("id -un", list(devices), timeout=15)
    assert set(results.failed) == set(devices)
    for error in results.failed.values():
        assert isinstance(error, AuthenticationFailed)
        assert "jump" in str(error)
    assert bastion.logins_refused() == before + 1


async def test_nothing_behind_the_bastion(load: Load, openssh: OpenSsh, bastion: Sshd) -> None:
    testbed = load(
        jump=shell(openssh, bastion.port),
        r1=behind(shell(openssh, sockets.free_port()), "jump"),
        t1=behind(vty(sockets.free_port()), "jump"),
    )
    for name in ("r1", "t1"):
        with pytest.raises(HostUnreachable, match=r"(?i)refused|not reached"):
            await testbed[name].connect()


async def test_a_bastion_that_forbids_it(load: Load, openssh: OpenSsh) -> None:
    closed = openssh.server("closed-bastion", ssh.PASSWORD, "AllowTcpForwarding no")
    target = openssh.server("password", ssh.PASSWORD)
    testbed = load(jump=shell(openssh, closed.port), r1=behind(shell(openssh, target.port), "jump"))
    with pytest.raises(ConnectError, match="forbids"):
        await testbed["r1"].connect()


async def test_the_end_of_the_bastion_is_noticed_and_mended(load: Load, openssh: OpenSsh) -> None:
    bastion = openssh.server("mortal-bastion", *FORWARDING)
    target = openssh.server("password", ssh.PASSWORD)
    testbed = load(jump=shell(openssh, bastion.port), r1=behind(shell(openssh, target.port), "jump"))
    r1 = testbed["r1"]
    connection = await r1.connect()
    openssh.stop("mortal-bastion")
    async with asyncio.timeout(5):
        while connection.connected:
            await asyncio.sleep(0.02)
    openssh.server("mortal-bastion", *FORWARDING, port=bastion.port)
    assert await whoami(r1) == openssh.user.name
    await testbed.disconnect()
    openssh.stop("mortal-bastion")
