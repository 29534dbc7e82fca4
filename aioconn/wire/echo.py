# SPDX-License-Identifier: Apache-2.0
"""Finding the echo of what was sent, through whatever the device's line editor made of it.

The echo is the boundary between what an earlier command left behind and the answer to this one, so it is never
searched for as a substring of the output: only a line that shows the command, alone or behind a prompt, counts.
"""

from __future__ import annotations

import re
from enum import Enum

from aioconn.wire import ansi
from aioconn.wire.prompt import Prompts

_LINES_RENDERED = 64
_LINE_LIMIT = 1 << 16
# readline makes a terminal wrap by writing a blank, or the next line's first character, and a carriage return, which
# telnet follows by a NUL
_WRAP = re.compile(r" \r\x00?(?=[^\r\n\x00])|([^\r\n])\r\x00?(?=\1)")
# less of a command than this proves nothing when it was scrolled or altered
_ENOUGH = 8


class Discipline(Enum):
    """When a device repeats what is typed ahead of its prompt."""

    UNKNOWN = "not seen yet"
    READER = "when it reads it: the echo stands behind the prompt that was waiting"
    BOTH = "at once and again when it reads it (a tty below a line editor)"
    TYPING = "at once, whatever else it is printing (a plain tty)"
    NONE = "never"


class EchoSearch:
    """The search for one echo in a buffer that grows; what has been looked at is not looked at again.

    Seen through: backspaces and carriage returns of line editing, wrap markers, lines broken at the window's edge,
    horizontal scrolling (`$` and the end of the command), a prompt or leftovers in front of it. `behind_prompt`
    takes no line that shows the command alone. `likely` is the end of a line that shows the beginning of the command
    and then something else (secrets are masked so), for want of anything better.
    """

    __slots__ = ("_behind_prompt", "_lines", "_pieces", "_position", "_prompts", "_sent", "_wanted", "likely")

    def __init__(
        self, command: str, prompts: Prompts, *, start: int = 0, behind_prompt: bool = False
    ) -> None:
        self.likely: int | None = None
        self._sent = command.encode()
        self._wanted = squeeze(command)
        self._prompts = prompts
        self._behind_prompt = behind_prompt
        self._position = start
        self._lines = 0
        self._pieces = ""

    def end_in(self, data: bytes | bytearray) -> int | None:
        """The offset behind the echo, None as long as there is none."""
        while (newline := data.find(b"\n", self._position)) >= 0:
            begin, self._position = self._position, newline + 1
            self._lines += 1
            # behind more leftovers than are worth rendering line by line, an echo is one that can be seen as it is
            if self._lines > _LINES_RENDERED and data.find(self._sent, begin, newline) < 0:
                self._pieces = ""
            elif newline - begin <= _LINE_LIMIT + 4 * len(self._sent) and self._is_echo(
                bytes(data[begin:newline])
            ):
                return self._position
        return None

    def _is_echo(self, line: bytes) -> bool:
        if line.rstrip(b"\r") == self._sent and not self._behind_prompt:
            return self._lines == 1 or bool(self._wanted)
        written = line.decode("utf-8", "replace").rstrip("\r")
        unwrapped = _WRAP.sub("", written)
        shown = ansi.render(unwrapped)
        return self._shows(shown) or (written != unwrapped and self._shows(ansi.render(written)))

    def _shows(self, shown: str) -> bool:
        """Whether a rendered line is the command, alone or behind a prompt, whole, scrolled, or its last piece."""
        behind = self._prompts.cut_prefix(shown)
        for rest in (behind,) if self._behind_prompt or not self._wanted else (shown, behind):
            if rest is None:
                continue
            tight = squeeze(rest)
            if tight == self._wanted:
                return True
            scrolled = tight.lstrip("$<")
            if (
                scrolled != tight
                and len(scrolled) >= _ENOUGH
                and self._wanted.endswith(scrolled.rstrip("$>"))
            ):
                return True
            if self.likely is None and len(_common(tight, self._wanted)) >= max(
                _ENOUGH, len(self._wanted) // 3
            ):
                self.likely = self._position
        if not self._wanted:
            return not shown and self._lines == 1
        return self._completes(squeeze(shown), squeeze(behind) if behind is not None else None)

    def _completes(self, tight: str, behind: str | None) -> bool:
        """A line broken by the device itself: what is collected must stay a beginning of the command."""
        if self._pieces and self._wanted.startswith(self._pieces + tight):
            self._pieces += tight
        else:
            begins = behind if behind or self._behind_prompt else tight
            self._pieces = begins if begins and self._wanted.startswith(begins) else ""
        return bool(self._wanted) and self._pieces == self._wanted


def find_echo(data: bytes | bytearray, start: int, command: str, prompts: Prompts) -> int | None:
    """The offset behind the echo of `command` in `data[start:]`, or None."""
    return EchoSearch(command, prompts, start=start).end_in(data)


def squeeze(text: str) -> str:
    """`text` without any blanks: a wrapped line has more or fewer of them."""
    return "".join(text.split())


def _common(one: str, other: str) -> str:
    size = next(
        (index for index, (a, b) in enumerate(zip(one, other, strict=False)) if a != b),
        min(len(one), len(other)),
    )
    return one[:size]
