# SPDX-License-Identifier: Apache-2.0
"""Where things are shown: what stdout and stderr are, and texts that cannot play tricks on a terminal."""

from __future__ import annotations

import os
import stat
import sys
from typing import IO, Any

from rich.console import Console

# C0 and C1 controls, and what turns the direction of writing: a device may send anything
_CONTROLS = {
    number: f"\\x{number:02x}" for number in (*range(0x09), *range(0x0B, 0x20), 0x7F, *range(0x80, 0xA0))
} | {number: f"\\u{number:04x}" for number in (*range(0x202A, 0x202F), *range(0x2066, 0x206A))}


class OutputClosed(Exception):
    """Whoever read our output has left."""


class Screen(Console):
    """A rich console that takes texts as they are, and raises `OutputClosed` where rich would exit."""

    def __init__(self, file: IO[str], **options: Any) -> None:
        super().__init__(file=file, highlight=False, markup=False, emoji=False, **options)

    def on_broken_pipe(self) -> None:
        raise OutputClosed


def printable(text: str) -> str:
    """`text` without characters that move a cursor, change colours or reorder what is read."""
    return text.translate(_CONTROLS)


def is_terminal(stream: IO[str]) -> bool:
    try:
        return stream.isatty()
    except ValueError:  # closed
        return False


def is_live(stream: IO[str]) -> bool:
    """Whether a display that redraws itself makes sense there."""
    return is_terminal(stream) and os.environ.get("TERM", "") not in ("", "dumb", "unknown")


def is_pipe(stream: IO[str]) -> bool:
    """Whether somebody reads along, and may well write to the same terminal as we do."""
    try:
        mode = os.fstat(stream.fileno()).st_mode
    except (OSError, ValueError):
        return False
    return stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)


def write(text: str, *, flush: bool = True) -> None:
    """Write data to stdout. Raises `OutputClosed`."""
    try:
        sys.stdout.write(text)
        if flush:
            sys.stdout.flush()
    except BrokenPipeError:
        raise OutputClosed from None


def abandon_stdout() -> None:
    """Send what is still buffered nowhere: else the interpreter complains of the closed pipe when it ends."""
    try:
        number = sys.stdout.fileno()
    except (OSError, ValueError):
        return
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, number)
    os.close(nowhere)
