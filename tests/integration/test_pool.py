# SPDX-License-Identifier: Apache-2.0
"""Pools on real servers: limits that only they have, sessions that they end, and calls that are cut at any moment."""

from __future__ import annotations

import asyncio
import random
import re
from collections.abc import Callable
from typing import Any

import pytest

import aioconn
from aioconn.errors import AioconnError, CommandTimeout, SessionBroken
from tests.integration.conftest import Load
from tests.integration.servers import openssh as ssh
from tests.integration.servers import sockets
from tests.integration.servers.frr import ENABLE, IDLE, PASSWORD, Frr
from tests.integration.servers.openssh import OpenSsh
from tests.integration.servers.telnetd import Telnetd

pytestmark = pytest.mark.integration


def linux(protocol: str, port: int | None, user: Any) -> dict[str, Any]:
    path = {"protocol": protocol, "host": "127.0.0.1", "port": port}
    login = {"username": user.name, "password": user.password}
    return {"os": "linux", "connections": {"cli": path}, "credentials": {"default": login}}


def router(port: int) -> dict[str, Any]:
    return {
        "os": "frr",
        "connections": {"vty": {"protocol": "telnet", "host": "127.0.0.1", "port": port}},
        "credentials": {"default": {"password": PASSWORD}, "enable": {"password": ENABLE}},
    }


@pytest.fixture
def shells(load: Load, openssh: OpenSsh) -> Callable[..., aioconn.Device]:
    """`shells("name", "MaxSessions 2")`: a device that is such a server."""

    def make(name: str, *lines: str) -> aioconn.Device:
        server = openssh.server(name, ssh.PASSWORD, *lines)
        return load(r1=linux("ssh", server.port, openssh.user))["r1"]

    return make


async def ask(pool: Any, calls: int, *, prefix: str = "word", **keys: Any) -> None:
    """So many calls at once, each with an answer of its own."""
    words = [f"{prefix}{number}" for number in range(calls)]
    assert await asyncio.gather(*[pool.execute(f"echo {word}", **keys) for word in words]) == words


async def processes(pool: Any) -> set[str]:
    """The shells behind the pool's sessions."""
    held = [await pool.acquire() for _ in range(pool.size)]
    try:
        return set(await asyncio.gather(*[session.execute("echo $$") for session in held]))
    finally:
        for session in held:
            pool.release(session)


async def until(condition: Callable[[], bool], seconds: float = 10.0) -> None:
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.01)


# ---------------------------------------------------------------------------------------- OpenSSH


async def test_shells_on_one_link(shells: Any, openssh: OpenSsh) -> None:
    r1 = shells("password")
    pool = await r1.connect(pool_size=5)
    await ask(pool, 40)
    assert len(await processes(pool)) == 5
    assert sockets.count(openssh.server("password").port, sockets.CONNECTED) == 1
    assert r1.manager.statistics()["streams_per_link"] == [5]


async def test_the_shells_that_a_link_may_carry_are_learned(shells: Any, openssh: OpenSsh) -> None:
    r1 = shells("pooled-two", "MaxSessions 2")
    server = openssh.server("pooled-two")
    pool = await r1.connect(pool_size=5)
    await ask(pool, 40)
    assert len(await processes(pool)) == 5
    assert sockets.count(server.port, sockets.CONNECTED) == 3
    numbers = r1.manager.statistics()
    assert numbers["streams_learned"] == {"cli": 2}
    assert numbers["learned_sessions"] is None  # the device bears more, on other links
    refused = server.daemon.log().count("no more sessions")
    pool.resize(7)
    assert len(await processes(pool)) == 7
    assert server.daemon.log().count("no more sessions") == refused
    openssh.stop("pooled-two")


async def test_few_logins_at_a_time(shells: Any, openssh: OpenSsh) -> None:
    """Whoever comes while two others log in is turned away before a word is said, and comes again."""
    r1 = shells("pooled-startups", "MaxSessions 1", "MaxStartups 2:100:2")
    pool = await r1.connect(pool_size=8)
    await ask(pool, 60, timeout=60)
    await ask(pool, 60, timeout=60)
    assert pool.statistics()["timeouts"] == 0
    openssh.stop("pooled-startups")


async def test_a_server_that_was_restarted(shells: Any, openssh: OpenSsh) -> None:
    r1 = shells("pooled-restart")
    port = openssh.server("pooled-restart").port
    pool = await r1.connect(pool_size=3)
    await ask(pool, 9)
    running = [asyncio.ensure_future(pool.execute("read -t 30 word")) for _ in range(2)]
    await until(lambda: pool.statistics()["busy"] == 2)
    openssh.stop("pooled-restart")
    ended = await asyncio.gather(*running, return_exceptions=True)
    assert [type(error) for error in ended] == [SessionBroken] * 2
    assert all(error.maybe_executed for error in ended)  # type: ignore[union-attr]
    await until(lambda: not pool.statistics()["open"])
    waiting = [asyncio.ensure_future(pool.execute(f"echo {number}", timeout=60)) for number in range(9)]
    await until(lambda: r1.manager.breaker("cli").failures >= 2)
    openssh.server("pooled-restart", ssh.PASSWORD, port=port)
    assert await asyncio.gather(*waiting) == [str(number) for number in range(9)]
    await ask(pool, 9)
    openssh.stop("pooled-restart")


