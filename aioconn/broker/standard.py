# SPDX-License-Identifier: Apache-2.0
"""How values of the standard library's types cross: containers, times, numbers, paths, addresses, patterns."""

from __future__ import annotations

import datetime
import decimal
import ipaddress
import pathlib
import re
import types
import uuid
from typing import Any

from aioconn.broker import codec
from aioconn.errors import CannotCross

TUPLE, SET, FROZENSET = 32, 33, 34
DATETIME, DATE, TIME, TIMEDELTA, DECIMAL, UUID, PATH, ADDRESS, PATTERN, MATCH = range(48, 58)

_PATTERN_FLAGS = int(
    re.ASCII | re.IGNORECASE | re.LOCALE | re.MULTILINE | re.DOTALL | re.UNICODE | re.VERBOSE
)

_PATHS: tuple[type[pathlib.PurePath], ...] = (
    pathlib.PurePosixPath,
    pathlib.PureWindowsPath,
    type(pathlib.Path()),
)

_ADDRESSES: tuple[type[Any], ...] = (
    ipaddress.IPv4Address,
    ipaddress.IPv6Address,
    ipaddress.IPv4Network,
    ipaddress.IPv6Network,
    ipaddress.IPv4Interface,
    ipaddress.IPv6Interface,
)

# ---------------------------------------------------------------------- containers


def _pack_set(value: Any, depth: int) -> Any:
    return {FROZENSET if isinstance(value, frozenset) else SET: codec.pack_items(list(value), depth)}


codec.teach(tuple, lambda items, depth: {TUPLE: codec.pack_items(list(items), depth)}, subclasses=True)
codec.teach(set, _pack_set, subclasses=True)
codec.teach(frozenset, _pack_set, subclasses=True)
codec.teach(types.MappingProxyType, lambda items, depth: codec.pack(dict(items), depth))
codec.tag(TUPLE, lambda raw, depth: tuple(codec.unpack_items(raw, depth)))
codec.tag(SET, lambda raw, depth: set(codec.unpack_items(raw, depth)))
codec.tag(FROZENSET, lambda raw, depth: frozenset(codec.unpack_items(raw, depth)))


# ---------------------------------------------------------------------- times, numbers, names, patterns


def _text(number: int, kind: type, write: Any, read: Any) -> None:
    """A type whose values have a text that says all."""
    codec.teach(kind, lambda value, _: {number: write(value)}, subclasses=True)
    codec.tag(number, lambda raw, _: read(codec.demand(raw, str)))


def _pack_datetime(value: datetime.datetime | datetime.time, _: int) -> Any:
    kind = datetime.datetime if isinstance(value, datetime.datetime) else datetime.time
    # the text leaves out which of two equal times it is, when the clocks go back
    return {DATETIME if kind is datetime.datetime else TIME: [kind.isoformat(value), value.fold]}  # type: ignore[arg-type]


def _unpack_datetime(kind: Any) -> codec.Unpacker:
    def unpack(raw: Any, depth: int) -> Any:
        text, fold = codec.unpack_items(raw, depth, 2)
        return kind.fromisoformat(text).replace(fold=fold)

    return unpack


def _numbered(tag: int, number: int, kind: type) -> None:
    """One of several types whose values have a text."""
    codec.teach(kind, lambda value, _: {tag: [number, str(value)]})


def _unpack_numbered(kinds: tuple[type[Any], ...]) -> codec.Unpacker:
    def unpack(raw: Any, depth: int) -> Any:
        number, text = codec.unpack_items(raw, depth, 2)
        return kinds[codec.demand(number, int)](codec.demand(text, str))

    return unpack


def _pack_pattern(pattern: re.Pattern[Any], _: int) -> Any:
    return {PATTERN: [pattern.pattern, pattern.flags & _PATTERN_FLAGS]}


def _unpack_pattern(raw: Any, depth: int) -> re.Pattern[Any]:
    text, flags = codec.unpack_items(raw, depth, 2)
    if codec.demand(flags, int) & ~_PATTERN_FLAGS:  # re.DEBUG prints
        raise codec.Malformed("no flags of a pattern")
    return re.compile(codec.demand(text, str, bytes), flags)


def _pack_match(match: re.Match[Any], depth: int) -> Any:
    spans = [match.span(group) for group in range(match.re.groups + 1)]
    if _find_again(match.re, match.string, match.pos, match.endpos, spans) is None:
        raise CannotCross(
            "is a re.Match that a search does not give again, which cannot go to another process"
        )
    flat = [edge for span in spans for edge in span]
    return {
        MATCH: [codec.pack(part, depth) for part in (match.re, match.string, match.pos, match.endpos, flat)]
    }


def _unpack_match(raw: Any, depth: int) -> re.Match[Any]:
    pattern, text, pos, endpos, flat = codec.unpack_items(raw, depth, 5)
    codec.demand(pattern, re.Pattern)
    spans = list(zip(flat[::2], flat[1::2], strict=True))
    if (match := _find_again(pattern, text, pos, endpos, spans)) is None:
        raise codec.Malformed("not found again")
    return match


def _find_again(
    pattern: re.Pattern[Any], text: Any, pos: int, endpos: int, spans: list[tuple[int, int]]
) -> re.Match[Any] | None:
    """The match with these spans. Nothing but a search makes one."""
    start, end = spans[0]
    for search, first, last in (
        (pattern.search, pos, endpos),
        (pattern.match, start, endpos),
        (pattern.fullmatch, start, end),
    ):
        found = search(text, first, last)
        if found is not None and [found.span(group) for group in range(pattern.groups + 1)] == spans:
            return found
    return None


_text(DATE, datetime.date, datetime.date.isoformat, datetime.date.fromisoformat)
_text(DECIMAL, decimal.Decimal, decimal.Decimal.__str__, decimal.Decimal)
_text(UUID, uuid.UUID, uuid.UUID.__str__, uuid.UUID)
codec.teach(datetime.datetime, _pack_datetime, subclasses=True)
codec.teach(datetime.time, _pack_datetime, subclasses=True)
codec.tag(DATETIME, _unpack_datetime(datetime.datetime))
codec.tag(TIME, _unpack_datetime(datetime.time))
codec.teach(
    datetime.timedelta,
    lambda value, _: {TIMEDELTA: [value.days, value.seconds, value.microseconds]},
    subclasses=True,
)
codec.tag(TIMEDELTA, lambda raw, depth: datetime.timedelta(*codec.unpack_items(raw, depth, 3)))
for _number, _kind in enumerate(_PATHS):
    _numbered(PATH, _number, _kind)
codec.tag(PATH, _unpack_numbered(_PATHS))
for _number, _kind in enumerate(_ADDRESSES):
    _numbered(ADDRESS, _number, _kind)
codec.tag(ADDRESS, _unpack_numbered(_ADDRESSES))
codec.teach(re.Pattern, _pack_pattern)
codec.teach(re.Match, _pack_match)
codec.tag(PATTERN, _unpack_pattern)
codec.tag(MATCH, _unpack_match)
