# SPDX-License-Identifier: Apache-2.0
"""Where one NETCONF message ends and the next begins (RFC 6242): bytes in, pieces of messages out. No I/O.

The end-of-message mark is a sequence of six characters that no message may hold; it frames what is said until both
sides have told that they speak base:1.1, and from then on messages come in chunks that are announced with their length.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from enum import Enum
from typing import Final, Literal

END_MARK = b"]]>]]>"
END_OF_CHUNKS = b"\n##\n"
MAX_CHUNK = 4_294_967_295  # RFC 6242, section 4.2
LONGEST_HEADER = len(b"\n#4294967295\n")

_HEADER = re.compile(rb"\n#(?:[1-9][0-9]{0,9}|#)\n")
_CHUNK = re.compile(rb"\n#([1-9][0-9]{0,9})\n")


class End(Enum):
    """What stands behind the last piece of a message."""

    END = "end"


END: Final = End.END

# every prefix of the mark that the end of a piece may be, longest first
_BEGINNINGS = tuple(END_MARK[:size] for size in range(len(END_MARK) - 1, 0, -1))


class BadFraming(ValueError):
    """What came is not framed as RFC 6242 says. `seen` is where it went wrong."""

    def __init__(self, message: str, seen: bytes) -> None:
        super().__init__(message)
        self.seen = seen[:80].decode("utf-8", "replace")


class Decoder:
    """Takes a stream apart. Its cost is linear in what comes, and it keeps no more than a few bytes of it.

    `chunked` may be set between two messages, also while `feed` is being iterated: what follows is then read so. It
    holds nothing back but what may be the beginning of a mark; how large a message may grow is for whoever collects
    the pieces.
    """

    __slots__ = ("_chunks", "_held", "_left", "_started", "chunked")

    def __init__(self, *, chunked: bool = False) -> None:
        self.chunked = chunked
        self._held = b""  # what may be the beginning of a mark, or of a chunk's header
        self._left = 0  # bytes of the chunk that are still to come
        self._chunks = 0  # of the message that is coming
        self._started = False

    @property
    def idle(self) -> bool:
        """Whether the stream stands between two messages."""
        return not (self._started or self._held or self._left or self._chunks)

    def whole(self, data: bytes) -> bytes | None:
        """The message, where `data` is one in one chunk and nothing else, as answers mostly come; else None, and `feed`
        has to look."""
        if self._left or self._held or self._chunks or not (self.chunked and data.endswith(END_OF_CHUNKS)):
            return None
        header = _CHUNK.match(data)
        if header is None or header.end() + int(header[1]) + len(END_OF_CHUNKS) != len(data):
            return None
        return data[header.end() : -len(END_OF_CHUNKS)]

    def feed(self, data: bytes) -> Iterator[bytes | Literal[End.END]]:
        """The pieces of messages in `data`, none of them empty, and `END` behind each message. Iterate it to its end
        before the next call. Raises `BadFraming`; nothing can be read after that."""
        if self._held and not self.chunked:
            data, self._held = self._held + data, b""
        position = 0
        while position < len(data):
            if not self.chunked:
                at = data.find(END_MARK, position)
                if at < 0:
                    self._held = next((start for start in _BEGINNINGS if data.endswith(start, position)), b"")
                    if piece := data[position : len(data) - len(self._held)]:
                        self._started = True
                        yield piece
                    return
                if at > position:
                    yield data[position:at]
                self._started = False
                position = at + len(END_MARK)
                yield END
            elif self._left:
                piece = data[position : position + self._left]
                position += len(piece)
                self._left -= len(piece)
                yield piece
            elif not self._held and (header := _HEADER.match(data, position)) is not None:
                position = header.end()
                if self._begin(header[0]):
                    yield END
            else:
                position, ended = self._header(data, position)
                if ended:
                    yield END

    def _begin(self, header: bytes) -> bool:
        """What a whole header announces: a chunk, or the end of the message."""
        if header == END_OF_CHUNKS:
            if not self._chunks:
                raise BadFraming("a message of no chunks", header)
            self._chunks = 0
            return True
        self._left = int(header[2:-1])
        if self._left > MAX_CHUNK:
            raise BadFraming(f"a chunk of {self._left} bytes", header)
        self._chunks += 1
        return False

    def _header(self, data: bytes, position: int) -> tuple[int, bool]:
        """Read on in a header that came in pieces, or is none: where it ends, and whether it was the end of the
        message."""
        held = self._held
        wanted = LONGEST_HEADER - len(held)
        at = data.find(b"\n", position + (0 if held else 1), position + wanted)
        if at < 0:
            held += data[position : position + wanted]
            position = min(len(data), position + wanted)
        else:
            held += data[position : at + 1]
            position = at + 1
        self._check_header(held, complete=at >= 0)
        if at < 0:
            self._held = held
            return position, False
        self._held = b""
        return position, self._begin(held)

    def _check_header(self, held: bytes, *, complete: bool) -> None:
        good = held[:1] == b"\n" and held[1:2] in (b"", b"#")
        number = held[2:-1] if complete else held[2:]
        if good and number and number != b"#":
            good = number.isdigit() and not number.startswith(b"0")
        if not good or (complete and not number) or (not complete and len(held) >= LONGEST_HEADER):
            raise BadFraming("no header of a chunk", held)


def encode(message: bytes, *, chunked: bool) -> bytes:
    """The bytes to send for one message. Raises ValueError where the old framing cannot carry it."""
    if chunked:
        return b"\n#%d\n%b\n##\n" % (len(message), message)
    if END_MARK in message:
        raise ValueError("the message holds ]]>]]>, which ends a message in NETCONF 1.0")
    return message + END_MARK
