# SPDX-License-Identifier: Apache-2.0
"""What may happen to the bytes of a connection on their way, and how it is drawn by lot."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum


class Ending(StrEnum):
    """How one direction of a connection ends.

    FIN         both sides are told of an orderly end; what they still send is lost
    RESET       both sides are reset
    HALF_CLOSE  the receiver is told of an orderly end, the other direction goes on; what the sender still sends is lost
    TRUNCATE    what follows is lost, and the receiver is told of the end when the sender ends
    BLACK_HOLE  what follows is lost, the sender's end too; nobody is told anything
    """

    FIN = "fin"
    RESET = "reset"
    HALF_CLOSE = "half_close"
    TRUNCATE = "truncate"
    BLACK_HOLE = "black_hole"


@dataclass(frozen=True, slots=True, kw_only=True)
class Weather:
    """What happens to one direction. Times are seconds, offsets bytes since the connection began; zero: nothing.

    delay, jitter    each byte arrives so much later; a seeded random part of 0..jitter is added, the order stays
    rate             bytes in a second, at most
    piece, interval  bytes leave at most so many at a time, and so far apart (0: in separate turns of the loop)
    stall, stall_at  nothing moves for so long (`math.inf`: until the weather changes) once so many bytes have passed
    end, end_at      what happens once so many bytes have passed

    Bytes that wait count against a window of 64 KiB: a delay of 0.1 s lets 640 KiB a second through.
    """

    delay: float = 0.0
    jitter: float = 0.0
    rate: float = 0.0
    piece: int = 0
    interval: float = 0.0
    stall: float = 0.0
    stall_at: int = 0
    end: Ending | None = None
    end_at: int = 0


CLEAR = Weather()

Draw = Callable[[random.Random], tuple[Weather, Weather]]
"""Gives the weather of one connection: to the client, to the server."""


def storm(*, chance: float = 0.5, reach: int = 4096, longest: float = 0.5) -> Draw:
    """A draw that leaves most of a connection alone and does one thing to one direction, to `chance` of them.

    Endings and stalls come within `reach` bytes, small offsets as often as large ones; `longest` bounds delays, stalls,
    and what a byte at a time costs.
    """

    def offset(lot: random.Random) -> int:
        return int((reach + 1) ** lot.random()) - 1

    def draw(lot: random.Random) -> tuple[Weather, Weather]:
        if lot.random() >= chance:
            return CLEAR, CLEAR
        kind = lot.choice([*Ending, *Ending, "delay", "piece", "rate", "stall"])
        if isinstance(kind, Ending):
            weather = Weather(end=kind, end_at=offset(lot))
        elif kind == "delay":
            weather = Weather(delay=lot.uniform(0, longest) / 10, jitter=lot.uniform(0, longest) / 10)
        elif kind == "piece":
            weather = Weather(piece=lot.randint(1, 16), interval=lot.uniform(0, longest) / reach)
        elif kind == "rate":
            weather = Weather(rate=reach / lot.uniform(longest / 10, longest))
        else:
            weather = Weather(stall=lot.uniform(0, longest), stall_at=offset(lot))
        return (weather, CLEAR) if lot.random() < 0.5 else (CLEAR, weather)

    return draw
