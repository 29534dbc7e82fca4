# SPDX-License-Identifier: Apache-2.0
"""NETCONF against netconfd (yuma123), which nobody here has written."""

from __future__ import annotations

import asyncio
import contextlib
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from aioconn.connection import State
from aioconn.errors import AuthenticationFailed, NotCapable, RpcError
from aioconn.protocols.netconf.connection import NetconfConnection
from tests.integration.conftest import Load
from tests.integration.servers import netconfd as netconf_server
from tests.integration.servers.netconfd import INTERFACES, Netconfd
from tests.integration.servers.openssh import OpenSsh
from tests.integration.servers.site import Site

pytestmark = pytest.mark.integration

VERSIONS = pytest.mark.parametrize("versions", [("1.0",), ("1.0", "1.1")])


@pytest.fixture(scope="session")
def netconfd(site: Site, openssh: OpenSsh) -> Netconfd:
    return netconf_server.start(site, openssh)


def described(text: str | None, name: str = "GigabitEthernet0/0") -> dict[str, Any]:
    return {"interfaces": {"@xmlns": INTERFACES, "interface": {"name": name, "description": text}}}


async def description(connection: NetconfConnection, source: str = "running") -> str | None:
    reply = await connection.get_config(source, described(None))
    return reply.data.findtext(f".//{{{INTERFACES}}}description")


@VERSIONS
async def test_every_first_call_is_answered(
    load: Load, netconfd: Netconfd, versions: tuple[str, ...]
) -> None:
    """netconfd forgets a call that reaches it before it has read the hello."""
    device = load(r1=netconfd.entry(netconfd.candidate))["r1"]

    async def one(number: int) -> int:
        connection = await device.connect(alias=f"n{number}", versions=versions)
        assert "GigabitEthernet0/0" in await connection.get_config(timeout=10)
        return connection.session_id

    for _ in range(3):
        assert len(set(await asyncio.gather(*(one(number) for number in range(10))))) == 10
        await device.manager.destroy_all()


@VERSIONS
async def test_many_calls_at_once(load: Load, netconfd: Netconfd, versions: tuple[str, ...]) -> None:
    connection = await load(r1=netconfd.entry(netconfd.candidate))["r1"].connect(versions=versions)
    replies = await asyncio.gather(*(connection.get_config() for _ in range(50)))
    assert len({reply.message_id for reply in replies}) == 50
    assert len(set(replies)) == 1
    calls = [asyncio.ensure_future(connection.get_config()) for _ in range(20)]
    await asyncio.sleep(0)
    for call in calls[::2]:
        call.cancel()
    await asyncio.wait(calls)
    assert {call.result() for call in calls[1::2]} == set(replies)


async def test_reading(load: Load, netconfd: Netconfd) -> None:
    connection = await load(r1=netconfd.entry(netconfd.candidate))["r1"].connect()
    assert ":confirmed-commit" in connection.server_capabilities
    by_path = await connection.get(xpath="/if:interfaces/if:interface", namespaces={"if": INTERFACES})
    assert "Loopback0" in by_path
    assert "Loopback0" not in await connection.get_config(filter=described(None))
    assert "Loopback0" in await connection.get_config(filter="<interfaces/>")
    assert "Loopback0" not in await connection.get_config(filter='<interfaces xmlns="urn:other"/>')
    everything = await connection.get_config(with_defaults="report-all")
    assert len(everything) > len(await connection.get_config())
    schema = await connection.get_schema("ietf-interfaces")
    assert schema.lstrip().startswith("module ietf-interfaces")
    assert len(schema) > 20_000
    text = "".join([piece async for piece in connection.stream_get()])
    assert text.startswith("<")
    assert text.rstrip().endswith("rpc-reply>")


async def test_errors(load: Load, netconfd: Netconfd) -> None:
    connection = await load(r1=netconfd.entry(netconfd.candidate))["r1"].connect()
    with pytest.raises(RpcError) as caught:
        await connection.edit_config('<nothing xmlns="urn:x"/>')
    assert caught.value.error_tag == "unknown-namespace"
    assert "bad-namespace" in caught.value.info
    with pytest.raises(RpcError) as caught:
        await connection.rpc("self-destruct")
    assert caught.value.error_tag == "unknown-element"
    with pytest.raises(NotCapable):
        await connection.edit_config(described("x"), target="running")
    assert connection.state is State.READY


