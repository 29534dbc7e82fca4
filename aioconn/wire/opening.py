# SPDX-License-Identifier: Apache-2.0
"""The first lines of a session: sent in one write, they also show how the device echoes and what its prompt is.

A banner may end with what looks like a prompt. The prompt that stands behind the echo of a line that we sent is one.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from aioconn.wire import ansi
from aioconn.wire.dialogue import Dialogue
from aioconn.wire.echo import Discipline, squeeze
from aioconn.wire.probe import WORD
from aioconn.wire.prompt import LINE_LIMIT, PromptMatch, Prompts

SETTLE = 0.5
_LIMIT = 1 << 18
_TOKEN = re.compile(WORD)


@dataclass(frozen=True, slots=True)
class _Echo:
    """The last echo of the last line: what stands before it on its line, what follows, and how many there are."""

    before: str
    rest: str
    count: int


class Opening:
    """Sends `lines` and learns from the answer. Same shape as `Exchange`: `start`, `feed`, `quiet`, `done`."""

    __slots__ = (
        "_answered_to",
        "_buffer",
        "_dialogue",
        "_lines",
        "_newline",
        "_prompts",
        "discipline",
        "done",
        "quiet_after",
    )

    def __init__(self, lines: Sequence[str], *, prompts: Prompts, dialogue: Dialogue, newline: bytes) -> None:
        self.done: PromptMatch | None = None
        self.discipline = Discipline.UNKNOWN
        self.quiet_after: float | None = None
        self._lines = [line for line in lines if line.strip()]
        self._prompts = prompts
        self._dialogue = dialogue
        self._newline = newline
        self._buffer = bytearray()
        self._answered_to = 0

    @property
    def ended(self) -> bool:
        return self.done is not None

    def start(self) -> bytes:
        """All the lines in one write."""
        return b"".join(line.encode() + self._newline for line in self._lines)

    def seen(self, limit: int = 400) -> str:
        """The end of what arrived, for an error."""
        return ansi.clean(self._buffer[-limit:]).strip()

    def feed(self, data: bytes) -> bytes:
        """Take what arrived; returns what to write now."""
        if self.done is not None:
            return b""
        self._buffer += data
        if (excess := len(self._buffer) - _LIMIT) > 0:
            del self._buffer[:excess]
            self._answered_to = max(0, self._answered_to - excess)
        self.quiet_after = None
        match = self._prompts.at_end(self._buffer, self._answered_to) or self._repeated_prompt()
        if match is not None:
            self.quiet_after = SETTLE
            self._learn(match)
        elif (question := self._dialogue.find(self._buffer, self._answered_to)) is not None:
            self._answered_to = question.end
            return question.answer.send
        return b""

    def quiet(self) -> bytes:
        """The device has said all that it will: take what has been learned so far."""
        self.quiet_after = None
        if self.done is None:
            self.done = self._prompts.at_end(self._buffer, self._answered_to) or self._repeated_prompt()
            if self.done is not None and self._lines and self.discipline is Discipline.UNKNOWN:
                if self._last_echo() is None:
                    self.discipline = Discipline.NONE
                elif len(self._lines) > 1:
                    self.discipline = Discipline.TYPING
        return b""

    def _learn(self, match: PromptMatch) -> None:
        if not self._lines or (echo := self._last_echo()) is None:
            return
        if echo.before and (before := self._prompts.at_end(echo.before.encode())) is not None:
            self.discipline = Discipline.READER if echo.count == 1 else Discipline.BOTH
            # another name is a line of the output that looks like a prompt, unless it stays the last word
            self.done = match if match.host == before.host else None
        elif not echo.before and (self._repeated_prompt() is not None or self._is_answered(echo.rest)):
            # a prompt for each of the lines, after all the echoes
            self.discipline, self.done = Discipline.TYPING, match

    def _is_answered(self, rest: str) -> bool:
        """Whether a prompt and then the word of the last line, if that is a probe, stand in what follows its echo."""
        if (token := _TOKEN.search(self._lines[-1])) is None:
            return False
        return any(
            line.endswith(token[0])
            and (behind := self._prompts.cut_prefix(line)) is not None
            and len(behind) < 32
            for line in rest.split("\n")
        )

    def _last_echo(self) -> _Echo | None:
        line = self._lines[-1].strip()
        wanted = squeeze(line)
        if line.split()[-1].encode() not in self._buffer:
            return None
        shown = [ansi.render(one.rstrip("\r")) for one in self._buffer.decode("utf-8", "replace").split("\n")]
        found = [index for index, one in enumerate(shown[:-1]) if squeeze(one).endswith(wanted)]
        if not found:
            return None
        last = shown[found[-1]]
        at = last.rfind(line)
        rest = self._prompts.cut_prefix(last)
        before = last[:at] if at >= 0 else last[: len(last) - len(rest)] if rest is not None else ""
        return _Echo(before.rstrip(), "\n".join(shown[found[-1] + 1 :]), len(found))

    def _repeated_prompt(self) -> PromptMatch | None:
        """`r1#r1#` at the end: the prompt that is there as often as lines were sent, or more often."""
        begin = max(self._buffer.rfind(b"\n") + 1, len(self._buffer) - LINE_LIMIT)
        shown = ansi.line_of(self._buffer, begin)
        for count in range(len(self._lines) + 2, 1, -1):
            for gap in ("", " "):
                single, odd = divmod(len(shown) + len(gap), count)
                text = shown[: single - len(gap)]
                if not odd and text and shown == gap.join([text] * count):
                    return self._prompts.at_end(text.encode())
        return None
