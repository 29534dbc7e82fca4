# SPDX-License-Identifier: Apache-2.0
"""The first lines of a session: sent in one write, they also show how the device echoes and what its prompt is.

A banner may end with what looks like a prompt. The prompt that stands behind the echo of a line that we sent is one.
"""

from __future__ import annotations

from collections.abc import Sequence

from aioconn.wire import ansi
from aioconn.wire.dialogue import Dialogue
from aioconn.wire.echo import Discipline
from aioconn.wire.prompt import PromptMatch, Prompts

SETTLE = 0.5


class Opening:
    """Sends `lines` and learns from the answer. Same shape as `Exchange`: `start`, `feed`, `quiet`, `done`."""

    __slots__ = ("_answered_to", "_buffer", "_dialogue", "_lines", "_newline", "_prompts", "discipline", "done", "quiet_after")

    def __init__(self, lines: Sequence[str], *, prompts: Prompts, dialogue: Dialogue, newline: bytes) -> None:
        self.done: PromptMatch | None = None
        self.discipline = Discipline.UNKNOWN
        self.quiet_after: float | None = None
        self._lines = [line for line in lines if line]
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
        self._buffer += data
        self.quiet_after = None
        match = self._prompts.at_end(self._buffer, self._answered_to)
        if match is None:
            if self._dialogue and (question := self._dialogue.find(self._buffer, self._answered_to)) is not None:
                self._answered_to = question.end
                return question.answer.send
            # two prompts on one line are what a plain tty shows after two lines without output
            self.quiet_after = SETTLE if self._repeated_prompt() is not None else None
        else:
            self.quiet_after = SETTLE
        self._learn(match or self._repeated_prompt())
        return b""

    def quiet(self) -> bytes:
        """The device has said all that it will: take what has been learned so far."""
        self.quiet_after = None
        self.done = self._prompts.at_end(self._buffer, self._answered_to) or self._repeated_prompt()
        if self.done is not None and self.discipline is Discipline.UNKNOWN:
            echoed = self._echo_of_last() is not None
            self.discipline = Discipline.TYPING if echoed else Discipline.NONE
        return b""

    def _learn(self, match: PromptMatch | None) -> None:
        if match is None or (echo := self._echo_of_last()) is None:
            return
        before, rest = echo
        if before and (before == match.text or self._prompts.is_prompt(before)):
            self.discipline, self.done = Discipline.READER, match
        elif not before and rest.count(match.text) >= len(self._lines) > 1:
            self.discipline, self.done = Discipline.TYPING, match

    def _echo_of_last(self) -> tuple[str, str] | None:
        """What stands before the last echo of the last line, on its line, and all that follows it."""
        wanted = "".join(self._lines[-1].split())
        lines = [ansi.render(line.rstrip("\r")) for line in self._buffer.decode("utf-8", "replace").split("\n")]
        for index in range(len(lines) - 2, -1, -1):
            squeezed = "".join(lines[index].split())
            if squeezed.endswith(wanted):
                shown = lines[index]
                at = shown.rfind(self._lines[-1].strip())
                before = shown[:at].rstrip() if at >= 0 else (self._prompt_before(shown) or "")
                return before, "\n".join(lines[index + 1 :])
        return None

    def _prompt_before(self, shown: str) -> str | None:
        rest = self._prompts.cut_prefix(shown)
        return None if rest is None else shown[: len(shown) - len(rest)].rstrip()

    def _repeated_prompt(self) -> PromptMatch | None:
        """`r1#r1#` at the end: the prompt that is there as often as lines were sent."""
        line = bytes(self._buffer[self._buffer.rfind(b"\n") + 1 :])
        shown = ansi.render(line.decode("utf-8", "replace"))
        for count in range(len(self._lines), 1, -1):
            single, odd = divmod(len(shown), count)
            if not odd and single and shown == shown[:single] * count:
                return self._prompts.at_end(shown[:single].encode())
        return None
