# SPDX-License-Identifier: Apache-2.0
"""The lab's SNMP agent, as its devices show it."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import pytest

import aioconn
from aioconn.lab import Faults, Lab
from aioconn.lab.data import Edit, Step
from aioconn.lab.snmp import FAR, SnmpFaults, SnmpServer, serve
from aioconn.protocols.snmp import ber, messages, pdu
from aioconn.protocols.snmp.pdu import Kind

PERSONALITIES = ("cisco_iosxe", "cisco_nxos", "cisco_iosxr", "arista_eos", "juniper_junos", "frr", "linux")


@pytest.mark.parametrize("personality", PERSONALITIES)
async def test_each_kind_of_device_has_its_variables(lab: Lab, personality: str) -> None:
    device = await lab.add("r1", protocols=("snmp",), personality=personality)
    async with aioconn.load(lab.testbed()) as testbed:
        session: Any = await testbed["r1"].connect(via="snmp")
        system = {one.name: one.value async for one in session.walk("system")}
        assert system["sysName.0"] == "r1"
        assert device.personality.title in system["sysDescr.0"]
        described = [one.value async for one in session.walk("ifDescr")]
        named = [one.value async for one in session.walk("ifName")]
        number = (await session.get("ifNumber.0")).value
        assert len(described) == number
        assert described == named
        assert personality == "linux" or number
        whole = [one async for one in session.walk("1.3")]
        assert len(whole) > 7 + 20 * number
        assert all(one.exists for one in whole)


async def test_the_command_line_and_snmp_are_one_configuration(lab: Lab) -> None:
    device = await lab.add("r1", protocols=("ssh", "snmp"))
    async with aioconn.load(lab.testbed()) as testbed:
        r1 = testbed["r1"]
        shell: Any = await r1.connect(via="cli")
        session: Any = await r1.connect(via="snmp", alias="snmp")
        await shell.configure(["interface GigabitEthernet2", "description by hand", "shutdown"])
        alias, status = await session.get(["ifAlias.3", "ifAdminStatus.3"])
        assert (alias.value, status.value) == ("by hand", 2)
        await session.set({"ifAlias.3": "by SNMP", "ifAdminStatus.3": 1, "sysName.0": "core"})
        shown = await shell.execute("show running-config")
        assert "description by SNMP" in shown
        assert "hostname core" in shown
        device.data.edit(
            [Edit(operation="merge", path=(Step("ietf-system:system"), Step("location")), value="Zürich")]
        )
        assert (await session.get("sysLocation.0")).value == "Zürich"
        await session.set({"ifAlias.3": ""})
        assert "by SNMP" not in device.config.render()


async def test_many_devices(lab: Lab) -> None:
    names = [f"r{number}" for number in range(100)]
    for name in names:
        await lab.add(name, protocols=("snmp",))
    async with aioconn.load(lab.testbed()) as testbed:

        async def name_of(name: str) -> Any:
            session: Any = await testbed[name].connect(via="snmp", try_timeout=10)
            return (await session.get("sysName.0")).value

        assert await asyncio.gather(*map(name_of, names)) == names


async def test_counters_and_the_clock_go_on(lab: Lab) -> None:
    device = await lab.add("r1", protocols=())
    agent = await serve(lab, device)
    try:
        before = agent.mib.uptime()
        await asyncio.sleep(0.03)
        assert agent.mib.uptime() > before
    finally:
        await agent.close()


# ---------------------------------------------------------------------- as datagrams


class Asker:
    """Sends datagrams to an agent and takes what comes."""

    def __init__(self, agent: SnmpServer) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self._socket.connect(("127.0.0.1", agent.port))

    def send(self, data: bytes) -> None:
        self._socket.send(data)

    async def take(self, seconds: float = 5) -> bytes:
        async with asyncio.timeout(seconds):
            return await asyncio.get_running_loop().sock_recv(self._socket, 65_535)

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
async def pair(lab: Lab) -> Any:
    device = await lab.add("r1", protocols=())
    agent = await serve(lab, device)
    asker = Asker(agent)
    yield agent, asker
    asker.close()
    await agent.close()


def request(community: bytes = b"public", kind: int = Kind.GET, number: int = 5, second: int = 0) -> bytes:
    return pdu.encode_message(
        community, pdu.encode(kind, number, 0, second, [pdu.bind(ber.oid_content((1, 3, 6, 1)))])
    )


async def test_what_is_no_request_gets_no_answer(pair: tuple[SnmpServer, Asker]) -> None:
    agent, asker = pair
    for data in (b"", b"\xff" * 50, request(b"wrong"), request()[:-1], request(kind=Kind.RESPONSE)):
        asker.send(data)
    asker.send(request(number=77))
    assert pdu.decode_message(await asker.take())[1].number == 77
    assert agent.requests == 6


async def test_an_answer_fits_into_a_frame(pair: tuple[SnmpServer, Asker]) -> None:
    agent, asker = pair
    agent.mib.extra.update({f"enterprises.1.{number}": "x" * 100 for number in range(50)})
    asker.send(request(kind=Kind.GET_BULK, second=500))
    answer = await asker.take()
    assert 1300 < len(answer) <= 1472
    oids = [pdu.bind(ber.oid_content((1, 3, 6, 1, 4, 1, 1, number))) for number in range(30)]
    asker.send(pdu.encode_message(b"public", pdu.encode(Kind.GET, 6, 0, 0, oids)))
    assert pdu.decode_message(await asker.take())[1].status == 1


async def test_it_says_what_engine_it_is(pair: tuple[SnmpServer, Asker]) -> None:
    agent, asker = pair
    asking = messages.scoped(b"", b"", pdu.encode(Kind.GET, 9, 0, 0, ()))
    asker.send(messages.encode(9, 0, b"", 0, 0, b"", None, 0, asking))  # not reportable: no answer
    asker.send(messages.encode(9, messages.REPORTABLE, b"", 0, 0, b"", None, 0, asking))
    header = messages.decode(await asker.take())
    assert (header.number, header.engine_id, header.boots) == (9, agent.engine_id, 1)
    assert messages.content(header, None).pdu.kind == Kind.REPORT


async def test_faults_are_played(pair: tuple[SnmpServer, Asker]) -> None:
    agent, asker = pair
    agent.faults = SnmpFaults(drop=1, stray=2)
    asker.send(request(number=1))
    asker.send(request(number=2))
    numbers = [pdu.decode_message(await asker.take())[1].number for _ in range(3)]
    assert numbers == [FAR + 3, FAR + 4, 2]
    agent.faults = SnmpFaults(wrong_number=True)
    asker.send(request(number=2))
    assert pdu.decode_message(await asker.take())[1].number == FAR + 2
    agent.faults = SnmpFaults(garbage=1, only_garbage=True)
    asker.send(request())
    for _ in range(2):
        with pytest.raises(ber.Malformed):
            pdu.decode_message(await asker.take())


async def test_it_waits_as_long_as_the_device_does(lab: Lab) -> None:
    device = await lab.add("r1", protocols=(), faults=Faults(latency=0.05))
    agent = await serve(lab, device)
    asker = Asker(agent)
    try:
        asker.send(request())
        with pytest.raises(TimeoutError):
            await asker.take(0.01)
        await asker.take()
        asker.send(request())
        await asyncio.sleep(0.01)
        agent.cut()  # what was still to be answered is not
        with pytest.raises(TimeoutError):
            await asker.take(0.1)
    finally:
        asker.close()
        await agent.close()
        await agent.close()