async def test_shells_that_are_killed(shells: Any) -> None:
    r1 = shells("password")
    pool = await r1.connect(pool_size=4)
    await ask(pool, 12)
    idle = await processes(pool)
    async with pool.acquire() as session:
        mine = await session.execute("echo $$")
        await session.execute("kill -9 " + " ".join(idle - {mine}))
    await until(lambda: pool.statistics()["lost"] == 3)
    await ask(pool, 12)  # nobody gets a dead one
    assert not (idle - {mine}) & await processes(pool)

    async def killed(**keys: Any) -> str:
        """The call's shell is killed by another one, once."""
        marker = f"aioconn-{random.randrange(1 << 30)}"
        command = f"test -e /tmp/{marker} && echo again || {{ echo $$ >/tmp/{marker}; sleep 20; }}"
        async with pool.acquire() as session:
            call = asyncio.ensure_future(pool.execute(command, timeout=25, **keys))
            await session.execute(f"until test -s /tmp/{marker}; do sleep 0.02; done", timeout=10)
            await session.execute(f"kill -9 $(cat /tmp/{marker})")
            try:
                return str(await call)
            finally:
                await session.execute(f"rm /tmp/{marker}")

    with pytest.raises(SessionBroken) as caught:
        await killed()
    assert caught.value.maybe_executed
    assert await killed(idempotent=True) == "again"
    await ask(pool, 12)


# ---------------------------------------------------------------------------------------- FRRouting


async def test_password_and_enable_for_each_session(load: Load, frr: Frr) -> None:
    r1 = load(r1=router(frr.ports["zebra"]))["r1"]
    pool = await r1.connect(pool_size=4)
    await ask(pool, 40)
    assert sockets.count(frr.ports["zebra"], sockets.CONNECTED) == 4
    async with pool.acquire() as session:
        assert session.mode == "privileged"


async def test_more_sessions_than_its_queue_has_places(load: Load, frr: Frr) -> None:
    """The daemon's listen queue has three places; the kernel forgets some of those that find none."""
    r1 = load(r1=router(frr.ports["bgpd"]))["r1"]
    pool = await r1.connect(pool_size=16, pool_timeout=60, connect_timeout=5)
    await ask(pool, 100, timeout=60)
    assert pool.statistics()["timeouts"] == 0


async def test_modes_and_half_typed_lines_that_were_left_behind(load: Load, frr: Frr) -> None:
    r1 = load(r1=router(frr.ports["zebra"]))["r1"]
    pool = await r1.connect(pool_size=1)
    for leave in ("config", "interface", "user", "half", "unread"):
        async with pool.acquire() as session:
            if leave in ("config", "user"):
                await session.enter_mode(leave)
            elif leave == "interface":
                await session.enter_mode("config")
                await session.execute("interface lo")
            elif leave == "half":
                await session.send("show ver", newline=False)
            else:
                await session.send("show running-config")
        await ask(pool, 2, prefix=leave)
        async with pool.acquire() as session:
            assert session.mode == "privileged"
    assert pool.statistics()["opened"] == 1


async def test_configure_from_many_at_once(load: Load, frr: Frr) -> None:
    r1 = load(r1=router(frr.ports["zebra"]))["r1"]
    pool = await r1.connect(pool_size=4)
    await ask(pool, 8)

    async def describe(number: int) -> None:
        async with r1.exclusive():
            await pool.configure(["interface lo", f"description by {number}"])
            shown = await asyncio.gather(*[pool.execute("show running-config") for _ in range(3)])
            assert all(re.findall(r"description by (\d+)", text) == [str(number)] for text in shown)

    async def write(number: int) -> None:
        await pool.configure(["interface lo", f"description by {number}"])

    work = [describe(number) if number % 2 else write(number) for number in range(12)]
    await asyncio.gather(*work)
    cut = [asyncio.ensure_future(write(100 + number)) for number in range(12)]
    for number, call in enumerate(cut):
        await asyncio.sleep(0.003 * (number % 4))
        call.cancel()
    await asyncio.gather(*cut, return_exceptions=True)
    await asyncio.gather(*[write(7) for _ in range(3)])
    assert "description by 7\n" in frr.show("show running-config")
    await pool.configure(["interface lo", "no description"])


