# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from typing import Any

import pytest

from aioconn.errors import (
    AuthenticationFailed,
    ConnectError,
    ConnectTimeout,
    HostUnknown,
    HostUnreachable,
    InvalidOption,
    MissingValue,
)
from aioconn.lab.snmp import SnmpFaults
from aioconn.path import Path
from aioconn.protocols.snmp import names, pdu
from aioconn.protocols.snmp.connection import SnmpConnection
from aioconn.request import BaseOptions, Request
from tests.protocols.snmp.conftest import AS_READER, Site
from tests.protocols.snmp.liar import liar


async def test_silence_says_what_it_may_mean(site: Site) -> None:
    with pytest.raises(ConnectTimeout, match="no answer to 3 tries") as caught:
        await site.connect(community="not-this-one")
    assert "wrong community" in str(caught.value)
    assert caught.value.phase == "auth"
    with pytest.raises(ConnectTimeout, match="wrong community"):
        await site.connect(community="not-this-one", try_timeout=20, connect_timeout=0.2)


async def test_nobody_listens(site: Site) -> None:
    await site.agent.close()
    with pytest.raises(HostUnreachable, match="refused"):
        await site.connect(try_timeout=20)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"user": "nobody"}, "usmStatsUnknownUserNames"),
        ({"auth_password": "wrong-password"}, "usmStatsWrongDigests"),
        ({"auth": "sha256"}, "usmStatsWrongDigests"),
        ({"priv": None, "priv_password": None}, "authorizationError"),
    ],
)
async def test_what_an_agent_says_of_a_user(site: Site, changed: dict[str, Any], words: str) -> None:
    path = {name: value for name, value in {**AS_READER, **changed}.items() if value is not None}
    with pytest.raises(AuthenticationFailed, match=words) as caught:
        await site.connect(**path)
    assert caught.value.certain


async def test_an_agent_that_does_not_say_what_engine_it_is(site: Site) -> None:
    invalid = pdu.bind(names.resolve("snmpInvalidMsgs.0"), b"\x41\x01\x01")
    async with liar(lambda asked: [invalid]) as port:
        with pytest.raises(ConnectError, match="does not say what engine it is"):
            await site.connect(**AS_READER, port=port)
    unknown = pdu.bind(names.resolve("usmStatsUnknownEngineIDs.0"), b"\x41\x01\x01")
    async with liar(lambda asked: [unknown]) as port:
        with pytest.raises(ConnectTimeout, match="an engine id of 0 bytes"):
            await site.connect(**AS_READER, port=port)


async def test_a_user_without_keys_there(site: Site) -> None:
    with pytest.raises(AuthenticationFailed, match="usmStatsUnsupportedSecLevels"):
        await site.connect(**{**AS_READER, "user": "open"})


async def test_silence_of_version_3(site: Site) -> None:
    site.agent.faults = SnmpFaults(drop=1000)
    for path in ({}, {"try_timeout": 20, "connect_timeout": 0.2}):
        with pytest.raises(ConnectTimeout, match="no version 3") as caught:
            await site.connect(**AS_READER, **path)
        assert caught.value.phase == "tcp"


async def test_a_wrong_privacy_password_is_silence_that_says_so(site: Site) -> None:
    with pytest.raises(ConnectTimeout, match="wrong privacy password") as caught:
        await site.connect(**{**AS_READER, "priv_password": "wrong-password"})
    assert caught.value.phase == "auth"


async def test_a_context_that_is_not_there(site: Site) -> None:
    with pytest.raises(Exception, match="snmpUnknownContexts"):
        await site.connect(**AS_READER, context="blue")


async def test_a_name_is_looked_up(site: Site) -> None:
    session = await site.connect(ip="localhost", transport="udp4")
    assert (await session.get("sysName.0")).value == "r1"
    with pytest.raises(HostUnknown):
        await site.connect(ip="nowhere.invalid")
    with pytest.raises(InvalidOption, match="udp6 does not reach"):
        await site.connect(transport="udp6")


async def test_no_jump_host_carries_it() -> None:
    path = Path(name="snmp", protocol="snmp", host="127.0.0.1", proxy=("r2",), options={"community": "x"})
    with pytest.raises(InvalidOption, match="no jump host"):
        await SnmpConnection(Request(device="r1", path=path)).open()


async def test_credentials_of_the_testbed(site: Site) -> None:
    session = await site.connect(credentials={"snmp": {"password": "private"}})
    assert (await session.get("sysName.0")).value == "r1"
    words = {"username": "reader", "password": "auth-password", "priv_password": "priv-password"}
    session = await site.connect(version=3, auth="sha", priv="aes", credentials={"snmp": words})
    assert (await session.get("sysName.0")).value == "r1"


async def test_the_password_of_the_shell_is_no_community(site: Site) -> None:
    with pytest.raises(MissingValue, match="no community"):
        await site.connect(credentials={"default": {"username": "reader", "password": "private"}})
    assert site.agent.requests == 0


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ({"version": 1}, "neither 2c nor 3"),
        ({"version": "2c", "user": "reader"}, "knows no users"),
        ({"user": "reader", "priv": "aes", "priv_password": "long-enough"}, "say auth as well"),
        ({"user": "reader", "auth": "sha", "auth_password": "short"}, "shorter than 8"),
        ({"user": "reader", "auth": "sha"}, "its password is missing"),
        ({"user": "reader", "auth_password": "long-enough"}, "say auth as well"),
        ({"user": "reader", "auth": "sha3"}, "is none of"),
        ({"community": "x", "max_repetitions": 0}, "max_repetitions"),
        ({"community": "x", "retries": -1}, "retries"),
        ({"community": "x", "try_timeout": 0}, "try_timeout"),
        ({"community": "x", "transport": "tcp"}, "is none of"),
    ],
)
async def test_what_does_not_fit_together_is_told_at_once(
    site: Site, path: dict[str, Any], words: str
) -> None:
    with pytest.raises(InvalidOption, match=words):
        await site.connect(**path)
    assert site.agent.requests == 0


def test_the_options_keep_their_secrets() -> None:
    from aioconn.credentials import Secret
    from aioconn.protocols.snmp.options import SnmpOptions

    options: BaseOptions = SnmpOptions(community=Secret("pub-lic"), version="v2c")
    assert "pub-lic" not in repr(options)
