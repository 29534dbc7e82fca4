# SPDX-License-Identifier: Apache-2.0
"""Finding the prompt: only ever at the end of what has arrived.

A prompt is looked for in the last line of the buffer, so the cost of a chunk does not depend on what came before it.
Before the device's name is known every mode's pattern takes any name; once it is learned, only lines that bear it
count as a prompt, and all others are at most a candidate that has to be proven.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence
from enum import Enum
from typing import NamedTuple

from aioconn.platforms.model import Mode, Platform
from aioconn.wire import ansi, endings

LINE_LIMIT = 512
_LEADER_LINES = 3
# Cisco's IOS shows at least so much of a long host name in the prompts of its configuration modes.
_SHOWN_OF_HOST = 16
_UNSEEN = b" \x00\x07"
_CARRIAGE_RETURN, _NEWLINE = 0x0D, 0x0A
_USER = re.compile(r"[\w.\-+]+@$")


class Strength(Enum):
    """How much a prompt at the end of the buffer is worth."""

    SURE = "the whole line is a prompt of this device"
    DOUBTFUL = "a prompt, but of another name, without one, or with something before it on the line"


class PromptMatch(NamedTuple):  # a frozen dataclass takes four times as long to make, for each command
    """A prompt at the end of a buffer: its mode and text, and the offset where it (or its leader lines) begins."""

    mode: str
    text: str
    begin: int
    line_begin: int
    host: str
    strength: Strength = Strength.SURE


class _Patterns:
    """What is the same for every device of a platform: compiled once, shared by all."""

    def __init__(self, platform: Platform) -> None:
        self.modes = list(platform.modes.values())
        self._marks = {f"mode__{index}": index for index in range(len(self.modes))}
        self.places: list[list[str]] = []
        branches = []
        for index, mode in enumerate(self.modes):
            pieces = mode.prompt.split("{host}")
            names = [f"host__{index}_{place}" for place in range(len(pieces) - 1)]
            named = pieces[0] + "".join(
                f"(?P<{name}>{platform.host}){piece}" for name, piece in zip(names, pieces[1:], strict=True)
            )
            self.places.append(names)
            branches.append(f"(?P<mode__{index}>{named})")
        self.whole = re.compile(f"^(?:{'|'.join(branches)})$")
        self.everywhere = all(self.places)
        self.singly = (
            [re.compile(f"^(?:{_with_host(mode.prompt, platform.host)})$") for mode in self.modes]
            if any(mode.leader for mode in self.modes)
            else []
        )
        self.finals = _finals(self.modes)

    def mode_of(self, found: re.Match[str]) -> int:
        """Which mode's branch matched: its group closes last, around those that the pattern has of its own."""
        return self._marks[found.lastgroup or ""]


@functools.lru_cache(maxsize=256)
def _patterns_of(platform: Platform) -> _Patterns:
    return _Patterns(platform)


class _Exact:
    """The patterns with one device's name in them. Compiling them costs half a millisecond: only when needed."""

    def __init__(self, modes: Sequence[Mode], host: str) -> None:
        named = _name(host)
        self.whole = _joined(modes, named, "^{}$")
        self.any_end = _joined(modes, named, "{}$")
        # the name may have been learned with a user before it, which other modes show apart from it
        bare = _name(host.rpartition("@")[2])
        names = dict.fromkeys((named, bare))
        self.heads = [re.compile(_with_host(mode.prompt, name)) for name in names for mode in modes]


