# SPDX-License-Identifier: Apache-2.0
"""Finding the echo of what was sent, through whatever the device's line editor made of it.

The echo is the boundary between what an earlier command left behind and the answer to this one, so it is never
searched for as a substring of the output: only a line that shows the command, alone or behind a prompt, counts.
"""

from __future__ import annotations

from enum import Enum

from aioconn.wire import ansi
from aioconn.wire.prompt import Prompts

_LINES_RENDERED = 64


class Discipline(Enum):
    """When a device repeats what is typed ahead of its prompt."""

    UNKNOWN = "not seen yet"
    READER = "when it reads it: the echo stands behind the prompt that was waiting"
    BOTH = "at once and again when it reads it (a tty below a line editor)"
    TYPING = "at once, whatever else it is printing (a plain tty)"
    NONE = "never"


def find_echo(data: bytes | bytearray, start: int, command: str, prompts: Prompts) -> int | None:
    """The offset behind the echo of `command`, or None.

    Seen through: backspaces and carriage returns of line editing, wrap markers, lines broken at the window's edge,
    horizontal scrolling (`$` and the end of the command), a prompt or leftovers in front of it.
    """
    sent = command.encode()
    if data.startswith(sent, start):
        if (end := _line_end(data, start + len(sent))) is not None:
            return end
    wanted = _squeeze(command)
    pieces = ""
    position = start
    for _ in range(_LINES_RENDERED):
        newline = data.find(b"\n", position)
        if newline < 0:
            return None
        shown = ansi.render(bytes(data[position:newline]).decode("utf-8", "replace"))
        position = newline + 1
        if _shows(shown, wanted, prompts):
            return position
        # a line broken by the device itself: what is collected must stay a beginning of the command
        squeezed = _squeeze(shown)
        pieces = pieces + squeezed if wanted.startswith(pieces + squeezed) else ""
        if not pieces and wanted.startswith(squeezed):
            pieces = squeezed
        if pieces == wanted and wanted:
            return position
    return _find_far(data, position, sent, wanted, prompts)


def _find_far(data: bytes | bytearray, start: int, sent: bytes, wanted: str, prompts: Prompts) -> int | None:
    """The echo behind more leftovers than are worth rendering line by line."""
    while sent and (found := data.find(sent, start)) >= 0:
        line_begin = data.rfind(b"\n", 0, found) + 1
        newline = data.find(b"\n", found)
        if newline < 0:
            return None
        if _shows(ansi.render(bytes(data[line_begin:newline]).decode("utf-8", "replace")), wanted, prompts):
            return newline + 1
        start = newline + 1
    return None


def _line_end(data: bytes | bytearray, position: int) -> int | None:
    """Behind the line's end if nothing but its end follows at `position`."""
    if data.startswith(b"\r\n", position):
        return position + 2
    newline = data.find(b"\n", position, position + 64)
    if newline >= 0 and not ansi.render(bytes(data[position:newline]).decode("utf-8", "replace")):
        return newline + 1
    return None


def _shows(shown: str, wanted: str, prompts: Prompts) -> bool:
    """Whether a rendered line is the command, alone or behind a prompt, whole or scrolled."""
    squeezed = _squeeze(shown)
    if squeezed == wanted:
        return True
    if (rest := prompts.cut_prefix(shown)) is None:
        rest = shown
    elif _squeeze(rest) == wanted:
        return True
    scrolled = _squeeze(rest).lstrip("$<")
    return len(scrolled) >= 8 and len(rest) - len(rest.lstrip("$<")) > 0 and wanted.endswith(scrolled.rstrip("$>"))


def _squeeze(text: str) -> str:
    return "".join(text.split())
