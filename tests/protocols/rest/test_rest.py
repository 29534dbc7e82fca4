# SPDX-License-Identifier: Apache-2.0
"""REST against simulated devices over real HTTP."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any, cast

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
    SessionBroken,
    SessionClosed,
    UsageError,
)
from aioconn.lab import Faults, Lab, authority
from aioconn.lab import http as lab_http

TOKEN: dict[str, Any] = {
    "login": "token",
    "login_path": "/api/token",
    "login_body": {"username": "{username}", "password": "{password}"},
}


async def reach(lab: Lab, protocol: str = "http", **keys: Any) -> tuple[Any, Any]:
    """A connection to a new device, and its server."""
    name = f"r{len(lab.devices) + 1}"
    served = await lab.add(name, protocols=(protocol,), faults=keys.pop("faults", Faults()))
    device = device_of(lab, name, **keys)
    return await device.connect(via="rest"), served.servers[protocol]


def device_of(lab: Lab, name: str, **keys: Any) -> aioconn.Device:
    entry = lab.testbed()["devices"][name]
    entry["connections"]["rest"].update(keys)
    return aioconn.Device(name, **entry)


@pytest.fixture(autouse=True)
async def closed(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Every device that a test makes is closed."""
    made: list[aioconn.Device] = []
    original = aioconn.Device._set_up

    def set_up(self: aioconn.Device, *args: Any, **keys: Any) -> None:
        made.append(self)
        original(self, *args, **keys)

    monkeypatch.setattr(aioconn.Device, "_set_up", set_up)
    yield
    for device in made:
        if device.connections and device._testbed is None:
            await device.manager.destroy_all()


# ---------------------------------------------------------------------- requests and answers


async def test_every_verb_says_what_it_was_told(lab: Lab) -> None:
    rest, _ = await reach(lab)
    for method in ("post", "put", "patch"):
        answer = (
            await getattr(rest, method)("/api/echo", {"name": "Lo0 é"}, params={"a b": "ü", "n": 1})
        ).json()
        assert answer["method"] == method.upper()
        assert answer["query"] == {"a b": "ü", "n": "1"}
        assert answer["headers"]["content-type"] == "application/json"
        assert answer["body"].encode("latin-1").decode() == '{"name": "Lo0 é"}'
    answer = (await rest.put("/api/echo", b"\x00\xff", headers={"X-Own": "1"})).json()
    assert answer["body"] == "\x00\xff"
    assert answer["headers"]["x-own"] == "1"
    assert (await rest.delete("/api/echo")).json()["method"] == "DELETE"
    assert (await rest.request("OPTIONS", "/api/echo")).json()["method"] == "OPTIONS"
    head = await rest.request("HEAD", "/api/facts")
    assert (head.status, head.body) == (200, b"")
    got = await rest.get("api/facts")
    assert got.ok
    assert got.elapsed > 0
    assert got.header("Content-Type") == got.headers["content-type"] == "application/json; charset=utf-8"
    assert got.json() == __import__("json").loads(got.text)


async def test_one_connection_for_all_requests(lab: Lab) -> None:
    rest, server = await reach(lab)
    for _ in range(10):
        await rest.get("/api/facts")
    assert server.sessions == 1
    assert server.requests == 11  # with the probe


async def test_a_status_is_an_error_unless_it_is_asked_for(lab: Lab) -> None:
    rest, _ = await reach(lab)
    with pytest.raises(HttpError) as caught:
        await rest.get("/api/status/404")
    error = caught.value
    assert (error.status, error.method, error.reason) == (404, "GET", "Not Found")
    assert error.url.endswith("/api/status/404")
    assert "404" in error.body
    assert (error.device, error.path) == ("r1", "rest")
    assert (await rest.get("/api/status/404", check=False)).status == 404
    assert (await rest.get("/api/status/204")).json() is None


@pytest.mark.parametrize(
    "wrong",
    [
        lambda rest: rest.get("/a\r\nX: 1"),
        lambda rest: rest.get("/a#b"),
        lambda rest: rest.get("https://192.0.2.1/api"),
        lambda rest: rest.get("/a", headers={"X": "1\r\nY: 2"}),
        lambda rest: rest.get("/a", headers={"X Y": "1"}),
        lambda rest: rest.request("GE T", "/a"),
        lambda rest: rest.post("/a", {"a": object()}),
        lambda rest: rest.get(7),
    ],
)
async def test_what_cannot_be_sent_is_refused_before_it_is(lab: Lab, wrong: Any) -> None:
    rest, server = await reach(lab)
    before = server.requests
    with pytest.raises(UsageError) as caught:
        await wrong(rest)
    assert (caught.value.device, caught.value.path) == ("r1", "rest")
    assert server.requests == before


