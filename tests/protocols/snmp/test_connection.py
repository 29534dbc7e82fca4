# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import pytest

from aioconn.connection import State
from aioconn.errors import (
    CommandTimeout,
    SnmpError,
    UsageError,
)
from aioconn.events import Event, ServiceStarted
from aioconn.lab.snmp import SnmpFaults
from aioconn.protocols.snmp import Typed, VarBind
from aioconn.protocols.snmp.connection import MOST_ASKED
from tests.protocols.snmp.conftest import NUMBERS, Site

# ---------------------------------------------------------------------- reading


async def test_one_variable_and_several(site: Site, version: dict[str, Any]) -> None:
    session = await site.connect(**version)
    assert await session.get("sysName.0") == VarBind("1.3.6.1.2.1.1.5.0", "OctetString", "r1")
    several = await session.get(["ifDescr.2", "IF-MIB::ifAdminStatus.2", "1.3.6.1.2.1.31.1.1.1.6.2"])
    assert [one.name for one in several] == ["ifDescr.2", "ifAdminStatus.2", "ifHCInOctets.2"]
    assert [one.type for one in several] == ["OctetString", "Integer32", "Counter64"]
    assert several[0].value == "GigabitEthernet1"
    assert isinstance((await session.get("ifPhysAddress.2")).value, bytes)


async def test_what_is_not_there_is_no_error(site: Site) -> None:
    session = await site.connect()
    found = await session.get(["sysName.7", "sysName.0", "enterprises.1.1.1.1"])
    assert [one.type for one in found] == ["noSuchInstance", "OctetString", "noSuchObject"]
    assert [one.exists for one in found] == [False, True, False]
    assert found[0].value is None


async def test_more_than_one_message_holds(site: Site) -> None:
    session = await site.connect()
    before = site.agent.requests
    oids = [f"{NUMBERS}.{number}" for number in range(4 * MOST_ASKED)]
    assert [one.value for one in await session.get(oids)] == list(range(4 * MOST_ASKED))
    assert site.agent.requests - before == 4


async def test_not_all_of_many_are_named(site: Site) -> None:
    session = await site.connect(try_timeout=5)
    site.agent.faults = SnmpFaults(silent_on=NUMBERS)
    with pytest.raises(CommandTimeout, match=r"99999\.1\.4, \.\.\. \(40 in all\)"):
        await session.get([f"{NUMBERS}.{number}" for number in range(40)], timeout=0.02)


async def test_what_is_too_big_is_asked_for_in_halves(site: Site) -> None:
    session = await site.connect()
    site.agent.faults = SnmpFaults(too_big=7)
    assert [one.value for one in await session.get([f"{NUMBERS}.{n}" for n in range(40)])] == list(range(40))
    assert len([one async for one in session.walk(NUMBERS)]) == 200


async def test_the_next_ones(site: Site) -> None:
    session = await site.connect()
    assert (await session.get_next("sysName")).name == "sysName.0"
    found = await session.get_next(["sysName.0", f"{NUMBERS}.199"])
    assert [one.name for one in found] == ["sysLocation.0", "enterprises.99999.1.199"]
    assert found[1].type == "endOfMibView"


async def test_in_bulk(site: Site) -> None:
    session = await site.connect()
    found = await session.get_bulk(["sysUpTime", "ifDescr", "ifMtu"], non_repeaters=1, max_repetitions=2)
    assert [one.name for one in found] == ["sysUpTime.0", "ifDescr.1", "ifMtu.1", "ifDescr.2", "ifMtu.2"]
    for wrong in ({"non_repeaters": 2}, {"non_repeaters": -1}, {"max_repetitions": 100_000}):
        with pytest.raises(UsageError):
            await session.get_bulk("ifDescr", **wrong)


@pytest.mark.parametrize("oid", ["sysNmae.0", "1.x", "", "IF-MIB::sysName"])
async def test_nothing_is_sent_for_what_is_no_oid(site: Site, oid: str) -> None:
    session = await site.connect()
    before = site.agent.requests
    for call in (session.get(oid), session.get([oid]), session.set({oid: 1}), session.get_bulk(oid)):
        with pytest.raises(UsageError) as caught:
            await call
        assert (caught.value.device, caught.value.path) == ("r1", "snmp")
    with pytest.raises(UsageError):
        await anext(session.walk(oid))
    wrong: Any
    for wrong in ([], 5, None, [5]):
        with pytest.raises(UsageError):
            await session.get(wrong)
    for wrong in ({}, "sysName.0", 5):
        with pytest.raises(UsageError):
            await session.set(wrong)
    assert site.agent.requests == before


async def test_an_error_status_names_the_variable(site: Site) -> None:
    session = await site.connect()
    site.agent.faults = SnmpFaults(gen_err="ifDescr")
    with pytest.raises(SnmpError, match=r"genErr for ifDescr\.1") as caught:
        await session.get(["sysName.0", "ifDescr.1"])
    assert (caught.value.status, caught.value.oid) == ("genErr", "1.3.6.1.2.1.2.2.1.2.1")
    with pytest.raises(SnmpError, match="genErr"):
        await session.get_bulk("ifDescr")
    assert (await session.get("sysName.0")).value == "r1"


# ---------------------------------------------------------------------- walking


async def test_a_walk_is_the_subtree_and_nothing_else(site: Site, version: dict[str, Any]) -> None:
    session = await site.connect(**version, max_repetitions=7)
    found = [one async for one in session.walk("system")]
    assert [one.name for one in found[:2]] == ["sysDescr.0", "sysObjectID.0"]
    assert {one.name.partition(".")[0] for one in found} == {
        "sysDescr", "sysObjectID", "sysUpTime", "sysContact", "sysName", "sysLocation", "sysServices",
    }  # fmt: skip
    assert [one.value async for one in session.walk(NUMBERS)] == list(range(200))
    assert [one async for one in session.walk("enterprises.99999.2")] == []
    assert [one async for one in session.walk("2.5")] == []


