# SPDX-License-Identifier: Apache-2.0
"""Errors that cross: with their type, message, fields, notes, and what led to them.

A class is known by name here or it is not: the errors of this package, Python's own exceptions, and those registered.
An error of any other class arrives as `RemoteError`. Nothing of an error can keep it from crossing: a field that cannot
go is sent as its `repr`. What ends a task or a process (`CancelledError`, `KeyboardInterrupt`, `SystemExit`) never
arrives as itself.
"""

from __future__ import annotations

import builtins
import os
import re
import socket
import traceback
from typing import Any

from aioconn import errors
from aioconn.broker import codec, objects
from aioconn.errors import AioconnError, Phase, RemoteError

ERROR, GROUP = 6, 7

FRAMES = 20
"""The innermost calls of a traceback that are told."""

_LONGEST = 1000
"""Characters of a `repr`."""

_LEVEL = 4
"""What each error of a chain counts in the depth: chains end sooner than other nesting."""

_NOT_THESE = (
    StopIteration,
    StopAsyncIteration,
    BaseExceptionGroup,
)  # they mean something to whoever raises them

_classes: dict[str, type[Exception]] = {}
_names: dict[type[BaseException], str] = {}


def enrol(cls: type[Exception], name: str) -> None:
    """Let errors of this very class cross as such, under this name."""
    known = _classes.get(name)
    if known is not None and known is not cls and objects.name_of(known) != objects.name_of(cls):
        raise errors.UsageError(f"another error is registered as {name!r} already: {codec.article(known)}")
    _classes[name] = cls
    _names[cls] = name


# ---------------------------------------------------------------------- packing


def told(error: BaseException) -> dict[str, Any] | Any:
    """The packed error with its traceback as a note: for an error that was raised here and is raised again there."""
    return _pack(error, 0, set(), note=trace(error))


def _pack_error(error: BaseException, depth: int) -> Any:
    return _pack(error, depth, set())


def _pack(error: BaseException, depth: int, seen: set[int], *, note: str | None = None) -> Any:
    """Never raises. `seen` are the errors of this chain: each goes once, however often it is referred to."""
    name = _names.get(type(error)) or objects.name_of(type(error))
    if depth > codec.DEPTH:
        return {ERROR: [name, _message(error), [], {}, [], None, None, False]}
    seen.add(id(error))
    depth += _LEVEL
    fields = {key: _field(value, depth) for key, value in _fields(error).items()}
    notes = _notes(error) if note is None else [*_notes(error), note]
    links: list[Any] = [None, None, error.__suppress_context__]
    for number, link in enumerate((error.__cause__, error.__context__)):
        if link is not None and id(link) not in seen:
            links[number] = _pack(link, depth, seen)
    if error.__cause__ is not None and error.__context__ is error.__cause__:
        links[1] = True
    if isinstance(error, BaseExceptionGroup):
        members = [_pack(member, depth, set()) for member in error.exceptions]
        return {GROUP: [str.__str__(error.message), members, fields, notes, *links]}
    return {ERROR: [name, _message(error), _args(error, depth), fields, notes, *links]}


def _fields(error: BaseException) -> dict[str, Any]:
    fields = {name: value for name, value in error.__dict__.items() if _may_be_set(error, name)}
    for name in _slots(error):
        fields[name] = getattr(error, name, None)
    return fields


def _slots(error: BaseException) -> set[str]:
    return {name for kind, names in _SLOTS.items() if isinstance(error, kind) for name in names}


def _may_be_set(error: BaseException, name: object) -> bool:
    """A field, and no method or property, nor anything that Python keeps for itself."""
    if type(name) is not str or not name.isidentifier() or name.startswith("_") or name == "message":
        return False
    default = getattr(type(error), name, None)
    return not callable(default) and not hasattr(default, "__get__")


_SLOTS: dict[type[BaseException], tuple[str, ...]] = {
    AttributeError: ("name",),
    ImportError: ("name", "path"),
    NameError: ("name",),
}
"""What these keep outside of `args` and `__dict__`, and is worth telling."""


def _notes(error: BaseException) -> list[str]:
    notes = getattr(error, "__notes__", None)
    return [str.__str__(note) for note in notes if isinstance(note, str)] if isinstance(notes, list) else []


def _message(error: BaseException) -> str:
    """What it says. An error whose class is known on the other side is built of its `args`, if they are enough."""
    if isinstance(error, AioconnError):
        message = error.__dict__.get("message", "")
        return str.__str__(message) if isinstance(message, str) else _repr(message)
    try:
        text = str.__str__(str(error)) or type(error).__name__
    except Exception:
        text = type(error).__name__
    return text if type(error) not in _names or len(text) <= _LONGEST else text[:_LONGEST] + "..."


def _args(error: BaseException, depth: int) -> list[Any]:
    if isinstance(error, AioconnError) or type(error) not in _names:
        return []
    args: Any = error.args
    if isinstance(error, OSError):
        args = error.__reduce__()[1]  # with the names of files, which `args` lacks
    return [_field(arg, depth) for arg in args]


def _field(value: Any, depth: int) -> Any:
    if type(value) in codec.PLAIN:
        return value
    try:
        return codec.pack(value, depth)
    except Exception:
        return _repr(value)


