# SPDX-License-Identifier: Apache-2.0
"""One HTTP connection to one device, made again when it has ended: requests go out, answers come back.

This and `carrier` are the modules that know the HTTP library. What it raises becomes ours here.
"""

from __future__ import annotations

import contextlib
import ssl
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from aioconn.errors import (
    AioconnError,
    BadReply,
    ConnectError,
    HostUnreachable,
    MissingDependency,
    Phase,
    SessionBroken,
)
from aioconn.protocols.rest.options import RestOptions
from aioconn.protocols.rest.requests import Base, Request
from aioconn.protocols.rest.response import Response
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

Answer = aiohttp.ClientResponse
"""An answer of which only the headers are known to be there."""

FOR_EVER = (
    86_400.0  # seconds that an idle connection is kept: when it ends is the device's business, or the pool's
)
READ = 64 * 1024
LEFT_ALONE = 64 * 1024  # bytes of an answer that nobody wants, and that are read for the connection's sake
MAX_LINE = 16 * 1024  # of a status line or header


class Lost(SessionBroken):
    """The connection ended before an answer. `sent` tells whether the request may have arrived."""

    sent: bool = True


class HttpClient:
    """For one session, and for one request at a time, beside those of `open` that go on."""

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
        self._base = base
        self._options = options
        self._where: dict[str, Any] = {"device": device, "path": path}
        self._progress = progress
        self._through = urlsplit(options.http_proxy) if options.http_proxy is not None else None
        self._tls: ssl.SSLContext | bool = (
            context_for(options, device=device, path=path) if base.scheme == "https" else True
        )
        self._carrier = Carrier(
            link, device=device, path=path, keepalive=options.keepalive, progress=progress
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
        self._answers: set[Answer] = set()  # those that are being read
        self.ended = False

    async def _handshake_done(self, *_: object) -> None:
        if self._progress.phase is Phase.KEX:
            self._progress.phase = Phase.AUTH

    def forget_cookies(self) -> None:
        self._session.cookie_jar.clear()

    async def connect(self, url: str | None = None) -> None:
        """TCP to the device, or to the proxy before it. Raises a ConnectError; a cancel leaves nothing."""
        host, port = self._target(url)
        self._progress.phase = Phase.RESOLVE
        await self._carrier.prepare(host, port)
        encrypted = (url or self._base.scheme).startswith("https")
        self._progress.phase = Phase.KEX if encrypted else Phase.AUTH

    def _target(self, url: str | None) -> tuple[str, int]:
        if self._through is not None:
            return self._through.hostname or "", self._through.port or 8080
        if url is None:
            return self._base.host, self._base.port
        parts = urlsplit(url)
        return parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)

    async def exchange(self, request: Request, *, most: int | None = None) -> Response:
        """One request, and its whole answer. No deadline in here; a cancel ends the connection.

        Raises `Lost` if the connection ended before the answer, SessionBroken and BadReply if it ended in it or is
        none, and a ConnectError if there was no connection and none could be made.
        """
        started = time.monotonic()
        answer = await self.start(request)
        try:
            return await self.finish(
                answer, request, self._options.max_body if most is None else most, started=started
            )
        finally:
            self.leave(answer)

    async def finish(
        self, answer: Answer, request: Request, most: int, *, started: float | None = None
    ) -> Response:
        """The rest of an answer, at most so many bytes of it."""
        with self._translated(request, answered=True):
            body = await self._read(answer, request, most)
        return Response(
            status=answer.status,
            reason=answer.reason or "",
            headers=headers_of(answer),
            body=body,
            url=str(answer.url),
            elapsed=time.monotonic() - started if started is not None else 0.0,
        )

    async def piece(self, answer: Answer) -> bytes:
        """What has come of a body, some bytes at least; empty at its end. Raises SessionBroken, BadReply."""
        with self._translated(Request(method=answer.method, url=str(answer.url)), answered=True):
            return await answer.content.readany()

    def leave(self, answer: Answer) -> None:
        """Be done with an answer: what was not read to its end is closed by this. A plain function."""
        self._answers.discard(answer)
        answer.release()

    async def start(self, request: Request) -> Answer:
        """The answer when its headers are there; who takes it ends it with `finish` or `leave`."""
        for _ in range(2):
            with self._translated(request, answered=False):
                try:
                    answer = await self._session.request(
                        request.method,
                        URL(request.url, encoded=True),
                        headers=request.headers,
                        data=request.body,
                        allow_redirects=False,
                        ssl=self._tls,
                        server_hostname=self._options.server_name,
                        proxy=self._options.http_proxy,
                    )
                    self._answers.add(answer)
                    return answer
                except aiohttp.ClientConnectorError as error:
                    if not isinstance(error.os_error, NothingPrepared) or self.ended:
                        raise
            await self.connect(request.url)
        raise Lost("the device ends each connection at once", **self._where, sent=False)

    async def _read(self, answer: Answer, request: Request, limit: int) -> bytes:
        if request.method == "HEAD":
            return b""
        pieces: list[bytes] = []
        size = 0
        declared = answer.content_length
        if declared is not None and declared > limit:
            answer.close()
            raise self._too_large(request, limit)
        while piece := await answer.content.readany():
            size += len(piece)
            if size > limit:
                answer.close()
                raise self._too_large(request, limit)
            pieces.append(piece)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def _too_large(self, request: Request, limit: int) -> BadReply:
        return BadReply(
            f"{request.method} {request.url}: the answer is larger than {limit} bytes",
            **self._where,
            hint="raise max_body, or take it by stream()",
        )

    @contextlib.contextmanager
    def _translated(self, request: Request, *, answered: bool) -> Iterator[None]:
        """What the library and the network raise, as ours."""
        try:
            yield
        except (aiohttp.ClientError, OSError, ssl.SSLError, ValueError) as error:
            if isinstance(error, AioconnError):
                raise
            raise self._translate(error, request, answered) from error

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
        """End the connection in order. Bounded by the caller; `abort` in any case."""
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
        """End everything now. A plain function; may be repeated."""
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


def headers_of(answer: Answer) -> dict[str, str]:
    """Names in lower case; what came several times is joined."""
    headers: dict[str, str] = {}
    for name, value in answer.headers.items():
        key = name.lower()
        headers[key] = f"{headers[key]}, {value}" if key in headers else value
    return headers


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


def connection_failed(error: SessionBroken, phase: Phase, where: Any, options: RestOptions) -> ConnectError:
    """What ended an attempt to open, as an error of connecting."""
    hint = error.hint or "some servers end the connection at HEAD: set probe_method to GET, or probe to null"
    if "https" in error.message and options.client_certificate is None:
        hint = "a device that wants a certificate of ours may do that: see client_certificate"
    return HostUnreachable(error.message, **where, phase=phase, seen=error.seen, hint=hint)
