# SPDX-License-Identifier: Apache-2.0
"""One HTTP/2 connection (RFC 9113): requests become streams on it, and what the device says reaches them.

The library knows frames and states, and answers pings and settings by itself; it does no I/O. Frames are cut here, so
that each is counted, and so that a GOAWAY is ours to understand: for the library everything would be over with it,
though answers that were promised are still to come.
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Callable, Sequence
from typing import cast

from aioconn.errors import MissingDependency
from aioconn.protocols.rest.http2_stream import Failure, Stream

try:
    from h2 import events
    from h2.config import H2Configuration
    from h2.connection import H2Connection
    from h2.errors import ErrorCodes
    from h2.exceptions import ProtocolError, TooManyStreamsError
    from h2.settings import SettingCodes, Settings
except ImportError as error:
    raise MissingDependency(f"HTTP/2 needs h2: {error}", hint="pip install 'aioconn[http2]'") from error

NAME = "h2"  # what ALPN calls it (RFC 9113, section 3.2)
WINDOW = 1024 * 1024  # bytes of one answer that may come before anybody takes them
LINK_WINDOW = (
    4 * WINDOW
)  # of all; it is opened again at once, so that an answer that nobody takes stops no other
FRAME = 16 * 1024  # bytes in a frame, theirs (we offer no more) and ours
HEADERS = 64 * 1024  # bytes of headers, unpacked
TABLE = 4096  # bytes that packing headers may remember, whatever the device offers
PATIENCE = 10_000  # frames that bring nothing, at once
RELIEF = 1000  # of them forgiven in a second, while the device takes what we answer to them

_CLOSED = Failure(words="the connection was closed")
_HEAD = 9
_SETTINGS, _GOAWAY = 4, 7


class Violation(Exception):
    """What came is HTTP/2, but more of it than anybody needs."""


class Full(Exception):
    """The device takes no more requests at a time; nothing was sent."""


class Unsayable(Exception):
    """A request that HTTP/2 has no words for. The connection is ended: what was sent of it is not known."""


class Http2Link(asyncio.Protocol):
    """The connection. It begins with TLS by which the device has chosen to speak HTTP/2; wait for `ready` then."""

    def __init__(self, on_end: Callable[[Http2Link], object]) -> None:
        self._loop = asyncio.get_running_loop()
        self._on_end = on_end
        self._h2 = H2Connection(H2Configuration(client_side=True, header_encoding=None))
        self._h2.local_settings = Settings(
            client=True,
            initial_values={
                SettingCodes.ENABLE_PUSH: 0,
                SettingCodes.INITIAL_WINDOW_SIZE: WINDOW,
                SettingCodes.MAX_HEADER_LIST_SIZE: HEADERS,
            },
        )
        self._transport: asyncio.Transport | None = None
        self._streams: dict[int, Stream] = {}
        self._inbox = bytearray()
        self._owed = 0
        self._paused = False
        self._patience, self._counted = float(PATIENCE), self._loop.time()
        self._leaving: str | None = None  # the words of their GOAWAY
        self.failure: Failure | None = None
        self.chosen: str | None = None
        """What the device has chosen to speak."""
        self.error: Exception | None = None
        """What ended the connection under us, if the network or TLS said so."""
        self.ready: asyncio.Future[None] = self._loop.create_future()
        """Done when the device has begun, or never will: see `failure`."""
        self._gone: asyncio.Future[None] = self._loop.create_future()

    @property
    def usable(self) -> bool:
        """Whether a new request may be sent on it."""
        return (
            self._transport is not None
            and not self._transport.is_closing()
            and self.failure is None
            and self._leaving is None
            and self._h2.highest_outbound_stream_id < H2Connection.HIGHEST_ALLOWED_STREAM_ID - 1
        )

    # ------------------------------------------------------------------ requests

    def send(self, headers: Sequence[tuple[str, str]], method: str, url: str, body: bytes | None) -> Stream:
        """Send a request, its body as fast as the device takes it. Raises Full and Unsayable."""
        stream = Stream(self, self._h2.get_next_available_stream_id(), method, url, body)
        try:
            self._h2.send_headers(stream.number, headers, end_stream=not body)
        except TooManyStreamsError as error:
            raise Full(str(error)) from None
        except (ProtocolError, ValueError) as error:
            self.abort()
            raise Unsayable(str(error)) from error
        self._streams[stream.number] = stream
        self._pump(stream)
        self._flush()
        return stream

    def take(self, stream: Stream) -> bytes:
        """What has come of its body; the device may send as much again."""
        piece, size = bytes(stream.come), stream.held
        stream.come.clear()
        stream.held = 0
        self._give_back(stream, size)
        self._flush()
        return piece

    def leave(self, stream: Stream) -> None:
        """Be done with a stream; the device hears that it need not go on with it. A plain function."""
        stream.come.clear()
        if not stream.over:
            self._reset(stream)
            self._drop(stream, Failure(words="nobody waits for the answer"))
            self._flush()

    async def close(self) -> None:
        """End it in order. Bounded by the caller, who aborts it in any case."""
        self._say_goodbye(ErrorCodes.NO_ERROR)
        self._end(_CLOSED)
        if self._transport is not None:
            self._transport.close()
            await self._gone

    def abort(self) -> None:
        """End it now. A plain function; may be repeated."""
        if self._transport is not None:
            self._transport.abort()
        self._end(_CLOSED)

    # ------------------------------------------------------------------ from asyncio

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self.chosen = transport.get_extra_info("ssl_object").selected_alpn_protocol()
        if self.chosen == NAME:  # at once: the first words are ours, and the device's may be here already
            self._begin()

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self.error = exc
        seen = self._leaving or (str(exc) or type(exc).__name__ if exc is not None else None)
        self._end(Failure(words="the connection ended before an answer", seen=seen))
        if not self._gone.done():
            self._gone.set_result(None)
        self._on_end(self)

    def pause_writing(self) -> None:
        self._paused = True

    def resume_writing(self) -> None:
        self._paused = False
        self._pump_all()
        self._flush()

    def data_received(self, data: bytes) -> None:
        if self.failure is not None or self.chosen != NAME:
            return
        self._inbox += data
        try:
            while (frame := self._next_frame()) is not None:
                self._take_frame(frame)
        except Violation as error:
            self._violated(str(error))
        except Exception as error:  # whatever the library makes of what nobody should have sent
            self._violated("what came is no HTTP/2", f"{type(error).__name__}: {error}"[:200])
        self._flush()

    # ------------------------------------------------------------------ frames

    def _next_frame(self) -> bytes | None:
        inbox = self._inbox
        if len(inbox) < _HEAD:
            return None
        size = _HEAD + int.from_bytes(inbox[:3])
        if size > _HEAD + FRAME or (not self.ready.done() and inbox[3] != _SETTINGS):
            raise ValueError(f"{bytes(inbox[:40])!r}")
        if len(inbox) < size:
            return None
        frame = bytes(inbox[:size])
        del inbox[:size]
        return frame

    def _take_frame(self, frame: bytes) -> None:
        useful = False
        if frame[3] == _GOAWAY:
            self._going_away(frame[_HEAD:])
        else:
            for event in self._h2.receive_data(frame):
                useful |= self._happened(event)
        if not useful:
            self._count()

    def _count(self) -> None:
        """Bear with a frame that brings nothing: pings, settings, empty ones, and what is about nothing we know."""
        now = self._loop.time()
        if not self._paused:
            self._patience = min(float(PATIENCE), self._patience + (now - self._counted) * RELIEF)
        self._counted = now
        self._patience -= 1
        if self._patience < 0:
            self._say_goodbye(ErrorCodes.ENHANCE_YOUR_CALM)
            raise Violation("the device sends frames without end that bring nothing")

    def _happened(self, event: events.Event) -> bool:
        """Whether it brought anything."""
        if isinstance(event, events.RemoteSettingsChanged):
            if self._h2.encoder.header_table_size > TABLE:
                self._h2.encoder.header_table_size = TABLE
            if not self.ready.done():
                self.ready.set_result(None)
            self._pump_all()
            return False
        if isinstance(event, events.WindowUpdated):
            waiting = any(stream.unsent for stream in self._streams.values())
            self._pump_all()
            return waiting
        if isinstance(event, events.DataReceived):
            return self._data(event)
        if isinstance(event, events.ResponseReceived):
            return self._answer(event)
        if isinstance(event, events.StreamEnded):
            return self._ended(event.stream_id)
        if isinstance(event, events.StreamReset):
            return self._refused(event)
        return False

    def _answer(self, event: events.ResponseReceived) -> bool:
        stream = self._streams.get(event.stream_id)
        if stream is None:
            return False
        for name, value in event.headers or ():
            if name == b":status":
                stream.status = int(value)
            elif not name.startswith(b":"):
                stream.headers.add(name.decode("latin-1"), value.decode("utf-8", "replace"))
        stream.answered = True
        stream.wake()
        return True

    def _data(self, event: events.DataReceived) -> bool:
        size = event.flow_controlled_length or 0
        self._owed += size
        if self._owed >= LINK_WINDOW // 2:
            self._h2.increment_flow_control_window(self._owed)
            self._owed = 0
        stream = self._streams.get(event.stream_id)
        if stream is None:
            return False
        if not event.data:
            self._give_back(stream, size)
            return False
        stream.come += event.data
        stream.held += size
        stream.wake()
        return True

    def _ended(self, number: int) -> bool:
        stream = self._streams.get(number)
        if stream is None:
            return False
        if stream.unsent:  # answered before it has heard all, and not interested in the rest
            self._reset(stream)
        stream.ended = True
        self._drop(stream)
        return True

    def _refused(self, event: events.StreamReset) -> bool:
        stream = self._streams.get(event.stream_id)
        if stream is None:
            return False
        code = event.error_code
        words, wrong = "the device broke off", False
        if code == ErrorCodes.REFUSED_STREAM:
            words = "the device refused the request unread"
        elif code == ErrorCodes.HTTP_1_1_REQUIRED:
            words, wrong = "the device wants HTTP/1.1 for this: leave http2 out", True
        unread = code == ErrorCodes.REFUSED_STREAM or wrong
        self._drop(stream, Failure(words=words, seen=_named(code), processed=not unread, wrong=wrong))
        return True

    def _going_away(self, payload: bytes) -> None:
        if len(payload) < 8:
            raise ValueError("a GOAWAY that is cut short")
        last, code = struct.unpack(">II", payload[:8])
        said = payload[8:208].decode("ascii", "replace").strip()
        self._leaving = f"{_named(code)} {said}".strip()
        words = "the device takes no more requests on this connection"
        for stream in [one for number, one in self._streams.items() if number > last & 0x7FFF_FFFF]:
            self._drop(stream, Failure(words=words, seen=self._leaving, processed=False))
        self._close_when_left()

    # ------------------------------------------------------------------ parts

    def _begin(self) -> None:
        self._h2.initiate_connection()
        self._h2.increment_flow_control_window(LINK_WINDOW - 65_535)
        self._flush()

    def _pump_all(self) -> None:
        for stream in list(self._streams.values()):
            self._pump(stream)

    def _pump(self, stream: Stream) -> None:
        """Send of its body what may be sent now."""
        while stream.unsent and not self._paused:
            room = min(self._h2.local_flow_control_window(stream.number), self._h2.max_outbound_frame_size)
            if room <= 0:
                return
            piece, stream.unsent = stream.unsent[: min(room, FRAME)], stream.unsent[min(room, FRAME) :]
            self._h2.send_data(stream.number, piece, end_stream=not stream.unsent)
            self._flush()

    def _give_back(self, stream: Stream, size: int) -> None:
        stream.owed += size
        if not stream.over and stream.owed >= WINDOW // 2:
            self._h2.increment_flow_control_window(stream.owed, stream.number)
            stream.owed = 0

    def _reset(self, stream: Stream) -> None:
        try:
            self._h2.reset_stream(stream.number, ErrorCodes.CANCEL)
        except ProtocolError:  # it is over for the library
            pass

    def _drop(self, stream: Stream, failure: Failure | None = None) -> None:
        stream.failure = failure
        stream.unsent = memoryview(b"")
        self._streams.pop(stream.number, None)
        stream.wake()
        self._close_when_left()

    def _close_when_left(self) -> None:
        if self._leaving is not None and not self._streams and self._transport is not None:
            self._flush()
            self._transport.close()

    def _say_goodbye(self, code: ErrorCodes) -> None:
        try:
            self._h2.close_connection(code)
        except ProtocolError:
            pass
        self._flush()

    def _violated(self, words: str, seen: str | None = None) -> None:
        self._flush()
        self._end(Failure(words=words, seen=seen, wrong=True))
        if self._transport is not None:
            self._transport.abort()

    def _end(self, failure: Failure) -> None:
        if self.failure is None:
            self.failure = failure
        for stream in list(self._streams.values()):
            self._drop(stream, self.failure)
        if not self.ready.done():
            self.ready.set_result(None)

    def _flush(self) -> None:
        data = self._h2.data_to_send()
        if data and self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)


def _named(code: ErrorCodes | int | None) -> str:
    try:
        return ErrorCodes(code or 0).name
    except ValueError:
        return f"error {code}"