async def test_who_works_alone_is_alone(load: Load, frr: Frr) -> None:
    r1 = load(r1=router(frr.ports["zebra"]))["r1"]
    pool = await r1.connect(pool_size=3)
    other = await r1.connect(alias="other")
    await ask(pool, 6)
    inside = False

    async def come(target: Any) -> None:
        for number in range(5):
            assert await target.execute(f"echo {number}") == str(number)
            assert not inside
            await asyncio.sleep(0)

    crowd = [asyncio.ensure_future(come(target)) for target in (pool, other, pool, other)]
    for _ in range(3):
        async with r1.exclusive():
            inside = True
            await ask(pool, 4, prefix="alone")
            await asyncio.gather(other.execute("echo a"), pool.execute("echo b"))
            inside = False
    await asyncio.gather(*crowd)


async def test_a_device_that_ends_idle_sessions(load: Load, frr: Frr) -> None:
    """The device ends a session that was idle for some seconds; a pool that is quicker than that is never surprised."""
    r1 = load(r1=router(frr.ports["ospfd"]))["r1"]
    pool = await r1.connect(pool_size=3)
    await ask(pool, 6)
    await until(lambda: pool.statistics()["lost"] == 3, IDLE + 5)
    await ask(pool, 6)
    quicker = await r1.connect(alias="quicker", pool_size=3, idle_timeout=IDLE / 4)
    await ask(quicker, 6)
    await until(lambda: not quicker.statistics()["open"], IDLE + 5)
    assert quicker.statistics()["lost"] == 0
    await ask(quicker, 6)


# ---------------------------------------------------------------------------------------- cut at any moment


@pytest.mark.parametrize("kind", ["openssh", "zebra", "bgpd", "inetutils", "busybox"])
async def test_cut_at_any_moment(load: Load, request: pytest.FixtureRequest, kind: str) -> None:
    """Cancelled, out of time, or left alone: whoever gets an answer gets his own."""
    rng = random.Random(kind)
    if kind == "openssh":
        openssh: OpenSsh = request.getfixturevalue("openssh")
        described = linux("ssh", openssh.server("password", ssh.PASSWORD).port, openssh.user)
    elif kind in ("zebra", "bgpd"):
        described = router(request.getfixturevalue("frr").ports[kind])
    else:
        telnetd: Telnetd = request.getfixturevalue("telnetd")
        described = linux("telnet", telnetd.server(kind).port, telnetd.user)
    slow = described["os"] == "linux"
    r1 = load(r1=described)["r1"]
    pool = await r1.connect(pool_size=4)
    await ask(pool, 8)
    answered = cut = 0

    async def call(number: int) -> None:
        nonlocal answered, cut
        word = f"word{number}"
        command = (
            f"sleep 0.0{rng.randrange(10)}; echo {word}" if slow and rng.random() < 0.5 else f"echo {word}"
        )
        work = asyncio.ensure_future(
            pool.execute(command, timeout=rng.choice((0.01, 0.05, 30.0, 30.0, 30.0)))
        )
        if rng.random() < 0.5:
            await asyncio.wait({work}, timeout=rng.choice((0.0, 0.002, 0.01, 0.05)))
            work.cancel()
        try:
            assert await work == word
            answered += 1
        except (CommandTimeout, aioconn.errors.PoolTimeout, asyncio.CancelledError):
            cut += 1

    async def caller(first: int) -> None:
        for number in range(first, first + 25):
            await call(number)

    async with asyncio.TaskGroup() as group:
        for first in range(0, 12 * 25, 25):
            group.create_task(caller(first))
    assert answered
    assert cut
    await ask(pool, 20)
    async with asyncio.timeout(20):
        while pool.statistics()["settling"] or pool.statistics()["closing"]:
            await asyncio.sleep(0.01)
    numbers = pool.statistics()
    assert numbers["idle"] == numbers["open"] <= 4
    assert numbers["busy"] == numbers["waiting"] == 0


async def test_streams_that_are_left_and_leases_that_are_cut(load: Load, telnetd: Telnetd) -> None:
    r1 = load(r1=linux("telnet", telnetd.server("inetutils").port, telnetd.user))["r1"]
    pool = await r1.connect(pool_size=2)
    whole = "\n".join(map(str, range(1, 2001)))
    for turn in range(6):
        text = ""
        async for piece in pool.stream("seq 1 2000"):
            text += piece
            if turn % 2 and len(text) > 300:
                break
        assert turn % 2 or text == whole

        async def hold(turn: int = turn) -> None:
            async with pool.acquire() as session:
                await session.execute("sleep 5")
                raise AssertionError(turn)

        holder = asyncio.ensure_future(hold())
        await asyncio.sleep(0.05)
        holder.cancel()
        with pytest.raises((asyncio.CancelledError, AioconnError)):
            await holder
        await ask(pool, 6, prefix=f"turn{turn}x")