class Prompts:
    """The prompts of one platform, for any device or, with `host`, for one."""

    __slots__ = (
        "_exact",
        "_heads",
        "_last",
        "_last_line",
        "_patterns",
        "_seen",
        "finals",
        "host",
        "platform",
    )

    def __init__(self, platform: Platform, host: str | None = None) -> None:
        self.platform = platform
        self.host = host
        self._patterns = _patterns_of(platform)
        self._exact: _Exact | None = None
        self._heads: list[re.Pattern[str]] | None = None
        self._seen = ""
        self._last: PromptMatch | None = None  # what the line `_last_line` is, whole and alone
        self._last_line = b""
        self.finals = self._patterns.finals

    def learned(self, host: str) -> Prompts:
        """The same prompts, of the device that calls itself `host`."""
        if host == self.host:
            return self
        learned = Prompts(self.platform, host)
        if self.host is None and (last := self._last) is not None and last.host == host:
            # the line that the name was learned from bears it: to find that out anew is a third of what a login takes
            learned._last, learned._last_line = last, self._last_line
        return learned

    def _of_host(self, host: str) -> _Exact:
        if self._exact is None:
            self._exact = _Exact(self._patterns.modes, host)
        return self._exact

    @property
    def has_leaders(self) -> bool:
        """Whether lines above a prompt may belong to it."""
        return bool(self._patterns.singly)

    def at_end(self, data: bytes | bytearray, start: int = 0) -> PromptMatch | None:
        """The prompt that ends `data[start:]`, if one does."""
        last = self._last
        if last is not None and data.endswith(self._last_line):
            # mostly it is the one before: to judge it anew would take as long as everything else about a short answer
            begin = len(data) - len(self._last_line)
            if begin == start or (begin > start and data[begin - 1] == _NEWLINE):
                self._seen = last.text
                if last.begin == begin:
                    return last
                return PromptMatch(last.mode, last.text, begin, begin, last.host)
        floor = max(start, len(data) - LINE_LIMIT)
        newline = data.rfind(b"\n", floor)
        line_begin = newline + 1 if newline >= 0 else floor
        line = bytes(data[line_begin:])
        tight = line.rstrip(_UNSEEN)
        # a line that a carriage return is about to end is no prompt
        if not tight or tight[-1] == _CARRIAGE_RETURN:
            return None
        styled = 0x1B in line or 0x08 in line
        if (self.finals and not styled and tight[-1] not in self.finals) or (
            styled and ansi.is_unfinished(line)
        ):
            return None
        whole = newline >= 0 or floor == start
        match = self._judge(data, start, line_begin, ansi.line_of(line, 0), whole=whole)
        if match is not None and match.strength is Strength.SURE and not self._patterns.singly:
            self._last, self._last_line = match, line
        return match

    def _judge(
        self, data: bytes | bytearray, start: int, line_begin: int, text: str, *, whole: bool
    ) -> PromptMatch | None:
        begin = line_begin
        patterns = self._patterns
        found = patterns.whole.match(text)
        sure = whole and found is not None and self._names_us(found)
        if not sure and self.host is not None:
            sure, found, begin = self._look_closer(data, line_begin, text, found, whole=whole)
        if found is None:
            return None
        mode = patterns.modes[patterns.mode_of(found)]
        if begin == line_begin:
            mode, begin = self._with_leader(data, start, line_begin, found[0], mode)
        if sure:
            self._seen = found[0]
        return PromptMatch(
            mode=mode.name,
            text=found[0],
            begin=begin,
            line_begin=line_begin,
            host=self.host if sure and self.host is not None else _host_in(self.platform, mode, found[0]),
            strength=Strength.SURE if sure else Strength.DOUBTFUL,
        )

    def _look_closer(
        self,
        data: bytes | bytearray,
        line_begin: int,
        text: str,
        found: re.Match[str] | None,
        *,
        whole: bool,
    ) -> tuple[bool, re.Match[str] | None, int]:
        """Whether a line that did not show our name at first sight does, or ends with a prompt that does."""
        assert self.host is not None
        if self.host[:_SHOWN_OF_HOST] not in text and self._patterns.everywhere:
            return False, found, line_begin
        exact = self._of_host(self.host)
        if (own := exact.whole.match(text)) is not None and self._bears_name(own[0]):
            return whole, own, line_begin
        if found is not None or own is not None:
            return False, found or own, line_begin
        # an output that does not end with a newline runs into the prompt
        if (own := exact.any_end.search(text)) is None or not self._bears_name(own[0]):
            return False, None, line_begin
        return False, own, raw_begin(data, line_begin, len(data), own[0])

    def _names_us(self, found: re.Match[str]) -> bool:
        """Whether a prompt shows the name that was learned, whole or cut as IOS cuts long ones."""
        if self.host is None:
            return True
        places = self._patterns.places[self._patterns.mode_of(found)]
        if not places:
            return True
        for place in places:
            if (shown := found[place]) is None:
                continue
            # the name as it was learned may begin with a user ("me@r1") that stands before the pattern's {host}
            begin = found.end(place) - len(self.host)
            if shown == self.host or (
                len(shown) < len(self.host)
                and found.string.startswith(self.host, max(begin, 0))
                and (begin <= 0 or not _USER.search(found.string[begin - 1] + "@"))
            ):
                return True
            if len(shown) >= _SHOWN_OF_HOST and self.host.startswith(shown):
                return True
        return False

    def _bears_name(self, text: str) -> bool:
        """The same for text that may have matched a branch of a pattern without the name in it ("#")."""
        return self.host is None or self.host[:_SHOWN_OF_HOST] in text or not self._has_place_for_name(text)

    def _has_place_for_name(self, text: str) -> bool:
        found = self._patterns.whole.match(text)
        return found is None or bool(self._patterns.places[self._patterns.mode_of(found)])

    def _with_leader(
        self, data: bytes | bytearray, start: int, line_begin: int, text: str, mode: Mode
    ) -> tuple[Mode, int]:
        """The mode that the line above tells, where several show the same prompt, and where that line begins."""
        patterns = self._patterns
        if not patterns.singly or line_begin <= start:
            return mode, line_begin
        able = [
            one for one, single in zip(patterns.modes, patterns.singly, strict=True) if single.match(text)
        ]
        for one in able:
            if (begin := _leader_begin(data, start, line_begin, one.leader)) < line_begin:
                return one, begin
        return next((one for one in able if one.leader is None), mode), line_begin

    def is_prompt(self, text: str) -> bool:
        """Whether `text` (rendered, without trailing blanks) is a prompt of this device and nothing else."""
        found = self._patterns.whole.match(text)
        if self.host is None or (found is not None and self._names_us(found)):
            return found is not None
        return self._of_host(self.host).whole.match(text) is not None

    def begin_of(self, data: bytes | bytearray, start: int, line_begin: int, text: str) -> int:
        """Where the prompt `text`, which stands on the line at `line_begin`, begins with the lines above it."""
        return self._with_leader(data, start, line_begin, text, self._patterns.modes[0])[1]

    def tail(self, text: str) -> str | None:
        """The prompt of this device that `text` (rendered, without trailing blanks) ends with."""
        if self.host is None or (found := self._of_host(self.host).any_end.search(text)) is None:
            return text if self.is_prompt(text) else None
        return found[0] if self._bears_name(found[0]) else None

    def cut_prefix(self, text: str) -> str | None:
        """What follows a prompt of this device at the start of `text`; None if there is none."""
        if self._seen and text.startswith(self._seen):
            return text[len(self._seen) :].lstrip(" ")
        for head in self._head_patterns():
            if found := head.match(text):
                return text[found.end() :].lstrip(" ")
        return None

    def _head_patterns(self) -> list[re.Pattern[str]]:
        if self.host is not None:
            return self._of_host(self.host).heads
        if self._heads is None:
            host = self.platform.host
            self._heads = [re.compile(_with_host(mode.prompt, host)) for mode in self._patterns.modes]
        return self._heads

    def is_leader(self, text: str) -> bool:
        """Whether a line (rendered) may belong to the prompt below it."""
        modes = self._patterns.modes
        return any(mode.leader is not None and re.fullmatch(mode.leader, text) for mode in modes)


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


@functools.lru_cache(maxsize=1024)
def _naming(prompt: str, host: str) -> re.Pattern[str]:
    """A mode's pattern, with the first of the places for the name in a group."""
    return re.compile(_with_host(prompt.replace("{host}", f"(?P<host__>{host})", 1), host))


def _host_in(platform: Platform, mode: Mode, text: str) -> str:
    """The part of a prompt that names the device; empty where the pattern has no place for it.

    With the user before it ("me@r1") where the pattern leaves that open: an output that does not end with a newline
    would else be taken for a part of the user's name.
    """
    if "{host}" not in mode.prompt:
        return ""
    found = _naming(mode.prompt, platform.host).fullmatch(text)
    if found is None or not found["host__"]:
        return ""
    if (user := _USER.search(text, 0, found.start("host__"))) is None:
        return found["host__"]  # nothing to look at more closely, with a pattern made for this device alone
    named = user[0] + found["host__"]
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
