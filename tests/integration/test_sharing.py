# SPDX-License-Identifier: Apache-2.0
"""Several sessions over one connection to OpenSSH."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

import aioconn
from aioconn.errors import SessionBroken
from aioconn.results import Output
from tests.integration.conftest import Load
from tests.integration.servers import openssh as ssh
from tests.integration.servers import sockets
from tests.integration.servers.openssh import OpenSsh, Sshd
from tests.sharers import Sharers

pytestmark = pytest.mark.integration

Gather = Callable[[Sshd], Sharers]


@pytest.fixture
async def gather(load: Load, openssh: OpenSsh) -> AsyncIterator[Gather]:
    """`gather(server)`: a place for connections to it that share links."""
    made: list[Sharers] = []

    def make(server: Sshd) -> Sharers:
        path = {"protocol": "ssh", "host": "127.0.0.1", "port": server.port}
        login = {"username": openssh.user.name, "password": openssh.user.password}
        described = {"os": "linux", "connections": {"cli": path}, "credentials": {"default": login}}
        made.append(Sharers(load(r1=described)["r1"]))
        return made[-1]

    yield make
    for sharers in made:
        await sharers.close()


def links(server: Sshd) -> int:
    return sockets.count(server.port, sockets.CONNECTED)


async def shells(sharers: Sharers) -> list[str]:
    """The process of each session's shell."""
    return list(
        await asyncio.gather(*(one.execute("echo $$") for one in sharers.connections if one.connected))
    )


async def test_as_many_as_a_connection_may_carry(gather: Gather, openssh: OpenSsh) -> None:
    server = openssh.server("sharing", ssh.PASSWORD, "MaxSessions 2")
    sharers = gather(server)
    await sharers.several(7)
    assert links(server) == 4
    assert sharers.links.statistics()["streams_per_link"] == [2, 2, 2, 1]
    assert sharers.links.statistics()["streams_learned"] == {"cli": 2}
    assert len(set(await shells(sharers))) == 7
    refused = server.daemon.log().count("no more sessions")
    assert refused >= 5
    await sharers.several(2)
    assert links(server) == 5
    assert server.daemon.log().count("no more sessions") == refused  # what was learned is not tried again
    assert server.daemon.log().count("Accepted") == 5
    openssh.stop("sharing")


async def test_ten_on_one_connection_by_default(gather: Gather, openssh: OpenSsh) -> None:
    server = openssh.server("password", ssh.PASSWORD)
    sharers = gather(server)
    await sharers.several(11)
    assert links(server) == 2
    assert sharers.links.statistics()["streams_per_link"] == [10, 1]
    assert len(set(await shells(sharers))) == 11


async def test_one_leaves_and_the_others_stay(gather: Gather, openssh: OpenSsh) -> None:
    server = openssh.server("password", ssh.PASSWORD)
    sharers = gather(server)
    connections = await sharers.several(4)
    before = await shells(sharers)
    await connections[1].close()
    assert await shells(sharers) == [before[0], *before[2:]]
    with pytest.raises(SessionBroken):
        await connections[2].execute("kill -9 $$", timeout=10)
    assert await shells(sharers) == [before[0], before[3]]
    assert links(server) == 1
    await sharers.connection().open()
    assert links(server) == 1


async def test_a_place_that_came_free_is_used_again(gather: Gather, openssh: OpenSsh) -> None:
    server = openssh.server("two-sessions", ssh.PASSWORD, "MaxSessions 2")
    sharers = gather(server)
    connections = await sharers.several(3)
    assert links(server) == 2
    for _ in range(5):
        await connections.pop(0).close()
        connections += await sharers.several(1)
    assert len(set(await shells(sharers))) == 3
    assert sharers.links.statistics()["links"] == 2


async def test_cancelled_anywhere(gather: Gather, openssh: OpenSsh) -> None:
    server = openssh.server("two-sessions", ssh.PASSWORD, "MaxSessions 2")
    sharers = gather(server)
    await sharers.several(1)
    for turns in (0, 1, 3, 6, 10, 15, 20, 25, 30, 40, 60):
        tasks = [asyncio.ensure_future(sharers.connection().open()) for _ in range(3)]
        for _ in range(turns):
            await asyncio.sleep(0.001)
        for task in tasks[1:]:
            task.cancel()
        await asyncio.wait(tasks)
        assert tasks[0].exception() is None
        await asyncio.gather(*(one.close() for one in sharers.connections[1:]))
        del sharers.connections[1:]
    async with asyncio.timeout(5):
        while links(server) != 1:
            await asyncio.sleep(0.01)
    assert len(await shells(sharers)) == 1
    assert sharers.links.statistics()["streams_per_link"] == [1]


async def test_the_server_goes_away(gather: Gather, openssh: OpenSsh) -> None:
    server = openssh.server("leaving", ssh.PASSWORD)
    sharers = gather(server)
    connections: list[Any] = await sharers.several(3)
    running = [asyncio.ensure_future(one.execute("sleep 30", timeout=30)) for one in connections]
    await asyncio.sleep(0.1)
    openssh.stop("leaving")
    results = await asyncio.gather(*running, return_exceptions=True)
    # a shell that outlives its `sleep` for a moment shows its prompt before it goes: then that call has ended well
    assert {type(result) for result in results} <= {SessionBroken, Output}
    assert SessionBroken in {type(result) for result in results}
    assert sharers.links.statistics()["links"] == 0
    with pytest.raises(aioconn.AioconnError):
        await sharers.connection().open()
