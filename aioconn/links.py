# SPDX-License-Identifier: Apache-2.0
"""Links that carry several streams: a further session of a device costs a channel instead of a login.

How many streams a device allows on one link is not written anywhere: it is tried. A refusal on a link that carries
some already teaches how many that is, for a while, and the work goes on over another link.
"""

from __future__ import annotations

import asyncio
import copy
import time
from collections.abc import Awaitable, Callable, Coroutine, Hashable
from typing import Any, TypeVar

from aioconn.errors import AioconnError, Phase, SessionBroken, SessionClosed, ShellRefused
from aioconn.policy import CLOSE_TIMEOUT, LEARNED_FOR, LIFETIME
from aioconn.transport.base import Progress, Stream
from aioconn.transport.shared import Capacity, Link, SharedLink, SharedStream

PATIENCE = 5.0
"""Seconds that a link which stands already gets to open one more stream; it may be dead without anybody knowing."""


L = TypeVar("L", bound=Link)
Admit = Callable[[], Awaitable[None]]
MakeLink = Callable[[Progress], Coroutine[Any, Any, L]]
OpenStream = Callable[[L], Awaitable[Stream]]


class _Attempt:
    """A link that is being made, and those who wait for it; the last to leave cancels it. There is no task as long as
    the first of them waits to be admitted."""

    __slots__ = ("key", "progress", "task", "waiters")

    def __init__(self, key: Hashable) -> None:
        self.key = key
        self.progress = Progress(self._tell)
        self.waiters: dict[asyncio.Future[SharedLink | None], Progress] = {}
        self.task: asyncio.Task[Any] | None = None

    def _tell(self, phase: Phase) -> None:
        for progress in list(self.waiters.values()):
            progress.phase = phase