async def test_a_walk_takes_as_many_steps_as_it_has_to(site: Site) -> None:
    session = await site.connect()
    before = site.agent.requests
    assert len([one async for one in session.walk(NUMBERS, max_repetitions=40)]) == 200
    assert site.agent.requests - before <= 6


async def test_a_walk_may_be_left(site: Site) -> None:
    session = await site.connect()
    async with contextlib.aclosing(session.walk(NUMBERS, max_repetitions=5)) as steps:
        async for one in steps:
            if one.value == 7:
                break
    assert session.state is State.READY
    assert (await session.get("sysName.0")).value == "r1"


async def test_several_walks_at_once(site: Site) -> None:
    session = await site.connect(max_repetitions=3)

    async def values(root: str) -> list[Any]:
        return [one.value async for one in session.walk(root)]

    found = await asyncio.gather(*(values(root) for root in (NUMBERS, "ifDescr", NUMBERS, "ifIndex")))
    assert found[0] == found[2] == list(range(200))
    assert found[3] == [1, 2, 3, 4, 5]


async def test_a_walk_from_another_loop(site: Site) -> None:
    session = await site.connect(loop="own")
    assert [one.value async for one in session.walk(NUMBERS)] == list(range(200))
    with pytest.raises(UsageError):
        await anext(session.walk("nonsense"))


async def test_a_walk_in_a_pool(site: Site) -> None:
    pool = await site.device().connect(pool_size=2)
    assert [one.value async for one in pool.walk(NUMBERS)] == list(range(200))


async def test_a_walk_that_goes_in_circles_is_refused(site: Site) -> None:
    session = await site.connect()
    site.agent.faults = SnmpFaults(circle=60)
    with pytest.raises(SnmpError, match="oidNotIncreasing") as caught:
        async for _ in session.walk("1.3"):
            pass
    assert (caught.value.device, caught.value.path) == ("r1", "snmp")
    site.agent.faults = SnmpFaults()
    with pytest.raises(SnmpError, match="more than 50 variables"):
        async for _ in session.walk("1.3", limit=50):
            pass
    for wrong in ({"max_repetitions": 0}, {"limit": 0}):
        with pytest.raises(UsageError):
            await anext(session.walk("1.3", **wrong))


async def test_a_walk_waits_no_longer_than_it_may(site: Site) -> None:
    session = await site.connect(try_timeout=20)
    site.agent.faults = SnmpFaults(silent_on=f"{NUMBERS}.24")
    walk = session.walk(NUMBERS, timeout=0.1)
    with pytest.raises(CommandTimeout, match=r"enterprises\.99999\.1\.24"):
        async for _ in walk:
            pass


# ---------------------------------------------------------------------- writing


async def test_what_is_written_is_the_configuration(site: Site, version: dict[str, Any]) -> None:
    session = await site.connect(**version)
    done = await session.set({"sysName.0": "core1", "ifAlias.2": "to the moon", "ifAdminStatus.3": 2})
    assert [one.value for one in done] == ["core1", "to the moon", 2]
    config = site.served.config.render()
    assert "hostname core1" in config
    assert "description to the moon" in config
    assert (await session.get("sysName.0")).value == "core1"
    assert (await session.get("ifAdminStatus.3")).value == 2


@pytest.mark.parametrize(
    ("values", "status", "oid"),
    [
        ({"sysDescr.0": "x"}, "notWritable", "1.3.6.1.2.1.1.1.0"),
        ({"sysName.0": "x", "enterprises.1.1": 1}, "noCreation", "1.3.6.1.4.1.1.1"),
        ({"sysName.0": Typed("Integer32", 5)}, "wrongType", "1.3.6.1.2.1.1.5.0"),
        ({"ifAdminStatus.2": 9}, "wrongValue", "1.3.6.1.2.1.2.2.1.7.2"),
    ],
)
async def test_what_is_refused_names_the_variable(
    site: Site, values: dict[str, Any], status: str, oid: str
) -> None:
    session = await site.connect()
    before = site.served.config.render()
    with pytest.raises(SnmpError) as caught:
        await session.set(values)
    assert (caught.value.status, caught.value.oid) == (status, oid)
    assert site.served.config.render() == before


async def test_a_community_that_may_only_read(site: Site) -> None:
    session = await site.connect(community="public")
    with pytest.raises(SnmpError, match="noAccess"):
        await session.set({"sysName.0": "x"})


async def test_a_set_is_sent_once(site: Site) -> None:
    session = await site.connect()
    site.agent.faults = SnmpFaults(drop=1)
    before = site.agent.requests
    with pytest.raises(CommandTimeout, match="no answer to 1 try") as caught:
        await session.set({"sysName.0": "x"})
    assert caught.value.maybe_executed
    assert site.agent.requests - before == 1


async def test_a_set_that_may_be_repeated_is(site: Site) -> None:
    session = await site.connect()
    site.agent.faults = SnmpFaults(drop=1)
    await session.set({"sysName.0": "core2"}, idempotent=True)
    assert "hostname core2" in site.served.config.render()


async def test_events_show_what_is_written_to_and_not_what(site: Site) -> None:
    session = await site.connect()
    seen: list[Event] = []
    site.devices[0].listeners.add(seen.append)
    await session.set({"sysContact.0": "a-secret-word"})
    assert "a-secret-word" not in repr(seen)
    assert [event.what for event in seen if isinstance(event, ServiceStarted)] == ["sysContact.0"]
