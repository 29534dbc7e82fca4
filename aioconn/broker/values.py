# SPDX-License-Identifier: Apache-2.0
"""What may be an argument or a result of a call to another process, and the bytes it becomes.

These cross: None, bool, int of any size, float, str, bytes, list, tuple, set, frozenset, dict, dates and times,
`Decimal`, `UUID`, paths, IP addresses, compiled patterns and their matches; `Output`, `Result`, `Results`, `Secret`,
`State`, `Expected`; errors, by `failures`; and what `register` was given. A subclass of a plain type arrives as that
type, a mapping as a dict, a time zone as its offset at that moment. A secret is revealed on the wire, and nowhere else:
it arrives as a `Secret`. All else is refused with `CannotCross`, which says what it is and where it stands.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeVar

from aioconn.broker import codec, failures, objects
from aioconn.broker import standard as standard  # teaches the types of the standard library
from aioconn.broker.place import place_in
from aioconn.credentials import Secret
from aioconn.errors import AioconnError, CannotCross
from aioconn.results import Output, Result, Results

T = TypeVar("T", bound=type)

OUTPUT, SECRET, RESULT, RESULTS = range(16, 20)


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionRef:
    """A connection, or pool, of a device in the process that holds it. `kind` is the name of its class, `services` and
    `streams` are those of the class; `key` is the device's."""

    key: int
    alias: str
    device: str
    kind: str
    services: tuple[str, ...]
    streams: tuple[str, ...]
    pool: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceRef:
    """A device in the process that holds it."""

    key: int
    name: str
    alias: str
    os: str | None
    platform: str | None
    type: str | None


def dump(value: Any, place: str = "") -> bytes:
    """The bytes of a value. Raises `CannotCross`, which says what stands in the way and where; `place` names the whole:
    "the result of execute". What a deferred secret raises when it is revealed comes as it is."""
    try:
        return codec.encode(codec.pack(value))
    except Exception as error:
        raise located(error, value, place) from None


def load(data: bytes | bytearray | memoryview) -> Any:
    """The value of these bytes. Raises `BadFrame`, or `CannotCross` for a class that is not known in this process."""
    return codec.decode(data)


def register(cls: T, name: str | None = None) -> T:
    """Let values of this class cross, in both directions; in each process it has to be registered. Also a decorator.

    A dataclass or a `msgspec.Struct` crosses by the fields that its constructor takes, an enum by the names of its
    members, an exception by its arguments and fields. `name` is the same on both sides; by default it is the module's
    and the class's. Raises `UsageError` for a class of another kind and for a name that is taken.
    """
    if issubclass(cls, Exception):
        failures.enrol(cls, name or objects.name_of(cls))
    else:
        objects.enrol(cls, name or objects.name_of(cls))
    return cls


def located(error: Exception, value: Any, place: str) -> AioconnError:
    """The error that tells why `value` cannot go, with the place of what stands in the way."""
    reason = codec.reason(error)
    if not isinstance(reason, CannotCross):
        return reason
    inside = "" if reason.message.startswith("is nested") else place_in(value)
    return CannotCross(f"{place or 'the value'}{inside} {reason.message}", hint=reason.hint)


# ---------------------------------------------------------------------- of ours


def _pack_output(output: Output, depth: int) -> Any:
    # what its raw bytes are rebuilt from, not the bytes: they would double a large output
    raw = output._raw if type(output._raw) is bytes else [*output._raw]
    fields = [str.__str__(output), output.command, output.elapsed, output.mode, output.failure, raw]
    return {OUTPUT: codec.pack_items(fields, depth)}


def _unpack_output(raw: Any, depth: int) -> Output:
    text, command, elapsed, mode, failure, data = codec.unpack_items(raw, depth, 6)
    if type(data) is list:
        head, tail = data
        data = (codec.demand(head, bytes), codec.demand(tail, bytes))
    else:
        codec.demand(data, bytes)
    if not (
        isinstance(text, str)
        and isinstance(command, str)
        and isinstance(elapsed, float | int)
        and isinstance(mode, str)
        and (failure is None or isinstance(failure, str))
    ):
        raise codec.Malformed("no output")
    return Output(text, command=command, elapsed=elapsed, mode=mode, failure=failure, raw=data)


def _pack_result(result: Result[Any], depth: int) -> Any:
    parts = (result.device, result.value, result.error, result.elapsed)
    return {RESULT: [codec.pack(part, depth) for part in parts]}


def _unpack_result(raw: Any, depth: int) -> Result[Any]:
    device, value, error, elapsed = codec.unpack_items(raw, depth, 4)
    codec.demand(device, str)
    codec.demand(error, BaseException, type(None))
    codec.demand(elapsed, float, int)
    return Result(device=device, value=value, error=error, elapsed=elapsed)


def _unpack_results(raw: Any, depth: int) -> Results[Any]:
    results = codec.unpack_one(raw, depth, dict)
    for name, result in results.items():
        codec.demand(name, str)
        codec.demand(result, Result)
    return Results(results)


codec.teach(Output, _pack_output, subclasses=True)
codec.teach(Secret, lambda secret, depth: {SECRET: secret.reveal()})
codec.teach(Result, _pack_result)
codec.teach(Results, lambda results, depth: {RESULTS: codec.pack(dict(results), depth)})
codec.tag(OUTPUT, _unpack_output)
codec.tag(SECRET, lambda raw, depth: Secret(codec.unpack_one(raw, depth, str)))
codec.tag(RESULT, _unpack_result)
codec.tag(RESULTS, _unpack_results)
objects.enrol(ConnectionRef, "ConnectionRef")
objects.enrol(DeviceRef, "DeviceRef")
