# SPDX-License-Identifier: Apache-2.0
"""What REST and all that is built on it share: one HTTP connection to a device, a login on it, requests in order."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from aioconn.connection import BaseConnection, State
from aioconn.errors import (
    AioconnError,
    AuthenticationFailed,
    ConnectError,
    HttpError,
    InvalidOption,
    MissingValue,
    SessionBroken,
    UsageError,
)
from aioconn.protocols.rest.client import HttpClient
from aioconn.protocols.rest.exchange import LEFT_ALONE, Answer, Client, Lost, connection_failed, headers_of
from aioconn.protocols.rest.login import Login
from aioconn.protocols.rest.options import RestOptions
from aioconn.protocols.rest.requests import Base, Body, Params, Request, fields_of, prepare, retry_after
from aioconn.protocols.rest.response import Response
from aioconn.request import BaseOptions

if TYPE_CHECKING:
    from aioconn.transport.ssh import SshLink

Headers = Mapping[str, str]

REDIRECTS = 5
WAITS = 8  # for a device that says when to come again
SHOWN = 2000  # characters of an answer that stay in an error
_MOVED = (301, 302, 303, 307, 308)
_LATER = (429, 503)
_PLAIN_PROTOCOLS = ("http", "https")

O_co = TypeVar("O_co", bound=RestOptions, covariant=True)
R = TypeVar("R")


class RestBase(BaseConnection[O_co]):
    """What REST and what is built on it have in common: one HTTP connection, a login, and requests in order."""

    options_type: ClassVar[type[BaseOptions]] = RestOptions
    _client: Client[Any] | None = None
    _login: Login | None = None
    _root: Base  # where its URLs begin, from the opening on
    _standing: Mapping[str, str]  # headers of each request

    # ------------------------------------------------------------------ opening and closing

    def _base(self) -> Base:
        """Where this device's URLs begin."""
        options, path = self.options, self.path
        if (url := options.url or options.base_url) is not None:
            try:
                return Base.parse(url)
            except UsageError as error:
                raise InvalidOption(error.message, **self._where(), hint=error.hint) from None
        host = path.address
        if not host:
            raise MissingValue("the path has no host", **self._where(), hint="add ip, host or url")
        protocol = (path.protocol or "").lower()
        scheme = options.scheme or (protocol if protocol in _PLAIN_PROTOCOLS else "https")
        port = path.port_number or (443 if scheme == "https" else 80)
        return Base(scheme=scheme, host=host, port=port)

    async def _open(self) -> None:
        options = self.options
        base = self._base()
        credential = self.credentials.login("rest", self.via, self.path.protocol or "https")
        self._login = login = Login(options, credential, **self._where())
        try:
            self._standing = fields_of(options.headers)
        except UsageError as error:
            raise InvalidOption(error.message, **self._where()) from None
        link = await self._request.environment.jump(self)
        self._client = client = self._make_client(base, link)
        self._root = base
        try:
            await client.connect()
            if login.asks:
                await self._log_in()
            await self._begin()
        except SessionBroken as error:
            raise connection_failed(error, self._progress.phase, self._where(), options) from error.__cause__

    def _make_client(self, base: Base, link: SshLink | None) -> Client[Any]:
        make: Callable[..., Client[Any]] = HttpClient
        if self.options.http2:
            from aioconn.protocols.rest.http2 import Http2Client

            make = Http2Client
        return make(base, self.options, link, **self._where(), progress=self._progress)

    async def _begin(self) -> None:
        """The first words on a session: whether the device is there and takes what we say of us."""
        await self._probe()

    async def _probe(self) -> None:
        options = self.options
        if options.probe is None:
            return
        request = self._prepared(options.probe_method, options.probe)
        answer = await self._answer(request, most=LEFT_ALONE)
        if answer.status == 401:
            raise self._denied(answer)

    async def _log_in(self) -> None:
        """Ask the device for a token or a cookie. Raises AuthenticationFailed."""
        login, client = self._logged(), self._live()
        client.forget_cookies()
        wanted = login.request()
        request = self._prepared(wanted.method, wanted.path, body=wanted.body, headers=wanted.headers)
        answer = await client.exchange(request, most=LEFT_ALONE)
        if answer.status in (400, 401, 403):
            raise self._denied(answer)
        if not answer.ok:
            raise AuthenticationFailed(
                f"the login is answered with {answer.status} {answer.reason}",
                **self._where(),
                seen=self._said(answer),
                certain=False,
            )
        if (missing := login.accept(answer)) is not None:
            raise AuthenticationFailed(missing, **self._where(), certain=False, hint="see token_field")

    def _denied(self, answer: Response) -> AuthenticationFailed:
        way = self._logged().way
        what = "nothing was said of who we are" if way == "none" else f"login {way} was refused"
        return AuthenticationFailed(
            f"{what}: {answer.status} {answer.reason}",
            **self._where(),
            seen=self._said(answer) or None,
            hint="add credentials" if way == "none" else None,
        )

    async def _close(self) -> None:
        client, login = self._client, self._login
        if client is None:
            return
        if login is not None and login.logout is not None:
            method, path = login.logout
            request = self._prepared(method, path, body=login.logout_body, headers=self._own_headers(login))
            with contextlib.suppress(AioconnError):
                await client.exchange(request, most=LEFT_ALONE)
        await client.close()

    def _abort(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            client.abort()

    async def _check(self) -> bool:
        if self.options.probe is None:
            return True
        await self._probe()
        return True

    def _needs_recovery(self, error: BaseException) -> bool:
        return False  # a request that ends early ends its connection, and the next one makes another

    # ------------------------------------------------------------------ requests

    async def _perform(
        self,
        method: str,
        path: str,
        *,
        body: Body = None,
        params: Params | None = None,
        headers: Headers | None = None,
        check: bool | None = None,
        timeout: float | None,
    ) -> Response:
        """One request of the caller's, with all that may be between it and its answer."""
        request = self._prepared(method, path, body=body, params=params, headers=headers)
        limit = self.options.timeout if timeout is None else timeout
        answer = await self._settle(request, asyncio.get_running_loop().time() + limit)
        if not answer.ok and (self.options.check if check is None else check):
            raise self._refused(request, answer)
        return answer

    def _prepared(
        self,
        method: str,
        path: str,
        *,
        body: Body = None,
        params: Params | None = None,
        headers: Headers | None = None,
        content_type: str | None = None,
    ) -> Request:
        """A request that can be sent; raises UsageError before anything is."""
        try:
            return prepare(
                self._root,
                method,
                path,
                body=body,
                params=params,
                headers=headers,
                content_type=content_type or self.options.content_type,
            )
        except UsageError as error:
            raise type(error)(error.message, **self._where(), hint=error.hint) from None

    async def _settle(self, request: Request, until: float) -> Response:
        """The final answer: after waits that the device asks for, redirects on it, and a login that had expired."""
        loop = asyncio.get_running_loop()
        again = waits = hops = 0
        while True:
            answer = await self._answer(request)
            if answer.status == 401 and not again and self._logged().asks:
                again += 1
                await self._relogin()
            elif answer.status in _LATER and request.idempotent and waits < WAITS:
                delay = retry_after(answer.header("retry-after"), time.time())
                if delay is None or loop.time() + delay >= until:
                    return answer
                waits += 1
                await asyncio.sleep(delay)
            elif answer.status in _MOVED and hops < REDIRECTS:
                moved = self._moved(request, answer)
                if moved is None:
                    return answer
                hops += 1
                request = moved
            else:
                return answer

    async def _relogin(self) -> None:
        try:
            await self._log_in()
        except ConnectError as error:
            self._lost(error)
            raise

    def _moved(self, request: Request, answer: Response) -> Request | None:
        location = answer.header("location")
        target = self._root.follow(request.url, location) if location else None
        if target is None:
            return None
        method, body = request.method, request.body
        headers = dict(request.headers)
        if (answer.status == 303 and method != "HEAD") or (answer.status in (301, 302) and method == "POST"):
            method, body = "GET", None
            headers = {name: value for name, value in headers.items() if name.lower() != "content-type"}
        return Request(method=method, url=target, headers=headers, body=body)

    async def _answer(self, request: Request, *, most: int | None = None) -> Response:
        """The whole answer to a request."""
        return await self._attempt(request, lambda client, sent: client.exchange(sent, most=most))

    async def _begun(self, request: Request) -> tuple[Client[Any], Answer]:
        """The beginning of a large answer, and whose it is; who takes it ends it with `leave`. Logins that expired and
        redirects are seen to."""
        hops, again = 0, False
        while True:
            answer = await self._attempt(request, lambda client, sent: client.start(sent))
            client = self._live()
            moved = None
            if answer.status == 401 and not again and self._logged().asks:
                client.leave(answer)
                again = True
                await self._relogin()
                continue
            if answer.status in _MOVED and hops < REDIRECTS:
                moved = self._moved(request, Response(status=answer.status, headers=headers_of(answer)))
            if moved is None:
                return client, answer
            client.leave(answer)
            hops += 1
            request = moved

    async def _attempt(self, request: Request, work: Callable[[Client[Any], Request], Awaitable[R]]) -> R:
        """`work` with a request; done again, if that can do no harm, when the connection ends before an answer."""
        tries = 0
        while True:
            client = self._live()
            try:
                return await work(client, self._dressed(request))
            except Lost as error:
                self._check_still(client)
                if (error.sent and not request.idempotent) or tries >= self.options.retries:
                    raise
                tries += 1
            except ConnectError as error:
                self._check_still(client)
                if self._state is State.OPENING:
                    raise
                self._lost(error)
                raise SessionBroken(
                    f"the connection ended, and there is no new one: {error.message}", **self._where()
                ) from error
            except SessionBroken:
                self._check_still(client)
                raise

    def _dressed(self, request: Request) -> Request:
        """The request with the headers of this session; the caller's own win."""
        own = self._own_headers(self._logged())
        given = {name.lower() for name in request.headers}
        headers = {name: value for name, value in own.items() if name.lower() not in given}
        return Request(
            method=request.method, url=request.url, headers={**headers, **request.headers}, body=request.body
        )

    def _own_headers(self, login: Login) -> dict[str, str]:
        return {"User-Agent": "aioconn", "Accept": "*/*", **self._standing, **login.headers()}

    def _refused(self, request: Request, answer: Response) -> HttpError:
        """The error for an answer that is none of success."""
        hint = None
        said = self._said(answer)
        if answer.status in _MOVED:
            hint = f"it points to {self._redact(answer.header('location'))[:200]!r}: another server"
        elif answer.status in _LATER and (after := answer.header("retry-after")):
            hint = f"the device asks to come again: Retry-After {after[:40]}"
        return HttpError(
            f"{request.method} {self._redact(request.url)}: {answer.status} {answer.reason}",
            **self._where(),
            seen=said[:200] or None,
            hint=hint,
            status=answer.status,
            reason=answer.reason,
            method=request.method,
            url=self._redact(request.url),
            body=said,
        )

    def _said(self, answer: Response) -> str:
        """The beginning of an answer, for an error."""
        start = Response(status=answer.status, headers=answer.headers, body=answer.body[: 4 * SHOWN])
        return self._redact(start.text)[:SHOWN]

    # ------------------------------------------------------------------ parts

    def _live(self) -> Client[Any]:
        if self._client is None:
            self._check_usable()
            raise self._broken_error()
        return self._client

    def _check_still(self, client: Client[Any]) -> None:
        """Whether what failed is still ours, and was not ended by us."""
        if client is not self._client or client.ended:
            self._check_usable()

    def _logged(self) -> Login:
        assert self._login is not None
        return self._login

    def _redact(self, text: str) -> str:
        text = self.credentials.redact(text)
        return self._login.redact(text) if self._login is not None else text

    def _what(self, service_name: str, args: tuple[Any, ...]) -> str:
        what = str(args[1] if service_name == "request" and len(args) > 1 else args[0] if args else "")
        return self._redact(what)