def _repr(value: Any) -> str:
    try:
        text = str.__str__(repr(value))
    except Exception:
        text = f"<{type(value).__qualname__} without a repr>"
    return text if len(text) <= _LONGEST else text[:_LONGEST] + "..."


def trace(error: BaseException) -> str | None:
    """Its traceback as a note: files, lines, functions. No source, which costs a look at each file, and no values."""
    if error.__traceback__ is None:
        return None
    frames = traceback.StackSummary.extract(
        traceback.walk_tb(error.__traceback__), limit=-FRAMES, lookup_lines=False
    )
    lines = [f"  File {frame.filename!r}, line {frame.lineno}, in {frame.name}" for frame in frames]
    return "\n".join([f"In process {os.getpid()} (most recent call last):", *lines])


# ---------------------------------------------------------------------- unpacking


def _unpack_error(raw: Any, depth: int) -> Exception:
    if type(raw) is not list or len(raw) != 8:
        raise codec.Malformed("no error")
    name, message = (codec.unpack_one(part, depth, str) for part in raw[:2])
    args = [_value(part, depth) for part in codec.demand(raw[2], list)]
    fields = _unpack_fields(raw[3], depth)
    cls = _classes.get(name)
    error = _build(cls, message, args) if cls is not None else None
    if error is None:
        error = RemoteError(message)
        fields["type_name"] = name.removeprefix("builtins:").replace(":", ".")
    _furnish(error, fields)
    return _linked(error, raw[4:], depth)


def _unpack_group(raw: Any, depth: int) -> Exception:
    if type(raw) is not list or len(raw) != 7:
        raise codec.Malformed("no group of errors")
    members = codec.unpack_items(raw[1], depth)
    for member in members:
        codec.demand(member, Exception)
    group = ExceptionGroup(codec.unpack_one(raw[0], depth, str), members)
    _furnish(group, _unpack_fields(raw[2], depth))
    return _linked(group, raw[3:], depth)


def _linked(error: Exception, raw: list[Any], depth: int) -> Exception:
    notes, cause, context, suppress = raw
    for note in codec.unpack_items(notes, depth):
        error.add_note(codec.demand(note, str))
    if cause is not None:
        error.__cause__ = codec.unpack_one(cause, depth, Exception)
    if context is True:
        error.__context__ = error.__cause__
    elif context is not None:
        error.__context__ = codec.unpack_one(context, depth, Exception)
    error.__suppress_context__ = codec.demand(suppress, bool)
    return error


def _build(cls: type[Exception], message: str, args: list[Any]) -> Exception | None:
    """The error as it was made; None if these arguments do not make one of this class."""
    if issubclass(cls, AioconnError):
        error = cls.__new__(cls)
        Exception.__init__(error, message)
        error.__dict__.update(message=message, device=None, path=None, phase=None, seen=None, hint=None)
        return error
    try:
        if issubclass(cls, UnicodeError) and cls is not UnicodeError:
            _, text, start, end, _ = args
            if not 0 <= start < end <= len(text):  # str() of one with other numbers is not to be relied on
                return None
        made = cls(*args)
    except Exception:
        return None
    return made if type(made) is cls else None


def _value(raw: Any, depth: int) -> Any:
    """A field of whose class this process knows nothing must not hide the error that has it."""
    try:
        return codec.unpack(raw, depth)
    except codec.Unknown as unknown:
        return f"<{unknown}, not known here>"


def _unpack_fields(raw: Any, depth: int) -> dict[str, Any]:
    if type(raw) is not dict:
        raise codec.Malformed("no fields")
    return {codec.demand(name, str): _value(part, depth) for name, part in raw.items()}


def _furnish(error: Exception, fields: dict[str, Any]) -> None:
    """Set its fields. What is no field, or not of the type that our own code relies on, is left out."""
    slots = _slots(error)
    for name, value in fields.items():
        if name in slots:
            if isinstance(value, str | None):
                setattr(error, name, value)
        elif _may_be_set(error, name) and isinstance(value, _types(error, name)):
            error.__dict__[name] = value


def _types(error: Exception, name: str) -> tuple[type, ...]:
    if not isinstance(error, AioconnError):
        return (object,)
    if name in _TYPES:
        return _TYPES[name]
    if (default := getattr(type(error), name, None)) is None:
        return (object,)
    return (float, int) if isinstance(default, float) else (type(default),)


_TYPES: dict[str, tuple[type, ...]] = {
    "device": (str, type(None)),
    "path": (str, type(None)),
    "phase": (Phase, type(None)),
    "seen": (str, type(None)),
    "hint": (str, type(None)),
    "last_error": (BaseException, type(None)),
    "problems": (list,),
}
"""What `str()` of an error of ours, above all, relies on."""


codec.teach(BaseException, _pack_error, subclasses=True)
codec.tag(ERROR, _unpack_error)
codec.tag(GROUP, _unpack_group)
for _cls in vars(errors).values():
    if isinstance(_cls, type) and issubclass(_cls, AioconnError):
        enrol(_cls, _cls.__name__)
for _cls in (*vars(builtins).values(), re.error, socket.gaierror, socket.herror):
    if isinstance(_cls, type) and issubclass(_cls, Exception) and not issubclass(_cls, _NOT_THESE):
        enrol(_cls, objects.name_of(_cls))