async def test_a_path_reaches_the_device_as_it_is_written(lab: Lab) -> None:
    rest, _ = await reach(lab)
    await rest.get("/api/a%2Fb%20c=d,e;f", check=False)
    await rest.get("/api/a b/é", check=False)
    assert [entry.command for entry in lab["r1"].log][-2:] == [
        "GET /api/a%2Fb%20c=d,e;f",
        "GET /api/a%20b/%C3%A9",
    ]


async def test_a_url_says_where_paths_begin(lab: Lab) -> None:
    await lab.add("r1", protocols=("http",))
    port = lab["r1"].ports["http"]
    device = device_of(lab, "r1", url=f"http://127.0.0.1:{port}/api/")
    rest = await device.connect(via="rest")
    assert (await rest.get("facts")).json()["hostname"] == "r1"
    with pytest.raises(InvalidOption, match="credentials"):
        await device_of(lab, "r1", url=f"http://u:p@127.0.0.1:{port}").connect(via="rest")
    with pytest.raises(InvalidOption):
        await device_of(lab, "r1", url="ftp://127.0.0.1").connect(via="rest")


# ---------------------------------------------------------------------- logins


async def test_an_expired_token_is_renewed_once(lab: Lab) -> None:
    rest, server = await reach(lab, **TOKEN)
    assert server.logins == 1
    assert (await rest.post("/api/echo", {"a": 1})).json()["headers"]["authorization"].startswith("Bearer ")
    server.expire()
    assert (await rest.post("/api/echo", {"a": 1})).json()["body"] == '{"a": 1}'
    assert server.logins == 2
    await rest.get("/api/facts")
    assert server.logins == 2


async def test_a_token_in_a_header(lab: Lab) -> None:
    keys = {
        **TOKEN,
        "token_answer_header": "X-Auth-Token",
        "token_header": "X-Auth-Token",
        "login_body": None,
    }
    rest, _ = await reach(lab, **keys)
    headers = (await rest.get("/api/echo")).json()["headers"]
    assert "authorization" not in headers
    assert len(headers["x-auth-token"]) == 32


async def test_a_given_token_and_none(lab: Lab) -> None:
    _, server = await reach(lab)
    server.tokens.add("made-elsewhere-1")
    rest = await device_of(lab, "r1", token="made-elsewhere-1").connect(via="rest")
    assert (await rest.get("/api/facts")).ok
    with pytest.raises(AuthenticationFailed, match="nothing was said"):
        await device_of(lab, "r1", login="none").connect(via="rest")


async def test_a_cookie_login_says_goodbye(lab: Lab) -> None:
    rest, server = await reach(lab, login="nxos")
    assert "lab-session" in (await rest.get("/api/echo")).json()["headers"]["cookie"]
    assert len(server.tokens) == 1
    await rest.close()
    assert not server.tokens


async def test_a_login_that_gives_no_token_or_is_not_known(lab: Lab) -> None:
    await lab.add("r1", protocols=("http",))
    with pytest.raises(AuthenticationFailed, match=r"no 'absent\.0' in the answer") as caught:
        await device_of(lab, "r1", **TOKEN, token_field="absent.0").connect(via="rest")
    assert not caught.value.certain
    with pytest.raises(InvalidOption, match=r"nxso.*did you mean 'nxos'"):
        await device_of(lab, "r1", login="nxso").connect(via="rest")


async def test_a_password_that_changed_ends_the_session(lab: Lab) -> None:
    rest, server = await reach(lab, **TOKEN)
    server.expire()
    lab["r1"].password = "another-one"
    with pytest.raises(AuthenticationFailed):
        await rest.get("/api/facts")
    assert not rest.connected


async def test_secrets_that_a_device_repeats_are_not_shown(lab: Lab) -> None:
    rest, server = await reach(lab, **TOKEN)
    token = next(iter(server.tokens))
    with pytest.raises(HttpError) as caught:
        await rest.get(f"/api/none/{token}?word={token}")
    assert token not in str(caught.value) + repr(vars(caught.value))


# ---------------------------------------------------------------------- what goes wrong on the way