class Links:
    """The links of one device, by what makes two of them interchangeable.

    Every change of state is a plain function; what takes time is done by whoever opens, or in tasks that end by
    themselves. `on_room` is called when a link may have room that had none, or the first has begun to come about.
    A link takes no more streams once it is older than `lifetime`, so that each is replaced some day.
    """

    def __init__(
        self,
        device: str,
        *,
        on_room: Callable[[], None] | None = None,
        memory: float = LEARNED_FOR,
        patience: float = PATIENCE,
        lifetime: float = LIFETIME,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._device = device
        self._on_room = on_room
        self._memory = memory
        self._patience = patience
        self._lifetime = lifetime
        self._clock = clock
        self._links: list[SharedLink] = []
        self._attempts: list[_Attempt] = []
        self._learned: dict[Hashable, Capacity] = {}
        self._ending: dict[asyncio.Future[None], Link] = {}
        self._generation = 0  # counts the calls of `close` and `abort`
        self._loop: asyncio.AbstractEventLoop | None = None

    # ------------------------------------------------------------------ what there is

    @property
    def none(self) -> bool:
        """Whether no link stands, or is being made."""
        return not (self._links or self._attempts)

    def has_room(self, key: Hashable) -> bool:
        """Whether a stream would find its place on a link that stands or is being made."""
        limit, now = self._limit(key), self._clock()
        return any(shared.key == key and shared.takes_more(limit, now) for shared in self._links) or any(
            attempt.key == key and len(attempt.waiters) < limit for attempt in self._attempts
        )

    def statistics(self) -> dict[str, Any]:
        """Plain numbers: links, those being made, the streams on each, and what has been learned of each path."""
        now = self._clock()
        return {
            "links": len(self._links),
            "links_opening": len(self._attempts),
            "streams_per_link": sorted((shared.streams for shared in list(self._links)), reverse=True),
            "streams_learned": {
                str(key): learned.streams
                for key, learned in list(self._learned.items())
                if now < learned.until
            },
        }

    def __repr__(self) -> str:
        numbers = self.statistics()
        carried = "+".join(map(str, numbers["streams_per_link"])) or "no"
        return f"<Links {self._device} {carried} streams, {numbers['links_opening']} links opening>"

    def _limit(self, key: Hashable) -> float:
        learned = self._learned.get(key)
        return learned.streams if learned is not None and self._clock() < learned.until else float("inf")

    # ------------------------------------------------------------------ opening

    async def open(
        self,
        key: Hashable,
        make_link: MakeLink[L],
        open_stream: OpenStream[L],
        *,
        progress: Progress,
        admit: Admit,
    ) -> SharedStream:
        """A stream on a link of this key: one that stands and has room, else one that is being made, else a new one.

        Whoever comes while a link is being made waits for it with the others, each within the deadline that he brings;
        if it fails all hear why. `admit` is awaited before a link is made for this stream. `make_link` gets a progress
        that moves everybody's. A cancel gives the place back and leaves neither link nor stream behind. Raises what
        these functions raise; a stream refused where others were allowed, or a link that has died unnoticed, is no
        error but a reason to take another link.
        """
        self._claim_loop()
        generation = self._generation
        refused = False
        while generation == self._generation:
            shared = self._take(key)
            young = shared is None
            if shared is None and (shared := await self._join(key, make_link, progress, admit)) is None:
                continue
            link: Any = shared.link  # of the kind that is made here: links of a key are alike
            patience: asyncio.Timeout | None = None
            try:
                if young:
                    stream = await open_stream(link)
                else:
                    async with asyncio.timeout(self._patience) as patience:
                        stream = await open_stream(link)
            except ShellRefused:
                shared.refused = True
                self._not_opened(shared)
                await asyncio.wait({shared.proof})
                if not shared.proof.result():
                    if refused:
                        self._unlearn(key)
                    raise
                refused = True
            except (SessionBroken, TimeoutError) as error:
                late = patience is not None and patience.expired()
                dead = late or not isinstance(error, TimeoutError)
                shared.retiring = shared.retiring or dead
                self._not_opened(shared, politely=not young)
                if generation == self._generation and (young or not dead):
                    raise
            except BaseException:
                self._not_opened(shared, politely=False)
                raise
            else:
                self._opened(shared)
                return SharedStream(shared, stream, young=young, leave=self._left)
        raise self._closed()

    def _claim_loop(self) -> None:
        """A loop that has ended took its links with it."""
        if self._loop is not (running := asyncio.get_running_loop()):
            self._loop = running
            self._links.clear()
            self._attempts.clear()
            self._ending.clear()

    def _take(self, key: Hashable) -> SharedLink | None:
        """A place on the fullest link that has room: the others may run empty."""
        limit, now = self._limit(key), self._clock()
        best: SharedLink | None = None
        for shared in self._links:
            fuller = best is None or shared.used > best.used
            if fuller and shared.key == key and shared.takes_more(limit, now):
                best = shared
        if best is not None:
            best.opening += 1
        return best

    async def _join(
        self, key: Hashable, make_link: MakeLink[L], progress: Progress, admit: Admit
    ) -> SharedLink | None:
        """Wait for a link that is being made, or make one: a place on it; None to look again."""
        limit = self._limit(key)
        attempt = next((one for one in self._attempts if one.key == key and len(one.waiters) < limit), None)
        if first := attempt is None:
            attempt = _Attempt(key)
            self._attempts.append(attempt)
        elif progress.phase is not attempt.progress.phase:
            progress.phase = attempt.progress.phase
        place: asyncio.Future[SharedLink | None] = asyncio.get_running_loop().create_future()
        attempt.waiters[place] = progress
        try:
            if first:
                self._changed()
                await admit()
                self._begin(attempt, make_link)
            return await place
        except BaseException:
            self._leave_attempt(attempt, place, first=first)
            raise

    def _begin(self, attempt: _Attempt, make_link: MakeLink[L]) -> None:
        if attempt in self._attempts:  # not given up meanwhile
            attempt.task = asyncio.get_running_loop().create_task(make_link(attempt.progress))
            attempt.task.add_done_callback(lambda task: self._settle(attempt, task))

    def _settle(self, attempt: _Attempt, task: asyncio.Task[Link]) -> None:
        """A link has come about, or not: tell those who wait."""
        self._detach(attempt)
        waiting = [place for place in attempt.waiters if not place.done()]
        if task.cancelled():
            self._dismiss(attempt)
        elif (error := task.exception()) is not None:
            for number, place in enumerate(waiting):
                place.set_exception(error if number == 0 else _again(error))
        elif not waiting:
            task.result().abort()
        else:
            self._share(attempt.key, task.result(), waiting)
        self._changed()

    def _share(self, key: Hashable, link: Link, waiting: list[asyncio.Future[SharedLink | None]]) -> None:
        shared = SharedLink(key, link, self._clock() + self._lifetime)
        self._links.append(shared)
        link.on_lost(lambda _: self._forget(shared))
        limit = self._limit(key)
        for place in waiting:
            if shared.used < limit:
                shared.opening += 1
                place.set_result(shared)
            else:
                place.set_result(None)

    def _leave_attempt(
        self, attempt: _Attempt, place: asyncio.Future[SharedLink | None], *, first: bool
    ) -> None:
        """Somebody waits no more: because he was cancelled, maybe after he got his place, or because it failed."""
        del attempt.waiters[place]
        if place.done() and not place.cancelled() and place.exception() is None:
            if (shared := place.result()) is not None:
                self._not_opened(shared, politely=False)
        elif attempt.task is None:
            if first:  # he was to be admitted: the others look for somebody else who is
                self._detach(attempt)
                for other in attempt.waiters:
                    if not other.done():
                        other.set_result(None)
        elif not attempt.waiters and not attempt.task.done():
            self._detach(attempt)  # nobody joins what is being cancelled
            attempt.task.cancel()

    def _dismiss(self, attempt: _Attempt) -> None:
        for place in attempt.waiters:
            if not place.done():
                place.set_exception(self._closed())

    def _closed(self) -> SessionClosed:
        return SessionClosed("the links were closed while a session was being opened", device=self._device)

    def _detach(self, attempt: _Attempt) -> None:
        attempt.progress.on_phase = None
        if attempt in self._attempts:
            self._attempts.remove(attempt)

    # ------------------------------------------------------------------ places

    def _opened(self, shared: SharedLink) -> None:
        """A stream stands."""
        shared.opening -= 1
        shared.streams += 1
        if not shared.proof.done():
            shared.proof.set_result(True)
        self._review(shared)

    def _not_opened(self, shared: SharedLink, *, politely: bool = True) -> None:
        """A stream that was promised a place does not come."""
        shared.opening -= 1
        self._review(shared, politely=politely)

    def _left(self, shared: SharedLink, politely: bool) -> Awaitable[None] | None:
        """A stream has ended. What is to be awaited if its link ends as well, and says goodbye."""
        shared.streams -= 1
        return self._review(shared, politely=politely, here=True)

    def _review(
        self, shared: SharedLink, *, politely: bool = True, here: bool = False
    ) -> Awaitable[None] | None:
        closing: Awaitable[None] | None = None
        if not shared.opening:
            if shared.refused:
                self._learn(shared)
            if not shared.streams:
                if not shared.proof.done():
                    shared.proof.set_result(False)
                closing = self._end(shared, politely=politely, here=here)
        self._changed()
        return closing

    def _learn(self, shared: SharedLink) -> None:
        """It refused one stream more than it carries. Other links may be known to carry more: then this one alone is
        full."""
        shared.refused = False
        most = max((other.streams for other in self._links if other.key == shared.key), default=0)
        now = self._clock()
        self._learned = {key: learned for key, learned in self._learned.items() if now < learned.until}
        shared.full = Capacity(shared.streams, now + self._memory)
        if most:
            self._learned[shared.key] = Capacity(most, now + self._memory)

    def _unlearn(self, key: Hashable) -> None:
        """An empty link refuses as well: it is not the number of streams on a link that counts."""
        self._learned.pop(key, None)
        for shared in self._links:
            if shared.key == key:
                shared.full = None

    def _forget(self, shared: SharedLink) -> None:
        """Nothing is opened on it any more."""
        shared.retiring = True
        if shared in self._links:
            self._links.remove(shared)

    def _end(self, shared: SharedLink, *, politely: bool, here: bool = False) -> Awaitable[None] | None:
        """Close it, in a task; `here`: what is returned does it, and is awaited in any case."""
        self._forget(shared)
        if not politely:
            shared.link.abort()
        elif shared.closing is None and not shared.link.closed:
            loop = asyncio.get_running_loop()
            closing: asyncio.Future[None]
            if here:
                closing = loop.create_future()
            else:
                closing = loop.create_task(_close(shared.link))
                closing.add_done_callback(self._has_ended)
            shared.closing = closing
            self._ending[closing] = shared.link
            return self._close_here(shared.link, closing) if here else None
        return None

    async def _close_here(self, link: Link, closing: asyncio.Future[None]) -> None:
        try:
            await _close(link)
        except Exception:  # noqa: S110  a goodbye is a courtesy; the link is gone in any case
            pass
        finally:
            self._ending.pop(closing, None)
            closing.set_result(None)

    def _has_ended(self, closing: asyncio.Future[None]) -> None:
        self._ending.pop(closing, None)
        if not closing.cancelled():
            closing.exception()  # nobody needs to hear of it

    def _changed(self) -> None:
        if self._on_room is not None:
            self._on_room()

    # ------------------------------------------------------------------ the end

    async def close(self) -> None:
        """Close every link with all its streams: politely for a moment, then at once; cancelled it aborts. Whoever is
        opening gets `SessionClosed`. Links may be opened again afterwards."""
        tasks = self._give_up_attempts()
        for shared in list(self._links):
            self._end(shared, politely=True)
        ending = dict(self._ending)
        try:
            if awaited := {*tasks, *ending}:
                await asyncio.wait(awaited, timeout=2 * CLOSE_TIMEOUT)
        finally:
            for task, link in ending.items():
                if not task.done():
                    link.abort()

    def abort(self) -> None:
        """End everything now. A plain function; what is left of it is gone a few turns of the loop later."""
        self._give_up_attempts()
        for shared in list(self._links):
            self._end(shared, politely=False)
        for link in self._ending.values():
            link.abort()

    def _give_up_attempts(self) -> set[asyncio.Task[Any]]:
        self._generation += 1
        attempts, self._attempts = self._attempts, []
        for attempt in attempts:
            self._dismiss(attempt)
            if attempt.task is not None:
                attempt.task.cancel()
        return {attempt.task for attempt in attempts if attempt.task is not None}


async def _close(link: Link) -> None:
    try:
        async with asyncio.timeout(CLOSE_TIMEOUT):
            await link.close()
    finally:
        link.abort()


def _again(error: BaseException) -> BaseException:
    """The same error for one more who waits: each adds notes to his own."""
    if not isinstance(error, AioconnError):
        return error
    again = copy.copy(error)
    again.__cause__ = error.__cause__
    return again.with_traceback(error.__traceback__)
