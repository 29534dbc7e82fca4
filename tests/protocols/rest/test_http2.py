# SPDX-License-Identifier: Apache-2.0
"""REST over HTTP/2, with a server on the same library before a simulated device, and with one that lies."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

import aioconn
from aioconn.errors import (
    AuthenticationFailed,
    BadReply,
    CertificateRefused,
    CommandTimeout,
    ConnectError,
    HttpError,
    InvalidOption,
    KeyExchangeFailed,
    LimitReached,
    SessionBroken,
    SessionClosed,
)
from aioconn.lab import Lab, authority
from aioconn.protocols.rest import http2_link
from tests.http2_front import SETTINGS, Http2Front, Liar, frame, goaway, tls
from tests.socks_server import SocksServer


@pytest.fixture
async def front(lab: Lab) -> AsyncIterator[Http2Front]:
    served = await lab.add("r1", protocols=("http",))
    async with Http2Front(served.ports["http"]).listening() as front:
        yield front


@pytest.fixture
async def reach(lab: Lab, front: Http2Front, tmp_path: Path) -> AsyncIterator[Any]:
    """`await reach(**keys)`: a connection over HTTP/2."""
    devices: list[aioconn.Device] = []
    (tmp_path / "ca.pem").write_bytes(authority.authority().pem)

    async def connect(**keys: Any) -> Any:
        entry = lab.testbed()["devices"]["r1"]
        pool = {key: keys.pop(key) for key in ("pool_size",) if key in keys}
        entry["connections"]["rest"].update(
            {
                "scheme": "https",
                "port": front.port,
                "ca_file": str(tmp_path / "ca.pem"),
                "http2": True,
                **keys,
            }
        )
        devices.append(aioconn.Device("r1", **entry))
        return await devices[-1].connect(via="rest", **pool)

    yield connect
    for device in devices:
        await device.destroy_all()


@contextlib.asynccontextmanager
async def lied_to(reach: Any, says: bytes, **keys: Any) -> AsyncIterator[Any]:
    async with Liar(says, protocol=keys.pop("alpn", "h2")).listening() as liar:
        yield lambda: reach(port=liar.port, **keys)


# ---------------------------------------------------------------------- requests and answers


async def test_what_was_sent_is_what_arrived(reach: Any, front: Http2Front) -> None:
    rest = await reach()
    for method in ("post", "put", "patch"):
        answer = await getattr(rest, method)("/api/echo", {"name": "Lo0 é"}, params={"a b": "ü"})
        said = answer.json()
        assert said["method"] == method.upper()
        assert said["query"] == {"a b": "ü"}
        assert said["body"].encode("latin-1").decode() == '{"name": "Lo0 é"}'
        assert said["headers"]["content-type"] == "application/json"
        assert said["headers"]["content-length"] == str(len('{"name": "Lo0 é"}'.encode()))
    assert (await rest.delete("/api/echo", headers={"X-Own": "1"})).json()["headers"]["x-own"] == "1"
    head = await rest.request("HEAD", "/api/facts")
    assert (head.status, head.reason, head.body) == (200, "OK", b"")
    with pytest.raises(HttpError, match="404 Not Found"):
        await rest.get("/api/status/404")
    assert (await rest.get("/api/status/204")).body == b""
    assert front.accepted == 1


async def test_bodies_larger_than_any_window(reach: Any, front: Http2Front) -> None:
    rest = await reach()
    for size in (1, 16_384, 65_536, 5_000_000):
        assert len((await rest.get(f"/api/bytes/{size}")).body) == size
    sent = bytes(range(256)) * 4000
    assert (await rest.put("/api/echo", sent)).json()["body"].encode("latin-1") == sent
    with pytest.raises(BadReply, match="larger than 1000 bytes"):
        await (await reach(max_body=1000)).get("/h2/endless")
    while not front.resets:
        await asyncio.sleep(0.01)


async def test_a_stream_in_constant_memory(reach: Any, front: Http2Front) -> None:
    rest = await reach()
    async with contextlib.aclosing(rest.stream("/h2/endless")) as pieces:
        size = len(await anext(pieces))
        before = -1
        while before != front.sent:  # until nothing comes any more, because nobody takes it
            before = front.sent
            await asyncio.sleep(0.05)
        assert front.sent <= size + 2 * http2_link.WINDOW
        for _ in range(20):
            size += len(await anext(pieces))
        assert front.sent > before
    assert (await rest.get("/api/echo/1")).json() == {"number": 1}
    assert front.accepted == 1


async def test_logins(reach: Any) -> None:
    for keys in (
        {"login": "nxos"},
        {
            "login": "token",
            "login_path": "/api/token",
            "login_body": {"username": "{username}", "password": "{password}"},
        },
    ):
        rest = await reach(**keys)
        for number in range(3):
            assert (await rest.get(f"/api/echo/{number}")).json() == {"number": number}
    with pytest.raises(AuthenticationFailed):
        await reach(credentials={"default": {"username": "admin", "password": "wrong"}})


async def test_a_pool(reach: Any, front: Http2Front) -> None:
    pool = await reach(pool_size=3)
    answers = await asyncio.gather(*(pool.get(f"/api/echo/{number}") for number in range(30)))
    assert [answer.json()["number"] for answer in answers] == list(range(30))
    assert front.accepted <= 3


async def test_through_a_socks_proxy(reach: Any, front: Http2Front) -> None:
    async with SocksServer().listening() as socks:
        rest = await reach(http_proxy=socks.url(), ip="r1.invalid", server_name="localhost")
        assert (await rest.get("/api/echo/1")).json() == {"number": 1}
        assert socks.asked == [("r1.invalid", front.port)]


# ---------------------------------------------------------------------- ends


async def test_a_cancel_and_a_timeout_end_the_request_alone(reach: Any, front: Http2Front) -> None:
    rest = await reach()
    late = asyncio.ensure_future(rest.get("/h2/hang"))
    while "/h2/hang" not in front.requests:
        await asyncio.sleep(0.01)
    late.cancel()
    with pytest.raises(asyncio.CancelledError):
        await late
    assert (await rest.get("/api/echo/1")).json() == {"number": 1}
    with pytest.raises(CommandTimeout):
        await rest.get("/h2/hang", timeout=0.1)
    with pytest.raises(CommandTimeout):  # whose body nobody reads
        await rest.put("/h2/stuck", bytes(300_000), timeout=0.1)
    assert (await rest.get("/api/echo/2")).json() == {"number": 2}
    assert len(front.resets) == 3
    assert front.accepted == 1


async def test_many_cancels_leave_the_windows_open(reach: Any, front: Http2Front) -> None:
    rest = await reach()
    for _ in range(8):
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(0.02):
                await rest.get("/h2/endless")
    assert len((await rest.get("/api/bytes/3000000")).body) == 3_000_000
    assert front.accepted == 1


@pytest.mark.parametrize("path", ["/h2/refused", "/h2/broken", "/h2/gone"])
async def test_what_was_not_executed_is_asked_again(reach: Any, front: Http2Front, path: str) -> None:
    rest = await reach()
    assert (await rest.get(path)).text == "well"
    assert front.requests.count(path) == 2
    assert front.accepted == (2 if path == "/h2/gone" else 1)


@pytest.mark.parametrize("path", ["/h2/refused", "/h2/gone"])
async def test_so_is_a_post_if_the_device_says_so(reach: Any, front: Http2Front, path: str) -> None:
    rest = await reach()
    assert (await rest.post(path, {"a": 1})).text == "well"
    assert front.requests.count(path) == 2
    with pytest.raises(SessionBroken) as caught:
        await rest.post("/h2/broken", {"a": 1})
    assert caught.value.maybe_executed
    assert front.requests.count("/h2/broken") == 1


async def test_a_device_that_always_refuses(reach: Any, front: Http2Front) -> None:
    rest = await reach(retries=2)
    with pytest.raises(SessionBroken, match=r"refused the request unread.*REFUSED_STREAM") as caught:
        await rest.post("/h2/always-refused", {})
    assert not caught.value.maybe_executed
    assert front.requests.count("/h2/always-refused") == 3
    with pytest.raises(BadReply, match="leave http2 out"):
        await rest.get("/h2/old")
    with pytest.raises(BadReply, match="packed"):
        await rest.get("/h2/packed")
    with pytest.raises(SessionBroken, match="broke off") as half:
        await rest.get("/h2/half")
    assert half.value.maybe_executed
    with pytest.raises(HttpError, match="413"):
        await rest.put("/h2/early", bytes(3_000_000))
    assert (await rest.get("/h2/fine")).text == "well"
    assert front.accepted == 1


async def test_an_answer_that_was_promised_comes_after_the_goodbye(reach: Any, front: Http2Front) -> None:
    rest = await reach()
    for _ in range(3):
        assert (await rest.get("/h2/going")).text == "the last"
    assert front.accepted == 3


async def test_a_connection_that_is_cut(reach: Any, front: Http2Front) -> None:
    rest = await reach()
    front.cut()
    await asyncio.sleep(0.05)
    assert (await rest.get("/api/echo/1")).json() == {"number": 1}
    late = asyncio.ensure_future(rest.post("/h2/hang", {}))
    while "/h2/hang" not in front.requests:
        await asyncio.sleep(0.01)
    front.cut()
    with pytest.raises(SessionBroken) as caught:
        await late
    assert caught.value.maybe_executed
    assert (await rest.get("/api/echo/1")).json() == {"number": 1}
    late = asyncio.ensure_future(rest.get("/h2/hang"))
    await asyncio.sleep(0.05)
    await rest.close()
    with pytest.raises(SessionClosed):
        await late


async def test_no_more_at_a_time_than_the_device_takes(lab: Lab, reach: Any, front: Http2Front) -> None:
    front.streams = 0
    with pytest.raises(LimitReached, match="takes no more requests"):
        await reach()


# ---------------------------------------------------------------------- TLS


async def test_who_we_are_and_who_they_are(reach: Any, front: Http2Front, tmp_path: Path) -> None:
    own = authority.authority().issue(["client"], client=True).write(tmp_path / "own.pem")
    async with Http2Front(context=tls("h2", clients=True)).listening() as strict:
        rest = await reach(port=strict.port, client_certificate=str(own), probe="/h2/x")
        assert (await rest.get("/h2/fine")).text == "well"
        with pytest.raises(ConnectError, match="certificate"):
            await reach(port=strict.port, probe="/h2/x")
    pinned = await reach(ca_file=None, fingerprint=authority.identity().fingerprint)
    assert (await pinned.get("/api/echo/1")).ok
    with pytest.raises(CertificateRefused, match="another fingerprint"):
        await reach(ca_file=None, fingerprint="00" * 32)
    with pytest.raises(CertificateRefused, match="authority"):
        await reach(ca_file=None)


@pytest.mark.parametrize("protocols", [(), ("http/1.1",)])
async def test_a_device_that_does_not_speak_it(reach: Any, protocols: tuple[str, ...]) -> None:
    async with Http2Front(context=tls(*protocols)).listening() as old:
        with pytest.raises(KeyExchangeFailed, match=r"does not speak HTTP/2.*leave http2 out"):
            await reach(port=old.port)
        assert not old.requests


async def test_where_it_does_not_go(reach: Any) -> None:
    with pytest.raises(InvalidOption, match="over TLS"):
        await reach(scheme="http")
    with pytest.raises(InvalidOption, match="no HTTP proxy"):
        await reach(http_proxy="http://127.0.0.1:1")


# ---------------------------------------------------------------------- what nobody should send

PING = frame(6, bytes(8))
ANSWER = frame(1, b"\x88", flags=4, stream=1)  # 200, more to come
HOSTILE = {
    "garbage": b"\xff" * 100,
    "HTTP/1.1": b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n",
    "no settings": PING,
    "settings that are none": frame(4, b"\x00\x04\xff\xff\xff\xff"),
    "settings of an odd size": frame(4, b"\x00"),
    "a frame without end": SETTINGS + b"\xff\xff\xff\x00\x00\x00\x00\x00\x01",
    "pings without end": SETTINGS + PING * 30_000,
    "settings without end": SETTINGS * 30_000,
    "empty data without end": SETTINGS + ANSWER + frame(0, stream=1) * 30_000,
    "padding without end": SETTINGS + ANSWER + frame(0, b"\x01\x00", flags=8, stream=1) * 30_000,
    "unknown frames without end": SETTINGS + frame(200, b"x") * 30_000,
    "priorities without end": SETTINGS + frame(2, bytes(5), stream=7) * 30_000,
    "windows without end": SETTINGS + frame(8, b"\x00\x00\x00\x01") * 30_000,
    "goodbyes without end": SETTINGS + goaway(2**31 - 1) * 30_000,
    "early hints without end": SETTINGS + frame(1, b"\x48\x03103", flags=4, stream=1) * 30_000,
    "headers without end": SETTINGS + frame(1, stream=1) + frame(9, bytes(100), stream=1) * 100,
    "headers that unpack to much": SETTINGS
    + frame(1, b"\x88\x40\x01x\x7f\x81\x1e" + b"y" * 4000 + b"\xbe" * 1000, flags=4, stream=1),
    "headers that do not unpack": SETTINGS + frame(1, b"\xff" * 20, flags=4, stream=1),
    "headers without a status": SETTINGS + frame(1, b"\x40\x01x\x01y", flags=4, stream=1),
    "a status that is none": SETTINGS + frame(1, b"\x48\x03abc", flags=4, stream=1),
    "a window too large": SETTINGS + frame(8, b"\x7f\xff\xff\xff") * 2,
    "a window of nothing": SETTINGS + frame(8, bytes(4)),
    "a push": SETTINGS + frame(5, b"\x00\x00\x00\x02\x88", flags=4, stream=1),
    "data of nobody": SETTINGS + frame(0, b"x", stream=99),
    "data before an answer": SETTINGS + frame(0, b"x", stream=1),
    "more than was declared": SETTINGS
    + frame(1, b"\x88\x5c\x011", flags=4, stream=1)
    + frame(0, b"xx", flags=1, stream=1),
    "a goodbye cut short": SETTINGS + frame(7, b"\x00"),
}


@pytest.mark.parametrize("what", HOSTILE)
async def test_a_device_that_lies(reach: Any, what: str) -> None:
    async with lied_to(reach, HOSTILE[what], probe_method="GET", retries=0) as attempt:
        with pytest.raises(ConnectError) as caught:
            async with asyncio.timeout(20):
                await attempt()
    flood = what.endswith("without end") and not what.startswith(("a frame", "headers"))
    assert ("frames without end that bring nothing" if flood else "what came is no HTTP/2") in str(
        caught.value
    )


async def test_a_device_that_always_says_goodbye(reach: Any) -> None:
    async with lied_to(reach, SETTINGS + goaway(0, 11, b"go"), probe_method="GET") as attempt:
        with pytest.raises(
            ConnectError, match=r"takes no more requests on this connection.*ENHANCE_YOUR_CALM go"
        ):
            await attempt()


@pytest.mark.parametrize(
    "says",
    [
        b"",
        SETTINGS,
        SETTINGS[:5],
        SETTINGS + ANSWER,
        SETTINGS + ANSWER + frame(0, b"x", stream=1),
        SETTINGS + frame(1, b"\x88", stream=1),
    ],
)
async def test_a_device_that_falls_silent(reach: Any, says: bytes) -> None:
    async with lied_to(reach, says, probe_method="GET", connect_timeout=0.3) as attempt:
        with pytest.raises(aioconn.errors.ConnectTimeout):
            await attempt()


async def test_a_device_that_opens_no_window(reach: Any) -> None:
    nothing = frame(4, b"\x00\x04\x00\x00\x00\x00")
    async with lied_to(reach, nothing, probe=None) as attempt:
        rest = await attempt()
        with pytest.raises(CommandTimeout):
            await rest.put("/api/echo", b"x", timeout=0.2)


async def test_headers_of_any_size_below_the_limit(reach: Any) -> None:
    rest = await reach()
    assert len((await rest.get("/h2/long40000")).header("x-long")) == 40_000
    with pytest.raises(BadReply, match="header"):
        await rest.get("/h2/long70000")
    assert (await rest.get("/h2/fine")).text == "well"
