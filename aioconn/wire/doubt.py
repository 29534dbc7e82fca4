# SPDX-License-Identifier: Apache-2.0
"""A prompt that may be none, and the words that are sent behind it: where one comes back, the device reads."""

from __future__ import annotations

from dataclasses import replace

from aioconn.wire.assembly import Span
from aioconn.wire.echo import Discipline
from aioconn.wire.probe import Boundary, ProbeLine
from aioconn.wire.prompt import PromptMatch, Prompts, Strength

# Seconds of silence: after which a word that should have come back may not have been read, or is yet to be; where a tty
# passes on what is typed to the program that runs, that takes as long as a doubtful prompt there.
ECHO_LOST_QUIET = 2.0
DOUBTFUL_QUIET_TTY = 0.5
_WORDS = 6


class Doubt:
    """Of one exchange. `words` are the probes that were sent, `suspected_at` is where the first doubtful prompt begins;
    all offsets are in the buffer of the exchange, whose owner tells by `shift` when they move."""

    __slots__ = ("_candidate", "_discipline", "_ended_at", "_prompts", "_suspected_at", "words")

    def __init__(self, prompts: Prompts, discipline: Discipline, suspected_at: int) -> None:
        self.words: list[ProbeLine] = []
        self._prompts = prompts
        self._discipline = discipline
        self._suspected_at = suspected_at
        self._candidate: Boundary | None = None
        self._ended_at: int | None = None

    @property
    def is_over(self) -> bool:
        """Whether so many words have been sent that another one would tell no more."""
        return len(self.words) == _WORDS

    def judge(self, buffer: bytearray, start: int) -> PromptMatch | Boundary | float:
        """What a prompt at the end of `buffer` means: the one that ended the command, another to send a word behind,
        or so many seconds of silence to wait for."""
        both = self._discipline is Discipline.BOTH
        boundary = self.words[-1].boundary(
            buffer,
            start,
            self._prompts,
            reader=self._discipline is Discipline.READER,
            sent=0 if both else len(self.words),
        )
        if boundary is None:
            return ECHO_LOST_QUIET
        first = self._candidate
        if boundary.certain:
            return self._settled(buffer, start, boundary.begin, boundary.match)
        if both and not boundary.prompted:
            return DOUBTFUL_QUIET_TTY  # it is yet to be read, and will be shown again then
        if first is None or boundary.read_at != first.match.begin:
            self._candidate = boundary
            return boundary
        if first.rows is None or first.rows == boundary.rows:
            # the echo, then a prompt: two look-alikes with a pause behind each would look the same, so it takes
            # two words that come back alike with nothing between them
            return self._settled(buffer, start, first.begin, boundary.match)
        # the first of the prompts ended the command, and there is one to come for each word
        self._ended_at = first.match.begin
        self._candidate = None
        return DOUBTFUL_QUIET_TTY

    def _settled(self, buffer: bytearray, start: int, begin: int, match: PromptMatch) -> PromptMatch:
        again = self._discipline is Discipline.BOTH
        for word in self.words[:-1]:
            # a log message came between, or a silence: the first word was read where the output ended
            if again or self._discipline is Discipline.READER or word.answer is not None:
                first = word.read_at(buffer, start, self._prompts, match, again=again)
                begin = begin if first is None else min(begin, first)
        if self._ended_at is not None:
            begin = min(begin, self._ended_at)
        return match._replace(begin=begin, strength=Strength.SURE)

    def begins_in(self, buffer: bytearray) -> int:
        """Where in `buffer` the first thing stands that may be no part of the answer."""
        tokens = [buffer.find(word.token.encode()) for word in self.words]
        return min([self._suspected_at, *(at for at in tokens if at >= 0)])

    def typed(self, buffer: bytearray, begin: int, end: int) -> list[Span]:
        """Words that a tty repeated in the middle of the output."""
        return [span for word in self.words for span in word.typed(buffer, begin, end)]

    def shift(self, by: int) -> None:
        """`by` bytes have been taken off the buffer's front."""
        self._suspected_at = max(0, self._suspected_at - by)
        if self._ended_at is not None:
            self._ended_at -= by
        if (first := self._candidate) is not None:
            match = first.match._replace(begin=first.match.begin - by, line_begin=first.match.line_begin - by)
            self._candidate = replace(first, begin=first.begin - by, read_at=first.read_at - by, match=match)
