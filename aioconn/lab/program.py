# SPDX-License-Identifier: Apache-2.0
"""What a running command of a simulated CLI is: a generator of output, pauses and questions."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class Ask:
    """A question; the program is resumed with the line that was typed as the answer."""

    text: str
    echo: bool = True


class Interrupted(Exception):
    """Thrown into a running program when the interrupt key was typed. Output may still follow."""


# text (its newlines leave as CR LF), bytes as they are, a pause in seconds, a question
Piece: TypeAlias = str | bytes | float | Ask
Program: TypeAlias = Generator[Piece, str, None]
