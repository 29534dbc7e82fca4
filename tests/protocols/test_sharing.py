# SPDX-License-Identifier: Apache-2.0
"""Several sessions over one SSH link, against simulated devices over real SSH."""

from __future__ import annotations

import asyncio
import math
import random
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest

import aioconn
from aioconn.connection import State
from aioconn.credentials import Credential, Credentials, Secret
from aioconn.errors import AuthenticationFailed, ConnectError, ConnectTimeout, SessionBroken, ShellRefused
from aioconn.events import Opening
from aioconn.lab import Faults, Lab, LabDevice
from aioconn.lab.proxy import Proxy
from aioconn.lab.weather import CLEAR, Weather
from aioconn.links import Links
from aioconn.path import Path
from aioconn.platforms.loader import load_platform
from aioconn.protocols.cli import CliConnection
from aioconn.protocols.sharing import link_key, would_share
from aioconn.protocols.terminals import OpenedTerminal, open_terminal
from aioconn.request import Request
from aioconn.transport.base import Progress, Terminal
from tests.sharers import Sharers
from tests.transport.conftest import Record

pytestmark = pytest.mark.clock("jumping")


class Site(Sharers):
    """The same, and the simulated device that they talk to."""

    def __init__(self, device: aioconn.Device, served: LabDevice) -> None:
        super().__init__(device)
        self.served = served

    @property
    def counts(self) -> tuple[int, int]:
        """Links and shells, as the device sees them."""
        return len(self.served.connections), self.served.sessions

    async def sees(self, links: int, shells: int) -> None:
        async with asyncio.timeout(5):
            while self.counts != (links, shells):
                await asyncio.sleep(0.005)

    async def close(self) -> None:
        await super().close()
        await self.sees(0, 0)


Make = Callable[..., Awaitable[Site]]


@pytest.fixture
async def site(lab: Lab) -> Any:
    """`await site(personality=..., shells_per_link=..., faults=...)`: a device and a place for its connections."""
    sites: list[Site] = []

    async def make(personality: str = "arista_eos", **keys: Any) -> Site:
        name = f"r{len(sites) + 1}"
        served = await lab.add(name, personality=personality, **keys)
        sites.append(Site(aioconn.load(lab.testbed())[name], served))
        return sites[-1]

    yield make
    for one in sites:
        await one.close()


async def answer(connection: CliConnection) -> bool:
    return "Arista" in await connection.execute("show version")


# ---------------------------------------------------------------------------------------- who shares


async def test_five_sessions_one_connection(site: Make) -> None:
    eos = await site()
    connections = await eos.several(5)
    assert eos.counts == (1, 5)
    assert len(eos.logins) == 1
    assert all(await asyncio.gather(*(answer(connection) for connection in connections)))
    assert eos.links.statistics()["streams_per_link"] == [5]


async def test_classic_ios_gets_a_connection_for_each(site: Make) -> None:
    ios = await site("cisco_iosxe")
    connections = await ios.several(5)
    assert ios.counts == (5, 5)
    assert len(ios.logins) == 5
    assert ios.served.refusals == 0  # it is not even tried
    assert ios.links.statistics()["links"] == 0
    await connections[0].close()
    await ios.sees(4, 4)


async def test_what_a_link_carries_is_learned(site: Make) -> None:
    eos = await site(shells_per_link=3)
    connections = await eos.several(7)
    assert eos.counts == (3, 7)
    assert len(eos.logins) == 3
    assert eos.links.statistics()["streams_per_link"] == [3, 3, 1]
    assert eos.links.statistics()["streams_learned"] == {"cli": 3}
    refusals = eos.served.refusals
    connections += await eos.several(2)
    assert eos.counts == (3, 9)
    assert eos.served.refusals == refusals
    assert all(await asyncio.gather(*(answer(connection) for connection in connections)))


async def test_a_device_that_allows_one_shell_although_its_platform_has_several(site: Make) -> None:
    eos = await site(shells_per_link=1)
    await eos.several(4)
    assert eos.counts == (4, 4)
    assert eos.links.statistics()["streams_learned"] == {"cli": 1}


async def test_a_device_that_refuses_with_a_text(site: Make) -> None:
    """It takes the channel, says a sentence in it and closes it: whoever reads it says `refuse()`, tries again."""
    eos = await site(shells_per_link=2, faults=Faults(vty_refusal="text"))
    await eos.several(2)
    third = eos.connection()

    async def open_third() -> tuple[OpenedTerminal, Record]:
        record = Record()
        opened = await open_terminal(third, record, terminal=Terminal(), jump=None, progress=Progress())
        return opened, record

    opened, record = await open_third()
    await record.ended()
    assert b"All lines are in use" in record.data
    assert opened.refuse()
    await eos.sees(1, 2)
    assert eos.links.statistics()["streams_learned"] == {"cli": 2}
    opened, record = await open_third()
    await record.sees(b"r1")
    assert eos.counts == (2, 3)
    assert not opened.refuse()  # alone on its link: that is the device's last word
    await eos.sees(1, 2)


