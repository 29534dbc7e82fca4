# SPDX-License-Identifier: Apache-2.0
"""One command and its answer: from the bytes to be sent to the prompt that ends it.

`start()` gives what to write; each `feed()` takes what arrived and gives what to write in reply; when `done` is set the
answer is complete. `quiet_after` asks the owner to call `quiet()` once nothing has arrived for so many seconds.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from aioconn.wire import ansi
from aioconn.wire.dialogue import Answer, Dialogue
from aioconn.wire.echo import Discipline, find_echo
from aioconn.wire.probe import Boundary, ProbeLine
from aioconn.wire.prompt import PromptMatch, Prompts, Strength

# A prompt of another name, or one without a newline before it: silence makes it worth a probe.
DOUBTFUL_QUIET = 0.1
NO_ECHO_QUIET = 0.25
_KEEP_RAW = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """The text of an answer and the bytes around and behind it (`raw` as `Output` takes it)."""

    text: str
    raw: bytes | tuple[bytes, bytes]


class Exchange:
    """Sans-IO state of one command.

    `lead` is a probe sent in the same write, ahead of the command: its answer marks where the command's own begins on
    devices whose tty repeats what is typed while something else is printing. `confirm` makes a probe that follows the
    prompt decide whether it was one.
    """

    __slots__ = (
        "_answered_to",
        "_asked",
        "_buffer",
        "_confirm",
        "_cuts",
        "_dialogue",
        "_discipline",
        "_echo_end",
        "_echo_size",
        "_given",
        "_lead",
        "_newline",
        "_pager_ends",
        "_probe",
        "_probe_at",
        "_prompts",
        "_unsure",
        "command",
        "done",
        "echoed",
        "quiet_after",
        "refused",
        "streaming",
    )

    def __init__(
        self,
        command: str,
        *,
        prompts: Prompts,
        discipline: Discipline,
        dialogue: Dialogue,
        newline: bytes = b"\n",
        confirm: bool = False,
        make_probe: Callable[[], ProbeLine] | None = None,
        lead: ProbeLine | None = None,
        streaming: bool = False,
    ) -> None:
        self.command = command
        self.done: PromptMatch | None = None
        self.quiet_after: float | None = None
        self.echoed = False
        self.refused: str | None = None
        self.streaming = streaming
        self._given: list[Answer] = []
        self._prompts = prompts
        self._discipline = discipline
        self._dialogue = dialogue
        self._newline = newline
        self._confirm = confirm and make_probe is not None
        self._asked = make_probe
        self._lead = lead
        self._buffer = bytearray()
        self._echo_end: int | None = 0 if discipline is Discipline.NONE else None
        self._answered_to = 0
        self._cuts: list[tuple[int, int]] = []
        self._pager_ends: list[tuple[int, int]] = []
        self._probe: ProbeLine | None = None
        self._probe_at = 0
        self._unsure: Boundary | None = None
        self._echo_size = 0

    def start(self) -> bytes:
        """What to write, in one piece: two writes cost 70 us more over SSH."""
        line = self.command.encode() + self._newline
        return line if self._lead is None else self._lead.line.encode() + self._newline + line

    @property
    def ended(self) -> bool:
        """Whether the answer is complete, or, while streaming, whether some of it can be taken."""
        return self.done is not None or self.refused is not None or (self.streaming and b"\n" in self._buffer)

    @property
    def received(self) -> int:
        """Bytes that have arrived and are held."""
        return len(self._buffer)

    def seen(self, limit: int = 400) -> str:
        """The end of what arrived, for an error."""
        return ansi.clean(self._buffer[-limit:]).strip()

    def feed(self, data: bytes) -> bytes:
        """Take what arrived; returns what to write now, mostly nothing."""
        self._buffer += data
        self.quiet_after = None
        match = self._prompts.at_end(self._buffer, self._answered_to)
        if match is not None:
            return self._prompt_seen(match)
        if self._dialogue and (question := self._dialogue.find(self._buffer, self._answered_to)) is not None:
            self._answered_to = question.end
            if question.answer.secret:
                if question.answer in self._given:
                    # asked again: the first answer was refused, and an account is locked by trying again
                    self.refused = question.text
                    return b""
                self._given.append(question.answer)
            if question.answer.pager:
                self._pager_ends.append((question.begin, question.end))
            return question.answer.send
        return b""

    def quiet(self) -> bytes:
        """Nothing has arrived for `quiet_after` seconds: a doubtful prompt is put to the proof, or taken."""
        self.quiet_after = None
        match = self._prompts.at_end(self._buffer, self._answered_to)
        if match is None:
            return b""
        if self._echo_end is None and not self._locate_echo():
            if self._discipline is not Discipline.UNKNOWN:
                return b""  # the prompt of something older; our own is still to come
            self._echo_end = 0
        if self._asked is not None and self._probe is None and self._discipline is not Discipline.NONE:
            return self._send_probe()
        if self._probe is None:
            self.done = match
        return b""

    def _prompt_seen(self, match: PromptMatch) -> bytes:
        if self._probe is not None:
            return self._proof_seen()
        if match.strength is Strength.DOUBTFUL:
            self.quiet_after = DOUBTFUL_QUIET
            return b""
        if self._echo_end is None and not self._locate_echo():
            self.quiet_after = NO_ECHO_QUIET
            return b""
        if self._confirm:
            return self._send_probe()
        self.done = match
        return b""

    def _locate_echo(self) -> bool:
        """Whether the answer's beginning is known: behind the echo, and behind the lead if there is one."""
        start = 0
        if self._lead is not None:
            token = self._buffer.rfind(self._lead.token.encode())
            line_end = self._buffer.find(b"\n", token) + 1
            if token < 0 or line_end == 0:
                return False
            start = line_end
            newline = self._buffer.find(b"\n", start)
            while newline >= 0:
                shown = ansi.render(bytes(self._buffer[start:newline]).decode("utf-8", "replace"))
                if (rest := self._prompts.cut_prefix(shown)) is not None:
                    if "".join(rest.split()) == "".join(self.command.split())[: len("".join(rest.split()))]:
                        break
                    return False
                start, newline = newline + 1, self._buffer.find(b"\n", newline + 1)
            else:
                return False
        self._echo_end = find_echo(self._buffer, start, self.command, self._prompts)
        self.echoed = self._echo_end is not None
        return self.echoed

    def _send_probe(self) -> bytes:
        assert self._asked is not None
        self._probe = self._asked()
        self._probe_at = len(self._buffer)
        return self._probe.line.encode() + self._newline

    def _proof_seen(self) -> bytes:
        assert self._probe is not None
        reader = self._discipline is Discipline.READER
        boundary = self._probe.boundary(self._buffer, self._answered_to, self._prompts, reader=reader)
        if boundary is None:
            return b""
        if boundary.echo is not None:
            self._cuts.append(boundary.echo)
        first, self._unsure = self._unsure, None
        if not boundary.certain:
            # the echo, then a prompt: two look-alikes with a pause behind each would look the same, so a second
            # word is sent, and both must come back with nothing between them
            if first is None or boundary.begin != first.match.begin:
                if first is not None:
                    self._cuts.append((first.match.begin - self._echo_size, first.match.begin))
                self._unsure = boundary
                self._echo_size = boundary.match.begin - self._probe_at
                return self._send_probe()
            boundary = first
        match = boundary.match
        self.done = PromptMatch(
            mode=match.mode, text=match.text, begin=boundary.begin, line_begin=match.line_begin, host=match.host
        )
        return b""

    def take(self) -> bytes:
        """Whole lines of the answer that have arrived since the last call, and forget them (for streaming)."""
        if self._echo_end is None and not (b"\n" in self._buffer and self._locate_echo()):
            return b""
        assert self._echo_end is not None
        end = self.done.begin if self.done is not None else self._hold_back()
        if end <= self._echo_end:
            return b""
        piece = self._without_cuts(self._echo_end, end)
        del self._buffer[:end]
        self._shift(end)
        return piece

    def _hold_back(self) -> int:
        """Up to where lines are certainly no part of the prompt: its leader lines may just have arrived."""
        end = len(self._buffer) if self._probe is None else self._probe_at
        lines = 4 if any(mode.leader for mode in self._prompts.platform.modes.values()) else 1
        if self._confirm or self._probe is not None:
            lines += 1
        for _ in range(lines):
            end = self._buffer.rfind(b"\n", 0, max(end - 1, 0)) + 1
        return end

    def _shift(self, by: int) -> None:
        self._echo_end = 0
        self._answered_to = max(0, self._answered_to - by)
        self._probe_at = max(0, self._probe_at - by)
        self._cuts = [(max(0, b - by), e - by) for b, e in self._cuts if e > by]
        self._pager_ends = [(max(0, b - by), e - by) for b, e in self._pager_ends if e > by]
        if self.done is not None:
            done = self.done
            self.done = PromptMatch(
                mode=done.mode, text=done.text, begin=0, line_begin=max(0, done.line_begin - by), host=done.host
            )

    def _without_cuts(self, begin: int, end: int) -> bytes:
        """`buffer[begin:end]` without probes and without pagers that the device did not erase itself."""
        spans = sorted(self._cuts + [span for span in self._pager_ends if not self._erased(span[1])])
        if not spans:
            return bytes(self._buffer[begin:end])
        pieces = []
        for cut_begin, cut_end in spans:
            if cut_end <= begin or cut_begin >= end:
                continue
            pieces.append(bytes(self._buffer[begin : max(cut_begin, begin)]))
            begin = max(begin, min(cut_end, end))
        pieces.append(bytes(self._buffer[begin:end]))
        return b"".join(pieces)

    def _erased(self, end: int) -> bool:
        """Whether the device goes on by painting over the pager: backspaces, a carriage return, an erase."""
        following = bytes(self._buffer[end : end + 2])
        return following[:1] in (b"\x08", b"\x1b") or (following[:1] == b"\r" and following != b"\r\n")

    def answered(self, encoding: str = "utf-8") -> Answered:
        """The answer; call it once, when `done` is set: it uses the buffer up to keep memory at twice the output."""
        assert self.done is not None
        begin, end = self._echo_end or 0, self.done.begin
        if self._cuts or self._pager_ends:
            body = bytearray(self._without_cuts(begin, end))
            raw: bytes | tuple[bytes, bytes] = bytes(self._buffer)
            return Answered(text=ansi.clean(body, encoding).strip("\r\n"), raw=raw)
        while begin < end and self._buffer[begin] in b"\r\n":
            begin += 1
        while end > begin and self._buffer[end - 1] in b"\r\n":
            end -= 1
        if end - begin < _KEEP_RAW:
            return Answered(text=ansi.clean(self._buffer[begin:end], encoding).strip("\n"), raw=bytes(self._buffer))
        return self._large(begin, end, encoding)

    def _large(self, begin: int, end: int, encoding: str) -> Answered:
        buffer = self._buffer
        tail = bytes(buffer[end:])
        del buffer[end:]
        head = bytes(buffer[:begin])
        del buffer[:begin]
        if not ansi.is_plain(buffer):
            raw = head + bytes(buffer) + tail
            buffer.clear()
            return Answered(text=ansi.clean(raw[begin:end], encoding).strip("\n"), raw=raw)
        reversible = encoding == "utf-8" and buffer.count(b"\n") == buffer.count(b"\r\n")
        kept = None if reversible else head + bytes(buffer) + tail
        plain = buffer.replace(b"\r\n", b"\n")
        buffer.clear()
        try:
            return Answered(text=plain.decode(encoding), raw=(head, tail) if kept is None else kept)
        except UnicodeDecodeError:
            raw = head + plain.replace(b"\n", b"\r\n") + tail if kept is None else kept
            return Answered(text=plain.decode(encoding, "replace"), raw=raw)
