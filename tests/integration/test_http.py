# SPDX-License-Identifier: Apache-2.0
"""REST with servers that are not ours: nginx, and httpbin behind it."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import ssl
from typing import Any
from urllib.parse import quote

import pytest

from aioconn.errors import (
    AuthenticationFailed,
    CertificateRefused,
    CommandTimeout,
    HostUnreachable,
    HttpError,
    KeyExchangeFailed,
    SessionBroken,
)
from tests.integration.conftest import Load
from tests.integration.servers import socks as socks_servers
from tests.integration.servers import web as servers
from tests.integration.servers.site import Site
from tests.integration.servers.socks import Socks
from tests.integration.servers.web import PASSWORD, USER, Web

pytestmark = pytest.mark.integration


@pytest.fixture(scope="session")
def web(site: Site) -> Web:
    return servers.start_nginx(site)


@pytest.fixture(scope="session")
def socks(site: Site) -> Socks:
    return socks_servers.start(site)


@pytest.fixture
def reach(load: Load, web: Web) -> Any:
    """`await reach(port, **keys)`: a connection."""

    async def connect(port: int, protocol: str = "http", user: str | None = USER, **keys: Any) -> Any:
        path = {"protocol": protocol, "ip": "127.0.0.1", "port": port, **keys}
        login = {"default": {"username": user, "password": PASSWORD}} if user else {}
        testbed = load(r1={"connections": {"rest": path}, "credentials": login})
        return await testbed["r1"].connect()

    return connect


async def test_what_was_sent_is_what_arrived(reach: Any, web: Web) -> None:
    rest = await reach(web.plain)
    for method in ("post", "put", "patch"):
        said = (
            await getattr(rest, method)("/anything", {"a": "ü"}, params={"q": "a b&c", "n": [1, 2]})
        ).json()
        assert said["json"] == {"a": "ü"}
        assert said["args"] == {"q": "a b&c", "n": ["1", "2"]}
    assert (await rest.delete("/anything")).json()["method"] == "DELETE"
    assert (await rest.get("/gzip")).json()["gzipped"] is True
    assert (await rest.get("/deflate")).json()["deflated"] is True
    assert "∮ E⋅da = Q" in (await rest.get("/encoding/utf8")).text
    assert (await rest.get("/redirect/2")).json()["url"].endswith("/get")
    assert (await rest.post("/moved", {"a": 1})).json()["json"] == {"a": 1}
    with pytest.raises(HttpError, match="another server"):
        await rest.get("/elsewhere")


async def test_logins(reach: Any, web: Web) -> None:
    rest = await reach(web.plain, probe="/private/")
    assert (await rest.get("/private/")).text == "hello\n"
    assert (await rest.get(f"/basic-auth/{USER}/{PASSWORD}")).json()["authenticated"] is True
    with pytest.raises(AuthenticationFailed):
        await reach(web.plain, user="nobody", probe="/private/")
    with pytest.raises(AuthenticationFailed):
        await reach(web.plain, user=None, probe="/private/")
    bearer = await reach(web.plain, token="one-two-three-four", probe="/bearer", probe_method="GET")
    assert (await bearer.get("/bearer")).json()["token"] == "one-two-three-four"


async def test_a_limit_of_requests_is_waited_for(reach: Any, web: Web) -> None:
    rest = await reach(web.plain)
    for _ in range(3):
        assert (await rest.get("/few/", timeout=60)).text == "hello\n"


async def test_a_dropped_connection(reach: Any, web: Web) -> None:
    rest = await reach(web.plain)
    for call in (rest.get("/drop"), rest.post("/drop", {"a": 1})):
        with pytest.raises(SessionBroken) as caught:
            await call
        assert caught.value.maybe_executed
    assert (await rest.get("/get")).ok


async def test_timeouts_and_cancels(reach: Any, web: Web) -> None:
    rest = await reach(web.plain)
    with pytest.raises(CommandTimeout):
        await rest.get("/delay/5", timeout=0.3)
    assert (await rest.get("/anything/1")).ok
    late = asyncio.ensure_future(rest.get("/delay/5"))
    await asyncio.sleep(0.2)
    late.cancel()
    await asyncio.wait({late})
    assert (await rest.get("/anything/2")).json()["url"].endswith("/anything/2")


async def test_a_large_file_as_a_stream(reach: Any, web: Web) -> None:
    rest = await reach(web.plain, max_body=1000)
    digest, size = hashlib.sha256(), 0
    async with contextlib.aclosing(rest.stream("/big.bin")) as pieces:
        async for piece in pieces:
            digest.update(piece)
            size += len(piece)
    assert size == 256 * 80_000
    assert digest.digest() == hashlib.sha256(bytes(range(256)) * 80_000).digest()
    assert (await rest.request("HEAD", "/big.bin")).header("content-length") == str(size)


async def test_tls(reach: Any, web: Web) -> None:
    rest = await reach(web.tls, "https", ca_file=str(web.ca))
    assert (await rest.get("/get")).ok
    with pytest.raises(CertificateRefused, match="authority"):
        await reach(web.tls, "https")
    with pytest.raises(CertificateRefused, match="another name"):
        await reach(web.misnamed, "https", ca_file=str(web.ca))
    assert await reach(web.misnamed, "https", ca_file=str(web.ca), server_name="r1.example")
    with pytest.raises(KeyExchangeFailed, match="does not speak TLS"):
        await reach(web.plain, "https", ca_file=str(web.ca))


async def test_a_pinned_certificate(reach: Any, web: Web) -> None:
    shown = ssl.PEM_cert_to_DER_cert(ssl.get_server_certificate(("127.0.0.1", web.tls)))
    rest = await reach(web.tls, "https", fingerprint=hashlib.sha256(shown).hexdigest())
    assert (await rest.get("/get")).ok
    with pytest.raises(CertificateRefused, match="another fingerprint"):
        await reach(web.tls, "https", fingerprint="00" * 32)


async def test_a_server_that_wants_our_certificate(reach: Any, web: Web) -> None:
    rest = await reach(web.mutual, "https", ca_file=str(web.ca), client_certificate=str(web.client))
    assert "CN=client" in (await rest.get("/")).text
    bare = await reach(web.mutual, "https", ca_file=str(web.ca))
    with pytest.raises(HttpError, match="400") as caught:
        await bare.get("/")
    assert "certificate" in caught.value.body


async def test_an_old_cipher_has_to_be_asked_for(reach: Any, web: Web) -> None:
    with pytest.raises(KeyExchangeFailed) as caught:
        await reach(web.old, "https", ca_file=str(web.ca))
    assert "tls_ciphers" in str(caught.value.hint)
    rest = await reach(web.old, "https", ca_file=str(web.ca), tls_ciphers="AES128-SHA:@SECLEVEL=0")
    for _ in range(3):  # it closes the connection after each answer
        assert (await rest.get("/")).text == "old"


async def test_a_pool(load: Load, web: Web) -> None:
    path = {"protocol": "https", "ip": "127.0.0.1", "port": web.tls, "ca_file": str(web.ca)}
    testbed = load(r1={"connections": {"rest": path}})
    pool = await testbed["r1"].connect(pool_size=4)
    answers = await asyncio.gather(*(pool.get(f"/anything/{number}") for number in range(40)))
    assert [answer.json()["url"].rpartition("/")[2] for answer in answers] == [str(n) for n in range(40)]


async def test_through_socks_proxies(reach: Any, web: Web, socks: Socks) -> None:
    login = f"{socks_servers.USER}:{quote(socks_servers.PASSWORD, safe='')}"
    for proxy in (
        f"socks5://127.0.0.1:{socks.open}",
        f"socks5h://{login}@127.0.0.1:{socks.closed}",
        f"socks5h://{':'.join(socks.known)}@127.0.0.1:{socks.dante}",
    ):
        for host in ("127.0.0.1", "localhost"):
            rest = await reach(web.tls, "https", ca_file=str(web.ca), ip=host, http_proxy=proxy)
            assert (await rest.get("/get")).ok
            assert (await rest.post("/anything", {"a": 1})).json()["json"] == {"a": 1}
        plain = await reach(web.plain, http_proxy=proxy)
        assert len((await plain.get("/big.bin")).body) == 256 * 80_000


async def test_socks_proxies_that_refuse(reach: Any, web: Web, socks: Socks) -> None:
    for proxy in (
        f"socks5://127.0.0.1:{socks.closed}",
        f"socks5://{socks_servers.USER}:wrong@127.0.0.1:{socks.closed}",
        f"socks5://{socks.known[0]}:wrong@127.0.0.1:{socks.dante}",
    ):
        with pytest.raises(AuthenticationFailed, match="refuses our login") as caught:
            await reach(web.plain, http_proxy=proxy)
        assert "wrong" not in str(caught.value)
    for proxy in (
        f"socks5://127.0.0.1:{socks.open}",
        f"socks5://{':'.join(socks.known)}@127.0.0.1:{socks.dante}",
    ):
        with pytest.raises(HostUnreachable, match=r"does not reach 127.0.0.1 port 1"):
            await reach(1, http_proxy=proxy)


async def test_http2(reach: Any, web: Web) -> None:
    rest = await reach(web.http2, "https", ca_file=str(web.ca), http2=True)
    assert (await rest.post("/anything", {"a": "ü"})).json()["json"] == {"a": "ü"}
    assert len((await rest.get("/big.bin")).body) == 256 * 80_000
    sent = "x" * 500_000
    assert (await rest.post("/anything", sent)).json()["data"] == sent
    with pytest.raises(CommandTimeout):
        await rest.get("/delay/5", timeout=0.3)
    for number in range(120):  # nginx ends the connection after 50 of them
        assert (await rest.get(f"/anything/{number}")).json()["url"].endswith(f"/anything/{number}")
    with pytest.raises(HttpError, match="404 Not Found"):
        await rest.get("/status/404")
    with pytest.raises(KeyExchangeFailed, match="does not speak HTTP/2"):
        await reach(web.tls, "https", ca_file=str(web.ca), http2=True)
