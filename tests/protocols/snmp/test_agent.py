# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest

from aioconn.lab.snmp import SnmpFaults
from aioconn.protocols.snmp.agent import WINDOW, Agent, Answer, Ended, Query, Silence
from aioconn.protocols.snmp.opening import PROBE
from aioconn.protocols.snmp.security import CommunitySecurity
from tests.protocols.snmp.conftest import Site


@pytest.fixture
async def agent(site: Site) -> AsyncIterator[Agent]:
    gone: list[OSError] = []
    agent = Agent(
        ("127.0.0.1", site.agent.port), CommunitySecurity(b"private"), patience=30, gone=gone.append
    )
    yield agent
    agent.close()
    agent.close()
    assert not gone


def ask(agent: Agent, query: Query = PROBE, tries: int = 1) -> asyncio.Task[Answer]:
    return asyncio.ensure_future(agent.ask(query, tries))


async def turns(count: int) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0.005)


@pytest.mark.parametrize("moment", range(6))
async def test_a_place_is_never_lost(site: Site, agent: Agent, moment: int) -> None:
    """Who waits for a place is cancelled about when he gets it: the next one has it then."""
    site.agent.faults = SnmpFaults(silent_on="1.3")
    under_way = [ask(agent) for _ in range(WINDOW)]
    await turns(1)
    first, second = ask(agent), ask(agent)
    await turns(1)
    assert agent.waiting == WINDOW
    under_way[0].cancel()
    await turns(moment)
    first.cancel()
    await until(lambda: agent.waiting == WINDOW and first.done())
    agent.close()
    ends = await asyncio.gather(*under_way, first, second, return_exceptions=True)
    assert isinstance(ends[-1], Ended)


async def test_closing_ends_those_who_wait_for_a_place(site: Site, agent: Agent) -> None:
    site.agent.faults = SnmpFaults(silent_on="1.3")
    tasks = [ask(agent) for _ in range(2 * WINDOW)]
    await turns(2)
    agent.close()
    await asyncio.wait(tasks)
    assert {type(task.exception()) for task in tasks} == {Ended}
    assert agent.waiting == 0
    with pytest.raises(Ended):
        await agent.ask(PROBE, 1)


async def test_a_cancelled_request_is_forgotten(site: Site, agent: Agent) -> None:
    site.agent.faults = SnmpFaults(delay=0.05)
    task = ask(agent)
    await turns(3)
    task.cancel()
    await asyncio.wait({task})
    assert agent.waiting == 0
    await until(lambda: agent.dropped == 1)
    assert "nobody waits for" in agent.seen
    assert (await agent.ask(PROBE, 1)).pdu.status == 0


async def test_tries_are_that_many_datagrams(site: Site) -> None:
    agent = Agent(
        ("127.0.0.1", site.agent.port), CommunitySecurity(b"wrong"), patience=0.02, gone=lambda _: None
    )
    try:
        with pytest.raises(Silence, match=r"no answer to 3 tries in 0\.06 s"):
            await agent.ask(PROBE, 3)
        assert site.agent.requests == 3
        with pytest.raises(Silence, match=r"no answer to 1 try in 0\.02 s"):
            await agent.ask(PROBE, 1)
    finally:
        agent.close()
