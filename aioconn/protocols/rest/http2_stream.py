# SPDX-License-Identifier: Apache-2.0
"""One request over HTTP/2, and its answer."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from http import HTTPStatus
from typing import Protocol

from multidict import CIMultiDict


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Why an answer does not come, or not to its end. `processed`: the request may have been executed. `wrong`: the
    device did not keep to the protocol, or does not want it for this request."""

    words: str
    seen: str | None = None
    processed: bool = True
    wrong: bool = False


class Bearer(Protocol):
    """What whoever reads an answer needs of the connection that brings it."""

    def take(self, stream: Stream) -> bytes: ...

    def leave(self, stream: Stream) -> None: ...


class Stream:
    """A request, and its answer as far as it has come."""

    def __init__(self, link: Bearer, number: int, method: str, url: str, body: bytes | None) -> None:
        self.link = link
        self.number = number
        self.method = method
        self.url = url
        self.status = 0
        self.headers: CIMultiDict[str] = CIMultiDict()
        self.unsent = memoryview(body or b"")
        self.come = bytearray()
        self.held = 0
        """Bytes of the device's window that are in `come`, padding among them."""
        self.owed = 0
        """Bytes of it that it has not been given back yet."""
        self.answered = False
        self.ended = False
        self.failure: Failure | None = None
        self._waiter: asyncio.Future[None] | None = None

    @property
    def reason(self) -> str:
        try:
            return HTTPStatus(self.status).phrase
        except ValueError:
            return ""

    @property
    def content_length(self) -> int | None:
        text = self.headers.get("content-length", "")
        return int(text) if text.isascii() and text.isdigit() else None

    @property
    def over(self) -> bool:
        return self.ended or self.failure is not None

    async def changed(self) -> None:
        """Wait for anything to happen to it. A cancel changes nothing."""
        self._waiter = asyncio.get_running_loop().create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