async def test_an_idempotent_request_is_repeated_and_no_other(lab: Lab) -> None:
    rest, server = await reach(lab)
    assert (await rest.get("/api/drop/2")).json() == {"times": 3}
    before = server.requests
    with pytest.raises(SessionBroken) as caught:
        await rest.post("/api/drop", {"a": 1})
    assert caught.value.maybe_executed
    assert server.requests == before + 1
    with pytest.raises(SessionBroken):
        await rest.get("/api/drop")
    assert (await rest.get("/api/facts")).ok


async def test_a_device_that_asks_to_come_again_is_asked_again(lab: Lab) -> None:
    rest, server = await reach(lab)
    assert (await rest.get("/api/busy/2")).json() == {"times": 3}
    with pytest.raises(HttpError) as caught:
        await rest.get("/api/busy?after=3600", timeout=5)
    assert caught.value.status == 429
    assert "3600" in str(caught.value)
    before = server.requests
    with pytest.raises(HttpError):
        await rest.post("/api/busy?after=0")
    with pytest.raises(HttpError):
        await rest.get("/api/busy?after=")
    assert server.requests == before + 2


async def test_redirects_stay_on_the_device(lab: Lab) -> None:
    rest, _ = await reach(lab)
    moved = await rest.get("/api/moved", params={"to": "/api/facts"})
    assert moved.url.endswith("/api/facts")
    kept = await rest.post("/api/moved", {"a": 1}, params={"to": "/api/echo", "status": 307})
    assert (kept.json()["method"], kept.json()["body"]) == ("POST", '{"a": 1}')
    turned = await rest.post("/api/moved", {"a": 1}, params={"to": "/api/echo", "status": 303})
    assert (turned.json()["method"], turned.json()["body"]) == ("GET", "")
    other = await lab.add("other", protocols=("http",))
    for target in (f"http://127.0.0.1:{other.ports['http']}/api/facts", "//192.0.2.7/", "file:///etc/passwd"):
        with pytest.raises(HttpError, match="another server") as caught:
            await rest.get("/api/moved", params={"to": target})
        assert caught.value.status == 302
    assert not other.log
    with pytest.raises(HttpError):
        await rest.get("/api/moved?to=%23", timeout=5)  # to itself


async def test_a_body_has_a_limit(lab: Lab) -> None:
    rest, _ = await reach(lab, max_body=100_000)
    assert len((await rest.get("/api/bytes/100000")).body) == 100_000
    with pytest.raises(BadReply, match="larger than 100000 bytes"):
        await rest.get("/api/bytes/100001")
    assert (await rest.get("/api/facts")).ok


async def test_a_body_that_breaks_off(lab: Lab) -> None:
    rest, _ = await reach(lab)
    lab["r1"].faults = Faults(reset_after=200_000)
    with pytest.raises(SessionBroken):
        await rest.get("/api/bytes/1000000")
    lab["r1"].faults = Faults()
    assert len((await rest.get("/api/bytes/1000000")).body) == 1_000_000


async def test_a_large_body_arrives() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            for _ in range(2):
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
                body = await reader.readexactly(length)
                said = f"{length} {body.count(b'x')} {b'chunked' in head}".encode()
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(said), said))
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    path = {"protocol": "http", "ip": "127.0.0.1", "port": server.sockets[0].getsockname()[1], "probe": None}
    device = aioconn.Device("r1", connections={"a": path})
    rest: Any = await device.connect()
    for size in (1_000_000, 5_000_000):
        assert (await rest.put("/image", b"x" * size, timeout=25)).text == f"{size} {size} False"
    await device.destroy_all()
    server.close()


async def test_closing_in_the_middle_of_a_body() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nbegun")
            await reader.read()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    path = {"protocol": "http", "ip": "127.0.0.1", "port": server.sockets[0].getsockname()[1], "probe": None}
    device = aioconn.Device("r1", connections={"a": path})
    rest: Any = await device.connect()
    getting = asyncio.create_task(rest.get("/", timeout=25))
    await asyncio.sleep(0.1)
    await rest.close()
    async with asyncio.timeout(10):
        with pytest.raises(SessionClosed):
            await getting
    server.close()


async def test_what_is_no_http(lab: Lab) -> None:
    rest, _ = await reach(lab)
    lab["r1"].faults = Faults(garbage=1)
    with pytest.raises(BadReply):
        await rest.get("/api/facts")
    lab["r1"].faults = Faults()
    assert (await rest.get("/api/facts")).ok


