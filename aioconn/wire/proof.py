# SPDX-License-Identifier: Apache-2.0
"""A probe on its own: where does the device stand?"""

from __future__ import annotations

from aioconn.wire import ansi
from aioconn.wire.echo import Discipline
from aioconn.wire.probe import ProbeLine
from aioconn.wire.prompt import PromptMatch, Prompts


class Proof:
    """`done` holds the prompt behind the word that came back. `certain` settles where the device stands; otherwise
    `exact` tells whether nothing but the echo and a prompt came, which a look-alike can do once, hardly twice.
    """

    __slots__ = ("_buffer", "_discipline", "_prompts", "certain", "done", "exact", "line", "quiet_after")

    def __init__(self, line: ProbeLine, prompts: Prompts, discipline: Discipline) -> None:
        self.line = line
        self.done: PromptMatch | None = None
        self.quiet_after: float | None = None
        self.certain = False
        self.exact = False
        self._prompts = prompts
        self._discipline = discipline
        self._buffer = bytearray()

    @property
    def ended(self) -> bool:
        return self.done is not None

    def feed(self, data: bytes) -> bytes:
        """Take what arrived; there is never anything to write."""
        self._buffer += data
        reader = self._discipline is Discipline.READER
        boundary = self.line.boundary(self._buffer, 0, self._prompts, reader=reader)
        if boundary is not None:
            self.certain = boundary.certain
            self.exact = boundary.begin == boundary.read_at == 0
            self.done = boundary.match
        return b""

    def quiet(self) -> bytes:
        """Silence means nothing here."""
        return b""

    def seen(self, limit: int = 400) -> str:
        """The end of what arrived, for an error."""
        return ansi.clean(self._buffer[-limit:]).strip()
