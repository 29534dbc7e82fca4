# SPDX-License-Identifier: Apache-2.0
"""A link that several streams share: what is known of it, and a stream that gives its place on it back."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass
from typing import Any, Protocol

from aioconn.transport.base import Stream


class Link(Protocol):
    """What carries streams: an SSH connection."""

    @property
    def closed(self) -> bool: ...

    def on_lost(self, callback: Callable[[Exception | None], None], /) -> Callable[[], None]: ...

    async def close(self) -> None: ...

    def abort(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Capacity:
    """A link carries so many streams; believed until then."""

    streams: int
    until: float


class SharedLink:
    """A link and how many streams are on it. State only: `aioconn.links` changes it."""

    __slots__ = (
        "closing",
        "full",
        "key",
        "link",
        "opening",
        "proof",
        "refused",
        "retiring",
        "streams",
        "until",
    )

    def __init__(self, key: Hashable, link: Link, until: float) -> None:
        self.key = key
        self.link = link
        self.until = until  # it takes more
        self.streams = 0  # that stand
        self.opening = 0  # places promised to streams that are being opened
        self.refused = False  # one was; what the link does carry shows when none is being opened any more
        self.full: Capacity | None = None
        self.retiring = False  # takes no more
        self.closing: asyncio.Future[None] | None = None  # done when it has closed
        # whether this link carries anything at all; known when its first stream stands, or the last was refused
        self.proof: asyncio.Future[bool] = asyncio.get_running_loop().create_future()

    @property
    def used(self) -> int:
        return self.streams + self.opening

    def takes_more(self, limit: float, now: float) -> bool:
        if self.link.closed or self.retiring or self.refused or now >= self.until:
            return False
        if self.full is not None and now < self.full.until:
            limit = min(limit, self.full.streams)
        return self.used < limit


Leave = Callable[[SharedLink, bool], Awaitable[None] | None]
"""Gives a place back, politely or not; returns what closes the link, if it is to be closed."""


class SharedStream(Stream):
    """A stream that gives its place on a link back when it ends. Whoever opened it closes or aborts it in any case,
    also when the other side has ended it."""

    def __init__(self, shared: SharedLink, stream: Stream, *, young: bool, leave: Leave) -> None:
        self._shared = shared
        self._stream = stream
        self._young = young  # the link was made for it
        self._give_back = leave
        self._left = False
        self._closing: asyncio.Future[None] | None = None  # what its end brought about for the link
        self.write = stream.write  # type: ignore[method-assign]  # one call less per command

    @property
    def link(self) -> Any:
        """The link that carries it."""
        return self._shared.link

    def write(self, data: bytes) -> None:
        self._stream.write(data)

    def pause_reading(self) -> None:
        self._stream.pause_reading()

    def resume_reading(self) -> None:
        self._stream.resume_reading()

    async def close(self) -> None:
        """End the stream, and the link if nothing else is on it."""
        try:
            await self._stream.close()
            if (closing := self._leave(politely=True)) is not None:
                await closing
        except BaseException:
            self.abort()
            raise

    def abort(self) -> None:
        self._stream.abort()
        self._leave(politely=False)
        if self._closing is not None and not self._closing.done():
            self._shared.link.abort()

    def refuse(self) -> bool:
        """The device ended the stream before it was of any use: some refuse with a text instead of a code. The place is
        given back. True if that may be due to the others on the link, or to a link that had died, so that another link
        is worth a try."""
        shared = self._shared
        if self._left:
            return False
        others = shared.streams > 1 and not shared.link.closed
        shared.refused = shared.refused or others
        self.abort()
        return others or not self._young

    def _leave(self, *, politely: bool) -> Awaitable[None] | None:
        if self._left:
            return None
        self._left = True
        closing = self._give_back(self._shared, politely)
        self._closing = self._shared.closing
        return closing
