# SPDX-License-Identifier: Apache-2.0
"""Questions that a device asks in the middle of something, and what to answer."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from aioconn.wire import ansi

_WINDOW = 512


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What to send when `pattern` is found at the end of what arrived; `send` is repr-safe only if not `secret`."""

    pattern: str
    send: bytes
    secret: bool = False
    pager: bool = False

    def __repr__(self) -> str:
        return f"Answer({self.pattern!r}, {'***' if self.secret else self.send!r})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A question found: where its text begins and ends in the buffer, and its answer."""

    begin: int
    end: int
    text: str
    answer: Answer


class Dialogue:
    """The answers of one exchange, earlier ones first.

    Patterns are searched in the last line that has not been answered yet, escape sequences removed; a pattern that
    should match anywhere in a longer line needs no anchor, one that ends it may use `$`.
    """

    __slots__ = ("_answers", "_joined")

    def __init__(self, answers: Sequence[Answer]) -> None:
        self._answers = answers
        self._joined = _join(answers) if answers else None

    def __bool__(self) -> bool:
        return self._joined is not None

    def find(self, data: bytes | bytearray, start: int) -> Question | None:
        """The question that the end of `data[start:]` asks, if it asks one."""
        if self._joined is None:
            return None
        size = len(data)
        begin = max(start, size - _WINDOW)
        stop = size
        if data.endswith(b"\n"):
            # some devices end the line of their question
            stop = len(data[begin:].rstrip(b"\r\n")) + begin
        begin = max(data.rfind(b"\n", begin, stop) + 1, begin)
        if begin >= stop:
            return None
        line = bytes(data[begin:stop]).decode("utf-8", "replace")
        text = ansi.strip(line).rstrip("\r\x07")
        found = self._joined.search(text.rstrip()) or self._joined.search(text)
        if found is None:
            return None
        answer = self._answers[int((found.lastgroup or "a0")[1:])]
        if answer.pager and stop != size:
            return None
        shown = text[found.start() : found.end()]
        offset = bytes(data[begin:stop]).find(shown.encode())
        return Question(
            begin=begin + max(offset, 0) if answer.pager else begin, end=size, text=text.strip(), answer=answer
        )


def _join(answers: Sequence[Answer]) -> re.Pattern[str]:
    """One alternation; a flag at the head of a pattern, `(?i)`, becomes local to it."""
    branches = []
    for index, answer in enumerate(answers):
        pattern = answer.pattern
        if flags := re.match(r"\(\?([aiLmsux]+)\)", pattern):
            pattern = f"(?{flags[1]}:{pattern[flags.end() :]})"
        branches.append(f"(?P<a{index}>{pattern})")
    return re.compile("|".join(branches))
