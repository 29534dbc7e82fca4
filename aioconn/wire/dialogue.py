# SPDX-License-Identifier: Apache-2.0
"""Questions that a device asks in the middle of something, and what to answer."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from aioconn.wire import ansi, endings

_WINDOW = 512
_NEWLINE = 0x0A


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What to send when `pattern` is found at the end of what arrived; its repr shows `send` only if not `secret`.

    `make` gives what is to be sent in place of `send`, or None for nothing, and whether it is a secret. The question is
    answered at most `limit` times, a secret once. `last`: the exchange ends with this answer, without a prompt.
    `credential` names the one whose password it is.
    """

    pattern: str
    send: bytes = b""
    secret: bool = False
    pager: bool = False
    missing: bool = False
    make: Callable[[re.Match[str]], tuple[bytes, bool]] | None = None
    limit: int | None = None
    last: bool = False
    credential: str = ""

    def __repr__(self) -> str:
        return f"Answer({self.pattern!r}, {'***' if self.secret else self.send!r})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A question found: where its text begins and ends in the buffer, the line that it stands in, and its answer."""

    begin: int
    end: int
    line: str
    answer: Answer

    @property
    def text(self) -> str:
        return self.line.strip()

    def reply(self) -> tuple[bytes, bool]:
        """What to send, and whether that is a secret. Raises what `make` raises."""
        answer = self.answer
        if answer.make is None:
            return answer.send, answer.secret
        found = re.search(answer.pattern, self.line.rstrip()) or re.search(answer.pattern, self.line)
        assert found is not None
        return answer.make(found)


class Answering:
    """What has been answered in one conversation, and whether a question has ended it (`stopped`).

    `question` is one that did: asked once too often, or `unanswered` because nobody has told us the answer.
    `error` is what the making of an answer raised; `parted` is the question whose answer was to be the last word.
    """

    # the class's until they change: few commands are asked anything
    stopped = False
    question: Question | None = None
    unanswered = False
    error: Exception | None = None
    parted: Question | None = None
    _given: Mapping[int, int] = MappingProxyType({})  # how often, by the identity of the answer

    def reply(self, question: Question) -> bytes:
        """What to send."""
        answer, given = question.answer, self._given.get(id(question.answer), 0)
        if answer.missing or (answer.limit is not None and given >= answer.limit):
            return self._refuse(question)
        try:
            send, secret = question.reply()
        except Exception as error:  # the caller's own code: whatever it raises is for him
            self.error, self.stopped = error, True
            return b""
        if secret and given:
            # asked again: the first answer was refused, and an account is locked by trying again
            return self._refuse(question)
        self._given = {**self._given, id(answer): given + 1}
        if answer.last:
            self.parted, self.stopped = question, True
        return send

    def _refuse(self, question: Question) -> bytes:
        self.question, self.unanswered, self.stopped = question, question.answer.missing, True
        return b""


class Dialogue:
    """The answers of one exchange, earlier ones first.

    Patterns are searched, escape sequences removed, in the last line that has not been answered yet. While the device
    has not ended that line a match anywhere in it counts, and its rest may be yet to come; once it has, only a match
    that ends it does: a line of an output is no question.
    """

    __slots__ = ("_joined", "answers", "finals")

    def __init__(self, answers: Sequence[Answer]) -> None:
        self.answers = answers
        self._joined = _join(answers) if answers else None
        self.finals = _finals(answers)
        """The bytes with which a question can end; None if its pattern does not tell."""

    def __bool__(self) -> bool:
        return self._joined is not None

    def find(self, data: bytes | bytearray, start: int) -> Question | None:
        """The question that the end of `data[start:]` asks, if it asks one."""
        if self._joined is None:
            return None
        size = len(data)
        floor = max(start, size - _WINDOW)
        stop = floor + len(bytes(data[floor:]).rstrip(b"\r\n")) if data.endswith((b"\n", b"\r")) else size
        begin = max(data.rfind(b"\n", floor, stop) + 1, floor)
        if begin >= stop:
            return None
        line = bytes(data[begin:stop])
        if ansi.is_unfinished(line):
            return None
        text = ansi.strip(line.decode("utf-8", "replace")).rstrip("\x07")
        found = self._joined.search(text.rstrip()) or self._joined.search(text)
        if found is None or (stop < size and text[found.end() :].strip()):
            return None
        index = int((found.lastgroup or "a0")[1:])
        answer = self._earlier(index, text, ended=stop < size) or self.answers[index]
        if answer.pager:
            if stop < size:
                return None
            # blanks before a pager at the start of its line are the pager's
            shown = text[found.start() : found.end()].encode()
            begin += max(line.find(shown), 0) if text[: found.start()].strip() else 0
        return Question(begin=begin, end=size, line=text, answer=answer)

    def _earlier(self, index: int, text: str, *, ended: bool) -> Answer | None:
        """The first of the answers before `index` that are for this question as well: in one alternation, the one whose
        match begins further left would win."""
        for answer in self.answers[:index]:
            found = re.search(answer.pattern, text.rstrip()) or re.search(answer.pattern, text)
            if found is not None and not (ended and text[found.end() :].strip()):
                return answer
        return None


def _join(answers: Sequence[Answer]) -> re.Pattern[str]:
    """One alternation; a flag at the head of a pattern, `(?i)`, becomes local to it."""
    branches = []
    for index, answer in enumerate(answers):
        pattern = answer.pattern
        if flags := re.match(r"\(\?([aiLmsux]+)\)", pattern):
            pattern = f"(?{flags[1]}:{pattern[flags.end() :]})"
        branches.append(f"(?P<a{index}>{pattern})")
    return re.compile("|".join(branches))


def _finals(answers: Sequence[Answer]) -> frozenset[int] | None:
    found: set[int] = set()
    for answer in answers:
        ends = endings.of(answer.pattern) if answer.pattern.endswith("$") else None
        if ends is None or not all(character.isascii() for character in ends):
            return None
        found.update(ord(character) for character in ends)
        if not answer.pager:
            # the device may end the line of its question
            found.add(_NEWLINE)
    return frozenset(found)
