# SPDX-License-Identifier: Apache-2.0
"""The NETCONF server of simulated devices: what it selects, how it edits, and how it misbehaves when it is told to."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from lxml import etree

import aioconn
from aioconn.lab import Faults, Lab, LabDevice
from aioconn.lab.data import DataError, Step
from aioconn.lab.netconf import NetconfServer
from aioconn.lab.netconf_session import NetconfSession
from aioconn.lab.netconf_xml import BASE, edits_of, filtered, render, yang
from aioconn.protocols.netconf.framing import END, Decoder, encode

IF = "urn:ietf:params:xml:ns:yang:ietf-interfaces"
OPERATION = f'xmlns:nc="{BASE}" nc:operation'

TREE = etree.fromstring(
    """<top xmlns="urn:t"><users>
<user><name>root</name><type>superuser</type><info><dept>1</dept><id>1</id></info></user>
<user><name>fred</name><type>admin</type><info><dept>2</dept><id>2</id></info></user>
</users><other/></top>"""
)


@pytest.fixture
async def device(lab: Lab) -> LabDevice:
    return await lab.add("r1", protocols=("ssh", "netconf"))


def selected(filter: str, **attributes: str) -> list[str]:
    """What a filter selects of the tree: the paths of what has no elements below, and their texts."""
    said = "".join(f' {name}="{value}"' for name, value in attributes.items())
    found = filtered([TREE], etree.fromstring(f'<filter{said} xmlns:t="urn:t">{filter}</filter>'))
    return [path for root in found for path in leaves(root, "")]


def leaves(element: etree._Element, above: str) -> list[str]:
    path = f"{above}/{etree.QName(element).localname}".lstrip("/")
    if not len(element):
        return [f"{path}={element.text}" if (element.text or "").strip() else path]
    return [leaf for child in element for leaf in leaves(child, path)]


# ------------------------------------------------------------------ filters, as in RFC 6241, section 6.4


def test_a_filter_that_selects_all_or_nothing() -> None:
    assert selected("") == []
    assert selected('<top xmlns="urn:x"/>') == []
    assert len(selected('<top xmlns="urn:t"/>')) == 9
    assert selected("<top/>") == selected('<top xmlns="urn:t"/>')


def test_a_filter_that_selects_elements() -> None:
    assert selected('<top xmlns="urn:t"><users><user><name/></user></users></top>') == [
        "top/users/user/name=root",
        "top/users/user/name=fred",
    ]
    assert selected('<top xmlns="urn:t"><other/><nothing/></top>') == ["top/other"]


def test_a_filter_that_matches_contents() -> None:
    whole = selected('<top xmlns="urn:t"><users><user><name>fred</name></user></users></top>')
    assert whole == [
        "top/users/user/name=fred",
        "top/users/user/type=admin",
        "top/users/user/info/dept=2",
        "top/users/user/info/id=2",
    ]
    part = "<user><name>fred</name><info><id/></info></user>"
    assert selected(f'<top xmlns="urn:t"><users>{part}</users></top>') == [
        "top/users/user/name=fred",
        "top/users/user/info/id=2",
    ]
    assert selected('<top xmlns="urn:t"><users><user><name>x</name></user></users></top>') == []


def test_a_filter_by_path() -> None:
    by_path = {"type": "xpath", "select": "/t:top/t:users/t:user[t:name='fred']/t:info"}
    assert selected("", **by_path) == ["top/users/user/info/dept=2", "top/users/user/info/id=2"]
    for wrong in ("/t:top[", "/unknown:top", "count(/t:top)"):
        with pytest.raises(DataError):
            selected("", type="xpath", select=wrong)


# ------------------------------------------------------------------ data and edits


def config(content: str) -> etree._Element:
    return etree.fromstring(f"<config>{content}</config>")


def edits(device: LabDevice, content: str, default: str = "merge") -> list[tuple[str, str, Any]]:
    return [
        (edit.operation, "/".join(step.name for step in edit.path), edit.value)
        for edit in edits_of(device.data, config(content), default)
    ]


async def test_what_is_read_can_be_written(device: LabDevice) -> None:
    before = device.data.read(config=True)
    written = config("")
    written.extend(render(device.data, before))
    device.data.edit(edits_of(device.data, written, "merge"))
    assert device.data.read(config=True) == before


async def test_edits_with_operations(device: LabDevice) -> None:
    leaf = f'<description {OPERATION}="delete"/>'
    entry = f"<interface><name>Loopback0</name>{leaf}<enabled>true</enabled></interface>"
    path = "ietf-interfaces:interfaces/interface"
    assert edits(device, f'<interfaces xmlns="{IF}">{entry}</interfaces>') == [
        ("delete", f"{path}/description", None),
        ("merge", f"{path}/enabled", True),
    ]
    assert edits(device, f'<interfaces xmlns="{IF}">{entry}</interfaces>', "none") == [
        ("delete", f"{path}/description", None)
    ]
    created = f'<interface {OPERATION}="create"><name>Loopback7</name><enabled>false</enabled></interface>'
    assert edits(device, f'<interfaces xmlns="{IF}">{created}</interfaces>') == [
        ("create", path, {"name": "Loopback7", "enabled": False})
    ]


@pytest.mark.parametrize(
    ("content", "tag"),
    [
        ('<nothing xmlns="urn:x"/>', "unknown-element"),
        (f'<interfaces xmlns="{IF}"><nothing/></interfaces>', "unknown-element"),
        (f'<interfaces xmlns="{IF}"><interface/></interfaces>', "missing-element"),
        (f'<interfaces xmlns="{IF}" {OPERATION}="explode"/>', "bad-attribute"),
        (
            f'<interfaces xmlns="{IF}"><interface><name>Lo0</name><enabled>perhaps</enabled></interface></interfaces>',
            "invalid-value",
        ),
    ],
)
async def test_edits_that_are_refused(device: LabDevice, content: str, tag: str) -> None:
    with pytest.raises(DataError) as caught:
        device.data.edit(edits_of(device.data, config(content)))
    assert caught.value.tag == tag


async def test_schemas(device: LabDevice) -> None:
    for module in device.data.modules:
        text = yang(module, device.data.top())
        assert text.startswith(f"module {module.name} {{")
        assert text.count("{") == text.count("}")


# ------------------------------------------------------------------ sessions without a network


class Wire:
    """Keeps what is written."""

    def __init__(self) -> None:
        self.written = b""
        self.ended: bool | None = None

    def write_output(self, data: bytes) -> None:
        self.written += data

    def finish(self, *, reset: bool) -> None:
        self.ended = reset

    def messages(self) -> list[bytes]:
        """What has been written, as messages; the hello is the first."""
        decoder, found = Decoder(), [b""]
        for part in decoder.feed(self.written):
            if part is END:
                decoder.chunked = True
                found.append(b"")
            else:
                found[-1] += part
        return found[:-1]


HELLO = (
    f'<hello xmlns="{BASE}"><capabilities><capability>urn:ietf:params:netconf:base:1.1</capability>'
    "</capabilities></hello>"
).encode()


@pytest.fixture
async def talk(device: LabDevice) -> AsyncIterator[tuple[NetconfSession, Wire]]:
    server = device.servers["netconf"]
    assert isinstance(server, NetconfServer)
    wire = Wire()
    session = NetconfSession(server, wire)
    session.start()
    yield session, wire
    session.lost()


def rpc(content: str, attributes: str = 'message-id="1"') -> bytes:
    return encode(f'<rpc xmlns="{BASE}" {attributes}>{content}</rpc>'.encode(), chunked=True)


Talking = tuple[NetconfSession, Wire]


async def test_a_dialogue_byte_by_byte(talk: Talking) -> None:
    session, wire = talk
    said = encode(HELLO, chunked=False) + rpc("<get-config><source><running/></source></get-config>") * 2
    for at in range(len(said)):
        session.feed(said[at : at + 1])
    assert len(wire.messages()) == 3
    assert b"Loopback0" in wire.messages()[1]


async def test_attributes_of_the_call_come_back(talk: Talking) -> None:
    session, wire = talk
    session.feed(encode(HELLO, chunked=False) + rpc("<get/>", 'message-id="a&amp;b&quot;" more="1"'))
    root = etree.fromstring(wire.messages()[1])
    assert dict(root.items()) == {"message-id": 'a&b"', "more": "1"}


@pytest.mark.parametrize(
    "said",
    [
        b"not xml]]>]]>",
        b"<rpc/>]]>]]>",
        b'<hello xmlns="urn:x"/>]]>]]>',
        encode(HELLO, chunked=False) + b"<rpc/>",
        encode(HELLO, chunked=False) + encode(b"<hello/>", chunked=True),
    ],
)
async def test_clients_that_do_not_speak_it(talk: Talking, said: bytes) -> None:
    session, wire = talk
    session.feed(said)
    assert session.ended
    assert wire.ended is False


async def test_an_rpc_without_an_operation(talk: Talking) -> None:
    session, wire = talk
    session.feed(encode(HELLO, chunked=False) + rpc("") + rpc("<close-session/>"))
    assert b"missing-element" in wire.messages()[1]
    assert b"<ok/>" in wire.messages()[2]
    assert session.ended


# ------------------------------------------------------------------ faults


async def test_faults(lab: Lab, device: LabDevice) -> None:
    async with aioconn.load(lab.testbed()) as testbed:
        netconf: Any = await testbed["r1"].connect(via="netconf")
        device.faults = Faults(latency=0.1)
        begun = asyncio.get_running_loop().time()
        await netconf.get_config()
        assert asyncio.get_running_loop().time() - begun >= 0.1
        device.faults = Faults(hang_on="<get-config")
        with pytest.raises(TimeoutError):
            await netconf.get_config(timeout=0.1)
        assert [entry.command for entry in device.log] == ["get-config", "get-config"]


async def test_a_device_that_is_taken_away(lab: Lab, device: LabDevice) -> None:
    async with aioconn.load(lab.testbed()) as testbed:
        netconf: Any = await testbed["r1"].connect(via="netconf")
        assert device.sessions == 1
        lab.remove("r1")
        async with asyncio.timeout(5):
            while netconf.connected:
                await asyncio.sleep(0.01)
        assert device.sessions == 0


async def test_who_watches_hears_of_every_change(device: LabDevice) -> None:
    server = device.servers["netconf"]
    assert isinstance(server, NetconfServer)
    device.configure([], "snmp-server contact somebody")
    assert "netconf-config-change" in server.events[-1][1]
    assert device.data.read((Step("ietf-system:system"), Step("contact"))) == "somebody"
