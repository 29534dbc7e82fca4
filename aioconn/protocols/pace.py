# SPDX-License-Identifier: Apache-2.0
"""A device's pace: how long it falls silent within an answer, and how many of its prompts are still to come.

Where a plain tty repeats at once whatever is typed, that is all there is to tell a prompt which is the last word from
one that is not.
"""

from __future__ import annotations

# Seconds: the shortest and the longest silence that means something.
SHORTEST, LONGEST = 0.15, 1.25
_DESPAIR = 0.5
_TIMES = 2.5
_FORGETTING = 0.95


class Pace:
    """Fed with what is sent and heard, at times that the caller reads off his clock.

    A device shows a prompt for each line that it has read. `owed` is the number of prompts to come if it has thrown
    away none of the lines, as an interrupt makes some do; look-alikes make it too small. It is kept only while `counts`
    is set.
    """

    __slots__ = ("_heard_at", "_longest", "_prompt", "_shown", "_tail", "counts", "owed")

    def __init__(self) -> None:
        self.counts = False
        self.owed = 0
        self._longest = 0.0
        self._heard_at = 0.0
        self._shown, self._prompt = "", b""
        self._tail = b""

    @property
    def slow(self) -> float:
        """The longest silence within an answer of late, and half as much again: more is unusual."""
        return min(1.5 * self._longest, LONGEST)

    @property
    def silence(self) -> float:
        """How long a silence must last to mean something: 2.5 times the longest within an answer of late."""
        return min(max(SHORTEST, _TIMES * self._longest), LONGEST)

    @property
    def despair(self) -> float:
        """How long a silence must last before a prompt that is owed is given up."""
        return min(max(_DESPAIR, 2 * _TIMES * self._longest), LONGEST)

    def sent(self, lines: int, now: float) -> None:
        """So many lines have been sent, and an answer is expected."""
        if self.counts:
            self.owed = max(0, self.owed) + lines
        self._longest *= _FORGETTING
        self._heard_at = now

    def heard(self, now: float) -> None:
        """Something has come of the answer."""
        if self._heard_at and (silence := now - self._heard_at) > self._longest:
            self._longest = silence
        self._heard_at = now

    def count(self, data: bytes) -> None:
        """Look for prompts in what came."""
        if self._prompt:
            text = self._tail + data
            self.owed -= text.count(self._prompt)
            self._tail = text[1 - len(self._prompt) :] if len(self._prompt) > 1 else b""

    def at_prompt(self, text: str) -> None:
        """The device shows this prompt; whether it is the last is another question."""
        if text != self._shown:  # the other one may never have been its prompt: what it owes is not known
            self._shown, self._prompt = text, text.encode()
            self.owed = 0

    def settled(self) -> None:
        """Whatever the device owed, it owes nothing now: it stands at its prompt, or has been silent for too long."""
        self.owed = 0
