# SPDX-License-Identifier: Apache-2.0
"""One NETCONF session over a stream: which answer belongs to which call, and what is a reason to end it.

Everything happens in the callback that brings the bytes: they are taken apart, read, and given to whoever waits. What
comes for nobody who waits any more is dropped; what nobody ever asked for ends the session, for then it is not known
whom any further answer belongs to.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final

from aioconn.errors import AioconnError, BadReply, SessionBroken, SessionClosed, Where
from aioconn.protocols.netconf import messages
from aioconn.protocols.netconf.arrivals import Arrivals
from aioconn.protocols.netconf.call import Call, Events, Pieces
from aioconn.protocols.netconf.capabilities import BASE_1_0, BASE_1_1, NONE, Capabilities
from aioconn.protocols.netconf.framing import END, BadFraming, Decoder, encode
from aioconn.protocols.netconf.messages import Head, Hello, RpcReply
from aioconn.protocols.netconf.operations import Operations
from aioconn.protocols.netconf.values import Notification
from aioconn.transport.base import Stream

STREAM_ROOM = 1024 * 1024
"""Bytes of a streamed answer that wait for who takes them, before the device is kept waiting."""

NOTIFICATION_ROOM = 4 * 1024 * 1024
"""Characters of notifications that wait, before the device is kept waiting (unless a call waits for its answer)."""

NOTIFICATION_LIMIT = 64 * 1024 * 1024
"""Characters of notifications that wait, beyond which the session is ended."""

MAX_ABANDONED = 1000
"""Calls that ended early and were never answered, beyond which the session is ended."""

_VERSIONS: Final = {"1.0": BASE_1_0, "1.1": BASE_1_1}


class Session:
    """The receiver of a stream, with the calls that are under way on it. All of it belongs to one loop.

    `on_lost` is told once that the device, or what it said, has ended the session; not of `end`.
    """

    def __init__(
        self,
        *,
        where: Where,
        versions: Sequence[str],
        max_reply: int,
        on_lost: Callable[[Exception | None], None],
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._where = where
        self._versions = tuple(map(_VERSIONS.__getitem__, versions))
        self._max_reply = max_reply
        self._on_lost = on_lost
        self._stream: Stream | None = None
        self._held: dict[str, bytes] | None = None  # calls that are written later in this turn of the loop
        self._decoder = Decoder()
        self._numbers = itertools.count(1)
        self._calls: dict[str, Call] = {}
        self._leaving = False
        self._streamed = 0  # calls under way whose answers are wanted as they come
        self._abandoned: set[str] = set()  # message-ids of calls that ended before their answer came
        self._parts: list[bytes] = []  # of the message that is coming
        self._size = 0
        self._head: Head | None = None
        self._pour: Call | None = None  # who gets the message that is coming piece by piece
        self._dropping = False
        self._paused = False
        self._over: Callable[[], AioconnError] | None = None
        self.greeting: asyncio.Future[Hello] = self._loop.create_future()
        self.heard_at = self._loop.time()
        self.session_id = 0
        self.operations = Operations(NONE, where)
        self.events: Events | None = None  # of the subscription, if there is one

    @property
    def capabilities(self) -> Capabilities:
        return self.operations.capabilities

    @property
    def over(self) -> bool:
        """Whether it has ended, whoever ended it."""
        return self._over is not None

    @property
    def chunked(self) -> bool:
        """Whether both sides speak base:1.1."""
        return self._decoder.chunked

    @property
    def calls(self) -> int:
        """Calls whose answers are waited for."""
        return len(self._calls)

    # ------------------------------------------------------------------ to the device

    def attach(self, stream: Stream) -> None:
        """Begin: say hello."""
        self._stream = stream
        stream.write(encode(messages.hello(self._versions), chunked=False))

    def send(self, operation: str, *, streamed: bool = False) -> Call:
        """Write a call down; await its `answer`, or take its `pieces`. Raises if the session is over, ValueError if the
        message cannot be framed."""
        if self._over is not None:
            raise self._over()
        message_id = str(next(self._numbers))
        data = encode(messages.rpc(operation, message_id), chunked=self.chunked)
        pieces: Pieces | None = None
        if streamed:
            pieces = Arrivals(room=STREAM_ROOM, changed=self._review_reading)
        call = self._calls[message_id] = Call(message_id, self._loop.time(), pieces)
        self._streamed += streamed
        self._write(message_id, data)
        self._review_reading()
        return call

    def send_unheard(self, operation: str) -> None:
        """Write a call down whose answer nobody wants; nothing happens if the session is over."""
        if self._over is None:
            call = self.send(operation)
            self._flush()
            self.abandon(call)

    def abandon(self, call: Call) -> None:
        """Nobody waits for the answer any more: it is dropped when it comes, and a call that is not written yet is not
        made. A plain function."""
        if self._over_with(call.message_id) is None:
            return
        call.answer.cancel()
        if self._held is not None and self._held.pop(call.message_id, None) is not None:
            return  # it was never sent
        if call is self._pour:
            self._pour, self._dropping = None, True
        else:
            self._abandoned.add(call.message_id)
        if len(self._abandoned) > MAX_ABANDONED:
            self._fail(f"the device has not answered {MAX_ABANDONED} calls")

    def _over_with(self, message_id: str) -> Call | None:
        """The call of this number, which is no longer under way."""
        call = self._calls.pop(message_id, None)
        if call is not None and call.pieces is not None:
            self._streamed -= 1
        return call

    def subscribe(self) -> Events:
        """From here on notifications are kept for whoever takes them."""
        self.events = Arrivals(room=NOTIFICATION_ROOM, changed=self._review_reading)
        return self.events

    def _write(self, message_id: str, data: bytes) -> None:
        """One that is alone goes at once, else those of one turn of the loop together: a packet for each call is the
        dearest part of it."""
        if self._held is not None:
            self._held[message_id] = data
        elif len(self._calls) > 1:
            self._held = {message_id: data}
            self._loop.call_soon(self._flush)
        elif self._stream is not None:
            self._stream.write(data)

    def _flush(self) -> None:
        held, self._held = self._held, None
        if held and self._stream is not None:
            self._stream.write(b"".join(held.values()))

    def _review_reading(self) -> None:
        """Read, unless what is taken piece by piece is not taken, and nobody waits for anything else."""
        stream = self._stream
        if stream is None:
            return
        full = self._pour is not None and self._pour.pieces is not None and self._pour.pieces.full
        if not full and self.events is not None and self.events.full:
            full = not self._calls
        if full != self._paused:
            self._paused = full
            (stream.pause_reading if full else stream.resume_reading)()

    # ------------------------------------------------------------------ from the device

    def data_received(self, data: bytes, /) -> None:
        if self._over is not None:
            return
        self.heard_at = self._loop.time()
        if not (self._abandoned or self._streamed):  # else it may be wanted in pieces, or not at all
            document = self._decoder.whole(data)
            if document is not None and len(document) <= self._max_reply:
                self._message(document)
                return
        try:
            for part in self._decoder.feed(data):
                if part is END:
                    self._message_ended()
                else:
                    self._piece(part)
                if self.over:
                    return
        except BadFraming as error:
            self._fail(f"what came is not framed as NETCONF: {error}", error.seen)

    def connection_lost(self, error: Exception | None, /) -> None:
        if self._over is not None:
            return
        if self._leaving:  # it was asked to
            self._stream = None  # whoever says goodbye closes it
            self.end(closed=True)
            return
        seen = self.seen()

        def broken() -> AioconnError:
            known = error if isinstance(error, AioconnError) else None
            why = f"the session broke: {known.message if known else error}"
            lost = SessionBroken(
                "the device ended the session" if error is None else why,
                **self._where,
                seen=seen or (known.seen if known is not None else None),
                hint=known.hint if known is not None else None,
                maybe_executed=True,
            )
            lost.__cause__ = error
            return lost

        self._finish(broken)
        self._on_lost(error)

    def _piece(self, piece: bytes) -> None:
        """A part of a message. It is only looked into if it may be for somebody who wants it as it comes, or for
        nobody."""
        if self._dropping:
            return
        if self._pour is not None and self._pour.pieces is not None:
            self._pour.pieces.put(piece)
            self._review_reading()
            return
        self._parts.append(piece)
        self._size += len(piece)
        if self._head is None and (self._abandoned or self._streamed):
            self._look_ahead()
        if self._size > self._max_reply:
            hint = "get it with stream_get or stream_get_config, or raise max_reply"
            self._fail(f"a message of more than {self._max_reply} bytes", hint=hint)

    def _look_ahead(self) -> None:
        beginning = self._parts[0] if len(self._parts) == 1 else b"".join(self._parts)
        self._head = head = messages.head(beginning)
        if head is None or head.root != "rpc-reply" or head.message_id is None:
            self._parts = [beginning]
            return
        call = self._calls.get(head.message_id)
        if call is not None and call.pieces is not None and head.child != "rpc-error":
            self._pour, self._parts, self._size = call, [], 0
            call.pieces.put(beginning.lstrip())
            self._review_reading()
        elif head.message_id in self._abandoned:
            self._abandoned.discard(head.message_id)
            self._dropping, self._parts, self._size = True, [], 0

    def _message_ended(self) -> None:
        parts, dropped, pour = self._parts, self._dropping, self._pour
        self._parts, self._size, self._head = [], 0, None
        self._dropping, self._pour = False, None
        if pour is not None and pour.pieces is not None:
            self._over_with(pour.message_id)
            pour.pieces.end()
            self._review_reading()
        elif not dropped:
            self._message(parts[0] if len(parts) == 1 else b"".join(parts))

    def _message(self, document: bytes) -> None:
        if not document.strip():
            return
        try:
            message = messages.read(document)
        except messages.BadMessage as error:
            self._fail(f"what came is not NETCONF: {error}", document[:200].decode("utf-8", "replace"))
            return
        if isinstance(message, Hello):
            self._greeted(message)
        elif not self.greeting.done():
            self._fail("the device did not begin with a hello", document[:200].decode("utf-8", "replace"))
        elif isinstance(message, RpcReply):
            self._answered(message)
        else:
            self._notified(message)

    def _greeted(self, hello: Hello) -> None:
        if self.greeting.done():
            self._fail("the device says hello for the second time")
            return
        common = [version for version in self._versions if version in hello.capabilities]
        if not common:
            self._fail(
                "the device speaks none of the versions of NETCONF that are offered",
                ", ".join(itertools.islice(hello.capabilities, 10)),
            )
            return
        self._decoder.chunked = BASE_1_1 in common
        self.session_id = hello.session_id
        self.operations = Operations(hello.capabilities, self._where)
        self.greeting.set_result(hello)

    def _answered(self, reply: RpcReply) -> None:
        message_id = reply.message_id
        if message_id is None and len(self._calls) == 1 and not self._abandoned:
            message_id = next(iter(self._calls))  # servers leave it out of errors; it can only be this one's
        if message_id in self._abandoned:
            self._abandoned.discard(message_id)
            return
        call = self._over_with(message_id) if message_id is not None else None
        if call is None:
            self._fail(
                f"an answer to a call that was not made, with message-id {str(reply.message_id)[:40]!r}"
            )
            return
        if not call.answer.done():
            call.answer.set_result(reply)
        if call.pieces is not None:
            call.pieces.end()
        self._review_reading()

    def _notified(self, notification: Notification) -> None:
        events = self.events
        if events is None:
            return  # one that comes after the end of a subscription, or without any
        events.put(notification)
        if events.size > NOTIFICATION_LIMIT:
            self._fail("more notifications than are taken")
        elif notification.name == "notificationComplete":
            events.end()
            self.events = None
        self._review_reading()

    # ------------------------------------------------------------------ the end

    def seen(self) -> str:
        """The beginning of a message that has not come to its end."""
        return b"".join(self._parts[:4])[:200].decode("utf-8", "replace")

    def end(self, *, closed: bool) -> None:
        """End it now: calls under way hear of it. `closed`: it is us who end it. A plain function."""
        self._finish(partial(_ended, self._where, closed=closed))

    async def say_goodbye(self) -> None:
        """Ask the device to end the session, and end the stream. Calls under way hear of it first. The caller sets the
        deadline."""
        stream = self._stream
        if stream is None or self._over is not None:
            return
        for call in list(self._calls.values()):
            self._tell(call, _ended(self._where, closed=True))
        self._abandoned.update(self._calls)
        self._calls.clear()
        self._leaving = True
        pieces = self.send("<close-session/>", streamed=True).pieces
        self._flush()
        assert pieces is not None
        pieces.leave()  # whatever it says, it is over: only its end is waited for
        with contextlib.suppress(AioconnError):
            await pieces.take()
        self._stream = None  # so that it is not aborted
        self.end(closed=True)
        await stream.close()

    def _fail(self, message: str, seen: str | None = None, *, hint: str | None = None) -> None:
        """What the device said ends the session."""
        if self._over is not None:
            return

        where = self._where

        def bad() -> AioconnError:
            return BadReply(message, **where, seen=seen, hint=hint, maybe_executed=True)

        self._finish(bad)
        if not self._leaving:
            self._on_lost(bad())

    def _finish(self, reason: Callable[[], AioconnError]) -> None:
        if self._over is not None:
            return
        self._over = reason
        stream, self._stream = self._stream, None
        self._parts, self._pour = [], None
        calls, self._calls = list(self._calls.values()), {}
        for call in calls:
            self._tell(call, reason())
        if self.events is not None:
            self.events.end(reason())
        if not self.greeting.done():
            self.greeting.set_exception(reason())
            self.greeting.exception()  # it may be that nobody waits
        if stream is not None:
            stream.abort()

    def _tell(self, call: Call, error: AioconnError) -> None:
        if not call.answer.done():
            call.answer.set_exception(error)
            call.answer.exception()  # it may be that nobody waits
        if call.pieces is not None:
            call.pieces.end(error)


def _ended(where: Where, *, closed: bool) -> AioconnError:
    if closed:
        return SessionClosed("the connection is closed", **where)
    return SessionBroken("the session is lost", **where, maybe_executed=True)
