# SPDX-License-Identifier: Apache-2.0
"""Line editing: what a terminal's user types, as lines and keys, and what the device echoes of it."""

from __future__ import annotations

import re
from enum import Enum

CONTROL = re.compile(rb"[\x00-\x1f\x7f]")


class Key(Enum):
    """What ended a stretch of typing."""

    ENTER = "enter"
    INTERRUPT = "interrupt"
    END = "end"  # Ctrl-Z
    EOF = "eof"  # Ctrl-D


class Editor:
    """One line being typed. It holds no more than the line and what is needed to join CR LF over a split."""

    __slots__ = ("_after", "_column", "line", "shown")

    def __init__(self) -> None:
        self.line = bytearray()
        self.shown = 0  # how many of the line's characters stand after the prompt
        self._after = 0  # the byte before, where it decides on the next
        self._column = 0  # of what a plain tty has echoed

    def normalise(self, data: bytes) -> bytes:
        """`data` with one CR for each line end (CR, LF, CR LF, CR NUL) and the `x` of Ctrl-^ x removed."""
        if len(data) == 1 and not self._after and data > b"\x1f":
            return data
        out = bytearray()
        for byte in data:
            before, self._after = self._after, 0
            if byte == 0x0A:
                if before != 0x0D:
                    out.append(0x0D)
            elif byte == 0 or (byte == ord("x") and before == 0x1E):
                continue
            else:
                if byte in (0x0D, 0x1E):
                    self._after = byte
                out.append(byte)
        return bytes(out)

    def read(
        self, typed: bytearray, *, echo: bool, wrap: tuple[str, int, int] | None
    ) -> tuple[bytes, Key | None]:
        """Take from `typed` up to the first key that ends something: the echo, and the key (None: all taken).

        `wrap` is the style, the width and the column where the line begins.
        """
        out = bytearray()
        while typed:
            found = CONTROL.search(typed)
            end = found.start() if found else len(typed)
            if end:
                text = bytes(typed[:end])
                del typed[:end]
                self._insert(text, out, echo, wrap)
                if not found:
                    break
            byte = typed.pop(0)
            if byte == 0x0D:
                return bytes(out), Key.ENTER
            if byte in (0x03, 0x1E):
                return bytes(out), Key.INTERRUPT
            if byte == 0x1A:
                return bytes(out), Key.END
            if byte == 0x04 and not self.line:
                return bytes(out), Key.EOF
            if byte in (0x08, 0x7F):
                self._erase(1, out, echo)
            elif byte == 0x15:
                self._erase(len(self.line), out, echo)
            elif byte == 0x17:
                kept = self.line.rstrip().rfind(b" ") + 1
                self._erase(len(self.line) - kept, out, echo)
        return bytes(out), None

    def take(self) -> str:
        """The line as text; the next one begins."""
        text = self.line.decode("utf-8", "replace")
        self.line.clear()
        self.shown = 0
        return text

    def _insert(self, text: bytes, out: bytearray, echo: bool, wrap: tuple[str, int, int] | None) -> None:
        if not echo or wrap is None:
            self.line += text
            self.shown += len(text)
            if echo:
                out += text
            return
        style, width, start = wrap
        for byte in text:
            self.line.append(byte)
            self.shown += 1
            if style == "readline":
                out.append(byte)
                if (start + len(self.line)) % width == 0:
                    out += b" \r"  # makes the terminal wrap now, not at the next character
            elif start + self.shown < width:
                out.append(byte)
            else:  # the line slides left, `$` stands for what went out of sight
                keep = max(1, (width - start) // 2)
                before = self.shown - 1
                tail = bytes(self.line[-keep:])
                self.shown = 1 + len(tail)
                blank = max(0, before - self.shown)
                out += b"\b" * before + b"$" + tail + b" " * blank + b"\b" * blank

    def _erase(self, count: int, out: bytearray, echo: bool) -> None:
        count = min(count, len(self.line))
        if count:
            del self.line[-count:]
            shown = min(count, self.shown)
            self.shown -= shown
            if echo:
                out += b"\b" * shown + b" " * shown + b"\b" * shown

    def tty(self, data: bytes, *, secret: bool) -> bytes:
        """What a plain terminal echoes at once of `data`, whether or not anybody reads it."""
        out = bytearray()
        for byte in data:
            if byte == 0x0D:
                out += b"\r\n"
                self._column = 0
            elif byte in (0x08, 0x7F):
                if self._column and not secret:
                    out += b"\b \b"
                    self._column -= 1
            elif byte == 0x15:
                if not secret:
                    out += b"\b \b" * self._column
                self._column = 0
            elif byte < 0x20:
                out += b"^" + bytes((byte + 0x40,))
            elif not secret:
                out.append(byte)
                self._column += 1
        return bytes(out)