async def test_many_hostile_answers_end_in_time() -> None:
    answers = [
        b"",
        b"HTTP/1.1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nshort",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nabcd",
        b"HTTP/1.1 200 OK\r\n" + b"X: " + b"a" * 100_000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"".join(b"X%d: 1\r\n" % number for number in range(5000)) + b"\r\n",
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"HTTP/1.1 302 Found\r\nLocation: http://[::1\r\nContent-Length: 0\r\n\r\n",
        b"\x15\x03\x03\x00\x02\x02\x28",
    ]
    current = b""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(current)
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    paths = {"rest": {"protocol": "http", "ip": "127.0.0.1", "port": port, "probe": None}}
    device = aioconn.Device("r1", connections=paths)
    for current in answers:
        rest = await device.connect()
        with pytest.raises((SessionBroken, HttpError)) as caught:
            await rest.get("/", timeout=10)
        assert (caught.value.device, caught.value.path) == ("r1", "rest"), current
        await device.disconnect()
    server.close()


async def test_gzip_that_grows_without_end_is_cut_at_the_limit() -> None:
    import gzip

    bomb = gzip.compress(b"\x00" * 50_000_000)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            await reader.readuntil(b"\r\n\r\n")
            head = f"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {len(bomb)}\r\n\r\n"
            writer.write(head.encode() + bomb)
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    paths = {"a": {"protocol": "http", "ip": "127.0.0.1", "port": port, "probe": None, "max_body": 1_000_000}}
    device = aioconn.Device("r1", connections=paths)
    rest = await device.connect()
    with pytest.raises(BadReply, match="larger than 1000000"):
        await rest.get("/")
    server.close()


# ---------------------------------------------------------------------- streams


async def test_a_stream_brings_all_and_leaves_the_session(lab: Lab) -> None:
    rest, server = await reach(lab, max_body=1000)
    size = 0
    async with contextlib.aclosing(rest.stream("/api/bytes/3000000")) as pieces:
        async for piece in pieces:
            size += len(piece)
    assert size == 3_000_000
    assert (await rest.get("/api/status/204")).ok
    assert server.sessions == 1


async def test_a_stream_that_is_left_early_or_refused(lab: Lab) -> None:
    rest, _ = await reach(lab)
    async with contextlib.aclosing(rest.stream("/api/bytes/3000000")) as pieces:
        async for _ in pieces:
            break
    with pytest.raises(HttpError) as caught:
        async for _ in rest.stream("/api/status/404"):
            pass
    assert caught.value.status == 404
    lab["r1"].faults = Faults(hang_on="facts")
    with pytest.raises(CommandTimeout):
        async for _ in rest.stream("/api/facts", timeout=0.2):
            pass
    lab["r1"].faults = Faults()
    assert (await rest.get("/api/echo/3")).json() == {"number": 3}


async def test_a_stream_sees_to_logins_and_redirects(lab: Lab) -> None:
    rest, server = await reach(lab, **TOKEN)
    server.expire()
    size = 0
    async for piece in rest.stream("/api/moved", params={"to": "/api/bytes/300000"}):
        size += len(piece)
    assert (size, server.logins) == (300_000, 2)
    with pytest.raises(HttpError, match="another server"):
        async for _ in rest.stream("/api/moved", params={"to": "http://192.0.2.1/"}):
            pass


async def test_headers_of_each_request(lab: Lab) -> None:
    rest, _ = await reach(lab, headers={"X-Password": "own-secret-1", "X-Number": 7})
    sent = (await rest.get("/api/echo")).json()["headers"]
    assert (sent["x-password"], sent["x-number"]) == ("own-secret-1", "7")
    with pytest.raises(InvalidOption, match="control characters"):
        await device_of(lab, "r1", headers={"X": "a\r\nY: 1"}).connect(via="rest")


async def test_a_stream_that_breaks_off(lab: Lab) -> None:
    rest, _ = await reach(lab)
    lab["r1"].faults = Faults(reset_after=200_000)
    with pytest.raises(SessionBroken):
        async for _ in rest.stream("/api/bytes/1000000"):
            pass
    lab["r1"].faults = Faults()
    assert (await rest.get("/api/echo/3")).json() == {"number": 3}


async def test_a_stream_of_a_pool_and_from_another_loop(lab: Lab) -> None:
    await lab.add("r1", protocols=("http",))
    entry = lab.testbed()["devices"]["r1"]
    device = aioconn.Device("r1", loop="own", **entry)
    pool = await device.connect(via="rest", pool_size=2)
    size = 0
    async for piece in pool.stream("/api/bytes/500000"):
        size += len(piece)
    assert size == 500_000
    await device.destroy_all()


