# SPDX-License-Identifier: Apache-2.0
"""What faults put between the lines of an output."""

from __future__ import annotations

import random
from collections.abc import Iterator

from aioconn.lab.faults import Faults

GARBAGE = (
    b"\x00\x00\x00",
    b"\xff\xfe\xfd\xc3\x28",
    b"\x1b[31mred\x1b[0m\x1b[K",
    b"\x1b]0;title\x07",
    b"\xe2\x82",
    b"\x07\x0e\x0f",
    b"\x1b[?2004h\x1b[?2004l",
    b"\x80\x81\x9b",
)


class Noise:
    """The disturbances of one command's output. Give it each line; it says what leaves instead."""

    __slots__ = ("_faults", "_lines", "_lookalike", "_rng", "_syslog")

    def __init__(self, faults: Faults, rng: random.Random, lookalike: str, syslog: str) -> None:
        self._faults = faults
        self._rng = rng
        self._lookalike = lookalike
        self._syslog = syslog
        self._lines = 0

    def line(self, line: str) -> Iterator[str | bytes | float]:
        """`line` and what follows it. A float is a pause in seconds; bytes leave as they are."""
        faults = self._faults
        yield line
        self._lines += 1
        due = self._lines % faults.lookalike_every == 0 if faults.lookalike_every else self._lines == 1
        if faults.lookalike and due:
            yield self._lookalike
            if faults.lookalike_pause:
                yield faults.lookalike_pause
            yield "\n"
        if faults.syslog_every and self._lines % faults.syslog_every == 0:
            yield self._syslog
        if faults.garbage and self._lines % faults.garbage == 0:
            yield (
                self._rng.choice(GARBAGE)
                + bytes(self._rng.randrange(0x80, 0x100) for _ in range(4))
                + b"\r\n"
            )
