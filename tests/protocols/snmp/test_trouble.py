# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import asyncio
import os
from collections import Counter
from random import Random
from typing import Any

import pytest

from aioconn.connection import State
from aioconn.errors import (
    CommandTimeout,
    ConnectError,
    SessionBroken,
    SessionClosed,
    UsageError,
)
from aioconn.lab.snmp import SnmpFaults
from aioconn.protocols.snmp import VarBind, names, pdu
from aioconn.protocols.snmp.pdu import Kind
from tests.forking import in_child, links
from tests.protocols.snmp.conftest import AS_READER, NUMBERS, Site
from tests.protocols.snmp.liar import liar


async def test_what_is_lost_is_asked_for_again(site: Site, version: dict[str, Any]) -> None:
    session = await site.connect(**version)
    site.agent.faults = SnmpFaults(drop=2)
    assert (await session.get("sysName.0")).value == "r1"
    site.agent.faults = SnmpFaults(drop=3)
    with pytest.raises(CommandTimeout, match=r"no answer to 3 tries in 0\.15 s") as caught:
        await session.get("sysName.0")
    assert not caught.value.maybe_executed
    assert isinstance(caught.value, TimeoutError)
    assert (await session.get("sysName.0")).value == "r1"


async def test_only_the_right_answer_counts(site: Site, version: dict[str, Any]) -> None:
    session = await site.connect(**version)
    site.agent.faults = SnmpFaults(stray=3, garbage=20)
    for number in range(20):
        assert (await session.get(f"{NUMBERS}.{number}")).value == number


@pytest.mark.parametrize("faults", [SnmpFaults(wrong_number=True), SnmpFaults(garbage=3, only_garbage=True)])
async def test_nothing_but_wrong_answers_is_silence(
    site: Site, version: dict[str, Any], faults: SnmpFaults
) -> None:
    session = await site.connect(**version)
    site.agent.faults = faults
    with pytest.raises(CommandTimeout, match="datagrams that are no answer"):
        await session.get("sysName.0")
    site.agent.faults = SnmpFaults()
    assert (await session.get("sysName.0")).value == "r1"


async def test_what_no_datagram_holds_is_told(site: Site) -> None:
    session = await site.connect()
    with pytest.raises(UsageError, match="longer than a datagram"):
        await session.set({"sysContact.0": "x" * 65_535})
    assert (await session.get("sysName.0")).value == "r1"


@pytest.mark.parametrize("seed", range(3))
async def test_whatever_happens_no_answer_is_anothers(site: Site, version: dict[str, Any], seed: int) -> None:
    random = Random(seed)
    session = await site.connect(**version, retries=4)
    outcomes: Counter[str] = Counter()

    async def call() -> None:
        for _ in range(15):
            number = random.randrange(200)
            timeout = random.choice((None, None, 0.001, 0.02))
            try:
                if random.random() < 0.2:
                    found = await session.get_next(
                        f"{NUMBERS}.{number - 1}" if number else NUMBERS, timeout=timeout
                    )
                else:
                    found = await session.get(f"{NUMBERS}.{number}", timeout=timeout)
            except CommandTimeout:
                outcomes["late"] += 1
            else:
                assert found.value == number
                outcomes["right"] += 1

    async def disturb() -> None:
        while True:
            site.agent.faults = SnmpFaults(
                drop=random.randrange(3),
                delay=random.choice((0, 0, 0.01, 0.06)),
                stray=random.randrange(3),
                garbage=random.randrange(3),
            )
            await asyncio.sleep(0.01)

    disturbing = asyncio.ensure_future(disturb())
    calls = [asyncio.ensure_future(call()) for _ in range(20)]
    await asyncio.sleep(0.05)
    for victim in calls[::5]:
        victim.cancel()
    await asyncio.wait(calls)
    disturbing.cancel()
    await asyncio.wait({disturbing})
    assert {one.exception() for one in calls if not one.cancelled()} == {None}
    assert outcomes["right"] > 50
    assert outcomes["late"]
    site.agent.faults = SnmpFaults()
    assert (await session.get("sysName.0")).value == "r1"
    assert session.state is State.READY


async def test_late_answers_are_dropped(site: Site) -> None:
    session = await site.connect(try_timeout=0.05, retries=3)
    site.agent.faults = SnmpFaults(delay=0.12)
    # the answer to the first try comes while the third is under way; those to the others come afterwards
    assert (await session.get(f"{NUMBERS}.1")).value == 1
    site.agent.faults = SnmpFaults()
    for number in range(50):
        assert (await session.get(f"{NUMBERS}.{number}")).value == number
        await asyncio.sleep(0.005)


