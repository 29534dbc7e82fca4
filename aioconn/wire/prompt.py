# SPDX-License-Identifier: Apache-2.0
"""Finding the prompt: only ever at the end of what has arrived.

A prompt is looked for in the last line of the buffer, so the cost of a chunk does not depend on what came before it.
Before the device's name is known every mode's pattern takes any name; once it is learned, only lines that bear it
count as a prompt, and all others are at most a candidate that has to be proven.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum

from aioconn.platforms.model import HOST, Mode, Platform
from aioconn.wire import ansi

LINE_LIMIT = 512
_LEADER_LINES = 3
# Cisco's IOS shows at most so much of a long host name in the prompts of its configuration modes.
_SHOWN_OF_HOST = 16


class Strength(Enum):
    """How much a prompt at the end of the buffer is worth."""

    SURE = "the whole line is a prompt of this device"
    DOUBTFUL = "a prompt, but of another name or with something before it on the line"


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptMatch:
    """A prompt at the end of a buffer: its mode and text, and the offset where it (or its leader lines) begins."""

    mode: str
    text: str
    begin: int
    line_begin: int
    host: str
    strength: Strength = Strength.SURE


class Prompts:
    """The prompts of one platform, for any device or, with `host`, for one."""

    __slots__ = ("_any_end", "_finals", "_learned", "_modes", "_whole", "host", "platform")

    def __init__(self, platform: Platform, host: str | None = None) -> None:
        self.platform = platform
        self.host = host
        self._modes = list(platform.modes.values())
        self._whole = _joined(self._modes, HOST, anchored=True)
        self._learned: re.Pattern[str] | None = None
        self._any_end: re.Pattern[str] | None = None
        if host is not None:
            short = re.escape(host[:_SHOWN_OF_HOST]) + (r"[^\s()#>]*" if len(host) > _SHOWN_OF_HOST else "")
            exact = f"(?:{re.escape(host)}|{short})"
            self._learned = _joined(self._modes, exact, anchored=True)
            self._any_end = _joined(self._modes, exact, anchored=False)
        self._finals = _final_characters(self._modes)

    def learned(self, host: str) -> Prompts:
        """The same prompts, of the device that calls itself `host`."""
        return self if host == self.host else Prompts(self.platform, host)

    def at_end(self, data: bytes | bytearray, start: int = 0) -> PromptMatch | None:
        """The prompt that ends `data[start:]`, if one does."""
        size = len(data)
        line_begin = max(data.rfind(b"\n", max(start, size - LINE_LIMIT)) + 1, start, size - LINE_LIMIT)
        line = bytes(data[line_begin:])
        last = line.rstrip(b" \x00\r\x07")[-1:]
        if not last or (self._finals and last not in self._finals and b"\x1b" not in line and b"\x08" not in line):
            return None
        shown = line.decode("utf-8", "replace")
        text = ansi.render(shown) if _NEEDS_RENDER.search(shown) else shown.rstrip()
        return self._judge(data, start, line_begin, line, text)

    def _judge(
        self, data: bytes | bytearray, start: int, line_begin: int, line: bytes, text: str
    ) -> PromptMatch | None:
        strength = Strength.SURE
        begin = line_begin
        found = (self._learned or self._whole).match(text)
        if found is None and self._learned is not None:
            strength = Strength.DOUBTFUL
            if (found := self._whole.match(text)) is None:
                assert self._any_end is not None
                if (found := self._any_end.search(text)) is None:
                    return None
                # an output that does not end with a newline runs into the prompt
                cut = line.rfind(found[0].encode())
                begin = line_begin + max(cut, 0)
        if found is None:
            return None
        mode = self._modes[int((found.lastgroup or "mode__0").removeprefix("mode__"))]
        if begin == line_begin:
            begin = _leader_begin(data, start, line_begin, mode)
        return PromptMatch(
            mode=mode.name,
            text=found[0],
            begin=begin,
            line_begin=line_begin,
            host=_host_in(mode, found[0]),
            strength=strength,
        )

    def is_prompt(self, text: str) -> bool:
        """Whether `text` (rendered, without trailing blanks) is a prompt of this device and nothing else."""
        return (self._learned or self._whole).match(text) is not None

    def cut_prefix(self, text: str) -> str | None:
        """What follows a prompt of this device at the start of `text`; None if there is none."""
        for mode in self._modes:
            host = re.escape(self.host) if self.host is not None else HOST
            if found := re.match(f"(?:{_with_host(mode.prompt, host)})", text):
                return text[found.end() :].lstrip(" ")
        return None


_NEEDS_RENDER = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")


def _with_host(pattern: str, host: str) -> str:
    return pattern.replace("{host}", host)


def _joined(modes: list[Mode], host: str, *, anchored: bool) -> re.Pattern[str]:
    """All modes in one alternation (six patterns one by one cost four times as much); a group names each mode."""
    branches = [f"(?P<mode__{index}>{_with_host(mode.prompt, host)})" for index, mode in enumerate(modes)]
    head = "^" if anchored else ""
    return re.compile(f"{head}(?:{'|'.join(branches)})$")


def _host_in(mode: Mode, text: str) -> str:
    """The part of a prompt that names the device; empty where the pattern has no place for it."""
    if "{host}" not in mode.prompt:
        return ""
    pattern = mode.prompt.replace("{host}", f"(?P<host__>{HOST})", 1)
    found = re.fullmatch(_with_host(pattern, HOST), text)
    return found["host__"] if found else ""


def _leader_begin(data: bytes | bytearray, start: int, line_begin: int, mode: Mode) -> int:
    """Where the prompt begins if the lines above it belong to it."""
    if mode.leader is None:
        return line_begin
    begin = line_begin
    for _ in range(_LEADER_LINES):
        if begin <= start:
            break
        above = max(data.rfind(b"\n", start, begin - 1) + 1, start)
        text = ansi.render(bytes(data[above : begin - 1]).decode("utf-8", "replace"))
        if not re.fullmatch(mode.leader, text):
            # a blank line between an output and its leader is the prompt's as well
            break
        begin = above
    return begin


def _final_characters(modes: list[Mode]) -> frozenset[bytes]:
    """The characters that any of the prompts can end with, where the patterns tell; empty if one does not.

    Most chunks of a long output end in the middle of a line: one look at the last byte settles them.
    """
    finals: set[bytes] = set()
    for mode in modes:
        if simple := re.search(r"(?:\[([^\]\\^-]+)\]|\\?([>#$%)\]:]))$", mode.prompt):
            finals.update(character.encode() for character in simple[1] or simple[2])
        else:
            return frozenset()
    return frozenset(finals)