async def test_a_device_without_a_free_line(site: Make) -> None:
    eos = await site(faults=Faults(vty_limit=2))
    await eos.several(2)
    with pytest.raises(ShellRefused):
        await eos.connection().open()
    assert eos.links.statistics()["streams_learned"] == {}
    await eos.sees(1, 2)
    eos.served.faults = Faults()
    await eos.several(1)
    assert eos.counts == (1, 3)


def test_what_makes_links_interchangeable() -> None:
    path = Path(name="cli", protocol="ssh", host="192.0.2.1")
    login = Credential(username="ann", password=Secret("secret-word"))
    eos = load_platform("arista_eos")

    def key(path: Path = path, login: Credential = login, platform: Any = eos, **arguments: Any) -> Any:
        request = Request(
            device="r1",
            path=path,
            credentials=Credentials({"default": login}),
            platform=platform,
            arguments=arguments,
        )
        return link_key(CliConnection(request))

    assert key() == key() == key(timeout=5, columns=80, login=replace(login))
    assert hash(key()) == hash(key(login=replace(login, password=Secret("secret-word"))))
    assert key() == key(login=replace(login, password=Secret("secret-word")))
    assert key(passphrase="x") == key(passphrase="x")
    assert str(key()) == "cli"
    assert "secret-word" not in repr(key())
    others = [
        key(path=replace(path)),
        key(login=replace(login, username="bob")),
        key(login=replace(login, password=Secret("other"))),
        key(legacy=True),
        key(host_key=("SHA256:x",)),
        key(passphrase="x"),
        key(platform=load_platform("linux").__class__(**{**vars_of(eos), "username_suffix": "+c"})),
    ]
    assert all(other != key() for other in others)
    assert key(platform=load_platform("cisco_iosxe")) is None
    assert key(path=replace(path, protocol="telnet")) is None
    assert key(path=replace(path, command=("ssh", "r1"))) is None


def vars_of(platform: Any) -> dict[str, Any]:
    return {name: getattr(platform, name) for name in platform.__dataclass_fields__}


def test_nothing_deferred_is_asked_for_a_key() -> None:
    def never() -> str:
        raise AssertionError("asked")

    path = Path(name="cli", protocol="ssh", host=Secret(never))
    login = Credential(username=Secret(never), password=Secret(never), passphrase=Secret(never))
    request = Request(
        device="r1", path=path, credentials=Credentials({"default": login}), platform=load_platform("linux")
    )
    assert link_key(CliConnection(request)) == link_key(CliConnection(request)) is not None
    other = Request(
        device="r1",
        path=path,
        credentials=Credentials({"default": replace(login, password=Secret(never))}),
        platform=load_platform("linux"),
    )
    assert link_key(CliConnection(request)) != link_key(CliConnection(other))


async def test_whether_a_session_would_share(site: Make) -> None:
    eos = await site(shells_per_link=2)
    assert not would_share(eos.links, eos.connection())
    opening = asyncio.ensure_future(eos.several(1))
    while not eos.logins:
        await asyncio.sleep(0)
    assert would_share(eos.links, eos.connection())
    await opening
    assert would_share(eos.links, eos.connection())
    assert not would_share(eos.links, eos.connection(legacy=True))
    await eos.several(2)
    assert would_share(eos.links, eos.connection())  # on the second link
    await eos.several(1)
    assert not would_share(eos.links, eos.connection())


async def test_other_users_and_options_have_links_of_their_own(site: Make) -> None:
    eos = await site()
    await eos.several(2)
    await eos.connection(keepalive=60).open()
    await eos.connection(columns=80).open()
    assert eos.counts == (2, 4)


async def test_telnet_logs_in_for_each_session(site: Make) -> None:
    eos = await site()
    for _ in range(2):
        await eos.connection(via="vty").open()
    assert eos.counts == (2, 2)
    assert len(eos.logins) == 2
    assert eos.links.statistics()["links"] == 0


async def test_through_a_jump_host(lab: Lab) -> None:
    await lab.add("jump", personality="linux", protocols=("ssh",), forwards=True)
    served = await lab.add("r1", personality="arista_eos", protocols=("ssh",))
    whole = lab.testbed()
    whole["devices"]["r1"]["connections"]["cli"]["proxy"] = "jump"
    async with aioconn.load(whole) as testbed:
        site = Site(testbed["r1"], served)
        site.jump = testbed["r1"].manager.jump  # type: ignore[method-assign]
        await site.several(3)
        assert site.counts == (1, 3)
        assert len(lab["jump"].connections) == 1
        await site.close()


