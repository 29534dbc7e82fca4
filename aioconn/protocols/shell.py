# SPDX-License-Identifier: Apache-2.0
"""A live command line: one stream, and the one talk that is under way on it.

What arrives is matched in the callback that brings it; the coroutine that waits is woken once, when its exchange is
done. Bytes that no exchange asked for are kept apart and never become part of a later answer.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol

from aioconn.errors import AioconnError, SessionBroken, SessionClosed, Where
from aioconn.platforms.model import Platform, Probe
from aioconn.protocols.pace import Pace
from aioconn.transport.base import Stream
from aioconn.wire import ansi
from aioconn.wire.echo import Discipline
from aioconn.wire.exchange import STALLED_AFTER, Exchange
from aioconn.wire.prompt import LINE_LIMIT, PromptMatch, Prompts

_STRAY_LIMIT = 1 << 16


class Talk(Protocol):
    """What `Shell.run` drives: an `Exchange`, an `Opening`, a `Login`, a `Proof`."""

    quiet_after: float | None

    @property
    def done(self) -> PromptMatch | None: ...

    @property
    def ended(self) -> bool:
        """Whether whoever waits for this talk must be woken."""
        ...

    def feed(self, data: bytes) -> bytes: ...

    def quiet(self) -> bytes: ...

    def seen(self, limit: int = 400) -> str: ...


class Shell:
    """Receiver of a stream. `in_step` tells that the device stands at a prompt that has been seen."""

    def __init__(
        self,
        platform: Platform,
        *,
        where: Where,
        on_lost: Callable[[Exception | None], None],
        on_stray: Callable[[str], None] | None = None,
    ) -> None:
        self.platform = platform
        self.prompts = Prompts(platform)
        self.discipline = Discipline.UNKNOWN if platform.echo else Discipline.NONE
        self.in_step = False
        self.learns = False  # whether prompts tell the device's name; the first may be the end of a banner
        self.proven = False  # nothing has been sent since the prompt was put to the proof
        self.drops_lines = True  # an interrupt at the prompt drops what was typed, as far as is known
        self.mode = ""
        self.newline = platform.newline.encode()
        self._where = where
        self._on_lost = on_lost
        self._on_stray = on_stray
        self._stream: Stream | None = None
        self._talk: Talk | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = 0.0  # when it goes off: at the earlier of these two, or before that, to be set again
        self._quiet_at: float | None = None  # when the talk is told that nothing more has come
        self._look_at: float | None = None  # when it is looked whether anything has come of an answer
        # at which one the last time, and how much had come of it
        self._looked: tuple[Talk | None, int] = (None, 0)
        self._stray = bytearray()
        self._lost = False
        self._lost_by: Exception | None = None
        self.pace = Pace()
        self._loop = asyncio.get_running_loop()
        self._arrived: asyncio.Event | None = None  # made when somebody waits, which few do

    # ------------------------------------------------------------------ receiver

    def attach(self, stream: Stream) -> None:
        self._stream = stream

    def data_received(self, data: bytes, /) -> None:
        talk = self._talk
        if not self.in_step:
            self.pace.heard(self._loop.time())
        if self.pace.counts:
            self.pace.count(data)
        if talk is None:
            self._stray += data
            if len(self._stray) > _STRAY_LIMIT:
                del self._stray[:-_STRAY_LIMIT]
            self._tell_arrival()
            return
        self._after(talk, talk.feed(data))

    def connection_lost(self, error: Exception | None, /) -> None:
        self._lost = True
        self._lost_by = error
        self._tell_arrival()
        self._stop_timer()
        if (waiter := self._waiter) is not None and not waiter.done():
            waiter.set_exception(self._broken())
        self._on_lost(error)

    def _after(self, talk: Talk, reply: bytes) -> None:
        if reply:
            self.write(reply)
        waiter, done = self._waiter, talk.done is not None
        if waiter is not None and (done or talk.ended) and not waiter.done():
            waiter.set_result(None)
        if not done and talk.quiet_after is not None:
            self._start_timer(talk.quiet_after)
        else:
            self._quiet_at = None

    def _start_timer(self, delay: float) -> None:
        self._quiet_at = self._loop.time() + delay
        self._wake_at(self._quiet_at)

    def _wake_at(self, when: float) -> None:
        """One timer for all, as most silences are broken soon: to make and to cancel one takes 3 us."""
        if self._timer is not None:
            if self._timer_at <= when:
                return
            self._timer.cancel()
        self._timer_at = when
        self._timer = self._loop.call_at(when, self._on_timer)

    def _stop_timer(self) -> None:
        self._quiet_at = self._look_at = None
        self._looked = (None, 0)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _on_timer(self) -> None:
        self._timer, now = None, self._timer_at
        if (when := self._quiet_at) is not None and when <= now and (talk := self._talk) is not None:
            self._after(talk, talk.quiet())
        if (when := self._look_at) is not None and when <= now:
            self._look_for_stall()
        for when in (self._quiet_at, self._look_at):
            if when is not None:
                self._wake_at(when)

    # ------------------------------------------------------------------ talking

    def write(self, data: bytes) -> None:
        """Send bytes now; raises SessionBroken or SessionClosed if there is nobody to take them."""
        if self._lost or self._stream is None:
            raise self._broken()
        pace = self.pace
        pace.sent(data.count(self.newline) if pace.counts else 0, self._loop.time())
        self._stream.write(data)

    async def run(self, talk: Talk, opening: bytes, *, heard: bytes = b"") -> None:
        """Send `opening` and wait until `talk` is done; no deadline of its own. `heard` is fed to it first.

        When this is cancelled in the middle, `in_step` stays False: somebody has to bring it back.
        """
        if self._stray:
            self.flush_stray()
        waiter = self._waiter = self._loop.create_future()
        self._talk = talk
        if self._look_at is None:
            self._look_for_stall()
        try:
            if opening:
                self._send(opening)
            if heard:
                self._after(talk, talk.feed(heard))
            elif talk.quiet_after is not None:
                self._start_timer(talk.quiet_after)
            if self._lost and not talk.ended:
                self.check()  # nobody would tell us again
            await waiter
        finally:
            self.end(talk)

    async def more(self) -> None:
        """Wait until the talk that was begun has more to give or is done (for streaming)."""
        if self._lost:
            raise self._broken()
        self._waiter = self._loop.create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def begin(self, talk: Talk, opening: bytes) -> None:
        """Start `talk` without waiting; `more` and `end` go with it."""
        self.flush_stray()
        self._talk = talk
        if self._look_at is None:
            self._look_for_stall()
        self._send(opening)

    def _look_for_stall(self) -> None:
        """Look now and then whether anything has come: once for many talks, not for each piece of data."""
        talk = self._talk
        if not isinstance(talk, Exchange):
            self._look_at, self._looked = None, (None, 0)
            return  # the next talk begins it anew
        before, received = self._looked
        if talk is before and talk.received == received and talk.done is None:
            self._after(talk, talk.stalled())
        self._looked = (talk, talk.received)
        self._look_at = self._loop.time() + STALLED_AFTER
        self._wake_at(self._look_at)

    def _send(self, opening: bytes) -> None:
        self.in_step = self.proven = False
        self.write(opening)

    def end(self, talk: Talk) -> None:
        """The talk is over, done or not."""
        self._talk = self._waiter = self._quiet_at = None
        if (done := talk.done) is not None:
            self.arrived_at(done)
            if isinstance(talk, Exchange):
                self._stray += talk.late
        elif isinstance(talk, Exchange) and talk.answering.parted is not None:
            self._stray += talk.late
        elif not self.in_step:
            self._stray += talk.seen().encode()[-400:]

    def prove(self) -> None:
        """The prompt has been put to the proof."""
        self.proven = True
        self.pace.settled()

    def arrived_at(self, match: PromptMatch) -> None:
        """The device stands at this prompt."""
        self.in_step = True
        self.mode = match.mode
        self.pace.at_prompt(match.text)
        if self.learns and match.host and match.host != self.prompts.host:
            self.prompts = self.prompts.learned(match.host)

    def flush_stray(self) -> str:
        """Give what nobody asked for to whoever wants to hear it, and forget it."""
        if not self._stray:
            return ""
        text = ansi.clean(self._stray).strip()
        self._stray.clear()
        if self._on_stray is not None and text:
            self._on_stray(text)
        return text

    def take_stray(self) -> bytes:
        """What came outside of any talk, for a caller who talks raw."""
        taken = bytes(self._stray)
        self._stray.clear()
        return taken

    def peek_stray(self) -> bytes:
        """The same, left where it is."""
        return bytes(self._stray)

    @property
    def has_stray(self) -> bool:
        return bool(self._stray)

    def line_before(self) -> bytes:
        """The line that the device stands in, as far as it has shown it outside of any talk."""
        return bytes(self._stray[self._stray.rfind(b"\n") + 1 :][-LINE_LIMIT:])

    def give_back(self, data: bytes) -> None:
        """Put what was taken too much in front again."""
        self._stray[:0] = data

    async def next_arrival(self) -> None:
        """Wait until more comes than is there now; the caller sets the deadline."""
        await self._next_arrival().wait()

    def _next_arrival(self) -> asyncio.Event:
        arrived = self._arrived = self._arrived or asyncio.Event()
        arrived.clear()
        return arrived

    def _tell_arrival(self) -> None:
        if self._arrived is not None:
            self._arrived.set()

    def check(self) -> None:
        """Raise SessionBroken if the stream has ended."""
        if self._lost:
            raise self._broken()

    def pause_reading(self) -> None:
        if self._stream is not None:
            self._stream.pause_reading()

    def resume_reading(self) -> None:
        if self._stream is not None:
            self._stream.resume_reading()

    def seen(self) -> str:
        """What the talk under way, or the line outside of one, has shown last."""
        return self._talk.seen() if self._talk is not None else self.stray_text().strip()

    @property
    def probe(self) -> Probe:
        """The line that proves where the device stands, for the mode it is in."""
        return self.probe_of(self.mode)

    def probe_of(self, name: str) -> Probe:
        """The same for another mode."""
        mode = self.platform.modes.get(name)
        return mode.probe if mode is not None and mode.probe is not None else self.platform.probe

    async def drain(self, quiet: float) -> bytes:
        """Read until nothing has come for `quiet` seconds; returns the end of what came. Bounded by the caller."""
        collected = bytearray()
        while True:
            collected += self._stray
            del collected[:-_STRAY_LIMIT]
            self._stray.clear()
            if self._lost:
                raise self._broken()
            if not await self.arrival(quiet):
                return bytes(collected)

    async def arrival(self, timeout: float) -> bool:
        """Wait until something comes outside of any talk; False if nothing does in time."""
        if self._stray or self._lost:
            return True
        arrived = self._next_arrival()
        try:
            async with asyncio.timeout(timeout):
                await arrived.wait()
        except TimeoutError:
            return False
        return True

    @property
    def patience(self) -> float:
        """How long a silence must last to mean something."""
        return self.pace.silence

    def stray_text(self) -> str:
        """The end of what nobody asked for, not yet flushed."""
        return ansi.clean(self._stray[-400:])

    # ------------------------------------------------------------------ the end

    async def close(self) -> None:
        """Say goodbye with the platform's words if that is safe, and end the stream. Bounded by the caller."""
        stream, self._stream = self._stream, None
        if stream is None:
            return
        if self.in_step and not self._lost and self.mode == self.platform.default_mode:
            for line in self.platform.on_close:
                stream.write(line.encode() + self.newline)
        self._fail_waiter()
        self._stop_timer()
        await stream.close()

    def abort(self) -> None:
        """End the stream now."""
        stream, self._stream = self._stream, None
        self._fail_waiter()
        self._stop_timer()
        if stream is not None:
            stream.abort()

    def _fail_waiter(self) -> None:
        if (waiter := self._waiter) is not None and not waiter.done():
            waiter.set_exception(self._broken())

    def _broken(self) -> SessionBroken | SessionClosed:
        if self._lost:
            cause = self._lost_by
            # what one of our errors says of the place is said again here
            known = cause if isinstance(cause, AioconnError) else None
            why = cause if known is None else known.message
            error = SessionBroken(
                "the device ended the session" if cause is None else f"the session broke: {why}",
                **self._where,
                seen=self.seen() or (known.seen if known is not None else None),
                hint=known.hint if known is not None else None,
                maybe_executed=not self.in_step,
            )
            error.__cause__ = cause
            return error
        return SessionClosed("the connection is closed", **self._where)
