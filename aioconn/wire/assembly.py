# SPDX-License-Identifier: Apache-2.0
"""From the bytes of an answer to its text, without what was not part of it and without holding it thrice."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from aioconn.wire import ansi

_SMALL = 1 << 16

# what may come late of a pager (its colours' end), and how a device begins to paint over one
_STYLE = re.compile(rb"(?:\x1b\[[0-9;]*m)+")
_PAINTING = re.compile(rb"[ \x00]*(?:\x08|\x1b\[|\r(?!\n))")

Span = tuple[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """The text of an answer, and the bytes as they came (`raw` as `Output` takes it)."""

    text: str
    raw: bytes | tuple[bytes, bytes]


def assemble(buffer: bytearray, begin: int, end: int, cuts: Iterable[Span], encoding: str) -> Answered:
    """The answer in `buffer[begin:end]` without `cuts`; empties the buffer of a large one to spare memory."""
    begin = without_head(buffer, begin, end)
    end = without_tail(buffer, begin, end)
    if spans := sorted(cuts):
        body = without(buffer, begin, end, spans)
        return Answered(text=ansi.clean(body, encoding).strip("\n"), raw=bytes(buffer))
    if end - begin < _SMALL:
        return Answered(text=ansi.clean(buffer[begin:end], encoding).strip("\n"), raw=bytes(buffer))
    return _large(buffer, begin, end, encoding)


def without_head(buffer: bytearray, begin: int, end: int) -> int:
    """Where the first line begins that shows anything."""
    while (newline := buffer.find(b"\n", begin, end)) >= 0 and not ansi.clean(buffer[begin:newline]):
        begin = newline + 1
    return begin


def without_tail(buffer: bytearray, begin: int, end: int) -> int:
    """Where the last line ends that shows anything, without what ends the line."""
    while end > begin:
        line_begin = buffer.rfind(b"\n", begin, end) + 1 or begin
        if ansi.clean(buffer[line_begin:end]):
            break
        end = line_begin - 1 if line_begin > begin else begin
    while end > begin and buffer[end - 1] in b"\r\n":
        end -= 1
    return end


def _large(buffer: bytearray, begin: int, end: int, encoding: str) -> Answered:
    """The same for an output of which two copies are what memory is wanted for: text that gives its bytes back."""
    tail = bytes(buffer[end:])
    del buffer[end:]
    head = bytes(buffer[:begin])
    del buffer[:begin]
    ends = buffer.count(b"\r\n")  # the dearest of these looks: taken once
    utf8 = encoding.lower().replace("_", "-") in ("utf-8", "utf8")
    if not utf8 or ansi.paints(buffer) or not ends == buffer.count(b"\n") == buffer.count(b"\r"):
        raw = head + buffer + tail
        size = len(buffer)
        buffer.clear()
        return Answered(text=ansi.clean(raw[len(head) : len(head) + size], encoding).strip("\n"), raw=raw)
    plain = buffer.translate(None, b"\r")
    buffer.clear()
    try:
        return Answered(text=plain.decode(encoding), raw=(head, tail))
    except UnicodeDecodeError:
        return Answered(
            text=plain.decode(encoding, "replace"), raw=head + plain.replace(b"\n", b"\r\n") + tail
        )


def without(buffer: bytearray, begin: int, end: int, cuts: Iterable[Span]) -> bytes:
    """`buffer[begin:end]` without the spans `cuts`, which are in order."""
    pieces = []
    for cut_begin, cut_end in cuts:
        if begin < cut_end and cut_begin < end:
            pieces.append(bytes(buffer[begin : max(cut_begin, begin)]))
            begin = min(cut_end, end)
    pieces.append(bytes(buffer[begin:end]))
    return b"".join(pieces)


def pager_cut(buffer: bytearray, begin: int, end: int) -> Span | None:
    """What to cut of the pager in `buffer[begin:end]`: nothing if the device went on by painting over it."""
    if style := _STYLE.match(buffer, end):
        end = style.end()
    following = bytes(buffer[end : end + 2])
    if following == b"\r\n" and buffer[max(begin - 1, 0) : begin] in (bytearray(b"\n"), bytearray()):
        return begin, end + 2
    painted = _PAINTING.match(buffer, end)
    return (begin, end) if painted is None else None