async def test_many_at_once_wait_for_their_place(site: Site) -> None:
    session = await site.connect(try_timeout=5)
    numbers = [number % 200 for number in range(600)]
    tasks = [asyncio.ensure_future(session.get(f"{NUMBERS}.{number}")) for number in numbers]
    await asyncio.sleep(0)
    for task in tasks[100:300:2]:
        task.cancel()
    found = await asyncio.gather(*tasks, return_exceptions=True)
    for number, one in zip(numbers, found, strict=True):
        assert isinstance(one, asyncio.CancelledError) or (isinstance(one, VarBind) and one.value == number)
    assert sum(isinstance(one, VarBind) for one in found) >= 500


async def test_an_answer_about_something_else_is_dropped(site: Site) -> None:
    name = names.resolve("sysName.0")

    def lie(asked: pdu.Pdu) -> list[bytes]:
        return [pdu.bind(names.resolve("sysContact.0") if one[0] == name else one[0]) for one in asked.binds]

    async with liar(lie) as port:
        session = await site.connect(port=port)
        with pytest.raises(CommandTimeout, match="variables that were not asked for"):
            await session.get("sysName.0")
        assert (await session.get("sysDescr.0")).type == "Null"
        await session.close()


async def test_an_answer_of_more_or_less_is_dropped(site: Site) -> None:
    def lie(asked: pdu.Pdu) -> list[bytes]:
        same = [pdu.bind(one[0]) for one in asked.binds]
        return same if asked.kind == Kind.GET else [*same, *same] if len(same) == 1 else []

    async with liar(lie) as port:
        session = await site.connect(port=port)
        with pytest.raises(CommandTimeout, match="2 variables where 1 were asked for"):
            await session.get_next("sysName.0")
        with pytest.raises(CommandTimeout, match="0 variables where 2 were asked for"):
            await session.get_next(["sysName.0", "sysDescr.0"])
        await session.close()


# ---------------------------------------------------------------------- the end, and what comes after


async def test_an_agent_that_goes_away_and_comes_back(site: Site) -> None:
    session = await site.connect(try_timeout=5)
    await site.agent.close()
    with pytest.raises(SessionBroken, match="nothing listens there any more"):
        await session.get("sysName.0")
    assert session.state is State.BROKEN
    with pytest.raises(ConnectError):
        await session.get("sysName.0", timeout=0.3)


async def test_a_set_that_met_the_end_may_have_been_executed(site: Site) -> None:
    session = await site.connect(try_timeout=5)
    site.agent.faults = SnmpFaults(silent_on="1.3")
    calls = [
        asyncio.ensure_future(call) for call in (session.set({"sysName.0": "x"}), session.get("sysName.0"))
    ]
    await asyncio.sleep(0.02)
    session._lost(None)
    errors = await asyncio.gather(*calls, return_exceptions=True)
    assert [type(error) for error in errors] == [SessionBroken, SessionBroken]
    assert [error.maybe_executed for error in errors if isinstance(error, SessionBroken)] == [True, False]


async def test_an_engine_that_starts_anew_is_followed(site: Site) -> None:
    session = await site.connect(**AS_READER)
    for _ in range(2):
        site.agent.cut()
        assert (await session.get("sysName.0")).value == "r1"
    await session.set({"sysName.0": "core3"})
    assert "hostname core3" in site.served.config.render()


async def test_an_engine_that_tells_its_clock_only_to_those_who_know_the_key(site: Site) -> None:
    site.agent.faults = SnmpFaults(no_clock=True)
    session = await site.connect(**AS_READER)
    assert (await session.get("sysName.0")).value == "r1"
    before = site.agent.requests
    await session.get("sysName.0")
    assert site.agent.requests - before == 1


async def test_another_engine_is_another_session(site: Site) -> None:
    session = await site.connect(**AS_READER)
    site.agent.exchange()
    with pytest.raises(SessionBroken, match="another SNMP engine"):
        await session.get("sysName.0")
    assert (await session.get("sysName.0")).value == "r1"
    assert session.state is State.READY


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
async def test_a_forked_child_has_nothing_of_the_socket(site: Site) -> None:
    before = links()
    session = await site.connect()
    ours = {number: link for number, link in links().items() if before.get(number) != link}
    assert [link for link in ours.values() if link.startswith("socket:")]
    inherited = in_child(links)
    assert {inherited[number] for number in ours} == {os.devnull}
    assert (await session.get("sysName.0")).value == "r1"


async def test_closing_ends_the_calls_under_way(site: Site) -> None:
    session = await site.connect(try_timeout=5)
    site.agent.faults = SnmpFaults(silent_on="1.3")
    calls = [asyncio.ensure_future(session.get(f"{NUMBERS}.{number}")) for number in range(100)]
    await asyncio.sleep(0.02)
    await session.close()
    assert {type(error) for error in await asyncio.gather(*calls, return_exceptions=True)} == {SessionClosed}
