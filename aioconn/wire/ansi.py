# SPDX-License-Identifier: Apache-2.0
"""What a terminal would show of a line, and the text of an output.

A device writes for a terminal: it erases its pager with backspaces, repaints its prompt with a carriage return and
`ESC [ K`, colours its words (ECMA-48). `render` plays one line on a terminal of endless width.
"""

from __future__ import annotations

import re

# CSI (ECMA-48 5.4), OSC and the other strings up to BEL or ST, two-byte escapes, and a sequence cut off at the end.
# Possessive, so that a sequence without an end costs one look at it.
_ESCAPE = re.compile(
    r"\x1b(?:\[(?P<args>[0-?]*+)[ -/]*+(?:(?P<final>[@-~])|$)"
    r"|[\]PX^_][^\x07\x1b]*+(?:\x07|\x1b\\|(?=\x1b)|$)|(?![\[\]PX^_])[ -/]*+(?:[0-~]|$))"
)
_TOKEN = re.compile(
    r"(?P<esc>"
    + _ESCAPE.pattern
    + r")|(?P<ctrl>[\x00-\x08\x0a-\x1f\x7f])|(?P<text>[^\x00-\x08\x0a-\x1f\x7f]++)"
)
_UNFINISHED = re.compile(rb"\x1b(?:\[[0-?]*+[ -/]*+|[\]PX^_][^\x07\x1b]*+|[ -/]*+)$")
_TERMINAL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")

# How many columns to the left of the cursor stay within its reach. What is written further left is final: it bounds
# the work on a line of megabytes, and is four times the widest terminal that is asked for.
_REACH = 2048


def strip(text: str) -> str:
    """`text` without escape sequences and NULs; carriage returns and backspaces stay."""
    return _ESCAPE.sub("", text).replace("\x00", "") if "\x1b" in text or "\x00" in text else text


def is_unfinished(line: bytes) -> bool:
    """Whether `line` breaks off in the middle of an escape sequence."""
    return 0x1B in line and _UNFINISHED.search(line) is not None


def render(line: str) -> str:
    """What stands on the line once all of `line` has been written; trailing blanks are cut."""
    if not _TERMINAL.search(line):
        return line.rstrip()
    settled: list[str] = []
    cells: list[str] = []
    column = 0
    for token in _TOKEN.finditer(line):
        if (text := token["text"]) is not None:
            if len(text) > _REACH and column == len(cells):
                settled.append("".join(cells) + text[:-_REACH])
                cells, column = list(text[-_REACH:]), _REACH
                continue
            if column > len(cells):
                cells.extend(" " * (column - len(cells)))
            cells[column : column + len(text)] = text
            column += len(text)
            if len(cells) > 2 * _REACH:
                gone = len(cells) - _REACH
                settled.append("".join(cells[:gone]))
                del cells[:gone]
                column = max(0, column - gone)
        elif (control := token["ctrl"]) is not None:
            if control == "\r":
                column = 0
            elif control == "\x08":
                column = max(0, column - 1)
        elif token["final"] is not None:
            column = _escape(cells, column, token["final"], token["args"])
    return ("".join(settled) + "".join(cells)).rstrip()


def _escape(cells: list[str], column: int, final: str, args: str) -> int:
    """One control sequence that matters on a single line; returns the new column."""
    first = args.split(";")[0][:9]
    count = min(int(first) if first.isdecimal() and first.isascii() else 0, _REACH)
    if final == "K":
        if count == 0:
            del cells[column:]
        elif count == 1:
            end = min(column + 1, len(cells))
            cells[:end] = " " * end
        else:
            cells.clear()
    elif final == "J" and count == 0:
        del cells[column:]
    elif final == "P":
        del cells[column : column + max(1, count)]
    elif final == "@":
        if column < len(cells):
            cells[column:column] = " " * max(1, count)
            del cells[2 * _REACH :]
    elif final == "X":
        end = min(column + max(1, count), len(cells))
        cells[column:end] = " " * (end - column)
    elif final == "C":
        return min(column + max(1, count), 2 * _REACH)
    elif final == "D":
        return max(0, column - max(1, count))
    elif final == "G":
        return max(0, count - 1)
    return column


def plain(data: bytes | bytearray) -> bytes | bytearray | None:
    """`data` without its carriage returns, if it is what it looks like: text in lines ended by CR LF or LF, nothing to
    play on a terminal; else None.

    A few searches at memchr's speed: a regular expression takes 8 ms/MB.
    """
    if paints(data):
        return None
    bare = data.replace(b"\r", b"")  # half of what `translate` takes
    if bare.replace(b"\n", b"\r\n") == data:  # half of what it takes to count the pairs
        return bare
    returns = len(data) - len(bare)
    return bare if not returns or data.count(b"\r\n") == returns else None


def reversible(data: bytes | bytearray) -> bytes | bytearray | None:
    """The same where each line ends with CR LF, so that the bytes can be made of it again; else None.

    To make them and to compare takes a quarter of the time in which the pairs can be counted.
    """
    if paints(data):
        return None
    bare = data.replace(b"\r", b"")
    return bare if bare.replace(b"\n", b"\r\n") == data else None


def paints(data: bytes | bytearray) -> bool:
    """Whether anything but carriage returns would have to be played on a terminal."""
    # `any` would take three times as long, and this is asked for each command; so would `b"\x1b" in data`, for which
    # Python makes an error first, each time
    return (
        0x1B in data
        or 0x08 in data
        or 0x00 in data
        or 0x07 in data
        or 0x0C in data
        or 0x7F in data
        or 0x0B in data
    )


def clean(data: bytes | bytearray, encoding: str = "utf-8") -> str:
    """The text of an output: lines ended by a newline character, rendered where they need it.

    Bytes that are no text in `encoding` become replacement characters; nothing is refused.
    """
    bare = plain(data)
    if bare is not None:
        return bare.decode(encoding, "replace")
    lines = data.decode(encoding, "replace").split("\n")
    return "\n".join([_shown(line) for line in lines])


def line_of(data: bytes | bytearray, begin: int, end: int | None = None) -> str:
    """`data[begin:end]`, one line, as the terminal shows it."""
    return render(bytes(data[begin:end]).decode("utf-8", "replace").rstrip("\r\n"))


def _shown(line: str) -> str:
    body = line.rstrip("\r")
    return render(body) if _TERMINAL.search(body) else body
