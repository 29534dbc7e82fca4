# SPDX-License-Identifier: Apache-2.0
"""What arrives on a wire, made into frames: sans-IO, whatever end it is."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from typing import Any, Literal, TypeAlias

import msgspec

from aioconn.broker import codec, values
from aioconn.broker.messages import (
    MAX_ELEMENTS,
    MAX_FRAME,
    MAX_VALUE,
    PART,
    Alive,
    Call,
    CallBody,
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
    Unreadable,
    Value,
    ValueBody,
    Valued,
    Welcome,
)
from aioconn.errors import AioconnError, BadFrame, CannotCross
from aioconn.results import Output

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

_length_at = struct.Struct(">I").unpack_from


def are_too_many(arguments: bytes) -> bool:
    """Whether the arguments of a call hold more values than a call may."""
    return len(arguments) > _UNCOUNTED and codec.count(arguments, MAX_ELEMENTS) > MAX_ELEMENTS


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
        if are_too_many(wire.body):
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
