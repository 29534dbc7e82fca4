# SPDX-License-Identifier: Apache-2.0
"""One command and its answer: from the bytes to be sent to the prompt that ends it.

`start()` gives what to write; each `feed()` takes what arrived and gives what to write in reply; when `done` is set the
answer is complete. `quiet_after` asks the owner to call `quiet()` once nothing has arrived for so many seconds.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Sequence

from aioconn.wire import ansi
from aioconn.wire.assembly import (
    BLOCK,
    Answered,
    Settled,
    Span,
    assemble,
    is_utf8,
    pager_cut,
    without,
    without_head,
    without_tail,
)
from aioconn.wire.dialogue import Answering, Dialogue
from aioconn.wire.doubt import DOUBTFUL_QUIET_TTY, ECHO_LOST_QUIET, Doubt
from aioconn.wire.echo import Discipline, EchoSearch, squeeze
from aioconn.wire.probe import Boundary, ProbeLine
from aioconn.wire.prompt import PromptMatch, Prompts, Strength

__all__ = ["Answered", "Exchange"]

# Seconds of silence. A prompt of another name, or one without a newline before it, is worth a probe then; where a tty
# passes on what is typed to the program that runs, only after longer.
DOUBTFUL_QUIET = 0.1
# No echo: where none has been seen yet there may be none; where there always was one the command may not be read yet.
NO_ECHO_QUIET = 0.25
# Nothing came, no prompt is at the end, but one is further up: a log message may have come right behind it.
STALLED_AFTER = 2.0
_LINES_HELD = 64
_LOOKED_BACK = 8192
# Bytes that stay as they came while an answer is made ready: more than anything here looks back.
_UNSETTLED = 2 * _LOOKED_BACK
# What an escape sequence with a letter at its end spans at most, other than a title, which ends in BEL or ST.
_SEQUENCE = 24
# asked for with each command, and on 3.11 `Strength.SURE` takes as long as a call
_DOUBTFUL, _NONE = Strength.DOUBTFUL, Discipline.NONE
_UNASKED = Answering()  # shared by all exchanges in which nothing was asked, and never changed
_NEVER_INERT = frozenset(b" \x00\x07\x08\x1b\\")
_EVERY_BYTE = frozenset(range(256))


class Exchange:
    """Sans-IO state of one command.

    `lead` sends an empty line ahead of the command, in the same write: the device then shows a new prompt before it
    reads the command, and only an echo behind a prompt counts. On devices whose tty repeats what is typed while
    something else is printing, that tells the command's own answer from what is left of an earlier one. `confirm`
    makes a probe that follows the prompt decide whether it was one. `late` is what arrives once the exchange is over;
    it is no part of the answer. `make_probe` gives the probe of a mode: the command may lead from `mode` to another one
    that takes another. `answering` tells of questions, one of which may have ended the exchange.
    """

    # What most exchanges never touch is the class's until it changes: one is made for each command, and half the time
    # of making it went into these.
    done: PromptMatch | None = None
    quiet_after: float | None = None
    answering = _UNASKED
    echoed = False
    late = b""
    _answered_to = 0
    _doubt: Doubt | None = None
    _has_line = False
    _inert: frozenset[int] = frozenset()
    _pagers: Sequence[Span] = ()
    _search: EchoSearch | None = None
    _settle_at = _UNSETTLED + BLOCK  # the size of the buffer at which some of it may be
    _settled: Settled | None = None
    _taken = False

    def __init__(
        self,
        command: str,
        prompts: Prompts,
        discipline: Discipline,
        dialogue: Dialogue,
        newline: bytes = b"\n",
        make_probe: Callable[[str], ProbeLine | None] = lambda _: None,
        mode: str = "",
        confirm: bool = False,
        lead: bool = False,
        streaming: bool = False,
    ) -> None:
        self.command = command
        self.streaming = streaming
        self._prompts = prompts
        self._discipline = discipline
        self._dialogue = dialogue
        self._newline = newline
        self._make_probe = make_probe
        self._mode = mode
        self._confirm = confirm
        self._lead = lead
        self._buffer = bytearray()
        self._sent = command.encode()
        self._echo_end: int | None = 0 if discipline is _NONE else None

    # ------------------------------------------------------------------ what the owner drives

    def start(self) -> bytes:
        """What to write, in one piece: two writes cost 70 us more over SSH."""
        line = self._sent + self._newline
        return self._newline + line if self._lead else line

    @property
    def ended(self) -> bool:
        """Whether the answer is complete, or, while streaming, whether some of it may be taken."""
        return self.done is not None or self.answering.stopped or (self.streaming and self._has_line)

    @property
    def refused(self) -> str | None:
        """The question that ended the exchange."""
        question = self.answering.question
        return question.text if question is not None else None

    @property
    def unanswered(self) -> bool:
        """Whether that is because nobody has told us the answer."""
        return self.answering.unanswered

    @property
    def received(self) -> int:
        """Bytes that have arrived and are held."""
        return len(self._buffer) + (self._settled.size if self._settled is not None else 0)

    @property
    def asked(self) -> str:
        """What stands in a line that the device has not ended and nobody has answered."""
        begin = max(self._buffer.rfind(b"\n") + 1, self._answered_to, self._echo_end or 0)
        return ansi.clean(self._buffer[begin:]).strip()

    def seen(self, limit: int = 400) -> str:
        """The end of what arrived, for an error."""
        return ansi.clean(self._buffer[-limit:]).strip()

    def feed(self, data: bytes) -> bytes:
        """Take what arrived; returns what to write now, mostly nothing."""
        if self.done is not None or self.answering.stopped:
            self.late += data
            return b""
        self._buffer += data
        self.quiet_after = None
        if len(self._buffer) > self._settle_at:
            self._settle()
        if self.streaming and not self._has_line:
            self._has_line = 0x0A in data
        if not data or (data[-1] in self._inert and 0x1B not in self._buffer[-_SEQUENCE:]):
            return b""
        match = self._prompts.at_end(self._buffer, self._answered_to)
        if match is not None:
            return self._prompt_seen(match)
        if not self._inert:  # not before: a short answer comes in one piece
            self._inert = _inert(self._prompts.finals, self._dialogue.finals)
        return self._question_seen() if self._dialogue else b""

    def quiet(self) -> bytes:
        """Nothing has arrived for `quiet_after` seconds: a doubtful prompt is put to the proof, or taken."""
        self.quiet_after = None
        if self.done is not None or self.answering.stopped:
            return b""
        match = self._prompts.at_end(self._buffer, self._answered_to)
        if match is None:
            return b""
        if self._doubt is not None:
            # something got between the word and its prompt, or broke it
            return self._send_word(match.begin, match.mode)
        if not self._has_echo():
            if self._discipline is Discipline.UNKNOWN:
                self._echo_end, self.done = 0, match  # nothing is echoed here, a probe would not be either
                return b""
            if not self._can_prove(match.mode):
                # perhaps the prompt of something older; our own is still to come unless the echo was altered
                if (likely := self._likely_echo) is not None:
                    self._echo_end, self.done = likely, match
                return b""
        if self._can_prove(match.mode):
            return self._send_word(match.begin, match.mode)
        self.done = match
        return b""

    def stalled(self) -> bytes:
        """Nothing has arrived for long, `STALLED_AFTER` or more, whatever `quiet_after` says.

        A device may write a log message behind its prompt and never show another one: then it is asked to.
        """
        over = self.done is not None or self.answering.stopped
        if over or self.quiet_after is not None or self._doubt is not None or not self._has_echo():
            return b""
        if not self._can_prove(self._mode):
            return b""
        begin = self._buried_prompt()
        return b"" if begin is None else self._send_word(begin, self._mode)

    # ------------------------------------------------------------------ what the end of the buffer may be

    def _prompt_seen(self, match: PromptMatch) -> bytes:
        if self._doubt is not None:
            return self._word_seen(self._doubt)
        if match.strength is _DOUBTFUL:
            reads = self._discipline is Discipline.READER
            self.quiet_after = DOUBTFUL_QUIET if reads else DOUBTFUL_QUIET_TTY
        elif not self._has_echo():
            known = self._discipline is not Discipline.UNKNOWN
            self.quiet_after = ECHO_LOST_QUIET if known else NO_ECHO_QUIET
        elif self._confirm and self._can_prove(match.mode):
            return self._send_word(match.begin, match.mode)
        else:
            self.done = match
        return b""

    def _question_seen(self) -> bytes:
        if not self._has_echo() and self._is_echoing():
            return b""
        question = self._dialogue.find(self._buffer, max(self._answered_to, self._echo_end or 0))
        if question is None:
            return b""
        self._answered_to = question.end
        if question.answer.pager:
            self._pagers = (*self._pagers, (question.begin, question.end))
        if self.answering is _UNASKED:
            self.answering = Answering()
        return self.answering.reply(question)

    def _is_echoing(self) -> bool:
        """Whether the unfinished line may be our own command, which may hold the words of a question."""
        begin = max(self._buffer.rfind(b"\n") + 1, len(self._buffer) - 4096)
        shown = ansi.line_of(self._buffer, begin)
        behind = self._prompts.cut_prefix(shown)
        wanted = squeeze(self.command)
        return any(
            (tight := squeeze(rest)) and wanted.startswith(tight)
            for rest in (shown, behind)
            if rest is not None
        )

    # ------------------------------------------------------------------ the beginning of the answer

    def _has_echo(self) -> bool:
        """Whether the answer's beginning is known: behind the echo."""
        if self._echo_end is None:
            search = self._search
            if search is None:
                if not self._lead and self._sent and self._buffer.startswith(self._sent + b"\r\n"):
                    self._echo_end, self.echoed = len(self._sent) + 2, True  # as it mostly stands there
                    return True
                search = EchoSearch(self.command, self._prompts, behind_prompt=self._lead)
                self._search = search
            self._echo_end = search.end_in(self._buffer)
            self.echoed = self._echo_end is not None
        return self._echo_end is not None

    @property
    def _likely_echo(self) -> int | None:
        """Where a line ends that may have been the echo, while there is none."""
        return self._search.likely if self._search is not None else None

    # ------------------------------------------------------------------ proving that a prompt was one

    def _can_prove(self, mode: str) -> bool:
        """Whether a probe would be seen to come back."""
        probe = self._make_probe(mode)
        return probe is not None and (self._discipline is not Discipline.NONE or probe.answer is not None)

    def _buried_prompt(self) -> int | None:
        """Where the last line begins that starts with a prompt of this device; None if none does."""
        start = max(self._echo_end or 0, self._answered_to, len(self._buffer) - _LOOKED_BACK)
        end = len(self._buffer)
        while end > start:
            begin = max(self._buffer.rfind(b"\n", start, end) + 1, start)
            if self._prompts.cut_prefix(ansi.line_of(self._buffer, begin, end)) is not None:
                return begin
            end = begin - 1
        return None

    def _send_word(self, suspected_at: int, mode: str) -> bytes:
        doubt = self._doubt
        if (doubt is not None and doubt.is_over) or (word := self._make_probe(mode)) is None:
            return b""
        if doubt is None:
            doubt = self._doubt = Doubt(self._prompts, self._discipline, suspected_at)
        doubt.words.append(word)
        return word.line.encode() + self._newline

    def _word_seen(self, doubt: Doubt) -> bytes:
        verdict = doubt.judge(self._buffer, self._answered_to)
        if isinstance(verdict, PromptMatch):
            self.done = verdict
            if not self._has_echo():
                self._echo_end = min(self._likely_echo or 0, verdict.begin)
        elif isinstance(verdict, Boundary):
            return self._send_word(verdict.match.begin, verdict.match.mode)
        else:
            self.quiet_after = verdict
        return b""

    # ------------------------------------------------------------------ the answer

    def take(self) -> bytes:
        """Whole lines of the answer that have arrived since the last call, and forget them (for streaming).

        The last line is held back until it is known to be followed by another or by the prompt: all pieces together
        are the answer as `answered` gives it, which has no newline at its end.
        """
        self._has_line = False
        if not self._has_echo():
            return b""
        begin = self._echo_end or 0
        end = self._end(self.done) if self.done is not None else self._settled_to()
        if not self._taken and (shows := without_head(self._buffer, begin, end)) > begin:
            del self._buffer[:shows]
            self._shift(shows)
            begin, end = 0, end - shows
        if self.done is not None:
            end = without_tail(self._buffer, begin, end)
        if end <= begin:
            return b""
        piece = without(self._buffer, begin, end, self._cuts(begin, end))
        del self._buffer[:end]
        self._shift(end)
        self._taken = True
        return piece

    def _settled_to(self) -> int:
        """Up to where lines are certainly no part of the prompt nor the last of the answer."""
        end = len(self._buffer)
        if self._doubt is not None:
            end = self._doubt.begins_in(self._buffer)
        held = end = self._buffer.rfind(b"\n", 0, end) + 1
        for _ in range(_LINES_HELD):
            if held <= 0:
                return 0
            begin = self._buffer.rfind(b"\n", 0, held - 1) + 1
            shown = ansi.line_of(self._buffer, begin, held)
            held = begin
            if shown and not (self._prompts.has_leaders and self._prompts.is_leader(shown)):
                return held
        return end

    def _shift(self, by: int) -> None:
        """All offsets after `by` bytes have been taken off the buffer's front."""
        self._echo_end = 0
        self._answered_to = max(0, self._answered_to - by)
        self._pagers = [(max(0, begin - by), end - by) for begin, end in self._pagers if end > by]
        if (done := self.done) is not None:
            self.done = done._replace(begin=max(0, done.begin - by), line_begin=max(0, done.line_begin - by))
        if self._doubt is not None:
            self._doubt.shift(by)

    def _settle(self) -> None:
        """Make those lines ready that are certainly the answer's and none of its last: little is left to do when the
        prompt comes. What is odd stays as it came, and then all of it is looked at in the end."""
        buffer = self._buffer
        self._settle_at = len(buffer) + BLOCK
        if self.streaming or self._doubt is not None or self._pagers or not self._has_echo():
            return
        # whole blocks: pieces of one size leave no gaps in the memory between them
        end = buffer.rfind(b"\n", 0, (len(buffer) - _UNSETTLED) // BLOCK * BLOCK) + 1
        settled = self._settled
        if settled is None:
            begin = without_head(buffer, self._echo_end or 0, end)
            if begin >= end:
                return
            self._settled = settled = Settled(bytes(buffer[:begin]))
            del buffer[:begin]
            self._shift(begin)
            end -= begin
        taken = settled.take(buffer, end)
        self._shift(taken)
        self._settle_at = max(_UNSETTLED + BLOCK, len(buffer) + BLOCK // 2) if taken == end else sys.maxsize

    def _unsettle(self, settled: Settled) -> None:
        """Put back what has been made ready."""
        self._settled = None
        raw = settled.raw()
        self._buffer[:0] = raw
        self._shift(-len(raw))
        self._echo_end = len(settled.head)

    def _end(self, prompt: PromptMatch) -> int:
        """Where the answer ends: before the prompt, and before a pager that the prompt was painted over."""
        if not self._pagers:
            return prompt.begin
        return next((begin for begin, end in self._pagers if end == prompt.begin), prompt.begin)

    def _cuts(self, begin: int, end: int) -> list[Span]:
        """Pagers that the device did not erase itself, and probes that a tty repeated in the middle of the output."""
        cuts = [cut for span in self._pagers if (cut := pager_cut(self._buffer, *span)) is not None]
        if self._doubt is not None:
            cuts += self._doubt.typed(self._buffer, begin, end)
        return sorted(cuts)

    def answered(self, encoding: str = "utf-8") -> Answered:
        """The answer; call it once, when it is over: it uses the buffer up to keep memory at twice the output."""
        settled, done = self._settled, self.done
        if settled is not None:
            end = without_tail(self._buffer, 0, self._end(done) if done is not None else len(self._buffer))
            if end and is_utf8(encoding) and not self._cuts(0, end):
                taken = settled.take(self._buffer, end)
                if taken == end:
                    tail = bytes(self._buffer)
                    self._buffer.clear()
                    return settled.answered(tail)
                self._shift(taken)
            self._unsettle(settled)
            done = self.done
        begin = self._echo_end or 0
        end = self._end(done) if done is not None else len(self._buffer)
        cuts = self._cuts(begin, end) if self._pagers or self._doubt is not None else ()
        return assemble(self._buffer, begin, end, cuts, encoding)


@functools.lru_cache(maxsize=1024)
def _inert(prompts: frozenset[int], questions: frozenset[int] | None) -> frozenset[int]:
    """The bytes that can end neither a prompt nor a question; none if the patterns do not tell."""
    if not prompts or questions is None:
        return frozenset()
    return _EVERY_BYTE - prompts - questions - _NEVER_INERT
