# SPDX-License-Identifier: Apache-2.0
"""The devices: how they echo, what Ctrl-C does to them, how hard they make it, and what they answer."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

from aioconn.lab import Faults

ECHOES = ("reader", "typing", "both")
INTERRUPTS = ("works", "ignored", "prompt")
EASY_THINK, HARD_THINK = 0.06, 0.4

PROMPTS = {
    "cisco_iosxe": "{host}#",
    "cisco_nxos": "{host}#",
    "arista_eos": "{host}#",
    "juniper_junos": "admin@{host}>",
    "linux": "admin@{host}:~$",
}
LOOKALIKES = ("{prompt}", "{prompt}", "{prompt}", "{host}(config)#", "{host}>", "other#", "#")
WORDS = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One kind of device. `hard`: silences of up to 0.4 s and look-alikes of its prompt in what it prints."""

    echo: str
    interrupt: str
    hard: bool

    def __str__(self) -> str:
        return f"{self.echo:<7}{self.interrupt:<8}{'hard' if self.hard else 'easy'}"

    def faults(self, rng: random.Random) -> Faults:
        """What the device does from now on."""
        pieces = rng.randint(2, 30) if rng.random() < 0.03 else 0
        if not self.hard:
            return Faults(
                latency=rng.choice((0.0, rng.uniform(0, EASY_THINK / 2))),
                jitter=rng.choice((0.0, EASY_THINK / 2)),
                byte_at_a_time=pieces,
            )
        think = rng.uniform(0, HARD_THINK)
        looks = rng.random() < 0.7
        return Faults(
            latency=rng.choice((0.0, think / 2)),
            jitter=rng.choice((0.0, think / 2)),
            byte_at_a_time=pieces,
            lookalike=rng.choice(LOOKALIKES) if looks else False,
            lookalike_every=rng.choice((0, 1, 2, 3)),
            lookalike_pause=rng.choice((0.0, rng.uniform(0, HARD_THINK), HARD_THINK)),
        )


def cells(*echoes: str) -> list[Cell]:
    """Every kind of device that echoes, or those that echo so; "none" has no echo at all."""
    return [
        Cell(echo=echo, interrupt=interrupt, hard=hard)
        for echo, interrupt, hard in product(echoes or ECHOES, INTERRUPTS, (False, True))
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A command of one device, and the lines that no other command of any device answers."""

    command: str
    lines: tuple[str, ...]

    @property
    def text(self) -> str:
        """As the lab wants it."""
        return "".join(line + "\n" for line in self.lines)

    def answer(self, faults: Faults, host: str, prompt: str) -> str:
        """What the device prints while it has these faults."""
        if not faults.lookalike:
            return "\n".join(self.lines)
        look = str(faults.lookalike).replace("{prompt}", prompt).replace("{host}", host)
        every = faults.lookalike_every
        shown: list[str] = []
        for number, line in enumerate(self.lines, 1):
            shown.append(line)
            if number % every == 0 if every else number == 1:
                shown.append(look)
        return "\n".join(shown).strip("\n")


def questions(device: str, rng: random.Random, *, hard: bool) -> Iterator[Question]:
    """The commands that a device of this name is given; the last one says nothing.

    Where lines are slow an answer is short enough to be waited for: within four seconds, if it cannot be stopped.
    """
    for number in range(WORDS):
        word = f"{device}w{number:02d}{rng.randrange(1 << 16):04x}"
        size = rng.choice((1, 1, 2, 3, 5, 9) if hard else (1, 1, 2, 3, 5, 9, 30))
        yield Question(command=f"show {word}", lines=tuple(f"{word} line {line}" for line in range(size)))
    yield Question(command=f"show {device}nothing", lines=())
