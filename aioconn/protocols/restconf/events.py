# SPDX-License-Identifier: Apache-2.0
"""Server-sent events, as RESTCONF streams use them (RFC 8040, section 6.4; the WHATWG's HTML, section 9.2)."""

from __future__ import annotations

LARGEST = 4 * 1024 * 1024  # bytes of one event


class TooLarge(ValueError):
    """An event is larger than anyone would send."""


class Events:
    """Takes bytes, however they are cut, and gives the data of each event."""

    def __init__(self, most: int = LARGEST) -> None:
        self._most = most
        self._rest = bytearray()
        self._searched = 0
        self._data: list[bytes] = []
        self._size = 0
        self._begun = False
        self._after_cr = False

    def feed(self, piece: bytes) -> list[str]:
        """The data of the events that are complete now. Raises TooLarge."""
        found: list[str] = []
        if self._after_cr and piece:
            self._after_cr = False
            if piece.startswith(b"\n"):
                piece = piece[1:]
        rest = self._rest
        rest += piece
        place = 0
        while (end := _line_end(rest, max(place, self._searched))) >= 0:
            line = bytes(rest[place:end])
            self._searched = 0
            if rest[end] == 13:
                if end + 1 == len(rest):
                    self._after_cr = True
                elif rest[end + 1] == 10:
                    end += 1
            place = end + 1
            if (data := self._line(line)) is not None:
                found.append(data)
        del rest[:place]
        self._searched = len(rest)
        if len(rest) + self._size > self._most:
            raise TooLarge(f"an event is larger than {self._most} bytes")
        return found

    def _line(self, line: bytes) -> str | None:
        if not self._begun:
            self._begun = True
            line = line.removeprefix(b"\xef\xbb\xbf")
        if line:
            name, _, value = line.partition(b":")
            if name == b"data":
                value = value.removeprefix(b" ")
                self._data.append(value)
                self._size += len(value) + 1
            return None
        data, self._data, self._size = self._data, [], 0
        return b"\n".join(data).decode("utf-8", "replace") if data else None


def _line_end(data: bytearray, start: int) -> int:
    feed = data.find(b"\n", start)
    back = data.find(b"\r", start, feed if feed >= 0 else len(data))
    return back if back >= 0 else feed
