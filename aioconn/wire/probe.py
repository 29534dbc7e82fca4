# SPDX-License-Identifier: Apache-2.0
"""Proving where a device stands: a line with a random word that changes nothing and must come back exactly.

A prompt alone proves nothing, an output may contain one. A prompt, then our word, then nothing but a prompt does:
nobody could have printed the word before it was sent.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass

from aioconn.platforms.model import Probe
from aioconn.wire import ansi
from aioconn.wire.prompt import PromptMatch, Prompts, Strength


@dataclass(frozen=True, slots=True, kw_only=True)
class Boundary:
    """The probe has been answered: where the output before it ends, the prompt after it, and how sure that is.

    `certain` is False where the device may have repeated the line at once, in the middle of an output: a look-alike
    could have followed the echo.
    `echo` is the span of the probe's echo if it stands inside the output before `begin`.
    """

    begin: int
    match: PromptMatch
    certain: bool
    echo: tuple[int, int] | None = None


class ProbeLine:
    """One use of a platform's probe."""

    __slots__ = ("answer", "line", "token")

    def __init__(self, probe: Probe) -> None:
        self.token = "aio" + secrets.token_hex(4)
        self.line = probe.send.replace("{token}", self.token)
        self.answer = probe.answer.replace("{token}", self.token) if probe.answer is not None else None

    def boundary(
        self, data: bytes | bytearray, start: int, prompts: Prompts, *, reader: bool
    ) -> Boundary | None:
        """The proof, if `data[start:]` ends with it. `reader`: the device is known to echo only what it reads."""
        match = prompts.at_end(data, start)
        if match is None or (found := data.rfind(self.token.encode(), start, match.line_begin)) < 0:
            return self._typed_ahead(data, start, match, prompts) if match is not None else None
        line_begin, line_end, shown = _line_at(data, start, found)
        if not _is_blank(data, line_end, match.begin):
            return self._typed_ahead(data, start, match, prompts)
        if self.answer is not None:
            return self._answered(data, start, match, prompts, line_begin, shown)
        before = _cut_suffix(shown, self.line)
        if before is None:
            return None
        if before and not _is_prompt(before, match, prompts):
            return None
        begin = _with_leader(data, start, line_begin, prompts) if before else line_begin
        return Boundary(begin=begin, match=match, certain=reader)

    def _answered(
        self, data: bytes | bytearray, start: int, match: PromptMatch, prompts: Prompts, line_begin: int, shown: str
    ) -> Boundary | None:
        """The probe printed its answer: that is certain whatever the tty does."""
        assert self.answer is not None
        before = _cut_suffix(shown, self.answer)
        if before is None or (before and not _is_prompt(before, match, prompts)):
            return None
        echo = data.rfind(self.token.encode(), start, line_begin)
        if echo < 0:
            return Boundary(begin=line_begin, match=match, certain=True)
        echo_begin, echo_end, echo_shown = _line_at(data, start, echo)
        if before:
            return Boundary(begin=line_begin, match=match, certain=True, echo=(echo, echo_end))
        prefix = _cut_suffix(echo_shown, self.line)
        if prefix and _is_prompt(prefix, match, prompts):
            echo_begin = _with_leader(data, start, echo_begin, prompts)
            # a tty below a line editor has repeated the line once more, further up
            first = data.find(self.token.encode(), start, echo_begin)
            ahead = None if first < 0 else (_line_at(data, start, first)[0], _line_at(data, start, first)[1])
            return Boundary(begin=echo_begin, match=match, certain=True, echo=ahead)
        return Boundary(begin=echo_begin, match=match, certain=True)

    def _typed_ahead(
        self, data: bytes | bytearray, start: int, match: PromptMatch, prompts: Prompts
    ) -> Boundary | None:
        """A plain tty: the line was repeated in the middle of the output, and two prompts stand at its end."""
        echo = data.find(self.token.encode(), start)
        if echo < 0 or self.answer is not None:
            return None
        shown = ansi.render(bytes(data[match.line_begin :]).decode("utf-8", "replace"))
        before = _cut_suffix(shown, match.text)
        if not before or not _is_prompt(before, match, prompts):
            return None
        _, echo_end, _ = _line_at(data, start, echo)
        span = (echo - (len(self.line) - len(self.token)), echo_end)
        return Boundary(begin=match.line_begin, match=match, certain=True, echo=(max(span[0], start), span[1]))


def _line_at(data: bytes | bytearray, start: int, position: int) -> tuple[int, int, str]:
    """Begin, end (behind its newline) and rendered text of the line at `position`."""
    begin = max(data.rfind(b"\n", start, position) + 1, start)
    newline = data.find(b"\n", position)
    end = newline + 1 if newline >= 0 else len(data)
    return begin, end, ansi.render(bytes(data[begin:end]).decode("utf-8", "replace").rstrip("\r\n"))


def _is_blank(data: bytes | bytearray, begin: int, end: int) -> bool:
    return begin >= end or not ansi.clean(data[begin:end]).strip()


def _cut_suffix(text: str, suffix: str) -> str | None:
    """What stands before `suffix` (blanks do not count), None if `text` does not end with it."""
    tight, wanted = text.rstrip(), suffix.strip()
    if tight.endswith(wanted):
        return tight[: len(tight) - len(wanted)].rstrip()
    return None


def _is_prompt(text: str, match: PromptMatch, prompts: Prompts) -> bool:
    return bool(text) and (text == match.text or prompts.is_prompt(text))


def _with_leader(data: bytes | bytearray, start: int, line_begin: int, prompts: Prompts) -> int:
    """Back over the leader lines of a prompt that has been typed behind."""
    newline = data.find(b"\n", line_begin)
    shown = ansi.render(bytes(data[line_begin:newline]).decode("utf-8", "replace"))
    for size in range(1, len(shown) + 1):
        if prompts.is_prompt(shown[:size].rstrip()):
            head = bytes(data[start:line_begin]) + shown[:size].encode()
            at_end = prompts.at_end(head)
            if at_end is not None and at_end.strength is Strength.SURE:
                return start + at_end.begin
    return line_begin
