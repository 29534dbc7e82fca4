# SPDX-License-Identifier: Apache-2.0
"""A Cisco-like command line that echoes what it reads behind its prompt."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Iterator
from typing import Any

from benchmarks.target import HOST_NAME

_PIECE = 32 * 1024
_LINE = b"GigabitEthernet1/0/1 is up, line protocol is up, 5 minute input rate 0 b\r\n"
_BLOCK = _LINE * (1 + (1 << 20) // len(_LINE))
_VERSION = b"".join(
    (
        b"Cisco IOS XE Software, Version 17.09.04a\r\n",
        b"Cisco IOS Software [Cupertino], Virtual XE Software, Version 17.9.4a, RELEASE SOFTWARE (fc3)\r\n",
        *(
            b"%-24s : package %02d of the boot image, verified and running\r\n" % (b"slot %d" % n, n)
            for n in range(20)
        ),
        HOST_NAME.encode() + b" uptime is 2 weeks, 3 days, 4 hours, 5 minutes\r\n",
        b"Configuration register is 0x2102\r\n",
    )
)
ANSWERS = {
    b"show version": _VERSION,
    b"show clock": b"*10:11:12.345 UTC Fri Jan 2 2026\r\n",
}
_SILENT = (b"terminal ", b"term ", b"!", b"enable", b"disable")


_numbers = itertools.count(1)


class Shell:
    """One device's command line: bytes in, pieces of the answer out; None ends the session, a number is seconds in
    which the device thinks.

    Each has a name of its own: what a client learns about one device's prompt is of no use for the next.
    """

    def __init__(self) -> None:
        self.prompt = b"edge-%04d#" % next(_numbers)
        self._typed = b""

    def feed(self, data: bytes) -> Iterator[bytes | float | None]:
        *lines, rest = data.replace(b"\0", b"").replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
        for line in lines:
            typed, self._typed = self._typed + line, b""
            yield from self._run(typed.strip(), line + b"\r\n")
        if rest:
            self._typed += rest
            yield rest

    def _run(self, line: bytes, echo: bytes) -> Iterator[bytes | float | None]:
        prompt = self.prompt
        if line in (b"exit", b"logout"):
            yield echo
            yield None
        elif line.startswith(b"show wait "):
            yield echo
            yield int(line.split()[2]) / 1e3
            yield ANSWERS[b"show clock"] + prompt
        elif line.startswith(b"show bulk "):
            yield echo
            yield from _output(int(line.split()[2]))
            yield prompt
        elif not line or line.startswith(_SILENT):
            yield echo + prompt
        else:
            command, _, wanted = line.partition(b" | include ")
            answer = ANSWERS.get(command, b"% Invalid input detected at '^' marker.\r\n")
            yield echo + (_including(wanted, answer) if wanted else answer) + prompt


def _including(wanted: bytes, answer: bytes) -> bytes:
    """The lines with those words in them; some clients ask with such a filter what they have before them."""
    return b"".join(line for line in answer.splitlines(keepends=True) if wanted in line)


def _output(size: int) -> Iterator[bytes]:
    """Whole lines, `size` bytes of them."""
    while size > _PIECE:
        at = size % len(_LINE)  # the piece before ended there
        begin = (len(_LINE) - at) % len(_LINE)
        yield _BLOCK[begin : begin + _PIECE]
        size -= _PIECE
    yield _BLOCK[len(_BLOCK) - size :]


class Pump:
    """Writes what a shell answers, no faster than it is read."""

    def __init__(self, write: Callable[[bytes], Any], end: Callable[[], None]) -> None:
        self._shell = Shell()
        self.prompt = self._shell.prompt
        self._write, self._end = write, end
        self._pending: list[Iterator[bytes | float | None]] = []
        self._paused = self._thinking = False

    def feed(self, data: bytes) -> None:
        self._pending.append(self._shell.feed(data))
        self._run()

    def finish(self) -> None:
        """Nothing more is typed: the session ends after the answers to what was."""
        self._pending.append(iter((None,)))
        self._run()

    def stop(self) -> None:
        """Nobody listens any more."""
        self._pending.clear()

    def pause(self) -> None:
        self._paused = True

    def resume(self) -> None:
        self._paused = False
        self._run()

    def _thought(self) -> None:
        self._thinking = False
        self._run()

    def _run(self) -> None:
        while self._pending and not self._paused and not self._thinking:
            piece = next(self._pending[0], b"")
            if piece is None:
                self._pending.clear()
                self._end()
            elif isinstance(piece, float):
                self._thinking = True
                asyncio.get_running_loop().call_later(piece, self._thought)
            elif piece:
                self._write(piece)
            else:
                del self._pending[0]
