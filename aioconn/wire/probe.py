# SPDX-License-Identifier: Apache-2.0
"""Proving where a device stands: a line with a random word that changes nothing and must come back exactly.

A prompt alone proves nothing, an output may contain one. A prompt, then our word, then nothing but a prompt does:
nobody could have printed the word before it was sent.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator
from dataclasses import dataclass

from aioconn.platforms.model import Probe
from aioconn.wire import ansi
from aioconn.wire.prompt import PromptMatch, Prompts, raw_begin

# a token of ours, as a pattern
WORD = "aio[0-9a-f]{8}"
# how some show the interrupt by which a line was dropped
_DROPPED = "^C"
# what stands between two prompts that answer two empty lines, and how much of it there may be
_BLANKS = b" \r\n\x00"
_APART = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Boundary:
    """The probe has been answered: where the output before it ends, the prompt after it, and how sure that is.

    `certain` is False where the device may have repeated the line at once, in the middle of an output: a look-alike
    could have followed the echo. `read_at` is where the prompt begins behind which the line was read: two probes with
    nothing between them show the same place, the first as the prompt after it, the second as this. `rows` is the number
    of lines before a prompt, behind the echo or another prompt: at its prompt a device answers every probe alike. None
    where something else stands there. `prompted`: the line stands behind a prompt. `repeated`: it was shown at once,
    and again when it was read.
    """

    begin: int
    read_at: int
    match: PromptMatch
    certain: bool
    rows: int | None = None
    prompted: bool = True
    repeated: bool = False


@dataclass(frozen=True, slots=True)
class _Line:
    begin: int
    end: int
    shown: str


class ProbeLine:
    """One use of a platform's probe."""

    __slots__ = ("answer", "line", "token")

    def __init__(self, probe: Probe) -> None:
        self.token = "aio" + secrets.token_hex(4)
        self.line = probe.send.replace("{token}", self.token)
        self.answer = probe.answer.replace("{token}", self.token) if probe.answer is not None else None

    def boundary(
        self,
        data: bytes | bytearray,
        start: int,
        prompts: Prompts,
        *,
        reader: bool,
        lead: bool = False,
        sent: int = 1,
    ) -> Boundary | None:
        """The proof, if `data[start:]` ends with it. `reader`: the device is known to echo only what it reads.

        `lead`: an empty line went ahead of the probe, so that a prompt stands before the echo of what was read, even
        where a tty has repeated it before. `sent` is how many probes have been sent, this one the last: a plain tty
        shows a prompt for each at once; 0 where each is shown again when it is read.
        """
        match = prompts.at_end(data, start)
        if match is None:
            return None
        if self.answer is not None:
            return self._answered(data, start, prompts, match)
        echo = self._last(self.token, data, start, match.line_begin)
        if echo is None or (behind := _before(echo.shown.removesuffix(_DROPPED), self.line)) is None:
            return None
        exact = _is_blank(data, echo.end, match.begin)
        if not (reader or lead or exact):
            return self._typed_ahead(data, start, prompts, match, sent) if sent else None
        begin, read_at, count = _prompts_before(
            data, start, echo, behind, prompts, match, at_most=1 if reader else 64
        )
        # a tty below a line editor has repeated the line further up, and now it has been read
        repeated = data.find(self.token.encode(), start, echo.begin) >= 0
        # the prompt may have been seen before all this; what stands before the echo and is none may be a question
        fresh = reader and not behind and echo.begin <= start
        return Boundary(
            begin=begin,
            read_at=read_at,
            match=match,
            certain=fresh or (count > 0 and (reader or lead or repeated)),
            rows=data.count(b"\n", echo.end, match.begin) if exact else None,
            prompted=count > 0,
            repeated=repeated and count > 0,
        )

    def _answered(
        self, data: bytes | bytearray, start: int, prompts: Prompts, match: PromptMatch
    ) -> Boundary | None:
        """The probe printed its answer: that is certain whatever the tty does."""
        assert self.answer is not None
        answer = self._last(self.answer, data, start, match.line_begin)
        if answer is None or not _is_blank(data, answer.end, match.begin):
            return None
        begin = self._read_before(answer, data, start, prompts, match)
        return None if begin is None else Boundary(begin=begin, read_at=begin, match=match, certain=True)

    def _read_before(
        self, answer: _Line, data: bytes | bytearray, start: int, prompts: Prompts, match: PromptMatch
    ) -> int | None:
        """Where the prompt begins at which the line was read that printed `answer`."""
        if (behind := _before(answer.shown, self.answer or "")) is None:
            return None
        if behind:
            # a plain tty has repeated the line before, the answer stands behind the prompt that it was read at
            return _prompts_before(data, start, answer, behind, prompts, match, at_most=1)[0]
        begin = answer.begin
        typed = re.compile(f"(.*?){re.escape(self.line).replace(self.token, WORD)}")
        while begin > start:
            above = _line_at(data, start, begin - 1)
            if (found := typed.fullmatch(above.shown)) is None:
                break
            begin = above.begin
            if found[1]:
                return _prompts_before(data, start, above, found[1].rstrip(), prompts, match, at_most=1)[0]
        if begin == answer.begin and (echo := self._last(self.token, data, start, begin)) is not None:
            # a message has come between the echo and the answer
            behind = _before(echo.shown, self.line) or ""
            first, _, count = _prompts_before(data, start, echo, behind, prompts, match, at_most=1)
            begin = first if count else begin
        return begin

    def _typed_ahead(
        self, data: bytes | bytearray, start: int, prompts: Prompts, match: PromptMatch, sent: int
    ) -> Boundary | None:
        """A plain tty: the line was repeated in the middle of the output, whose end has a prompt for each line."""
        places, rows = [match.begin], set[int]()
        while len(places) <= sent:
            floor = max(start, places[-1] - _APART)
            above = bytes(data[floor : places[-1]]).rstrip(_BLANKS)
            before = prompts.at_end(above)
            if before is None or before.text != match.text:
                return None
            rows.add(data.count(b"\n", floor + len(above), places[-1]))
            places.append(floor + before.begin)
        if len(rows) > 1:
            return None
        return Boundary(begin=places[-1], read_at=places[0], match=match, certain=False, rows=rows.pop())

    def read_at(
        self,
        data: bytes | bytearray,
        start: int,
        prompts: Prompts,
        match: PromptMatch,
        *,
        again: bool = False,
    ) -> int | None:
        """Where the prompt begins at which this line was read, whatever came after it; None if it shows none.

        For a reader's echo, or a probe that has an answer. `again`: what was read is the last that shows it.
        """
        lines = list(self._lines(self.answer or self.token, data, start))
        for line in reversed(lines) if again else lines:
            if self.answer is not None:
                return self._read_before(line, data, start, prompts, match)
            if behind := _before(line.shown, self.line):
                begin, _, count = _prompts_before(data, start, line, behind, prompts, match, at_most=1)
                return begin if count else None
        return None

    def typed(self, data: bytes | bytearray, begin: int, end: int) -> list[tuple[int, int]]:
        """The spans in `data[begin:end]` that a tty repeated in the middle of an output."""
        spans = []
        lead = len(self.line[: self.line.find(self.token)].encode())
        token = self.token.encode()
        at = data.find(token, begin, end)
        while at >= 0:
            newline = data.find(b"\n", at, end)
            stop = newline + 1 if newline >= 0 else at + len(token)
            spans.append((max(begin, at - lead), stop))
            at = data.find(token, stop, end)
        return spans

    def _last(self, word: str, data: bytes | bytearray, start: int, end: int) -> _Line | None:
        at = data.rfind(word.encode(), start, end)
        return _line_at(data, start, at) if at >= 0 else None

    def _lines(self, word: str, data: bytes | bytearray, start: int = 0) -> Iterator[_Line]:
        at = data.find(word.encode(), start)
        while at >= 0:
            line = _line_at(data, start, at)
            yield line
            at = data.find(word.encode(), line.end)


