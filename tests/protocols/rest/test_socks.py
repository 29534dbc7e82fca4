# SPDX-License-Identifier: Apache-2.0
"""REST and what is built on it through a SOCKS proxy that is real, and one that misbehaves."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

import aioconn
from aioconn.errors import (
    AuthenticationFailed,
    CertificateRefused,
    ConnectError,
    ConnectTimeout,
    HostUnreachable,
    InvalidOption,
    Phase,
)
from aioconn.lab import Lab
from aioconn.protocols.rest.proxy import Proxy
from tests.socks_server import SocksServer

ROOT = Path(__file__).resolve().parents[3]
LOGIN = ("me", "s3cret/of:mine")
OURS = "me:s3cret%2Fof%3Amine"


@pytest.fixture
async def socks() -> AsyncIterator[SocksServer]:
    async with SocksServer().listening() as server:
        yield server


async def through(lab: Lab, proxy: str, protocol: str = "http", **keys: Any) -> aioconn.Device:
    name = f"r{len(lab.devices) + 1}"
    if name not in lab.devices:
        await lab.add(name, protocols=(protocol,))
    entry = lab.testbed()["devices"][name]
    entry["connections"]["rest"].update(http_proxy=proxy, **keys)
    return aioconn.Device(name, **entry)


@pytest.mark.parametrize("protocol", ["http", "https"])
@pytest.mark.parametrize(
    ("scheme", "asked"),
    [("socks5", "localhost"), ("socks5h", "localhost"), ("socks4a", "localhost"), ("socks4", "127.0.0.1")],
)
async def test_who_resolves_names(
    lab: Lab, socks: SocksServer, scheme: str, asked: str, protocol: str
) -> None:
    device = await through(lab, socks.url(scheme), protocol, ip="localhost")
    rest: Any = await device.connect(via="rest")
    for number in range(5):
        assert (await rest.get(f"/api/echo/{number}")).json() == {"number": number}
    assert len((await rest.get("/api/bytes/3000000")).body) == 3_000_000
    assert [host for host, _ in socks.asked] == [asked], "not one connection that is kept"
    await device.destroy_all()


@pytest.mark.parametrize(
    ("protocol", "target", "keys"),
    [
        ("http", "r1.invalid", {}),
        ("http", "2001:db8::1", {}),
        ("https", "r1.invalid", {"server_name": "localhost"}),
        ("https", "2001:db8::1", {"server_name": "localhost"}),
    ],
)
async def test_where_only_the_proxy_gets(
    lab: Lab, socks: SocksServer, protocol: str, target: str, keys: dict[str, Any]
) -> None:
    device = await through(lab, socks.url(), protocol, ip=target, **keys)
    rest: Any = await device.connect(via="rest")
    assert (await rest.get("/api/echo/1")).json() == {"number": 1}
    assert socks.asked[0][0] == target
    await device.destroy_all()


async def test_certificates_are_verified_through_it(lab: Lab, socks: SocksServer) -> None:
    device = await through(lab, socks.url(), "https", ip="r1.invalid")
    with pytest.raises(CertificateRefused, match=r"r1.invalid.*another name"):
        await device.connect(via="rest")


async def test_a_pool_and_connections_that_end(lab: Lab, socks: SocksServer) -> None:
    device = await through(lab, socks.url(), "https")
    pool: Any = await device.connect(via="rest", pool_size=2)
    answers = await asyncio.gather(*(pool.get(f"/api/echo/{number}") for number in range(20)))
    assert [answer.json()["number"] for answer in answers] == list(range(20))
    assert len(socks.asked) <= 2
    lab.devices["r1"].cut()
    assert (await pool.get("/api/echo/7")).json() == {"number": 7}
    assert len(socks.asked) > 1
    await device.destroy_all()


@pytest.mark.parametrize(("api", "personality"), [("eapi", "arista_eos"), ("nxapi", "cisco_nxos")])
async def test_commands_and_restconf(lab: Lab, socks: SocksServer, api: str, personality: str) -> None:
    await lab.add("r1", protocols=("http",), personality=personality)
    entry = lab.testbed()["devices"]["r1"]
    paths = entry["connections"]
    paths["api"] = {**paths["rest"], "protocol": api, "http_proxy": socks.url("socks5h")}
    paths["restconf"]["http_proxy"] = socks.url("socks5h")
    device = aioconn.Device("r1", **entry)
    commands: Any = await device.connect(alias="commands", via="api")
    assert "r1" in await commands.execute("show running-config")
    data: Any = await device.connect(alias="data", via="restconf")
    assert await data.modules()
    assert len(socks.asked) == 2
    await device.destroy_all()


async def test_behind_a_jump_host(lab: Lab, socks: SocksServer) -> None:
    await lab.add("jump", protocols=("ssh",), personality="linux", forwards=True)
    await lab.add("r1", protocols=("https",))
    whole = lab.testbed()
    whole["devices"]["r1"]["connections"]["rest"].update(proxy="jump", http_proxy=socks.url(), ip="localhost")
    async with aioconn.load(whole) as testbed:
        rest: Any = await testbed["r1"].connect(via="rest")
        assert (await rest.get("/api/echo/1")).json() == {"number": 1}
    assert [host for host, _ in socks.asked] == ["localhost"]


# ---------------------------------------------------------------------- logins


async def test_a_login(lab: Lab, socks: SocksServer) -> None:
    socks.login = LOGIN
    device = await through(lab, socks.url(login=OURS))
    rest: Any = await device.connect(via="rest")
    assert (await rest.get("/api/echo/1")).json() == {"number": 1}
    shown = f"{device!r} {device.paths!r} {rest!r} {rest.options!r} {rest._request!r}"
    assert "s3cret" not in shown
    await device.destroy_all()


@pytest.mark.parametrize("login", ["", "me:s3cret-but-wrong"])
async def test_a_login_that_is_refused(lab: Lab, socks: SocksServer, login: str) -> None:
    socks.login = LOGIN
    device = await through(lab, socks.url(login=login))
    with pytest.raises(
        AuthenticationFailed, match=r"the proxy 127.0.0.1 port .* refuses our login"
    ) as caught:
        await device.connect(via="rest")
    error = caught.value
    assert (error.device, error.path, error.phase) == ("r1", "rest", Phase.TCP)
    assert ("socks5://" in str(error.hint)) == (not login)
    assert "s3cret" not in f"{error} {error!r} {vars(error)} {error.__cause__!r}"


# ---------------------------------------------------------------------- failures


async def test_a_target_that_is_refused(lab: Lab, socks: SocksServer) -> None:
    socks.reply = 2
    for scheme, words in (("socks5", "not allowed by ruleset"), ("socks4", "rejected")):
        device = await through(lab, socks.url(scheme))
        with pytest.raises(HostUnreachable, match=f"does not reach 127.0.0.1 port .*{words}") as caught:
            await device.connect(via="rest")
        assert caught.value.phase is Phase.TCP


async def test_no_proxy_is_there(lab: Lab) -> None:
    device = await through(lab, "socks5://127.0.0.1:1")
    with pytest.raises(HostUnreachable, match=r"the proxy 127.0.0.1 port 1: refused") as caught:
        await device.connect(via="rest")
    assert (caught.value.device, caught.value.path) == ("r1", "rest")


@pytest.mark.parametrize(
    "says",
    [b"", b"\x05", b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\x05\x00\x05\x00\x00\x09", b"\x05\x00\x05\x63\x00"],
)
async def test_what_answers_does_not_speak_socks(lab: Lab, socks: SocksServer, says: bytes) -> None:
    socks.says = says
    device = await through(lab, socks.url())
    with pytest.raises(HostUnreachable, match=r"the proxy 127.0.0.1 port .* does not speak SOCKS"):
        await device.connect(via="rest")


async def test_what_the_protocol_has_no_room_for(lab: Lab, socks: SocksServer) -> None:
    for scheme, target in (("socks4", "2001:db8::1"), ("socks5", "a" * 64 + ".invalid")):
        device = await through(lab, socks.url(scheme), ip=target)
        with pytest.raises(ConnectError):
            await device.connect(via="rest")
    assert not socks.asked


@pytest.mark.parametrize("where", ["hello", "login", "target"])
async def test_a_proxy_that_says_nothing(lab: Lab, socks: SocksServer, where: str) -> None:
    socks.login, socks.hangs = LOGIN, where
    device = await through(lab, socks.url(login=OURS), connect_timeout=0.3)
    with pytest.raises(ConnectTimeout) as caught:
        await device.connect(via="rest")
    assert (caught.value.device, caught.value.path, caught.value.phase) == ("r1", "rest", Phase.TCP)
    device = await through(lab, socks.url(login=OURS))
    late = asyncio.ensure_future(device.connect(via="rest"))
    while socks.connections < 2:
        await asyncio.sleep(0.01)
    late.cancel()
    with pytest.raises(asyncio.CancelledError):
        await late
    assert not device.connections


async def test_a_proxy_that_goes_is_asked_again(lab: Lab, socks: SocksServer) -> None:
    device = await through(lab, socks.url())
    rest: Any = await device.connect(via="rest")
    lab.devices["r1"].cut()
    socks.reply = 1
    with pytest.raises(aioconn.errors.SessionBroken, match="there is no new one: the proxy"):
        await rest.get("/api/echo/1")
    await device.destroy_all()


# ---------------------------------------------------------------------- the option


@pytest.mark.parametrize(
    ("url", "found"),
    [
        ("socks5://proxy.example", ("socks5", "proxy.example", 1080, "", "")),
        ("socks5h://a:b%40c@[2001:db8::1]:9/", ("socks5h", "2001:db8::1", 9, "a", "b@c")),
        ("socks4://user@127.0.0.1", ("socks4", "127.0.0.1", 1080, "user", "")),
        ("http://a:b@127.0.0.1", ("http", "127.0.0.1", 8080, "a", "b")),
    ],
)
def test_urls_of_proxies(url: str, found: tuple[Any, ...]) -> None:
    proxy = Proxy.parse(url)
    assert (proxy.scheme, proxy.host, proxy.port, proxy.user, proxy.password) == found
    assert "b@c" not in f"{proxy} {proxy!r}"


@pytest.mark.parametrize(
    "url",
    [
        "socks://s3cret:s3cret@127.0.0.1",
        "https://s3cret:s3cret@127.0.0.1",
        "127.0.0.1:1080",
        "socks5://s3cret:s3cret@:1",
        "socks5://s3cret:s3cret@a:99999",
        "socks5://s3cret:s3cret@a/b",
        "socks5://s3cret@a",
        "socks5://s3cret:s3crét@a",
        f"socks5://s3cret:{'s3cret' * 50}@a",
        "socks5://[s3cret",
    ],
)
async def test_what_is_no_url_of_a_proxy(lab: Lab, url: str) -> None:
    with pytest.raises(ValueError, match="http_proxy: ") as caught:
        Proxy.parse(url)
    assert "s3cr" not in str(caught.value)
    device = await through(lab, url)
    with pytest.raises(InvalidOption, match="http_proxy: ") as refused:
        await device.connect(via="rest")
    assert "s3cr" not in str(refused.value)


async def test_a_url_that_is_asked_for_late(
    lab: Lab, socks: SocksServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    device = await through(lab, "%ENV{PROXY_OF_THIS_TEST}")
    monkeypatch.setenv("PROXY_OF_THIS_TEST", "gopher://127.0.0.1")
    with pytest.raises(InvalidOption, match="http_proxy: "):
        await device.connect(via="rest")
    device = await through(lab, "%ENV{PROXY_OF_THIS_TEST}")
    monkeypatch.setenv("PROXY_OF_THIS_TEST", socks.url())
    rest: Any = await device.connect(via="rest")
    assert (await rest.get("/api/echo/1")).ok
    assert socks.asked
    await device.destroy_all()