# ---------------------------------------------------------------------- TLS


async def served_with(lab: Lab, **keys: Any) -> aioconn.Device:
    """A device behind a server of its own context."""
    await lab.add("r1", protocols=("http",))
    server = await lab_http.serve(lab, lab["r1"], tls=True, context=keys.pop("context", None))
    lab["r1"].servers["https"] = server
    path = {"protocol": "https", "ip": "127.0.0.1", "port": server.port, **server.keys, **keys}
    login = {"username": "admin", "password": "admin"}
    return aioconn.Device("r1", connections={"rest": path}, credentials={"default": login})


async def refusal(device: aioconn.Device) -> Any:
    with pytest.raises((CertificateRefused, KeyExchangeFailed)) as caught:
        await device.connect(via="rest")
    assert (caught.value.device, caught.value.path, caught.value.phase) == ("r1", "rest", "kex")
    return caught.value


async def test_the_right_authority_the_wrong_one_and_none(lab: Lab, tmp_path: Any) -> None:
    device = await served_with(lab)
    assert (await (await device.connect(via="rest")).get("/api/facts")).ok
    wrong = tmp_path / "wrong.pem"
    wrong.write_bytes(authority.Authority("another").pem)
    own = lab["r1"].servers["https"]
    path = {"protocol": "https", "ip": "127.0.0.1", "port": own.port}
    for keys, hint in (({}, "ca_file"), ({"ca_file": str(wrong)}, "fingerprint")):
        error = await refusal(aioconn.Device("r1", connections={"rest": {**path, **keys}}))
        assert "authority" in error.message
        assert hint in str(error.hint)
    with pytest.raises(InvalidOption, match=r"absent\.pem"):
        await aioconn.Device("r1", connections={"rest": {**path, "ca_file": "/absent.pem"}}).connect()
    login = {"default": {"username": "admin", "password": "admin"}}
    trusting = aioconn.Device("r1", connections={"rest": {**path, "verify": False}}, credentials=login)
    assert await trusting.connect()


async def test_an_expired_certificate_and_one_for_another_name(lab: Lab) -> None:
    ca = authority.authority()
    device = await served_with(lab, context=authority.context(ca.issue(expired=True)))
    assert "expired" in (await refusal(device)).message
    lab.remove("r1")
    device = await served_with(lab, context=authority.context(ca.issue(["r1.example"])))
    error = await refusal(device)
    assert "another name" in error.message
    assert "server_name" in str(error.hint)
    path = dict(cast(Any, lab["r1"].servers["https"]).keys)
    keys = {"protocol": "https", "ip": "127.0.0.1", "port": lab["r1"].servers["https"].port, **path}
    login = {"default": {"username": "admin", "password": "admin"}}
    named = aioconn.Device(
        "r1", connections={"rest": {**keys, "server_name": "r1.example"}}, credentials=login
    )
    assert await named.connect()


async def test_a_pinned_certificate(lab: Lab) -> None:
    shown = authority.authority().issue()
    good = ":".join(shown.fingerprint[i : i + 2] for i in range(0, 64, 2)).upper()
    device = await served_with(lab, context=authority.context(shown), fingerprint=good, ca_file=None)
    assert (await (await device.connect(via="rest")).get("/api/facts")).ok
    served: Any = lab["r1"].servers["https"]
    requests = served.requests
    lab_keys = {"protocol": "https", "ip": "127.0.0.1", "port": lab["r1"].servers["https"].port}
    login = {"default": {"username": "admin", "password": "admin"}}
    other = aioconn.Device(
        "r1", connections={"rest": {**lab_keys, "fingerprint": "ab" * 32}}, credentials=login
    )
    error = await refusal(other)
    assert "another fingerprint" in error.message
    assert good.lower() in str(error.seen)
    assert served.requests == requests, "something was said to a stranger"
    with pytest.raises(InvalidOption, match="fingerprint"):
        await aioconn.Device("r1", connections={"rest": {**lab_keys, "fingerprint": "abc"}}).connect()