def _line_at(data: bytes | bytearray, start: int, position: int) -> _Line:
    """The line at `position`: its end is behind its newline."""
    begin = max(data.rfind(b"\n", start, position) + 1, start)
    newline = data.find(b"\n", position)
    end = newline + 1 if newline >= 0 else len(data)
    return _Line(begin, end, ansi.line_of(data, begin, end))


def _is_blank(data: bytes | bytearray, begin: int, end: int) -> bool:
    return begin >= end or (end - begin < 1024 and not ansi.clean(data[begin:end]).strip())


def _before(text: str, suffix: str) -> str | None:
    """What stands before `suffix` (blanks do not count), None if `text` does not end with it."""
    tight, wanted = text.rstrip(), suffix.strip()
    return tight.removesuffix(wanted).rstrip() if tight.endswith(wanted) else None


def _prompts_before(
    data: bytes | bytearray,
    start: int,
    line: _Line,
    text: str,
    prompts: Prompts,
    match: PromptMatch,
    *,
    at_most: int,
) -> tuple[int, int, int]:
    """Where the first and the last of the prompts begin with which `text`, the head of `line`, ends; how many it has.

    What stands before them on the line is the end of an output without a newline. Without a prompt it is the line.
    """
    first = last = (
        line.begin if not text else raw_begin(data, line.begin, line.end, text) + len(text.encode())
    )
    count, limit = 0, line.end
    while text and count < at_most:
        prompt = match.text if text.endswith(match.text) else prompts.tail(text)
        if prompt is None:
            break
        text = text[: -len(prompt)].rstrip()
        limit = first = (
            raw_begin(data, line.begin, limit, prompt)
            if text
            else prompts.begin_of(data, start, line.begin, prompt)
        )
        count += 1
        last = first if count == 1 else last
    return first, last, count