# ---------------------------------------------------------------------------------------- ends


async def test_one_of_several_ends_and_the_others_do_not_notice(site: Make) -> None:
    eos = await site()
    connections = await eos.several(4)
    await connections[1].close()
    await eos.sees(1, 3)
    connections[2]._abort()
    await eos.sees(1, 2)
    for connection in (connections[0], connections[3]):
        assert await answer(connection)
    await connections[0].close()
    await connections[3].close()
    assert eos.links.statistics()["links"] == 0
    await eos.sees(0, 0)


async def test_the_device_ends_one_of_several(site: Make) -> None:
    eos = await site()
    connections = await eos.several(3)
    victim = next(iter(eos.served.players))
    victim.end()
    async with asyncio.timeout(5):
        while all(connection.connected for connection in connections):
            await asyncio.sleep(0.005)
    assert eos.counts == (1, 2)
    assert eos.links.statistics()["streams_per_link"] == [2]
    left = [connection for connection in connections if connection.connected]
    assert len(left) == 2
    assert all([await answer(connection) for connection in left])


async def test_a_lost_link_takes_its_shells_with_it(site: Make) -> None:
    eos = await site(shells_per_link=2)
    connections = await eos.several(4)
    assert eos.counts == (2, 4)
    next(iter(eos.served.connections)).finish(reset=True)
    await eos.sees(1, 2)
    async with asyncio.timeout(5):
        while sum(connection.connected for connection in connections) != 2:
            await asyncio.sleep(0.005)
    lost = [connection for connection in connections if not connection.connected]
    assert [connection.state for connection in lost] == [State.BROKEN] * 2
    assert all(isinstance(connection._broken_by, SessionBroken) for connection in lost)
    assert eos.links.statistics()["streams_per_link"] == [2]
    await asyncio.gather(*(connection.open() for connection in lost))  # both on one new link
    assert eos.counts == (2, 4)
    assert all([await answer(connection) for connection in connections])


async def test_a_link_that_has_died_without_a_word(lab: Lab) -> None:
    """Nothing reaches the device any more: whoever comes next does not wait for it in vain."""
    served = await lab.add("r1", personality="arista_eos", protocols=("ssh",))
    assert served.ssh_port is not None
    async with Proxy("127.0.0.1", served.ssh_port) as proxy:
        whole = lab.testbed()
        whole["devices"]["r1"]["connections"]["cli"]["port"] = proxy.port
        eos = Site(aioconn.load(whole)["r1"], served)
        eos.links = Links("r1", patience=0.1)
        first = eos.connection(close_timeout=0.1)
        await first.open()
        proxy.draw = lambda _: (CLEAR, CLEAR)  # later connections have better weather
        proxy.to_server = Weather(stall=math.inf)
        second = eos.connection()
        await second.open()
        assert eos.counts == (2, 2)
        assert await answer(second)
        assert eos.links.statistics()["streams_per_link"] == [1, 1]
        third = eos.connection()
        await third.open()
        assert eos.counts == (2, 3)
        await first.close()  # politely in vain, and then at once
        proxy.to_server = CLEAR
        await eos.sees(1, 2)
        await eos.close()


async def test_a_command_under_way_is_told_of_the_lost_link(site: Make) -> None:
    eos = await site(faults=Faults(hang_on="show version"))
    connections = await eos.several(3)
    tasks = [asyncio.ensure_future(connection.execute("show version")) for connection in connections]
    await asyncio.sleep(0.05)
    next(iter(eos.served.connections)).finish(reset=True)
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(result) for result in results] == [SessionBroken] * 3


async def test_all_close_at_once(site: Make) -> None:
    eos = await site(shells_per_link=3)
    connections = await eos.several(8)
    await asyncio.gather(*(connection.close() for connection in connections))
    assert eos.links.statistics()["links"] == 0
    await eos.sees(0, 0)


async def test_closing_the_registry_ends_every_session(site: Make) -> None:
    eos = await site()
    connections = await eos.several(3)
    await eos.links.close()
    await eos.sees(0, 0)
    assert not any(connection.connected for connection in connections)


# ---------------------------------------------------------------------------------------- failures while opening


async def test_a_wrong_password_is_sent_once_for_all(site: Make) -> None:
    eos = await site(faults=Faults(wrong_password=True), ssh_auth=("password",))
    connections = [eos.connection() for _ in range(5)]
    results = await asyncio.gather(*(connection.open() for connection in connections), return_exceptions=True)
    assert [type(result) for result in results] == [AuthenticationFailed] * 5
    assert len(eos.logins) == 1
    eos.served.faults = Faults()
    await eos.several(2)