async def test_a_device_that_wants_our_certificate(lab: Lab, tmp_path: Any) -> None:
    ca = authority.authority()
    mutual = authority.context(clients=ca)
    device = await served_with(lab, context=mutual)
    with pytest.raises(ConnectError) as caught:
        await device.connect(via="rest")
    assert "client_certificate" in str(caught.value.hint)
    lab.remove("r1")
    own = ca.issue(["me"], client=True).write(tmp_path / "me.pem")
    device = await served_with(lab, context=mutual, client_certificate=str(own))
    assert (await (await device.connect(via="rest")).get("/api/facts")).ok


async def test_plain_http_where_tls_was_expected(lab: Lab) -> None:
    await lab.add("r1", protocols=("http",))
    error = await refusal(device_of(lab, "r1", scheme="https"))
    assert "does not speak TLS" in error.message


async def test_a_thousand_devices_share_one_context(lab: Lab) -> None:
    from aioconn.protocols.tls import TlsOptions, context_for

    first = context_for(TlsOptions(), device="a", path="x")
    assert all(context_for(TlsOptions(), device=str(n), path="x") is first for n in range(1000))
    assert context_for(TlsOptions(verify=False), device="a", path="x") is not first


# ---------------------------------------------------------------------- through others


async def test_behind_a_jump_host(lab: Lab) -> None:
    jump = await lab.add("jump", protocols=("ssh",), personality="linux", forwards=True)
    for protocol in ("http", "https"):
        served = await lab.add(protocol, protocols=(protocol,))
        whole = lab.testbed()
        whole["devices"][protocol]["connections"]["rest"]["proxy"] = "jump"
        async with aioconn.load(whole) as testbed:
            rest = await testbed[protocol].connect(via="rest")
            for number in range(3):
                assert (await rest.get(f"/api/echo/{number}")).json() == {"number": number}
            assert len((await rest.get("/api/bytes/3000000")).body) == 3_000_000
            served.cut()
            await asyncio.sleep(0.05)
            assert (await rest.get("/api/echo/7")).json() == {"number": 7}
            assert jump.connections
        async with asyncio.timeout(5):  # the server hears of it from the jump host
            while cast(Any, served.servers[protocol]).sessions:
                await asyncio.sleep(0.001)


async def test_nothing_listens_behind_a_jump_host(lab: Lab) -> None:
    await lab.add("jump", protocols=("ssh",), personality="linux", forwards=True)
    await lab.add("r1", protocols=("http",))
    whole = lab.testbed()
    whole["devices"]["r1"]["connections"]["rest"].update(proxy="jump", port=1)
    async with aioconn.load(whole) as testbed:
        with pytest.raises(aioconn.errors.HostUnreachable):
            await testbed["r1"].connect(via="rest")


# ---------------------------------------------------------------------- commands


@pytest.mark.parametrize(("api", "personality"), [("eapi", "arista_eos"), ("nxapi", "cisco_nxos")])
async def test_commands_over_http_are_those_of_the_command_line(lab: Lab, api: str, personality: str) -> None:
    await lab.add("r1", protocols=("http", "ssh"), personality=personality)
    entry = lab.testbed()["devices"]["r1"]
    entry["connections"]["api"] = {**entry["connections"]["rest"], "protocol": api}
    device = aioconn.Device("r1", **entry)
    connection: Any = await device.connect(alias="api", via="api")
    cli: Any = await device.connect(alias="cli", via="cli")
    for command in ("show version", "show running-config"):
        text = await connection.execute(command)
        assert text.command == command
        assert text.strip() == (await cli.execute(command)).strip()
    assert len(await connection.execute(["show version", "show clock"])) == 2
    await connection.configure(["interface Loopback7", "description over-http"])
    assert "over-http" in await cli.execute("show running-config")
    with pytest.raises(aioconn.errors.CommandRejected) as caught:
        await connection.execute("show bogus")
    assert caught.value.command == "show bogus"
    assert caught.value.line.startswith("%")
    assert (await connection.execute("show bogus", check=False)).failure
    with pytest.raises(aioconn.errors.CommandRejected) as caught:
        await connection.configure(["interface Loopback8", "bogus line"])
    assert caught.value.command == "bogus line"
    assert "text" in await connection.query("show version")
    lab["r1"].faults = Faults(latency=0.01)
    assert await connection.execute("show clock")


async def test_an_api_that_is_none(lab: Lab) -> None:
    await lab.add("r1", protocols=("http",))
    device = device_of(lab, "r1", protocol="eapi", endpoint="/api/facts")
    with pytest.raises(aioconn.errors.ConnectError):
        await device.connect(via="rest")
