# SPDX-License-Identifier: Apache-2.0
"""Frames and their bytes, both ways: sans-IO, for the process that holds the sessions and for the others.

A frame is its length (32 bits, most significant byte first) and a MessagePack array whose first element says which
frame it is. Values stand in it as bytes, so that no nesting of theirs is ever looked at for a peer who has not proved
who he is, and so that a large one can go in parts: `Part` frames, then the frame itself with nothing in the value's
place. Parts are made and joined here; nobody else sees them.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from typing import Any, Final, Literal, TypeAlias

import msgspec

from aioconn.broker import codec, failures, values
from aioconn.broker.messages import (
    PART,
    VERSION,
    Alive,
    Call,
    CallBody,
    CallKind,
    Cancel,
    Cancelled,
    Challenge,
    End,
    Failure,
    FailureBody,
    Frame,
    Hello,
    Item,
    ItemBody,
    Leave,
    Next,
    OutputBody,
    Part,
    Proof,
    Refused,
    Target,
    TargetKind,
    Unreadable,
    Value,
    ValueBody,
    Valued,
    Welcome,
)
from aioconn.errors import AioconnError, BadFrame, CannotCross, RemoteError
from aioconn.results import Output

__all__ = [
    "MAX_ELEMENTS",
    "MAX_FRAME",
    "MAX_VALUE",
    "PART",
    "VERSION",
    "Alive",
    "BadFrame",
    "Call",
    "CallKind",
    "Cancel",
    "Cancelled",
    "Challenge",
    "End",
    "Failure",
    "Frame",
    "Hello",
    "Inbox",
    "InboxKind",
    "Item",
    "Leave",
    "Next",
    "Proof",
    "Refused",
    "Target",
    "TargetKind",
    "Unreadable",
    "Value",
    "Welcome",
    "encode",
    "pieces",
    "plainly",
]

MAX_FRAME: Final = 16 * 1024 * 1024
"""Bytes of one frame without its length. Who announces more is not listened to any longer."""

MAX_VALUE: Final = 1024 * 1024 * 1024
"""Bytes of a value in all its parts."""

MAX_ELEMENTS: Final = 1_000_000
"""Values in the arguments of one call, those inside others too: a byte on the wire may become 64 in memory."""

InboxKind: TypeAlias = Literal["porter", "server", "client"]

_DECODERS: dict[InboxKind, Callable[[bytes | bytearray | memoryview], Any]] = {
    "porter": msgspec.msgpack.Decoder(Hello | Proof).decode,
    "server": msgspec.msgpack.Decoder(Call | CallBody | Cancel | Next | Leave).decode,
    "client": msgspec.msgpack.Decoder(
        Challenge
        | Welcome
        | Refused
        | Value
        | Item
        | Cancelled
        | End
        | Alive
        | OutputBody
        | ValueBody
        | ItemBody
        | FailureBody
        | Part
    ).decode,
}

# Calls in the short form are short; what else is long is made into objects only after a look at how many they will be.
_decode_long_call: Callable[[bytes | bytearray | memoryview], Any] = msgspec.msgpack.Decoder(CallBody).decode
_UNCOUNTED = 64 * 1024

_PLAIN = frozenset({type(None), bool, int, float, str})

_length_at = struct.Struct(">I").unpack_from

_encode = msgspec.msgpack.Encoder().encode


def encode(frame: Frame, place: str = "") -> bytes:
    """The bytes of a frame, all parts of a large value included.

    Raises `CannotCross` for a value that cannot go; `place` names it ("the result of execute"), an argument of a call
    is named by itself. A `Failure` is never refused.
    """
    if (plain := plainly(frame)) is not None:
        return plain
    wire = _wire(frame, place)
    if isinstance(wire, Valued) and len(wire.body) > PART:
        return b"".join(_in_parts(wire))
    return _framed(wire)


def pieces(frame: Frame, place: str = "") -> Iterator[bytes]:
    """The bytes of a frame in pieces of little more than `PART`, for whoever waits in between for a slow reader.

    Raises as `encode` does, at once and not at the first piece.
    """
    if (plain := plainly(frame)) is not None:
        return iter((plain,))
    wire = _wire(frame, place)
    if isinstance(wire, Valued) and len(wire.body) > PART:
        return _in_parts(wire)
    return iter((_framed(wire),))


def plainly(frame: Frame) -> bytes | None:
    """The short way, for what most calls take and give: `encode` in one step; None for whatever needs another look."""
    wire: msgspec.Struct = frame
    if type(frame) is Call:
        args, kwargs = frame.args, frame.kwargs
        if args and not _PLAIN.issuperset(map(type, args)):
            return None
        if kwargs and not _PLAIN.issuperset(map(type, kwargs.values())):
            return None
        if len(frame.name) > 255 or len(frame.target.alias) > 255:
            return None
    elif type(frame) is not Value and type(frame) is not Item:
        return None
    elif type(frame.value) in _PLAIN:
        if type(frame.value) is str and len(frame.value) > PART:
            return None
    elif type(frame.value) is Output and type(frame) is Value:
        output = frame.value
        if len(output) > PART:
            return None
        raw = output._raw
        head, tail = (raw, None) if type(raw) is bytes else raw
        fields = (output.command, output.elapsed, output.mode, output.failure)
        if tuple(map(type, fields)) not in _OUTPUT_FIELDS:
            return None
        wire = OutputBody(str.__str__(output), *fields, head, tail)  # type: ignore[arg-type]
    else:
        return None
    try:
        body = _encode(wire)
    except (OverflowError, TypeError, UnicodeEncodeError):  # too large an int, a lone surrogate
        return None
    return len(body).to_bytes(4, "big") + body if len(body) <= PART else None


_OUTPUT_FIELDS = {(str, float, str, type(None)), (str, float, str, str)}


def _framed(wire: msgspec.Struct) -> bytes:
    try:
        body = _encode(wire)
    except UnicodeEncodeError:
        raise CannotCross(f"a name in {type(wire).__name__} is no Unicode text") from None
    if len(body) > MAX_FRAME:
        raise CannotCross(
            f"the call takes {len(body):,} bytes, and at most {MAX_FRAME:,} go to another process"
        )
    return len(body).to_bytes(4, "big") + body


def _in_parts(wire: Valued) -> Iterator[bytes]:
    view = memoryview(wire.body)
    for start in range(0, len(view), PART):
        part = view[start : start + PART]
        yield _framed(Part(part))  # type: ignore[arg-type]  # goes as bytes do
    yield _framed(type(wire)(b""))


def _wire(frame: Frame, place: str) -> msgspec.Struct:
    if isinstance(frame, Value):
        return ValueBody(_sized(values.dump(frame.value, place), place))
    if isinstance(frame, Call):
        if len(frame.name) > 255 or len(frame.target.alias) > 255:
            raise CannotCross("a name of more than 255 characters cannot go to another process")
        return CallBody(frame.kind, frame.target, frame.name, _arguments(frame))
    if isinstance(frame, Item):
        return ItemBody(_sized(values.dump(frame.value, place), place))
    if isinstance(frame, Failure):
        if not isinstance(frame.error, Exception | BaseExceptionGroup):
            return Cancelled()
        return FailureBody(_failure(frame.error))
    if isinstance(frame, Unreadable):
        raise TypeError("Unreadable stands for what was received; it is not sent")
    return frame


def _sized(body: bytes, place: str) -> bytes:
    if len(body) > MAX_VALUE:
        raise CannotCross(
            f"{place or 'the value'} takes {len(body):,} bytes, and at most {MAX_VALUE:,} go to another process"
        )
    return body


def _arguments(call: Call) -> bytes:
    """One flat array: the names of the keyword arguments as one text, then all arguments. Mostly all is plain."""
    names = ",".join(call.kwargs)
    try:
        body = codec.encode(codec.pack_items([names, *call.args, *call.kwargs.values()], 0))
    except Exception as error:
        for place, value in (
            *((f"argument {number} of {call.name}", value) for number, value in enumerate(call.args, 1)),
            *((f"argument {name!r} of {call.name}", value) for name, value in call.kwargs.items()),
        ):
            values.dump(value, place)
        raise values.located(error, None, f"an argument of {call.name}") from None
    if _are_too_many(body):
        raise CannotCross(
            f"the arguments of {call.name} hold more than {MAX_ELEMENTS:,} values, and no more go to another process",
            hint="make several calls of it",
        )
    return body


def _are_too_many(arguments: bytes) -> bool:
    return len(arguments) > _UNCOUNTED and codec.count(arguments, MAX_ELEMENTS) > MAX_ELEMENTS


def _failure(error: BaseException) -> bytes:
    """An error always goes, if need be as little more than its type."""
    try:
        body = codec.encode(failures.told(error))
    except Exception:
        body = b""
    if 0 < len(body) <= MAX_VALUE:
        return body
    return values.dump(
        RemoteError("an error that cannot go to another process", type_name=codec.type_name(type(error)))
    )


# ---------------------------------------------------------------------- receiving


class Inbox:
    """Makes frames of what arrives, however it was cut.

    `kind`: "porter" takes the frames of somebody who has not proved who he is, "server" those of a client who has,
    "client" those of a server. What else comes, or is longer than `limit` bytes, ends it: `BadFrame`, now and for ever.
    """

    def __init__(self, kind: InboxKind, limit: int = MAX_FRAME) -> None:
        self._decode = _DECODERS[kind]
        self._is_server = kind == "server"
        self._limit = limit
        self._buffer = bytearray()
        self._start = 0  # of what was not looked at yet
        self._parts = bytearray()
        self._bad: str | None = None

    @property
    def pending(self) -> int:
        """Bytes of a frame, or of a value, that is not complete."""
        return len(self._buffer) - self._start + len(self._parts)

    def feed(self, data: bytes | bytearray | memoryview) -> Iterator[Frame]:
        """The frames that are complete by now. `data` is taken in by the call, the frames are made one by one.

        Whoever leaves early finds the others with the next call. Raises `BadFrame`, and nothing else.
        """
        if self._bad is not None:
            raise BadFrame(self._bad)
        size = len(data)
        if not self._buffer and 4 < size <= self._limit and _length_at(data)[0] == size - 4:
            frame = self._frame(data[4:])  # as nearly all come: one, whole
            return iter(()) if frame is None else iter((frame,))
        self._buffer += data
        return self._frames()

    def _frames(self) -> Iterator[Frame]:
        buffer = self._buffer
        while len(buffer) - self._start >= 4 and self._bad is None:
            body = self._start + 4
            size = int.from_bytes(buffer[self._start : body], "big")
            if size > self._limit:
                raise self._spoilt(f"a frame of {size:,} bytes; at most {self._limit:,} are taken")
            if len(buffer) < body + size:
                break
            self._start = body + size
            if (frame := self._frame(buffer[body : body + size])) is not None:
                yield frame
        if self._bad is not None:
            raise BadFrame(self._bad)
        del buffer[: self._start]
        self._start = 0

    def _frame(self, data: bytes | bytearray | memoryview) -> Frame | None:
        try:
            wire = (_decode_long_call if self._is_server and len(data) > PART else self._decode)(data)
        except Exception as error:
            raise self._spoilt(f"no frame of ours ({type(error).__name__})") from None
        kind = type(wire)
        if (kind is Value or kind is Call) and not self._parts:
            return wire  # type: ignore[no-any-return]
        if kind is Part:
            self._parts += wire.data
            if len(self._parts) > MAX_VALUE:
                raise self._spoilt(f"a value of more than {MAX_VALUE:,} bytes")
            return None
        if kind is CallBody:
            return self._call(wire)
        if kind is ValueBody:
            return self._valued("value", Value, wire)
        if kind is ItemBody:
            return self._valued("item", Item, wire)
        if kind is FailureBody:
            return self._valued("failure", Failure, wire)
        if self._parts and kind is not Alive:
            raise self._spoilt("parts of a value without its end")
        if kind is OutputBody:
            raw = wire.raw if wire.tail is None else (wire.raw, wire.tail)
            output = Output(
                wire.text,
                command=wire.command,
                elapsed=wire.elapsed,
                mode=wire.mode,
                failure=wire.failure,
                raw=raw,
            )
            return Value(output)
        return wire  # type: ignore[no-any-return]

    def _valued(
        self, name: Literal["value", "item", "failure"], cls: Callable[[Any], Frame], wire: Valued
    ) -> Frame:
        body: bytes | bytearray = wire.body
        if bool(body) == bool(self._parts):
            raise self._spoilt("a value both in parts and whole, or neither")
        if self._parts:
            body, self._parts = self._parts, bytearray()
        try:
            value = values.load(body)
        except CannotCross as error:
            return Unreadable(name, error)
        except AioconnError as error:
            raise self._spoilt(error.message) from None
        if name == "failure" and not isinstance(value, Exception):
            raise self._spoilt("a failure without an error")
        return cls(value)

    def _call(self, wire: CallBody) -> Frame:
        if _are_too_many(wire.body):
            raise self._spoilt(f"a call with more than {MAX_ELEMENTS:,} values")
        try:
            arguments = values.load(wire.body)
        except CannotCross as error:
            return Unreadable("call", error)
        except AioconnError as error:
            raise self._spoilt(error.message) from None
        if type(arguments) is not list or not arguments or type(arguments[0]) is not str:
            raise self._spoilt("a call without arguments")
        if not arguments[0]:
            return Call(wire.kind, wire.target, wire.name, tuple(arguments[1:]))
        names = arguments[0].split(",")
        first = len(arguments) - len(names)
        kwargs = dict(zip(names, arguments[first:], strict=False))
        if first < 1 or len(kwargs) < len(names):
            raise self._spoilt("a call whose arguments do not fit their names")
        return Call(wire.kind, wire.target, wire.name, tuple(arguments[1:first]), kwargs)

    def _spoilt(self, why: str) -> BadFrame:
        self._bad = (
            why if why.startswith("what another process sent") else f"what another process sent is {why}"
        )
        self._buffer.clear()
        self._parts.clear()
        self._start = 0
        return BadFrame(self._bad)
