# SPDX-License-Identifier: Apache-2.0
"""A probe on its own: where does the device stand?"""

from __future__ import annotations

from aioconn.wire import ansi
from aioconn.wire.echo import Discipline
from aioconn.wire.probe import Boundary, ProbeLine
from aioconn.wire.prompt import PromptMatch, Prompts

# Seconds of silence behind a prompt that proves nothing: then it is worth another probe.
DOUBTFUL_QUIET = 0.3


class Proof:
    """`done` holds the prompt behind the word that came back. `certain` settles where the device stands; otherwise
    `exact` tells whether nothing but the echo and a prompt came, which a look-alike can do once, hardly twice.

    `before` is the line that the device stood in when the word was sent. `begun` tells that the device has come to
    the word: nothing older is in its way any more. `repeated`: the device shows what is typed at once, and again when
    it reads it.
    """

    __slots__ = (
        "_before",
        "_buffer",
        "_discipline",
        "_prompts",
        "begun",
        "certain",
        "done",
        "exact",
        "line",
        "quiet_after",
        "repeated",
    )

    def __init__(
        self, line: ProbeLine, prompts: Prompts, discipline: Discipline, *, before: bytes = b""
    ) -> None:
        self.line = line
        self.done: PromptMatch | None = None
        self.quiet_after: float | None = None
        self.begun = False
        self.certain = False
        self.exact = False
        self.repeated = False
        self._prompts = prompts
        self._discipline = discipline
        self._before = len(before)
        self._buffer = bytearray(before)

    def start(self, newline: bytes) -> bytes:
        """What to write; `newline` is what ends the line. Where a tty repeats what is typed, an empty line goes ahead,
        so that a prompt stands before the word once it is read, and only then."""
        line = self.line.line.encode() + newline
        return newline + line if self._leads else line

    @property
    def _leads(self) -> bool:
        return self._discipline is Discipline.BOTH and self.line.answer is None

    @property
    def ended(self) -> bool:
        return self.done is not None

    @property
    def received(self) -> int:
        """How much has come."""
        return len(self._buffer)

    def feed(self, data: bytes) -> bytes:
        """Take what arrived; there is never anything to write."""
        self._buffer += data
        self.quiet_after = None
        reader = self._discipline is Discipline.READER
        boundary = self.line.boundary(self._buffer, 0, self._prompts, reader=reader, lead=self._leads)
        self.begun = self.begun or self._is_read(reader)
        if boundary is not None and (boundary.certain or not (reader or self._leads)):
            self._take(boundary)
        elif self.line.token.encode() in self._buffer and self._prompts.at_end(self._buffer) is not None:
            self.quiet_after = DOUBTFUL_QUIET
        return b""

    def _is_read(self, reader: bool) -> bool:
        """Whether the device has come to the word."""
        if self.line.answer is not None:
            return self.line.answer.encode() in self._buffer
        at = self._buffer.rfind(self.line.token.encode())
        if at < 0 or reader:
            return at >= 0
        shown = ansi.line_of(self._buffer, self._buffer.rfind(b"\n", 0, at) + 1, at)
        return self._leads and self._prompts.cut_prefix(shown) is not None

    def _take(self, boundary: Boundary) -> None:
        self.certain = boundary.certain
        self.exact = boundary.begin == boundary.read_at == self._before == 0
        self.repeated = boundary.repeated
        self.done = boundary.match

    def quiet(self) -> bytes:
        """Something has come between the word and its prompt, and has ended: that is a prompt, and proves nothing."""
        self.quiet_after = None
        self.done = self._prompts.at_end(self._buffer)
        return b""

    def seen(self, limit: int = 400) -> str:
        """The end of what arrived, for an error."""
        return ansi.clean(self._buffer[-limit:]).strip()


class Glance:
    """Two words in one write, for a device that is most likely at its prompt: a plain tty, or one without echo.

    At its prompt it shows both, unless it has no `echo`, and then a prompt for each, alike and with nothing else
    anywhere. `done` is the last prompt; `failed` tells that something else came, which proves nothing.
    """

    __slots__ = ("_buffer", "_expected", "_prompts", "done", "failed", "lines", "quiet_after")

    def __init__(self, lines: tuple[ProbeLine, ProbeLine], prompts: Prompts, *, echo: bool = True) -> None:
        self.lines = lines
        self.done: PromptMatch | None = None
        self.failed = False
        self.quiet_after: float | None = None
        self._prompts = prompts
        self._expected = "".join(one.line + "\n" for one in lines) if echo else ""
        self._buffer = bytearray()

    def start(self, newline: bytes) -> bytes:
        """What to write, in one piece."""
        return b"".join(one.line.encode() + newline for one in self.lines)

    @property
    def ended(self) -> bool:
        return self.failed or self.done is not None

    def feed(self, data: bytes) -> bytes:
        """Take what arrived; there is never anything to write."""
        self._buffer += data
        text = ansi.clean(self._buffer).lstrip(" ")  # a prompt's last blank may come late
        if not text.startswith(self._expected):
            self.failed = not self._expected.startswith(text)
            return b""
        match = self._prompts.at_end(self._buffer)
        if match is None:
            return b""
        above, *rows = [row.strip(" ") for row in text[len(self._expected) :].split(match.text)]
        self.failed = any(row.strip("\n") and not self._is_leader(row) for row in (above, *rows[:-1]))
        if len(rows) > 1 and not self.failed:
            self.done, self.failed = (match, False) if rows == [above, ""] else (None, True)
        return b""

    def _is_leader(self, row: str) -> bool:
        return all(self._prompts.is_leader(line) for line in row.split("\n") if line.strip())

    def quiet(self) -> bytes:
        """Silence means nothing here."""
        return b""

    def seen(self, limit: int = 400) -> str:
        """The end of what arrived, for an error."""
        return ansi.clean(self._buffer[-limit:]).strip()
