# SPDX-License-Identifier: Apache-2.0
"""One HTTP/1.1 connection to one device, made again when it has ended: requests go out, answers come back.

This and `carrier` are the modules that know the HTTP library. What it raises becomes ours here.
"""

from __future__ import annotations

import contextlib
import io
import ssl
from collections.abc import Iterator
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from aioconn.errors import (
    AioconnError,
    BadReply,
    HostUnreachable,
    MissingDependency,
    Phase,
    SessionBroken,
)
from aioconn.protocols.rest.exchange import Client, Lost
from aioconn.protocols.rest.options import RestOptions
from aioconn.protocols.rest.requests import Base, Request
from aioconn.protocols.tls import context_for, handshake_error
from aioconn.transport.base import Progress
from aioconn.transport.tcp import unreachable

try:
    import aiohttp
    from yarl import URL

    from aioconn.protocols.rest.carrier import Carrier, NothingPrepared, Resolver
except ImportError as error:
    raise MissingDependency(f"HTTP needs aiohttp: {error}", hint="pip install 'aioconn[rest]'") from error

if TYPE_CHECKING:
    from aioconn.transport.ssh import SshLink

FOR_EVER = (
    86_400.0  # seconds that an idle connection is kept: when it ends is the device's business, or the pool's
)
MAX_LINE = 16 * 1024  # of a status line or header
_PIECEMEAL = 512 * 1024  # bytes of a body


