# SPDX-License-Identifier: Apache-2.0
"""RESTCONF against simulated devices."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import pytest
from lxml import etree

import aioconn
from aioconn.errors import (
    AuthenticationFailed,
    BadReply,
    CommandTimeout,
    ConnectError,
    HttpError,
    RestconfError,
    SessionClosed,
    SessionError,
    UsageError,
)
from aioconn.lab import Lab, LabDevice, authority
from aioconn.protocols.restconf.connection import RestconfConnection
from tests.http2_front import Http2Front

INTERFACES = "ietf-interfaces:interfaces"
LOOPBACK = f"{INTERFACES}/interface[name='Loopback0']"


@pytest.fixture
async def served(lab: Lab) -> LabDevice:
    return await lab.add("r1", protocols=("http", "ssh"))


@pytest.fixture(params=["HTTP/1.1", "HTTP/2"])
async def session(
    lab: Lab, served: LabDevice, request: pytest.FixtureRequest
) -> AsyncIterator[RestconfConnection]:
    whole = lab.testbed()
    front = None
    async with contextlib.AsyncExitStack() as stack:
        if request.param == "HTTP/2":
            front = await stack.enter_async_context(Http2Front(served.ports["http"]).listening())
            shown = authority.identity().fingerprint
            whole["devices"]["r1"]["connections"]["restconf"].update(
                scheme="https", port=front.port, fingerprint=shown, http2=True
            )
        testbed = await stack.enter_async_context(aioconn.load(whole))
        yield await testbed["r1"].connect(via="restconf")
        if front is not None:
            assert len(front.connections) <= 1, "not all over one connection"


async def answering(*answers: bytes, **keys: Any) -> tuple[asyncio.Server, aioconn.Device]:
    """A server that says these one after the other, the last again and again, and a device at it."""
    waiting = list(answers)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            while True:
                await reader.readuntil(b"\r\n\r\n")
                writer.write(waiting.pop(0) if len(waiting) > 1 else waiting[0])
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    path = {"protocol": "restconf", "scheme": "http", "ip": "127.0.0.1", **keys}
    path["port"] = server.sockets[0].getsockname()[1]
    return server, aioconn.Device("r1", connections={"a": path})


def reply(status: str, body: bytes = b"", kind: str = "application/yang-data+json") -> bytes:
    head = f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


# ---------------------------------------------------------------------- reading


async def test_the_device_says_where_its_api_is(session: RestconfConnection) -> None:
    assert session.root == "/restconf"
    assert any("depth" in capability for capability in await session.capabilities())
    modules = {module["name"]: module for module in await session.modules()}
    assert modules["ietf-interfaces"]["revision"] == "2018-02-20"


@pytest.mark.parametrize(
    ("document", "kind"),
    [
        (b'{"links": [{"rel": "restconf", "href": "/top/restconf"}]}', "application/json"),
        (
            b'<XRD xmlns="http://docs.oasis-open.org/ns/xri/xrd-1.0"><!-- --><Link rel="restconf" '
            b'href="/top/restconf"/></XRD>',
            "application/xrd+xml",
        ),
    ],
)
async def test_another_root(document: bytes, kind: str) -> None:
    server, device = await answering(reply("200 OK", document, kind), reply("200 OK", b"{}"))
    session: Any = await device.connect()
    assert session.root == "/top/restconf"
    await device.disconnect()
    server.close()


async def test_a_root_that_is_set_and_one_that_is_not_there() -> None:
    server, device = await answering(reply("200 OK", b"{}"), root="/own")
    session: Any = await device.connect()
    assert session.root == "/own"
    await device.disconnect()
    server.close()
    server, device = await answering(reply("404 Not Found"))
    with pytest.raises(ConnectError, match="no RESTCONF at /restconf") as caught:
        await device.connect()
    assert caught.value.phase == "shell"
    server.close()


async def test_a_wrong_password(lab: Lab, served: LabDevice) -> None:
    entry = lab.testbed()["devices"]["r1"]
    entry["credentials"]["default"]["password"] = "wrong-password"
    with pytest.raises(AuthenticationFailed):
        await aioconn.Device("r1", **entry).connect(via="restconf")


async def test_reading_with_every_parameter(session: RestconfConnection) -> None:
    whole = await session.get(INTERFACES)
    names = [each["name"] for each in whole[INTERFACES]["interface"]]
    assert "Loopback0" in names
    one = await session.get(LOOPBACK)
    assert one["ietf-interfaces:interface"][0]["oper-status"]
    assert (
        "oper-status" not in (await session.get(LOOPBACK, content="config"))["ietf-interfaces:interface"][0]
    )
    state = (await session.get(LOOPBACK, content="nonconfig"))["ietf-interfaces:interface"][0]
    assert "description" not in state
    picked = await session.get(INTERFACES, fields="interface(name)")
    assert picked[INTERFACES]["interface"][0].keys() == {"name"}
    assert await session.get(INTERFACES, depth=1) == {INTERFACES: {}}
    unbounded = await session.get(INTERFACES, depth="unbounded", with_defaults="report-all")
    assert unbounded[INTERFACES]["interface"][0].keys() == whole[INTERFACES]["interface"][0].keys()
    assert INTERFACES in (await session.get())["ietf-restconf:data"]
    slash = await session.get(f"{LOOPBACK}/description")
    assert slash == {"ietf-interfaces:description": "router id"}


async def test_what_is_not_there(session: RestconfConnection) -> None:
    with pytest.raises(RestconfError) as caught:
        await session.get(f"{INTERFACES}/interface[name='Loopback77']")
    error = caught.value
    assert (error.status, error.error_tag, error.error_type) == (404, "invalid-value", "application")
    assert error.error_message == "no such instance"
    assert error.errors[0]["tag"] == "invalid-value"
    assert (error.device, error.path) == ("r1", "restconf")
    with pytest.raises(RestconfError) as caught:
        await session.get("ietf-interfaces:nonsense")
    assert caught.value.error_tag == "unknown-element"


@pytest.mark.parametrize(
    "wrong",
    [
        lambda session: session.get("interfaces/interface"),
        lambda session: session.get("ietf-interfaces:interfaces/interface=GigabitEthernet0/0/description"),
        lambda session: session.get("ietf-interfaces:interfaces//interface"),
        lambda session: session.get("ietf-interfaces:interfaces/interface[name='x'"),
        lambda session: session.get("a:b/../../c"),
        lambda session: session.get("a:b?content=config"),
        lambda session: session.get("a:b[c='\x00']"),
        lambda session: session.get("a:b/c=%zz"),
        lambda session: session.get("a:b/c=%ff"),
        lambda session: session.get("a:b", depth=0),
        lambda session: session.put("a:b", {"c": 1}, insert="after"),
        lambda session: session.put("a:b", {"c": 1}, point="/a:b"),
        lambda session: session.put("a:b", {"c": object()}),
        lambda session: session.post("a:b", "<a/>"),
        lambda session: session.delete(""),
        lambda session: session.edit("a:b"),
        lambda session: session.rpc(""),
        lambda session: session.rpc("reset"),
    ],
)
async def test_what_makes_no_sense_is_not_sent(
    session: RestconfConnection, served: LabDevice, wrong: Any
) -> None:
    server: Any = served.servers["http"]
    before = server.requests
    with pytest.raises(UsageError) as caught:
        await wrong(session)
    assert caught.value.device == "r1"
    assert server.requests == before


# ---------------------------------------------------------------------- changing


async def test_every_way_to_change(session: RestconfConnection, served: LabDevice) -> None:
    place = f"{INTERFACES}/interface[name='Loopback7']"
    entry = {"name": "Loopback7", "type": "iana-if-type:softwareLoopback", "description": "seven"}
    location = await session.post(INTERFACES, {"ietf-interfaces:interface": [entry]})
    assert location.endswith("interface=Loopback7")
    assert "description seven" in served.config.render()
    with pytest.raises(RestconfError) as caught:
        await session.post(INTERFACES, {"ietf-interfaces:interface": [entry]})
    assert (caught.value.status, caught.value.error_tag) == (409, "data-exists")
    await session.patch(place, {"name": "Loopback7", "description": "merged"})
    assert (await session.get(f"{place}/description"))["ietf-interfaces:description"] == "merged"
    await session.put(f"{place}/description", "put alone")
    assert "description put alone" in served.config.render()
    await session.put(place, {"ietf-interfaces:interface": [{**entry, "description": "replaced"}]})
    assert "description replaced" in served.config.render()
    await session.delete(place)
    assert "Loopback7" not in served.config.render()
    with pytest.raises(RestconfError) as caught:
        await session.delete(place)
    assert caught.value.error_tag == "data-missing"


async def test_edit_in_the_words_of_netconf(session: RestconfConnection, served: LabDevice) -> None:
    place = f"{INTERFACES}/interface[name='Loopback8']"
    entry = {"name": "Loopback8", "type": "iana-if-type:softwareLoopback"}
    await session.edit(place, entry, operation="create")
    with pytest.raises(RestconfError, match="data-exists"):
        await session.edit(place, entry, operation="create")
    await session.edit(place, {**entry, "description": "eight"})
    assert "description eight" in served.config.render()
    await session.edit(place, entry, operation="replace")
    assert "description eight" not in served.config.render()
    await session.edit(place, operation="delete")
    with pytest.raises(RestconfError):
        await session.edit(place, operation="delete")
    await session.edit(place, operation="remove")
    with pytest.raises(RestconfError) as caught:
        await session.edit(f"{LOOPBACK}/oper-status", "up", operation="replace")
    assert caught.value.error_tag == "operation-not-supported"
    with pytest.raises(RestconfError) as caught:
        await session.edit(f"{LOOPBACK}/enabled", "perhaps", operation="replace")
    assert caught.value.error_tag == "invalid-value"


async def test_names_that_a_url_would_not_bear(session: RestconfConnection, served: LabDevice) -> None:
    for name in ("GigabitEthernet1/0/1", "Tunnel 7, ü%#?", "a'b"):
        quoted = f'"{name}"' if "'" in name else f"'{name}'"
        with pytest.raises(RestconfError) as caught:
            await session.get(f"{INTERFACES}/interface[name={quoted}]")
        assert caught.value.error_message == "no such instance", "the key did not arrive whole"


async def test_one_change_is_seen_on_the_command_line(
    lab: Lab, session: RestconfConnection, served: LabDevice
) -> None:
    async with aioconn.load(lab.testbed()) as testbed:
        cli: Any = await testbed["r1"].connect(via="cli")
        await session.put(f"{LOOPBACK}/description", "by RESTCONF")
        assert "by RESTCONF" in await cli.execute("show running-config")
        await cli.configure(["interface Loopback0", "description by hand"])
        assert (await session.get(f"{LOOPBACK}/description"))["ietf-interfaces:description"] == "by hand"


async def test_operations(session: RestconfConnection) -> None:
    assert await session.rpc("aioconn-lab:echo", {"a": [1, "zwei"]}) == {"a": [1, "zwei"]}
    when = {"current-datetime": "2026-11-21T00:00:00Z"}
    assert await session.rpc("ietf-system:set-current-datetime", when) is None
    with pytest.raises(RestconfError) as caught:
        await session.rpc("ietf-system:set-current-datetime", {})
    assert caught.value.error_tag == "missing-element"
    with pytest.raises(RestconfError):
        await session.rpc("ietf-system:nonsense")


# ---------------------------------------------------------------------- XML


async def test_the_same_in_xml(lab: Lab, served: LabDevice) -> None:
    entry = lab.testbed()["devices"]["r1"]
    entry["connections"]["restconf"]["encoding"] = "xml"
    device = aioconn.Device("r1", **entry)
    session: Any = await device.connect(via="restconf")
    text = await session.get(LOOPBACK)
    root = etree.fromstring(text)
    namespace = "urn:ietf:params:xml:ns:yang:ietf-interfaces"
    assert root.findtext(f"{{{namespace}}}name") == "Loopback0"
    document = f'<description xmlns="{namespace}">as &lt;XML&gt;</description>'
    await session.put(f"{LOOPBACK}/description", document)
    assert "description as <XML>" in served.config.render()
    with pytest.raises(RestconfError) as caught:
        await session.get(f"{INTERFACES}/interface[name='Lo99']")
    assert (caught.value.error_tag, caught.value.error_message) == ("invalid-value", "no such instance")
    with pytest.raises(UsageError):
        await session.put(LOOPBACK, {"a": 1})
    assert await session.capabilities()
    await device.destroy_all()


async def test_entities_are_not_resolved(tmp_path: Any) -> None:
    secret = tmp_path / "secret"
    secret.write_text("of this machine")
    bomb = "<!DOCTYPE errors [<!ENTITY a 'aaaaaaaaaa'>" + "".join(
        f"<!ENTITY {chr(98 + n)} '{f'&{chr(97 + n)};' * 10}'>" for n in range(9)
    )
    body = (
        f"{bomb}<!ENTITY own SYSTEM 'file://{secret}'>]><errors><error><error-tag>x&own;&j;</error-tag></error></errors>"
    ).encode()
    server, device = await answering(
        reply("404 Not Found"), reply("200 OK", b"{}"), reply("400 Bad", body, "application/yang-data+xml")
    )
    session: Any = await device.connect()
    with pytest.raises(HttpError) as caught:
        await session.get("a:b")
    assert "of this machine" not in repr(vars(caught.value))
    assert len(repr(vars(caught.value))) < 20_000
    await device.disconnect()
    server.close()


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b'{"ietf-restconf:errors": 7}',
        b'{"errors": {"error": [7, null]}}',
        b"\xff\xfe",
        b"{" * 9999,
    ],
)
async def test_errors_that_are_none_leave_the_status(body: bytes) -> None:
    server, device = await answering(
        reply("404 Not Found"), reply("200 OK", b"{}"), reply("409 Conflict", body)
    )
    session: Any = await device.connect()
    with pytest.raises(HttpError) as caught:
        await session.get("a:b")
    assert caught.value.status == 409
    await device.disconnect()
    server.close()


async def test_data_that_is_no_json() -> None:
    server, device = await answering(
        reply("404 Not Found"), reply("200 OK", b"{}"), reply("200 OK", b"<html>login</html>", "text/html")
    )
    session: Any = await device.connect()
    with pytest.raises(BadReply, match="no JSON"):
        await session.get("a:b")
    await device.disconnect()
    server.close()


# ---------------------------------------------------------------------- streams


async def test_a_stream_of_changes_beside_other_calls(session: RestconfConnection) -> None:
    seen: list[int] = []

    async def watch() -> None:
        async for event in session.stream("changes"):
            change = event["ietf-restconf:notification"]["aioconn-lab:configuration-changed"]
            seen.append(change["version"])
            if len(seen) == 3:
                return

    watching = asyncio.create_task(watch())
    async with asyncio.timeout(20):
        for number in range(3):
            while len(seen) < number:
                await asyncio.sleep(0.01)
            if not number:
                await asyncio.sleep(0.1)
            await session.put(f"{LOOPBACK}/description", f"change {number}")
        await watching
    assert seen == sorted(seen)
    assert await session.get(f"{LOOPBACK}/description")


async def test_a_stream_ends_with_its_session(session: RestconfConnection, served: LabDevice) -> None:
    async def watch() -> None:
        async for _ in session.stream("changes"):
            pass

    watching = asyncio.create_task(watch())
    await asyncio.sleep(0.1)
    await session.close()
    with pytest.raises(SessionClosed):
        await watching
    server: Any = served.servers["http"]
    async with asyncio.timeout(10):
        while server.sessions:
            await asyncio.sleep(0.01)


async def test_a_stream_that_the_device_cuts_or_that_is_silent(
    session: RestconfConnection, served: LabDevice
) -> None:
    async def watch(**keys: Any) -> None:
        async for _ in session.stream("changes", **keys):
            pass

    watching = asyncio.create_task(watch())
    await asyncio.sleep(0.1)
    served.cut()
    with pytest.raises(SessionError):
        await watching
    with pytest.raises(CommandTimeout):
        await watch(silence=0.2)
    assert await session.get(f"{LOOPBACK}/description")


async def test_a_stream_that_is_not_there(session: RestconfConnection) -> None:
    with pytest.raises(HttpError) as caught:
        async for _ in session.stream("nonsense/../x"):
            pass
    assert caught.value.status == 404
    assert await session.get(f"{LOOPBACK}/description")


async def test_an_event_without_end(session: RestconfConnection) -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"
    server, device = await answering(
        reply("404 Not Found"),
        reply("200 OK", b"{}"),
        reply("404 Not Found"),
        head + b"data: " + b"x" * 5_000_000,
    )
    endless: Any = await device.connect()
    with pytest.raises(BadReply, match="larger than"):
        async for _ in endless.stream("x"):
            pass
    await device.disconnect()
    server.close()


async def test_a_stream_of_a_pool_on_a_loop_of_its_own(lab: Lab, served: LabDevice) -> None:
    device = aioconn.Device("r1", loop="own", **lab.testbed()["devices"]["r1"])
    pool = await device.connect(via="restconf", pool_size=2)
    seen = []

    async def watch() -> None:
        async with contextlib.aclosing(pool.stream("changes")) as events:
            async for event in events:
                seen.append(event)
                return

    watching = asyncio.create_task(watch())
    await asyncio.sleep(0.3)
    await pool.put(f"{LOOPBACK}/description", "from a pool")
    async with asyncio.timeout(20):
        await watching
    assert seen
    await device.destroy_all()
