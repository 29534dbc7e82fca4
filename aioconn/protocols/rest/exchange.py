# SPDX-License-Identifier: Apache-2.0
"""Requests and answers on one HTTP connection, whatever its version: what `client` and `http2` have in common."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from typing import Any, Generic, Protocol, TypeVar

from aioconn.errors import BadReply, ConnectError, HostUnreachable, InvalidOption, Phase, SessionBroken
from aioconn.protocols.rest.options import RestOptions
from aioconn.protocols.rest.proxy import Proxy
from aioconn.protocols.rest.requests import Request
from aioconn.protocols.rest.response import Response
from aioconn.transport.base import Progress

LEFT_ALONE = 64 * 1024  # bytes of an answer that nobody wants, and that are read for the connection's sake


class Lost(SessionBroken):
    """The connection ended before an answer. `sent` tells whether the request may have arrived."""

    sent: bool = True


class Answer(Protocol):
    """An answer of which only the headers are known to be there: texts by names, however they are spelt."""

    @property
    def method(self) -> str: ...

    @property
    def url(self) -> Any: ...

    @property
    def status(self) -> int: ...

    @property
    def reason(self) -> str | None: ...

    @property
    def headers(self) -> Any: ...

    @property
    def content_length(self) -> int | None: ...


A = TypeVar("A", bound=Answer)


class Client(ABC, Generic[A]):
    """For one session, and for one request at a time, beside those of `start` that go on."""

    def __init__(self, options: RestOptions, *, device: str, path: str, progress: Progress) -> None:
        self._options = options
        self._progress = progress
        self._where: dict[str, Any] = {"device": device, "path": path}
        self.ended = False

    @property
    def _proxy(self) -> Proxy | None:
        try:
            return self._options.proxy
        except ValueError as error:
            raise InvalidOption(str(error), **self._where) from None

    @abstractmethod
    async def connect(self) -> None:
        """A connection to the device, or to the proxy before it. Raises a ConnectError; a cancel leaves nothing."""

    @abstractmethod
    async def start(self, request: Request) -> A:
        """The answer when its headers are there; who takes it ends it with `finish` or `leave`."""

    @abstractmethod
    async def piece(self, answer: A) -> bytes:
        """What has come of a body, some bytes at least; empty at its end. Raises SessionBroken, BadReply."""

    @abstractmethod
    def leave(self, answer: A) -> None:
        """Be done with an answer: what was not read to its end is ended by this. A plain function."""

    @abstractmethod
    def forget_cookies(self) -> None: ...

    @abstractmethod
    async def close(self) -> None:
        """End the connection in order. Bounded by the caller; `abort` in any case."""

    @abstractmethod
    def abort(self) -> None:
        """End everything now. A plain function; may be repeated."""

    async def exchange(self, request: Request, *, most: int | None = None) -> Response:
        """One request, and its whole answer. No deadline in here; a cancel ends the request.

        Raises `Lost` if the connection ended before the answer, SessionBroken and BadReply if it ended in it or is
        none, and a ConnectError if there was no connection and none could be made.
        """
        started = time.monotonic()
        answer = await self.start(request)
        try:
            limit = self._options.max_body if most is None else most
            return await self.finish(answer, request, limit, started=started)
        finally:
            self.leave(answer)

    async def finish(
        self, answer: A, request: Request, most: int, *, started: float | None = None
    ) -> Response:
        """The rest of an answer, at most so many bytes of it."""
        body = b"" if request.method == "HEAD" else await self._read(answer, request, most)
        return Response(
            status=answer.status,
            reason=answer.reason or "",
            headers=headers_of(answer),
            body=body,
            url=str(answer.url),
            elapsed=time.monotonic() - started if started is not None else 0.0,
        )

    async def _read(self, answer: A, request: Request, limit: int) -> bytes:
        pieces: list[bytes] = []
        size = answer.content_length or 0
        if size <= limit:
            size = 0
            while piece := await self.piece(answer):
                size += len(piece)
                if size > limit:
                    break
                pieces.append(piece)
            else:
                return pieces[0] if len(pieces) == 1 else b"".join(pieces)
        self._cut(answer)
        raise BadReply(
            f"{request.method} {request.url}: the answer is larger than {limit} bytes",
            **self._where,
            hint="raise max_body, or take it by stream()",
        )

    @abstractmethod
    def _cut(self, answer: A) -> None:
        """Take no more of an answer."""


def headers_of(answer: Answer) -> dict[str, str]:
    """Names in lower case; what came several times is joined."""
    headers: dict[str, str] = {}
    for name, value in answer.headers.items():
        key = name.lower()
        headers[key] = f"{headers[key]}, {value}" if key in headers else value
    return headers


def connection_failed(error: SessionBroken, phase: Phase, where: Any, options: RestOptions) -> ConnectError:
    """What ended an attempt to open, as an error of connecting."""
    hint = error.hint
    if hint is None and not isinstance(error, BadReply):
        hint = "some servers end the connection at HEAD: set probe_method to GET, or probe to null"
        if "https" in error.message and options.client_certificate is None:
            hint = "a device that wants a certificate of ours may do that: see client_certificate"
    return HostUnreachable(error.message, **where, phase=phase, seen=error.seen, hint=hint)
