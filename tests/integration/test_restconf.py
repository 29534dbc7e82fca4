# SPDX-License-Identifier: Apache-2.0
"""RESTCONF with a server that is not ours: jetconf, behind haproxy and by itself. Its edits count once committed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from aioconn.errors import AuthenticationFailed, ConnectError, HttpError, RestconfError
from aioconn.protocols.restconf.connection import RestconfConnection
from tests.integration.conftest import Load
from tests.integration.servers import web as servers
from tests.integration.servers.site import Site
from tests.integration.servers.web import PASSWORD, USER, Jetconf

pytestmark = pytest.mark.integration

INTERFACES = "ietf-interfaces:interfaces"


@pytest.fixture(scope="session")
def jetconf(site: Site) -> Jetconf:
    return servers.start_jetconf(site)


def device(jetconf: Jetconf, password: str = PASSWORD, **keys: Any) -> dict[str, Any]:
    path = {
        "protocol": "restconf",
        "ip": "127.0.0.1",
        "port": jetconf.tls,
        "ca_file": str(jetconf.ca),
        **keys,
    }
    return {
        "connections": {"restconf": path},
        "credentials": {"default": {"username": USER, "password": password}},
    }


@pytest.fixture
async def session(load: Load, jetconf: Jetconf) -> AsyncIterator[RestconfConnection]:
    testbed = load(r1=device(jetconf))
    connection: Any = await testbed["r1"].connect()
    yield connection
    await connection.rpc("jetconf:conf-reset")


async def test_reading(session: RestconfConnection) -> None:
    whole = await session.get(INTERFACES)
    names = [each["name"] for each in whole[INTERFACES]["interface"]]
    assert names == ["GigabitEthernet0/0", "Loopback0"]
    one = await session.get(f"{INTERFACES}/interface[name='GigabitEthernet0/0']")
    assert "uplink" in str(one)
    assert "uplink" in str(await session.get(f"{INTERFACES}/interface=GigabitEthernet0%2F0/description"))
    modules = {module["name"] for module in await session.modules()}
    assert not modules or "ietf-interfaces" in modules
    assert isinstance(await session.capabilities(), tuple)


async def test_what_is_refused(session: RestconfConnection) -> None:
    with pytest.raises(RestconfError) as caught:
        await session.get(f"{INTERFACES}/interface[name='absent']")
    assert caught.value.status == 404
    assert caught.value.error_tag
    with pytest.raises(HttpError) as other:
        await session.patch(f"{INTERFACES}/interface[name='Loopback0']", {"name": "Loopback0"})
    assert other.value.status == 405
    with pytest.raises(RestconfError):
        await session.get("ietf-interfaces:nonsense")


async def test_a_change_from_begin_to_commit(session: RestconfConnection) -> None:
    place = f"{INTERFACES}/interface[name='Loopback7']"
    entry = {"name": "Loopback7", "type": "iana-if-type:softwareLoopback", "description": "seven"}
    await session.post(INTERFACES, {"ietf-interfaces:interface": entry})
    await session.rpc("jetconf:conf-commit")
    assert "seven" in str(await session.get(f"{place}/description"))
    await session.put(f"{place}/description", "seven of nine")
    await session.rpc("jetconf:conf-commit")
    assert "seven of nine" in str(await session.get(place))
    await session.delete(place)
    await session.rpc("jetconf:conf-commit")
    with pytest.raises(RestconfError):
        await session.get(place)


async def test_a_wrong_password_and_plain_http(load: Load, jetconf: Jetconf) -> None:
    with pytest.raises(AuthenticationFailed):
        await load(r1=device(jetconf, password="wrong-password"))["r1"].connect()
    plain: Any = await load(r1=device(jetconf, scheme="http", port=jetconf.plain))["r1"].connect()
    assert INTERFACES in await plain.get(INTERFACES)


def direct(jetconf: Jetconf, **keys: Any) -> dict[str, Any]:
    path = {
        "protocol": "restconf",
        "ip": "127.0.0.1",
        "port": jetconf.direct,
        "ca_file": str(jetconf.ca),
        "client_certificate": str(jetconf.client),
        "http2": True,
        **keys,
    }
    return {"connections": {"restconf": path}}


async def test_http2_and_a_certificate_of_ours(load: Load, jetconf: Jetconf) -> None:
    session: Any = await load(r1=direct(jetconf))["r1"].connect()
    await test_reading(session)
    await test_what_is_refused(session)
    await test_a_change_from_begin_to_commit(session)
    place = f"{INTERFACES}/interface[name='GigabitEthernet0/0']"
    for number in range(50):
        await session.put(f"{place}/description", f"{number} " + "x" * 2000 * number)
        assert str(await session.get(f"{place}/description")).count("x") >= 2000 * number
    await session.rpc("jetconf:conf-reset")


async def test_http2_with_several_sessions_that_are_cancelled(load: Load, jetconf: Jetconf) -> None:
    pool: Any = await load(r1=direct(jetconf))["r1"].connect(pool_size=3)
    for seconds in (0.001, 0.003, 0.01):
        calls = [asyncio.ensure_future(pool.get(INTERFACES)) for _ in range(6)]
        await asyncio.sleep(seconds)
        for call in calls:
            call.cancel()
        await asyncio.wait(calls)
    answers = await asyncio.gather(*(pool.get(INTERFACES) for _ in range(12)))
    assert all(INTERFACES in answer for answer in answers)


async def test_jetconf_wants_http2_and_a_certificate(load: Load, jetconf: Jetconf) -> None:
    with pytest.raises(ConnectError, match="certificate"):
        await load(r1=direct(jetconf, client_certificate=None))["r1"].connect()
    with pytest.raises(ConnectError):
        await load(r1=direct(jetconf, http2=False))["r1"].connect()
    with pytest.raises(ConnectError, match="does not speak HTTP/2"):
        await load(r1=direct(jetconf, port=jetconf.tls))["r1"].connect()
