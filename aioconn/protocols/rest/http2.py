# SPDX-License-Identifier: Apache-2.0
"""HTTP/2 to one device: a connection, made again when it has ended, on which each request is a stream.

A request that is cancelled, or whose answer is left, resets its stream; the connection stays.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Sequence
from http.cookies import CookieError, SimpleCookie
from typing import TYPE_CHECKING, NoReturn
from urllib.parse import urlsplit

import aiohttp
from yarl import URL

from aioconn.errors import (
    AioconnError,
    BadReply,
    InvalidOption,
    KeyExchangeFailed,
    LimitReached,
    Phase,
    SessionBroken,
    UsageError,
)
from aioconn.protocols.rest.carrier import Carrier
from aioconn.protocols.rest.exchange import Client, Lost
from aioconn.protocols.rest.http2_link import NAME, Full, Http2Link, Unsayable
from aioconn.protocols.rest.http2_stream import Stream
from aioconn.protocols.rest.options import RestOptions
from aioconn.protocols.rest.requests import Base, Request
from aioconn.protocols.tls import context_for, handshake_error
from aioconn.transport.base import Progress

if TYPE_CHECKING:
    from aioconn.transport.ssh import SshLink

# Of the connection and not of the request (RFC 9113, section 8.2.2), or said otherwise
_DROPPED = frozenset(
    (
        "connection",
        "content-length",
        "host",
        "keep-alive",
        "proxy-connection",
        "te",
        "transfer-encoding",
        "upgrade",
    )
)


class Http2Client(Client[Stream]):
    """HTTP/2, over TLS."""

    def __init__(
        self,
        base: Base,
        options: RestOptions,
        link: SshLink | None,
        *,
        device: str,
        path: str,
        progress: Progress,
    ) -> None:
        super().__init__(options, device=device, path=path, progress=progress)
        proxy = self._proxy
        if base.scheme != "https":
            raise InvalidOption("http2 goes over TLS, and this is http", **self._where, hint="use https")
        if proxy is not None and not proxy.socks:
            raise InvalidOption("http2 goes through no HTTP proxy", **self._where, hint="use a SOCKS proxy")
        self._host, self._port = base.host, base.port
        self._tls = context_for(options, device=device, path=path, protocols=(NAME,))
        self._carrier = Carrier(
            link, proxy, device=device, path=path, keepalive=options.keepalive, progress=progress
        )
        self._cookies = aiohttp.CookieJar(unsafe=True, quote_cookie=False)  # devices are addresses
        self._link: Http2Link | None = None
        self._links: set[Http2Link] = set()  # with those whose last answers are still to come

    def forget_cookies(self) -> None:
        self._cookies.clear()

    # ------------------------------------------------------------------ the connection

    async def connect(self) -> None:
        """TCP, TLS, and the first words of HTTP/2."""
        self._progress.phase = Phase.RESOLVE
        await self._carrier.prepare(self._host, self._port)
        self._progress.phase = Phase.KEX
        link = Http2Link(self._links.discard)
        sock = self._carrier.give(None)
        try:
            await asyncio.get_running_loop().create_connection(
                lambda: link,
                sock=sock,
                ssl=self._tls,
                server_hostname=self._options.server_name or self._host,
            )
            if link.chosen != NAME:
                raise self._not_chosen(link.chosen)
            await link.ready
            self._raise_for(link)
        except BaseException as error:
            link.abort()
            with contextlib.suppress(OSError):  # its transport ends at once, and does not wait for a goodbye
                sock.shutdown(socket.SHUT_RDWR)
            if isinstance(error, OSError) and not isinstance(error, AioconnError):
                raise self._not_encrypted(error) from error
            raise
        self._progress.phase = Phase.AUTH
        self._links.add(link)
        self._link = link

    def _raise_for(self, link: Http2Link) -> None:
        """Raise what ended a connection that has hardly begun."""
        failure = link.failure
        if failure is None:
            return
        if isinstance(link.error, ssl.SSLError):
            raise link.error
        what = f"https://{self._host} port {self._port}"
        if failure.wrong:
            raise BadReply(f"{what}: {failure.words}", **self._where, seen=failure.seen)
        raise Lost(
            f"{what}: the connection ended before a word of HTTP/2",
            **self._where,
            seen=failure.seen,
            sent=False,
        )

    def _not_encrypted(self, error: OSError) -> AioconnError:
        if not isinstance(error, ssl.SSLError):
            return KeyExchangeFailed(
                f"{self._host} port {self._port}: the device ended the TLS handshake",
                **self._where,
                seen=str(error) or None,
            )
        if "application protocol" in str(error).lower().replace("_", " "):
            return self._not_chosen(None)
        return handshake_error(error, host=self._host, port=self._port, **self._where)

    def _not_chosen(self, chosen: str | None) -> KeyExchangeFailed:
        return KeyExchangeFailed(
            f"{self._host} port {self._port}: the device does not speak HTTP/2",
            **self._where,
            seen=chosen,
            hint="leave http2 out: HTTP/1.1 it may speak",
        )

    async def close(self) -> None:
        self.ended = True
        self._carrier.discard()
        for link in list(self._links):
            await link.close()

    def abort(self) -> None:
        self.ended = True
        for link in list(self._links):
            link.abort()
        self._carrier.abort()

    # ------------------------------------------------------------------ requests

    async def start(self, request: Request) -> Stream:
        for _ in range(2):
            link = self._link
            if link is None or not link.usable:
                await self.connect()
                continue
            stream = self._send(link, request)
            try:
                while not stream.answered and stream.failure is None:
                    await stream.changed()
                if not stream.answered:
                    self._raise(stream)
                self._take_headers(stream, request)
            except BaseException:
                link.leave(stream)
                raise
            return stream
        raise Lost("the device ends each connection at once", **self._where, sent=False)

    async def piece(self, answer: Stream) -> bytes:
        while not answer.come and not answer.over:
            await answer.changed()
        if answer.come:
            return answer.link.take(answer)
        if answer.failure is not None:
            self._raise(answer)
        return b""

    def leave(self, answer: Stream) -> None:
        answer.link.leave(answer)

    def _cut(self, answer: Stream) -> None:
        answer.link.leave(answer)

    # ------------------------------------------------------------------ parts

    def _send(self, link: Http2Link, request: Request) -> Stream:
        try:
            return link.send(self._headers(request), request.method, request.url, request.body)
        except Full as error:
            raise LimitReached(
                "the device takes no more requests beside the streams that go on",
                **self._where,
                seen=str(error),
            ) from error
        except Unsayable as error:
            raise UsageError(f"HTTP/2 has no way to say this: {error}", **self._where) from error

    def _headers(self, request: Request) -> Sequence[tuple[str, str]]:
        parts = urlsplit(request.url)
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        headers = [
            (":method", request.method),
            (":scheme", parts.scheme),
            (":authority", parts.netloc),
            (":path", path),
        ]
        given = {name.lower(): value for name, value in request.headers.items()}
        given.setdefault("accept-encoding", "identity")
        if cookies := self._cookies.filter_cookies(URL(request.url, encoded=True)):
            own = "; ".join(f"{name}={cookie.coded_value}" for name, cookie in cookies.items())
            given["cookie"] = f"{given['cookie']}; {own}" if "cookie" in given else own
        headers += [(name, value) for name, value in given.items() if name not in _DROPPED]
        if request.body is not None:
            headers.append(("content-length", str(len(request.body))))
        return headers

    def _take_headers(self, stream: Stream, request: Request) -> None:
        for line in stream.headers.getall("set-cookie", ()):
            with contextlib.suppress(CookieError):
                self._cookies.update_cookies(SimpleCookie(line), URL(request.url, encoded=True))
        encoding = stream.headers.get("content-encoding", "identity")
        if encoding != "identity" and not any(name.lower() == "accept-encoding" for name in request.headers):
            raise BadReply(
                f"{stream.method} {stream.url}: the answer is packed, which was not asked for",
                **self._where,
                seen=encoding[:40],
                maybe_executed=True,
            )

    def _raise(self, stream: Stream) -> NoReturn:
        failure = stream.failure
        assert failure is not None
        what = f"{stream.method} {stream.url}"
        if failure.wrong:
            raise BadReply(
                f"{what}: {failure.words}", **self._where, seen=failure.seen, maybe_executed=failure.processed
            )
        if stream.answered:
            raise SessionBroken(
                f"{what}: the answer broke off", **self._where, seen=failure.seen, maybe_executed=True
            )
        raise Lost(
            f"{what}: {failure.words}",
            **self._where,
            seen=failure.seen,
            sent=failure.processed,
            maybe_executed=failure.processed,
        )
