# SPDX-License-Identifier: Apache-2.0
"""Finding the prompt: only ever at the end of what has arrived.

A prompt is looked for in the last line of the buffer, so the cost of a chunk does not depend on what came before it.
Before the device's name is known every mode's pattern takes any name; once it is learned, only lines that bear it
count as a prompt, and all others are at most a candidate that has to be proven.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from aioconn.platforms.model import HOST, Mode, Platform
from aioconn.wire import ansi, endings

LINE_LIMIT = 512
_LEADER_LINES = 3
# Cisco's IOS shows at least so much of a long host name in the prompts of its configuration modes.
_SHOWN_OF_HOST = 16
_UNSEEN = b" \x00\x07"
_CARRIAGE_RETURN = 0x0D
_USER = re.compile(r"[\w.\-+]+@$")


class Strength(Enum):
    """How much a prompt at the end of the buffer is worth."""

    SURE = "the whole line is a prompt of this device"
    DOUBTFUL = "a prompt, but of another name, without one, or with something before it on the line"


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

    __slots__ = (
        "_any_end",
        "_heads",
        "_modes",
        "_singly",
        "_whole",
        "_whole_of_any",
        "finals",
        "host",
        "platform",
    )

    def __init__(self, platform: Platform, host: str | None = None) -> None:
        self.platform = platform
        self.host = host
        self._modes = list(platform.modes.values())
        named = HOST if host is None else _name(host)
        self._whole = _joined(self._modes, named, "^{}$")
        self._whole_of_any = self._whole if host is None else _joined(self._modes, HOST, "^{}$")
        self._any_end = None if host is None else _joined(self._modes, named, "{}$")
        self._heads = [re.compile(_with_host(mode.prompt, named)) for mode in self._modes]
        self._singly = (
            [re.compile(f"^(?:{_with_host(mode.prompt, HOST)})$") for mode in self._modes]
            if any(mode.leader for mode in self._modes)
            else []
        )
        self.finals = _finals(self._modes)

    def learned(self, host: str) -> Prompts:
        """The same prompts, of the device that calls itself `host`."""
        return self if host == self.host else Prompts(self.platform, host)

    @property
    def has_leaders(self) -> bool:
        """Whether lines above a prompt may belong to it."""
        return bool(self._singly)

    def at_end(self, data: bytes | bytearray, start: int = 0) -> PromptMatch | None:
        """The prompt that ends `data[start:]`, if one does."""
        floor = max(start, len(data) - LINE_LIMIT)
        newline = data.rfind(b"\n", floor)
        line_begin = newline + 1 if newline >= 0 else floor
        line = bytes(data[line_begin:])
        tight = line.rstrip(_UNSEEN)
        # a line that a carriage return is about to end is no prompt
        if not tight or tight[-1] == _CARRIAGE_RETURN:
            return None
        styled = b"\x1b" in line or b"\x08" in line
        if (self.finals and not styled and tight[-1] not in self.finals) or (
            styled and ansi.is_unfinished(line)
        ):
            return None
        whole = newline >= 0 or floor == start
        return self._judge(data, start, line_begin, ansi.line_of(line, 0), whole=whole)

    def _judge(
        self, data: bytes | bytearray, start: int, line_begin: int, text: str, *, whole: bool
    ) -> PromptMatch | None:
        begin = line_begin
        found = self._whole.match(text)
        sure = found is not None and whole and self._bears_name(found[0])
        if found is None and self._any_end is not None and (found := self._whole_of_any.match(text)) is None:
            # an output that does not end with a newline runs into the prompt
            if (found := self._any_end.search(text)) is None or not self._bears_name(found[0]):
                return None
            begin = raw_begin(data, line_begin, len(data), found[0])
        if found is None:
            return None
        mode = self._modes[int((found.lastgroup or "mode__0").removeprefix("mode__"))]
        if begin == line_begin:
            mode, begin = self._with_leader(data, start, line_begin, found[0], mode)
        return PromptMatch(
            mode=mode.name,
            text=found[0],
            begin=begin,
            line_begin=line_begin,
            host=self.host if sure and self.host is not None else _host_in(mode, found[0]),
            strength=Strength.SURE if sure else Strength.DOUBTFUL,
        )

    def _bears_name(self, text: str) -> bool:
        """Whether a prompt shows the name that was learned; a pattern may have branches without it ("#")."""
        return self.host is None or self.host[:_SHOWN_OF_HOST] in text or not self._has_place_for_name(text)

    def _has_place_for_name(self, text: str) -> bool:
        found = self._whole.match(text)
        return found is None or "{host}" in self._modes[int((found.lastgroup or "mode__0")[6:])].prompt

    def _with_leader(
        self, data: bytes | bytearray, start: int, line_begin: int, text: str, mode: Mode
    ) -> tuple[Mode, int]:
        """The mode that the line above tells, where several show the same prompt, and where that line begins."""
        if not self._singly or line_begin <= start:
            return mode, line_begin
        able = [one for one, pattern in zip(self._modes, self._singly, strict=True) if pattern.match(text)]
        for one in able:
            if (begin := _leader_begin(data, start, line_begin, one.leader)) < line_begin:
                return one, begin
        return next((one for one in able if one.leader is None), mode), line_begin

    def is_prompt(self, text: str) -> bool:
        """Whether `text` (rendered, without trailing blanks) is a prompt of this device and nothing else."""
        return self._whole.match(text) is not None

    def begin_of(self, data: bytes | bytearray, start: int, line_begin: int, text: str) -> int:
        """Where the prompt `text`, which stands on the line at `line_begin`, begins with the lines above it."""
        return self._with_leader(data, start, line_begin, text, self._modes[0])[1]

    def tail(self, text: str) -> str | None:
        """The prompt of this device that `text` (rendered, without trailing blanks) ends with."""
        if self._any_end is None or (found := self._any_end.search(text)) is None:
            return text if self.is_prompt(text) else None
        return found[0] if self._bears_name(found[0]) else None

    def cut_prefix(self, text: str) -> str | None:
        """What follows a prompt of this device at the start of `text`; None if there is none."""
        for head in self._heads:
            if found := head.match(text):
                return text[found.end() :].lstrip(" ")
        return None

    def is_leader(self, text: str) -> bool:
        """Whether a line (rendered) may belong to the prompt below it."""
        return any(mode.leader is not None and re.fullmatch(mode.leader, text) for mode in self._modes)


def raw_begin(data: bytes | bytearray, begin: int, end: int, prompt: str) -> int:
    """Where a prompt that ends the line `data[begin:end]` begins: found even if it has colours inside."""
    at = data.rfind(prompt.encode(), begin, end)
    if at < 0:
        # the longest end of the line that shows nothing but the prompt
        at = begin
        while (escape := data.find(b"\x1b", at + 1, end)) >= 0 and ansi.line_of(data, escape, end).endswith(
            prompt
        ):
            at = escape
        if at == begin and ansi.line_of(data, begin, end) != prompt:
            at = max(begin, end - len(prompt))
    return at


def _name(host: str) -> str:
    """A pattern for a host name, or for what is left of a long one."""
    rest = ""
    for character in reversed(host[_SHOWN_OF_HOST:]):
        rest = f"(?:{re.escape(character)}{rest})?"
    return f"(?:{re.escape(host[:_SHOWN_OF_HOST])}{rest})"


def _with_host(pattern: str, host: str) -> str:
    return pattern.replace("{host}", host)


def _joined(modes: Sequence[Mode], host: str, frame: str) -> re.Pattern[str]:
    """All modes in one alternation (six patterns one by one cost four times as much); a group names each mode."""
    branches = [f"(?P<mode__{index}>{_with_host(mode.prompt, host)})" for index, mode in enumerate(modes)]
    return re.compile(frame.format(f"(?:{'|'.join(branches)})"))


def _host_in(mode: Mode, text: str) -> str:
    """The part of a prompt that names the device; empty where the pattern has no place for it.

    With the user before it ("me@r1") where the pattern leaves that open: an output that does not end with a newline
    would else be taken for a part of the user's name.
    """
    if "{host}" not in mode.prompt:
        return ""
    pattern = mode.prompt.replace("{host}", f"(?P<host__>{HOST})", 1)
    found = re.fullmatch(_with_host(pattern, HOST), text)
    if found is None or not found["host__"]:
        return ""
    user = _USER.search(text, 0, found.start("host__"))
    named = (user[0] if user else "") + found["host__"]
    return named if re.fullmatch(_with_host(mode.prompt, re.escape(named)), text) else found["host__"]


def _leader_begin(data: bytes | bytearray, start: int, line_begin: int, leader: str | None) -> int:
    """Where the prompt begins if the lines above it belong to it."""
    begin = line_begin
    for _ in range(_LEADER_LINES if leader is not None else 0):
        if begin <= start:
            break
        above = max(data.rfind(b"\n", max(start, begin - 1 - LINE_LIMIT), begin - 1) + 1, start)
        if begin - above > LINE_LIMIT or not re.fullmatch(leader or "", ansi.line_of(data, above, begin)):
            break
        begin = above
    return begin


def _finals(modes: Sequence[Mode]) -> frozenset[int]:
    """The bytes that any of the prompts can end with, where the patterns tell; empty if one does not."""
    found: set[str] = set()
    for mode in modes:
        if (last := endings.of(mode.prompt)) is None:
            return frozenset()
        found |= last
    return frozenset(ord(character) for character in found if character.isascii())
