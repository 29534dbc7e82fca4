# SPDX-License-Identifier: Apache-2.0
"""From the bytes of an answer to its text, without what was not part of it and without holding it thrice."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from aioconn.wire import ansi

# Bytes: what is taken at a time stays in the processor's cache.
BLOCK = 1 << 16
# Pieces are added to the text when they are more than this part of it (a power of two), so that a text of many MB is
# copied seldom where Python does not make room behind it: on 3.11 under a profiler. Below 32 MB they are added one by
# one: with pieces that grow there is no room for them before the text, one of them comes to lie behind it, and all of
# it moves. Outputs of 10 MB then touch 28 MB of memory instead of 20.
_SHARE = 9

# what may come late of a pager (its colours' end), and how a device begins to paint over one
_STYLE = re.compile(rb"(?:\x1b\[[0-9;]*m)+")
_PAINTING = re.compile(rb"[ \x00]*(?:\x08|\x1b\[|\r(?!\n))")

Span = tuple[int, int]


class Answered(NamedTuple):  # a frozen dataclass takes thrice as long to make, for each command
    """The text of an answer, and the bytes as they came (`raw` as `Output` takes it)."""

    text: str
    raw: bytes | tuple[bytes, bytes]


class Settled:
    """The first lines of a large answer, made text while the rest arrives and while they are in the processor's cache.

    Only lines that give their bytes back. `head` is what came before them, `size` how many bytes have been taken.
    """

    __slots__ = ("_escaped", "_held", "_pieces", "_text", "head", "size")

    def __init__(self, head: bytes) -> None:
        self.head = head
        self.size = len(head)
        self._text = ""
        self._pieces: list[str] = []  # what is not in the text yet
        self._held = 0  # how long they are
        self._escaped = False  # some of it is no UTF-8

    def take(self, buffer: bytearray, end: int) -> int:
        """Take lines off the front of `buffer`, all up to `end`, where a line ends; how many bytes that were. Fewer
        than `end` if the next lines would not give their bytes back."""
        begin = 0
        while begin < end:
            stop = buffer.rfind(b"\n", begin, min(begin + BLOCK, end)) + 1 or end
            bare = ansi.reversible(buffer[begin:stop])
            if bare is None:
                break
            self._add(bare)
            begin = stop
        del buffer[:begin]
        self.size += begin
        return begin

    def answered(self, tail: bytes) -> Answered:
        """The answer, once all of its lines have been taken: call it once. `tail` is what came after them."""
        self._join()
        text, self._text = self._text, ""
        if not self._escaped:
            return Answered(text, (self.head, tail))
        lines = text.encode(errors="surrogateescape")
        del text
        return Answered(lines.decode(errors="replace"), self._raw(lines) + tail)

    def raw(self) -> bytes:
        """All that has been taken, as it came."""
        self._join()
        return self._raw(self._text.encode(errors="surrogateescape"))

    def _raw(self, lines: bytes) -> bytes:
        return self.head + lines.replace(b"\n", b"\r\n")

    def _add(self, lines: bytes | bytearray) -> None:
        try:
            piece = lines.decode()
        except UnicodeDecodeError:
            piece = lines.decode(errors="surrogateescape")
            self._escaped = True
        self._pieces.append(piece)
        self._held += len(piece)
        if self._held > len(self._text) >> _SHARE:
            self._join()

    def _join(self) -> None:
        """The text grows where it is: to hold its bytes until the end and make it of them then would take half as long
        again for 50 MB, which is what the system takes for their pages."""
        piece = "".join(self._pieces)
        self._pieces.clear()
        self._held = 0
        text, self._text = self._text, ""  # Python makes room behind a text that nobody else holds
        text += piece
        self._text = text


def assemble(buffer: bytearray, begin: int, end: int, cuts: Sequence[Span], encoding: str) -> Answered:
    """The answer in `buffer[begin:end]` without `cuts`; empties the buffer of a large one to spare memory."""
    if not cuts and end - begin < BLOCK:
        raw = bytes(buffer)
        bare = ansi.plain(raw[begin:end])
        if bare is not None:  # and lines that show nothing are empty
            return Answered(bare.decode(encoding, "replace").strip("\n"), raw)
    begin = without_head(buffer, begin, end)
    end = without_tail(buffer, begin, end)
    if cuts:
        body = without(buffer, begin, end, sorted(cuts))
        return Answered(text=ansi.clean(body, encoding).strip("\n"), raw=bytes(buffer))
    if end - begin < BLOCK:
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
    if is_utf8(encoding):
        settled = Settled(bytes(buffer[:begin]))
        del buffer[:begin]
        if settled.take(buffer, end - begin) == end - begin:
            tail = bytes(buffer)
            buffer.clear()
            return settled.answered(tail)
        buffer[:0] = settled.raw()
        del settled
    raw = bytes(buffer)
    buffer.clear()
    return Answered(ansi.clean(raw[begin:end], encoding).strip("\n"), raw)


def is_utf8(encoding: str) -> bool:
    return encoding.lower().replace("_", "-") in ("utf-8", "utf8")


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