class HttpClient(Client[aiohttp.ClientResponse]):
    """HTTP/1.1."""

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
        self._base = base
        proxy = self._proxy
        self._asked = proxy if proxy is not None and not proxy.socks else None  # by the library
        self._tls: ssl.SSLContext | bool = (
            context_for(options, device=device, path=path) if base.scheme == "https" else True
        )
        self._carrier = Carrier(
            link,
            proxy if self._asked is None else None,
            device=device,
            path=path,
            keepalive=options.keepalive,
            progress=progress,
        )
        self._connector = aiohttp.TCPConnector(
            limit=0,
            use_dns_cache=False,
            keepalive_timeout=FOR_EVER,
            resolver=Resolver(self._carrier),
            socket_factory=self._carrier.give,
        )
        traces = []
        if base.scheme == "https":
            trace = aiohttp.TraceConfig()
            trace.on_connection_create_end.append(self._handshake_done)
            traces.append(trace)
        self._session = aiohttp.ClientSession(
            connector=self._connector,
            cookie_jar=aiohttp.CookieJar(unsafe=True, quote_cookie=False),  # devices are addresses
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=None),
            trace_configs=traces,
            middlewares=(_once,),
            max_line_size=MAX_LINE,
            max_field_size=MAX_LINE,
        )
        self._answers: set[aiohttp.ClientResponse] = set()  # those that are being read

    async def _handshake_done(self, *_: object) -> None:
        if self._progress.phase is Phase.KEX:
            self._progress.phase = Phase.AUTH

    def forget_cookies(self) -> None:
        self._session.cookie_jar.clear()

    async def connect(self, url: str | None = None) -> None:
        """TCP to the device, or to the proxy before it, which is all that has been said to anybody then."""
        host, port = self._target(url)
        self._progress.phase = Phase.RESOLVE
        await self._carrier.prepare(host, port)
        encrypted = (url or self._base.scheme).startswith("https")
        self._progress.phase = Phase.KEX if encrypted else Phase.AUTH

    def _target(self, url: str | None) -> tuple[str, int]:
        if self._asked is not None:
            return self._asked.host, self._asked.port
        if url is None:
            return self._base.host, self._base.port
        parts = urlsplit(url)
        return parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)

    async def piece(self, answer: aiohttp.ClientResponse) -> bytes:
        with self._translated(Request(method=answer.method, url=str(answer.url)), answered=True):
            return await answer.content.readany()

    def leave(self, answer: aiohttp.ClientResponse) -> None:
        self._answers.discard(answer)
        answer.release()

    def _cut(self, answer: aiohttp.ClientResponse) -> None:
        answer.close()

    async def start(self, request: Request) -> aiohttp.ClientResponse:
        for _ in range(2):
            with self._translated(request, answered=False):
                try:
                    answer = await self._session.request(
                        request.method,
                        URL(request.url, encoded=True),
                        headers=request.headers,
                        data=_sent(request.body),
                        allow_redirects=False,
                        ssl=self._tls,
                        server_hostname=self._options.server_name,
                        proxy=self._asked.url if self._asked is not None else None,
                    )
                    self._answers.add(answer)
                    return answer
                except aiohttp.ClientConnectorError as error:
                    if not isinstance(error.os_error, NothingPrepared) or self.ended:
                        raise
            await self.connect(request.url)
        raise Lost("the device ends each connection at once", **self._where, sent=False)

    @contextlib.contextmanager
    def _translated(self, request: Request, *, answered: bool) -> Iterator[None]:
        """What the library and the network raise, as ours."""
        try:
            yield
        except (aiohttp.ClientError, OSError, ssl.SSLError, ValueError) as error:
            if isinstance(error, AioconnError):
                raise
            # what the library raises shows the proxy's URL, with the login
            cause = None if self._asked is not None and self._asked.password else error
            raise self._translate(error, request, answered) from cause

    def _translate(self, error: Exception, request: Request, answered: bool) -> AioconnError:
        host, port = self._target(request.url)
        what = f"{request.method} {request.url}"
        if isinstance(error, _Broken) and isinstance(error.__cause__, Exception):
            error = error.__cause__
        if (refusal := _tls_error(error)) is not None:
            return handshake_error(refusal, host=host, port=port, **self._where)
        if isinstance(error, aiohttp.ClientHttpProxyError):
            return HostUnreachable(f"the proxy refuses: {error.status} {error.message}", **self._where)
        if isinstance(error, aiohttp.ClientConnectorError):
            if isinstance(error.os_error, NothingPrepared):
                return Lost("the connection has ended", **self._where, sent=False)
            return unreachable(error.os_error, host, port, **self._where)
        if isinstance(error, aiohttp.ClientResponseError | aiohttp.ClientPayloadError) or not isinstance(
            error, aiohttp.ClientError | OSError
        ):
            if isinstance(error, aiohttp.ClientPayloadError):
                return SessionBroken(
                    f"{what}: the answer broke off", **self._where, seen=_first(error), maybe_executed=True
                )
            return BadReply(
                f"{what}: what came is no HTTP answer", **self._where, seen=_first(error), maybe_executed=True
            )
        if answered:
            return SessionBroken(
                f"{what}: the connection ended in the answer", **self._where, maybe_executed=True
            )
        return Lost(
            f"{what}: the connection ended before an answer",
            **self._where,
            seen=str(getattr(error, "strerror", None) or "") or None,
            maybe_executed=True,
        )

    async def close(self) -> None:
        self.ended = True
        self._carrier.discard()
        self._end_answers()
        await self._session.close()

    def _end_answers(self) -> None:
        """Who reads one hears of its end; the library would leave him waiting."""
        for answer in self._answers:
            answer.close()
        self._answers.clear()

    def abort(self) -> None:
        self.ended = True
        self._carrier.abort()
        self._end_answers()
        if self._session.closed:
            return
        # The first step of it closes, the rest waits for what was closed.
        closing = self._session.close()
        try:
            closing.send(None)
        except (StopIteration, RuntimeError):
            pass
        finally:
            closing.close()


class _Broken(aiohttp.ClientError):
    """The connection ended. The library would send some requests again by itself; what is repeated is our decision."""


async def _once(request: aiohttp.ClientRequest, send: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
    try:
        return await send(request)
    except aiohttp.ClientConnectorError:
        raise
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
        raise _Broken from error


def _tls_error(error: BaseException) -> ssl.SSLError | None:
    """The error of TLS that is behind an error of the library."""
    for inner in (
        getattr(error, "certificate_error", None),
        getattr(error, "os_error", None),
        error.__cause__,
        error,
    ):
        if isinstance(inner, ssl.SSLError) and not isinstance(inner, aiohttp.ClientError):
            return inner
    return None


def _first(error: Exception) -> str:
    return (
        str(getattr(error, "message", "") or error).strip().splitlines()[0][:200]
        if str(error).strip()
        else ""
    )


def _sent(body: bytes | None) -> bytes | io.BytesIO | None:
    """A body as the library wants it: a large one in pieces, for it is written in one go otherwise."""
    return io.BytesIO(body) if body is not None and len(body) > _PIECEMEAL else body
