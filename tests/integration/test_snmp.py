# SPDX-License-Identifier: Apache-2.0
"""SNMP with agents that are not ours, and our agent with clients that are not ours."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from aioconn.credentials import Secret
from aioconn.errors import AuthenticationFailed, CommandTimeout, ConnectTimeout, HostUnreachable, SnmpError
from aioconn.lab import Lab
from aioconn.lab.snmp import SnmpServer, serve
from aioconn.protocols.snmp.connection import SnmpConnection
from aioconn.protocols.snmp.usm import User
from tests.integration.conftest import Load
from tests.integration.servers import needs
from tests.integration.servers import snmp as servers
from tests.integration.servers.site import Site
from tests.integration.servers.snmp import AUTH, PRIV, SLOW, USERS, Snmpd, Snmpsim
from tests.integration.servers.sockets import free_port

pytestmark = pytest.mark.integration

AUTHS = {
    "MD5": "md5",
    "SHA": "sha",
    "SHA-224": "sha224",
    "SHA-256": "sha256",
    "SHA-384": "sha384",
    "SHA-512": "sha512",
}
PRIVS = {
    "DES": "des",
    "AES": "aes",
    "AES-192": "aes192",
    "AES-256": "aes256",
    "AES-192-C": "aes192c",
    "AES-256-C": "aes256c",
}
Connect = Callable[..., Any]


@pytest.fixture(scope="session")
def snmpd(site: Site) -> Snmpd:
    return servers.start(site)


@pytest.fixture(scope="session")
def snmpsim(site: Site) -> Snmpsim:
    return servers.start_simulator(site)


@pytest.fixture
def connect(load: Load) -> Connect:
    async def connect(port: int, **path: Any) -> SnmpConnection:
        path = {"protocol": "snmp", "ip": "127.0.0.1", "port": port, "try_timeout": 1, **path}
        session = await load(r1={"connections": {"snmp": path}})["r1"].connect()
        assert isinstance(session, SnmpConnection)
        return session

    return connect


def user(name: str, **changed: Any) -> dict[str, Any]:
    """How a connection says that it is this user of snmpd."""
    auth, priv = USERS[name]
    said: dict[str, Any] = {"user": name}
    if auth:
        said |= {"auth": AUTHS[auth], "auth_password": AUTH}
    if priv:
        said |= {"priv": PRIVS[priv], "priv_password": PRIV}
    return {**said, **changed}


async def run(*argv: str) -> str:
    """What a program of net-snmp prints."""
    argv = (needs.program(argv[0], "snmp"), *argv[1:])
    process = await asyncio.create_subprocess_exec(
        *argv,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env={"MIBS": "", "HOME": "/nonexistent"},
    )
    output, _ = await asyncio.wait_for(process.communicate(), 30)
    return output.decode()


# ---------------------------------------------------------------------- net-snmp's agent


async def test_reading(snmpd: Snmpd, connect: Connect) -> None:
    session = await connect(snmpd.port, community="public")
    described, uptime, lo, missing = await session.get(
        ["sysDescr.0", "sysUpTime.0", "ifDescr.1", "sysName.9"]
    )
    assert described.value == "the agent of the tests"
    assert uptime.type == "TimeTicks"
    assert lo.value == "lo"
    assert missing.type == "noSuchInstance"
    assert (await session.get("enterprises.99999.1")).type == "noSuchObject"
    assert (await session.get("ifHCInOctets.1")).type == "Counter64"
    assert (await session.get_next("system")).name == "sysDescr.0"
    bulk = await session.get_bulk(["sysUpTime", "ifDescr"], non_repeaters=1, max_repetitions=1)
    assert [one.name for one in bulk] == ["sysUpTime.0", "ifDescr.1"]


@pytest.mark.parametrize("root", ["1.3.6.1.2.1.1", "1.3.6.1.2.1.2.2.1", "1.3.6.1.6.3"])
async def test_a_walk_is_that_of_net_snmp(snmpd: Snmpd, connect: Connect, root: str) -> None:
    session = await connect(snmpd.port, community="public")
    ours = [one.oid async for one in session.walk(root)]
    theirs = await run("snmpbulkwalk", "-v2c", "-cpublic", "-One", f"127.0.0.1:{snmpd.port}", root)
    lines = [
        line for line in theirs.splitlines() if line.startswith(".1.") and "No more variables" not in line
    ]
    assert ours == [line.split(" ")[0].lstrip(".") for line in lines]
    assert len(ours) > 5


@pytest.mark.parametrize("name", USERS)
async def test_every_kind_of_user(snmpd: Snmpd, connect: Connect, name: str) -> None:
    session = await connect(snmpd.port, **user(name))
    assert (await session.get("sysDescr.0")).value == "the agent of the tests"
    assert len([one async for one in session.walk("system")]) > 8
    await session.set({"sysContact.0": f"set by {name}"})
    assert (await session.get("sysContact.0")).value == f"set by {name}"


async def test_writing(snmpd: Snmpd, connect: Connect) -> None:
    session = await connect(snmpd.port, community="private")
    await session.set({"sysLocation.0": "Zürich", "sysContact.0": "somebody"})
    printed = await run(
        "snmpget",
        "-v2c",
        "-cpublic",
        "-On",
        f"127.0.0.1:{snmpd.port}",
        "1.3.6.1.2.1.1.6.0",
        "1.3.6.1.2.1.1.4.0",
    )
    assert "somebody" in printed
    with pytest.raises(SnmpError) as caught:
        await session.set({"sysContact.0": "nobody", "sysUpTime.0": 5})
    assert caught.value.status == "notWritable"
    assert caught.value.oid == "1.3.6.1.2.1.1.3.0"
    assert (await session.get("sysContact.0")).value == "somebody"
    reader = await connect(snmpd.port, community="public")
    with pytest.raises(SnmpError, match="noAccess"):
        await reader.set({"sysContact.0": "x"})


async def test_over_ipv6(snmpd: Snmpd, connect: Connect) -> None:
    session = await connect(snmpd.port, community="public", ip="::1", transport="udp6")
    assert (await session.get("sysDescr.0")).value == "the agent of the tests"


async def test_many_at_once(snmpd: Snmpd, connect: Connect) -> None:
    session = await connect(snmpd.port, community="public", retries=5)
    oids = [f"sysORID.{1 + number % 8}" for number in range(400)]
    found = await asyncio.gather(*(session.get(oid) for oid in oids))
    assert [one.name for one in found] == oids


async def test_a_wrong_community_is_silence(snmpd: Snmpd, connect: Connect) -> None:
    with pytest.raises(ConnectTimeout, match="wrong community"):
        await connect(snmpd.port, community="wrong-one", try_timeout=0.2)


@pytest.mark.parametrize(
    ("name", "changed", "error", "words"),
    [
        ("shaaes", {"auth_password": "wrong-password"}, AuthenticationFailed, "usmStatsWrongDigests"),
        ("shaaes", {"auth": "md5"}, AuthenticationFailed, "usmStatsWrongDigests"),
        ("shaaes", {"user": "nobody"}, AuthenticationFailed, "usmStatsUnknownUserNames"),
        ("noauth", {"auth": "sha", "auth_password": AUTH}, AuthenticationFailed, "usmStats"),
        ("shaaes", {"priv": None, "priv_password": None}, AuthenticationFailed, "authorizationError"),
        ("shaaes", {"priv_password": "wrong-password"}, ConnectTimeout, "wrong privacy password"),
        ("shaaes", {"priv": "des"}, ConnectTimeout, "wrong privacy password"),
    ],
)
async def test_what_net_snmp_says_of_a_user(
    snmpd: Snmpd, connect: Connect, name: str, changed: dict[str, Any], error: type[Exception], words: str
) -> None:
    path = {key: value for key, value in user(name, **changed).items() if value is not None}
    with pytest.raises(error, match=words):
        await connect(snmpd.port, try_timeout=0.3, **path)


async def test_an_agent_that_is_restarted(snmpd: Snmpd, connect: Connect) -> None:
    open_, closed = await connect(snmpd.port, community="public"), await connect(snmpd.port, **user("shaaes"))
    snmpd.restart()
    for session in (open_, closed):
        assert (await session.get("sysDescr.0")).value == "the agent of the tests"


async def test_nobody_there(snmpd: Snmpd, connect: Connect) -> None:
    with pytest.raises(HostUnreachable):
        await connect(free_port(), community="public")


# ---------------------------------------------------------------------- snmpsim


async def test_a_whole_host(snmpsim: Snmpsim, connect: Connect) -> None:
    session = await connect(snmpsim.port, community="full", try_timeout=10, max_repetitions=100)
    recorded = [line.split("|")[0] for line in snmpsim.recording.read_text(errors="replace").splitlines()]
    walked = [one.oid async for one in session.walk("1.3")]
    assert len(walked) > 3800
    assert walked == recorded


async def test_a_slow_object(snmpsim: Snmpsim, connect: Connect) -> None:
    session = await connect(snmpsim.port, community="slow", try_timeout=5)
    assert (await session.get("sysName.0")).value == "slowbox"
    with pytest.raises(CommandTimeout, match="did not end within"):
        await session.get("sysName.0", timeout=SLOW / 4)
    assert (await session.get("sysDescr.0")).value == "quick"
    # what is asked for again while it works is answered again: later answers are dropped
    session = await connect(snmpsim.port, community="slow", try_timeout=SLOW * 0.7)
    assert (await session.get("sysName.0")).value == "slowbox"
    assert (await session.get("sysDescr.0", timeout=20)).value == "quick"


async def test_a_failing_object(snmpsim: Snmpsim, connect: Connect) -> None:
    session = await connect(snmpsim.port, community="fail", try_timeout=5)
    with pytest.raises(SnmpError, match=r"genErr for sysDescr\.0") as caught:
        await session.get("sysDescr.0")
    assert caught.value.oid == "1.3.6.1.2.1.1.1.0"
    assert (await session.get("sysName.0")).value == "failbox"


# ---------------------------------------------------------------------- the lab's agent, and net-snmp's clients


@pytest.fixture
async def agent() -> AsyncIterator[SnmpServer]:
    users = [
        User(
            name=name,
            auth=AUTHS[auth] if auth else None,  # type: ignore[arg-type]
            auth_password=Secret(AUTH) if auth else None,
            priv=PRIVS[priv] if priv else None,  # type: ignore[arg-type]
            priv_password=Secret(PRIV) if priv else None,
        )
        for name, (auth, priv) in USERS.items()
    ]
    async with Lab() as lab:
        agent = await serve(lab, await lab.add("r1", protocols=()), users=users)
        yield agent
        await agent.close()


async def test_their_walk_of_our_agent(agent: SnmpServer) -> None:
    where = f"127.0.0.1:{agent.port}"
    bulk = await run("snmpbulkwalk", "-v2c", "-cpublic", "-One", "-Cc", where, "1.3")
    single = await run("snmpwalk", "-v2c", "-cpublic", "-One", "-Cc", where, "1.3")
    for printed in (bulk, single):
        assert '.1.3.6.1.2.1.1.5.0 = STRING: "r1"' in printed
        assert "GigabitEthernet1" in printed
        assert "No more variables left" in printed or printed.count("\n") > 100
    assert [line.split()[0] for line in bulk.splitlines()] == [
        line.split()[0] for line in single.splitlines()
    ]


@pytest.mark.parametrize("name", USERS)
async def test_their_users_of_our_agent(agent: SnmpServer, name: str) -> None:
    auth, priv = USERS[name]
    level = "authPriv" if priv else "authNoPriv" if auth else "noAuthNoPriv"
    said = ["-v3", "-u", name, "-l", level]
    said += ["-a", auth, "-A", AUTH] if auth else []
    said += ["-x", priv, "-X", PRIV] if priv else []
    where = f"127.0.0.1:{agent.port}"
    assert "wrote this" in await run("snmpset", *said, where, "1.3.6.1.2.1.1.4.0", "s", f"{name} wrote this")
    assert f"{name} wrote this" in await run("snmpget", *said, where, "1.3.6.1.2.1.1.4.0")


async def test_what_our_agent_tells_them(agent: SnmpServer) -> None:
    where = f"127.0.0.1:{agent.port}"
    wrong = ["-v3", "-u", "shaaes", "-l", "authPriv", "-a", "SHA", "-x", "AES", "-X", PRIV]
    assert "Authentication failure" in await run(
        "snmpget", *wrong, "-A", "wrong-password", where, "1.3.6.1.2.1.1.5.0"
    )
    assert "Unknown user name" in await run(
        "snmpget", "-v3", "-u", "nobody", "-l", "noAuthNoPriv", where, "1.3.6.1.2.1.1.5.0"
    )
    assert "notWritable" in await run("snmpset", "-v2c", "-cprivate", where, "1.3.6.1.2.1.1.1.0", "s", "x")
    assert "noAccess" in await run("snmpset", "-v2c", "-cpublic", where, "1.3.6.1.2.1.1.5.0", "s", "x")
    assert "Timeout" in await run("snmpget", "-v2c", "-cwrong", "-t0.2", "-r0", where, "1.3.6.1.2.1.1.5.0")
