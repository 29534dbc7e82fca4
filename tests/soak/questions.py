# SPDX-License-Identifier: Apache-2.0
"""What a device can be asked: no two commands of the fleet have a line of their answers in common."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass

WORDS = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    command: str
    lines: tuple[str, ...]

    @property
    def text(self) -> str:
        """As the lab wants it."""
        return "".join(line + "\n" for line in self.lines)


def questions(device: str, rng: random.Random) -> Iterator[Question]:
    for number in range(WORDS):
        word = f"{device}w{number:02d}{rng.randrange(1 << 16):04x}"
        size = rng.choice((1, 1, 2, 3, 5, 9, 30))
        yield Question(command=f"show {word}", lines=tuple(f"{word} line {line}" for line in range(size)))