async def test_the_candidate(load: Load, netconfd: Netconfd) -> None:
    device = load(r1=netconfd.entry(netconfd.candidate))["r1"]
    connection, other = await device.connect(alias="one"), await device.connect(alias="other")
    before = await description(connection)
    async with connection.locked("candidate"):
        with pytest.raises(RpcError) as caught:
            await other.lock("candidate")
        assert caught.value.error_tag == "lock-denied"
        await connection.edit_config(described("by candidate"))
        assert await description(other) == before
        await connection.commit()
    assert await description(other) == "by candidate"
    async with other.locked("candidate"):
        await other.edit_config(described("not yet"))
        await other.commit(confirmed=True, confirm_timeout=30)
        assert await description(connection) == "not yet"
        await other.cancel_commit()
    assert await description(connection) == "by candidate"
    with pytest.raises(RuntimeError):
        await failing(connection)
    assert await description(connection, "candidate") == "by candidate"
    await other.lock("candidate")
    await other.unlock("candidate")


async def failing(connection: NetconfConnection) -> None:
    async with connection.locked("candidate"):
        await connection.edit_config(described("never"))
        raise RuntimeError


async def test_a_cancelled_block_leaves_no_lock(load: Load, netconfd: Netconfd) -> None:
    device = load(r1=netconfd.entry(netconfd.candidate))["r1"]
    connection, other = await device.connect(alias="one"), await device.connect(alias="other")

    async def work() -> None:
        async with connection.locked("candidate"):
            await connection.edit_config(described("never"))
            await connection.discard_changes()

    for moment in range(12):
        task = asyncio.ensure_future(work())
        await asyncio.sleep(0.002 * moment)
        task.cancel()
        await asyncio.wait({task})
        await connection.get_config(filter="<x/>")
        await other.lock("candidate")
        await other.unlock("candidate")


async def test_running_and_startup(load: Load, netconfd: Netconfd) -> None:
    connection = await load(r1=netconfd.entry(netconfd.running))["r1"].connect()
    assert ":candidate" not in connection.server_capabilities
    async with connection.locked():
        await connection.edit_config(described("by running"))
    assert await description(connection) == "by running"
    await connection.copy_config("running", "startup")
    assert await description(connection, "startup") == "by running"
    with pytest.raises(NotCapable):
        await connection.commit()


async def test_notifications(load: Load, netconfd: Netconfd) -> None:
    device = load(r1=netconfd.entry(netconfd.candidate))["r1"]
    connection = await device.connect()
    async with contextlib.aclosing(connection.subscribe(idle=10)) as events:
        first = asyncio.ensure_future(anext(events))
        await asyncio.sleep(0.3)
        await device.connect(alias="other")
        event = await first
        assert event.name == "netconf-session-start"
        assert event.event_time is not None
        assert await connection.get("<x/>")  # it interleaves
    assert "Loopback0" in await connection.get_config()
    now = datetime.now(UTC)
    replay = connection.subscribe(start=now - timedelta(minutes=5), stop=now + timedelta(seconds=1))
    names = [event.name async for event in replay]
    assert names[-1] == "notificationComplete"
    assert {"replayComplete", "netconf-session-start"} <= set(names)


async def test_sessions(load: Load, netconfd: Netconfd) -> None:
    device = load(r1=netconfd.entry(netconfd.candidate))["r1"]
    pool = await device.connect(alias="pool", pool_size=4)
    await asyncio.gather(*(pool.get_config() for _ in range(40)))
    one, other = await device.connect(alias="one"), await device.connect(alias="other")
    await one.kill_session(other.session_id)
    async with asyncio.timeout(10):
        while other.state is not State.BROKEN:
            await asyncio.sleep(0.01)
    assert "Loopback0" in await other.get_config()
    assert device.manager.statistics()["links"] == 1


async def test_a_wrong_password(load: Load, netconfd: Netconfd) -> None:
    entry = {
        **netconfd.entry(netconfd.candidate),
        "credentials": {"default": {"username": "root", "password": "no"}},
    }
    with pytest.raises(AuthenticationFailed):
        await load(r1=entry)["r1"].connect()
