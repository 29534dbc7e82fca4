# SPDX-License-Identifier: Apache-2.0
"""Simulated devices over HTTP, asked by a client that is not ours."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from aioconn.lab import Faults, Lab, LabDevice
from aioconn.lab.http import HttpServer

BASIC = {"Authorization": aiohttp.encode_basic_auth("admin", "admin")}


@pytest.fixture
async def device(lab: Lab) -> LabDevice:
    return await lab.add("r1", protocols=("http",))


@pytest.fixture
def server(device: LabDevice) -> HttpServer:
    found = device.servers["http"]
    assert isinstance(found, HttpServer)
    return found


@pytest.fixture
async def client(server: HttpServer) -> AsyncIterator[aiohttp.ClientSession]:
    base = f"http://127.0.0.1:{server.port}"
    jar = aiohttp.CookieJar(unsafe=True)
    async with aiohttp.ClientSession(base, cookie_jar=jar) as client:
        yield client


async def said(client: aiohttp.ClientSession, method: str, path: str, **keys: Any) -> tuple[int, Any]:
    """The status, and the body as JSON, if it is."""
    async with client.request(method, path, **{"headers": BASIC, **keys}) as answer:
        data = await answer.read()
        try:
            return answer.status, json.loads(data)
        except ValueError:
            return answer.status, data


async def test_who_is_let_in(client: aiohttp.ClientSession, server: HttpServer) -> None:
    assert (await said(client, "GET", "/api/facts", headers={}))[0] == 401
    wrong = {"Authorization": aiohttp.encode_basic_auth("admin", "wrong")}
    assert (await said(client, "GET", "/api/facts", headers=wrong))[0] == 401
    assert (await said(client, "GET", "/api/facts", headers={"Authorization": "Basic ???"}))[0] == 401
    assert (await said(client, "GET", "/api/facts"))[1]["hostname"] == "r1"
    _, token = await said(client, "POST", "/api/token")
    bearer = {"Authorization": f"Bearer {token['token']}"}
    assert (await said(client, "GET", "/api/facts", headers=bearer))[0] == 200
    server.expire()
    assert (await said(client, "GET", "/api/facts", headers=bearer))[0] == 401
    login = {"username": "admin", "password": "admin"}
    assert (await said(client, "POST", "/api/login", headers={}, json=login))[0] == 200
    assert (await said(client, "GET", "/api/facts", headers={}))[0] == 200
    assert (await said(client, "POST", "/api/logout", headers={}))[0] == 200
    assert (await said(client, "GET", "/api/facts", headers={}))[0] == 401


async def test_commands_as_eapi_and_nxapi_take_them(client: aiohttp.ClientSession) -> None:
    call = {"jsonrpc": "2.0", "id": 1, "method": "runCmds"}
    good = {**call, "params": {"version": 1, "cmds": ["enable", {"cmd": "show clock"}], "format": "text"}}
    status, answer = await said(client, "POST", "/command-api", json=good)
    assert (status, len(answer["result"])) == (200, 2)
    assert "UTC" in answer["result"][1]["output"]
    bad = {**call, "params": {"version": 1, "cmds": ["show clock", "show bogus"], "format": "text"}}
    _, answer = await said(client, "POST", "/command-api", json=bad)
    assert answer["error"]["code"] == 1002
    assert "Invalid input" in answer["error"]["data"][-1]["errors"][0]
    assert (await said(client, "POST", "/command-api", data=b"{"))[1]["error"]["code"] == -32601
    ask = {"version": "1.0", "type": "cli_show_ascii", "input": "show clock", "output_format": "json"}
    _, answer = await said(client, "POST", "/ins", json={"ins_api": ask})
    assert "UTC" in answer["ins_api"]["outputs"]["output"]["body"]
    assert (await said(client, "POST", "/ins", data=b"null"))[0] == 400


async def test_restconf_as_others_ask_it(client: aiohttp.ClientSession, device: LabDevice) -> None:
    place = "/restconf/data/ietf-interfaces:interfaces/interface=Loopback0"
    _, one = await said(client, "GET", f"{place}/description")
    assert one == {"ietf-interfaces:description": "router id"}
    status, _ = await said(client, "PUT", f"{place}/description", json={"ietf-interfaces:description": "x"})
    assert status == 204
    assert " description x" in device.config.render()
    for method, path, body, status in (
        ("PUT", place, b"{", 400),
        ("PUT", place, b"[]", 400),
        ("PUT", place, b'{"ietf-interfaces:interface": [{"name": "Loopback1"}]}', 400),
        ("PATCH", place.replace("0", "77"), b'{"ietf-interfaces:interface": {"name": "Loopback77"}}', 404),
        ("DELETE", "/restconf/data", b"", 405),
        ("PUT", f"{place}/oper-status", b'{"ietf-interfaces:oper-status": "up"}', 405),
        ("GET", f"{place}?depth=0", b"", 400),
        ("GET", f"{place}?fields=a(", b"", 400),
        ("GET", f"{place}?content=x", b"", 400),
        ("GET", "/restconf/data/ietf-interfaces:interfaces=1", b"", 400),
        ("OPTIONS", place, b"", 405),
        ("GET", "/restconf/nonsense", b"", 404),
    ):
        found, answer = await said(client, method, path, data=body)
        assert found == status, (method, path, answer)
        assert answer["ietf-restconf:errors"]["error"][0]["error-tag"]


async def test_what_it_does_wrong_on_purpose(
    client: aiohttp.ClientSession, device: LabDevice, server: HttpServer
) -> None:
    device.faults = Faults(hang_on="facts")
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.3):
            await said(client, "GET", "/api/facts")
    device.faults = Faults(reset_after=100_000)
    with pytest.raises(aiohttp.ClientError):
        await said(client, "GET", "/api/bytes/1000000")
    device.faults = Faults(garbage=1)
    with pytest.raises(aiohttp.ClientError):
        await said(client, "GET", "/api/facts")
    device.faults = Faults()
    with pytest.raises(aiohttp.ClientError):
        await said(client, "POST", "/api/drop")
    assert (await said(client, "GET", "/api/busy/1"))[0] == 429
    assert (await said(client, "GET", "/api/busy/1"))[0] == 200
    assert server.sessions == 1
    server.cut()
    async with asyncio.timeout(20):
        while server.sessions:
            await asyncio.sleep(0.01)


async def test_its_authority_is_of_use(lab: Lab) -> None:
    served = await lab.add("r2", protocols=("https",))
    server: Any = served.servers["https"]
    entry = lab.testbed()["devices"]["r2"]["connections"]["rest"]
    trusting = ssl.create_default_context(cafile=entry["ca_file"])
    async with aiohttp.ClientSession() as client:
        url = f"https://127.0.0.1:{server.port}/api/facts"
        async with client.get(url, headers=BASIC, ssl=trusting) as answer:
            assert answer.status == 200
        with pytest.raises(aiohttp.ClientConnectorCertificateError):
            await client.get(url, headers=BASIC)
