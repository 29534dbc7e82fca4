# SPDX-License-Identifier: Apache-2.0
"""Frames and their bytes: sans-IO, for the process that holds the sessions and for the others.

A frame is its length (32 bits, most significant byte first) and a MessagePack array whose first element says which
frame it is. Values stand in it as bytes, so that no nesting of theirs is ever looked at for a peer who has not proved
who he is, and so that a large one can go in parts: `Part` frames, then the frame itself with nothing in the value's
place. Parts are made here and joined by the `inbox`; nobody else sees them.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from aioconn.broker import codec, failures, values
from aioconn.broker.inbox import Inbox, InboxKind, are_too_many
from aioconn.broker.messages import (
    MAX_ELEMENTS,
    MAX_FRAME,
    MAX_VALUE,
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
from aioconn.errors import BadFrame, CannotCross, RemoteError
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

_PLAIN = frozenset({type(None), bool, int, float, str})

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
    if are_too_many(body):
        raise CannotCross(
            f"the arguments of {call.name} hold more than {MAX_ELEMENTS:,} values, and no more go to another process",
            hint="make several calls of it",
        )
    return body


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