async def test_each_waits_within_its_own_deadline(site: Make) -> None:
    eos = await site(faults=Faults(slow_login=1.0))
    hasty, first, patient = (eos.connection() for _ in range(3))
    opening = [asyncio.ensure_future(first.open(timeout=0.5))]
    opening += [asyncio.ensure_future(hasty.open(timeout=0.5)), asyncio.ensure_future(patient.open())]
    results = await asyncio.gather(*opening, return_exceptions=True)
    assert [type(result) for result in results] == [ConnectTimeout, ConnectTimeout, type(None)]
    for error in results[:2]:
        assert isinstance(error, ConnectTimeout)
        assert error.phase == "auth"
    assert len(eos.logins) == 1  # of the one who has left: his link serves the others
    assert await answer(patient)
    await eos.sees(1, 1)


async def test_everybody_hears_how_far_the_link_is(site: Make) -> None:
    eos = await site()
    await eos.several(2)
    phases = {
        alias: [
            str(event.phase) for event in eos.events if isinstance(event, Opening) and event.alias == alias
        ]
        for alias in ("c0", "c1")
    }
    for heard in phases.values():
        assert heard == ["tcp", "kex", "auth", "shell", "prompt"]


# ---------------------------------------------------------------------------------------- cancelled


@pytest.mark.parametrize("kept", [0, 1])
@pytest.mark.parametrize("all_of_them", [False, True])
async def test_opening_cancelled_at_every_turn(site: Make, kept: int, all_of_them: bool) -> None:
    """Two sessions open at once; one, or both, are cancelled after k turns of the loop, for every k that matters."""
    eos = await site()
    standing = await eos.several(kept)
    await eos.sees(kept, kept)
    finished = 0
    for turns in range(400):
        connections = [eos.connection() for _ in range(2)]
        tasks = [asyncio.ensure_future(connection.open()) for connection in connections]
        for _ in range(turns):
            if all(task.done() for task in tasks):
                break
            await asyncio.sleep(0)
        finished += tasks[0].done()
        for task in tasks if all_of_them else tasks[:1]:
            task.cancel()
        await asyncio.wait(tasks)
        if not all_of_them:
            assert tasks[1].result() is None  # nobody else's cancel is felt
            assert eos.counts[0] == 1
        for connection in connections:
            await connection.close()
        await eos.sees(kept, kept)
        assert eos.links.statistics()["streams_per_link"] == [1] * kept
        del eos.connections[kept:]
        if finished == 2:
            break
    assert finished == 2
    for connection in standing:
        assert await answer(connection)


async def test_closing_cancelled_at_every_turn(site: Make) -> None:
    eos = await site()
    finished = 0
    for turns in range(200):
        connections = await eos.several(2)
        tasks = [asyncio.ensure_future(connection.close()) for connection in connections]
        for _ in range(turns):
            await asyncio.sleep(0)
        finished += all(task.done() for task in tasks)
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        for connection in connections:
            await connection.close()
        await eos.sees(0, 0)
        assert eos.links.statistics()["links"] == 0
        eos.connections.clear()
        if finished == 2:
            break
    assert finished == 2


@pytest.mark.parametrize("seed", range(3))
async def test_a_storm(site: Make, seed: int) -> None:
    """Sessions are opened, used, cancelled anywhere and closed; links are cut: the device is empty at the end."""
    dice = random.Random(seed)
    eos = await site(shells_per_link=3)
    spoiled = []

    async def visit() -> None:
        connection = eos.connection()
        try:
            await connection.open(timeout=10)
            for _ in range(dice.randrange(3)):
                if not await answer(connection):
                    spoiled.append(connection)
        except (SessionBroken, ConnectError):
            pass
        finally:
            if dice.random() < 0.5:
                await connection.close()
            else:
                connection._abort()

    tasks = [asyncio.ensure_future(visit()) for _ in range(6)]
    for _ in range(60):
        for _ in range(dice.randrange(20)):
            await asyncio.sleep(0)
        dice.choice(tasks).cancel()
        if dice.random() < 0.1 and eos.served.connections:
            dice.choice(list(eos.served.connections)).finish(reset=True)
        tasks = [task for task in tasks if not task.done()]
        tasks += [asyncio.ensure_future(visit()) for _ in range(6 - len(tasks))]
    await asyncio.gather(*tasks, return_exceptions=True)
    assert not spoiled
    await asyncio.gather(*(connection.close() for connection in eos.connections))
    eos.connections.clear()
    await eos.sees(0, 0)
    assert eos.links.statistics()["links"] == eos.links.statistics()["links_opening"] == 0
    assert await answer((await eos.several(1))[0])


async def test_a_text_is_no_reason_to_fail(site: Make) -> None:
    eos = await site(shells_per_link=2, faults=Faults(vty_refusal="text"))
    await eos.several(7)
    assert eos.served.sessions == 7
    assert eos.links.statistics()["streams_learned"] == {"cli": 2}
