# SPDX-License-Identifier: Apache-2.0
"""The command line of one session of a simulated device: bytes in, bytes and pauses out, no sockets, no loop.

Whoever plays it calls `receive()` with what was typed and then `pull()` until it returns None: bytes are to
be written, a float is a wait in seconds (infinite: until something is typed), then pull again. Where
a device keeps its echo until it reads (`echo="reader"`), the bytes that come out depend on the bytes that
went in and on nothing else: how they were split does not matter.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from enum import Enum
from typing import TYPE_CHECKING, Protocol

from aioconn.lab.editor import Editor, Key
from aioconn.lab.noise import Noise
from aioconn.lab.output import Output
from aioconn.lab.program import Ask, Interrupted, Piece, Program

if TYPE_CHECKING:
    from aioconn.lab.device import LabDevice

STOP = re.compile(rb"[\x03\x1e]")


# Every system here takes a line that begins so as a comment and says nothing.
COMMENT_MARKS = "!#"


class Fate(Enum):
    """What is to become of the connection once the output is written."""

    OPEN = "open"
    CLOSE = "close"
    RESET = "reset"


class Language(Protocol):
    """What a shell needs to know of the dialect of its mode."""

    @property
    def bare_output(self) -> bool: ...

    def welcome(self, shell: Shell, /) -> Program: ...

    def prompt(self, shell: Shell, /) -> str: ...

    def run(self, shell: Shell, line: str, /) -> Program: ...

    def interrupt_key(self, shell: Shell, /) -> None: ...

    def end_key(self, shell: Shell, /) -> Program: ...

    def eof_key(self, shell: Shell, /) -> Program: ...


class Shell:
    """One session. `mode` and `path` (the section being configured) are where its user stands; `languages` finds a
    dialect by its name."""

    __slots__ = (
        "_ask",
        "_languages",
        "_program",
        "_rng",
        "_typed",
        "alone",
        "device",
        "editor",
        "failed",
        "fate",
        "identity",
        "last",
        "logged_in",
        "mode",
        "output",
        "path",
        "pending",
        "restarts",
        "status",
        "user",
        "width",
    )

    def __init__(
        self, device: LabDevice, identity: int, languages: Callable[[str], Language], *, user: str = ""
    ) -> None:
        self.device = device
        self.identity = identity
        self._languages = languages
        self.user = user
        self.width = 80
        self.mode = device.personality.start
        self.path: tuple[str, ...] = ()
        self.pending: list[tuple[tuple[str, ...], str]] = []  # typed in a candidate, not committed
        self.failed: list[tuple[tuple[str, ...], str]] = []  # what the last commit refused
        self.last = ""  # the line that runs
        self.status = 0  # the exit status of the last command, where the system has such a thing
        self.alone = False  # runs one command without prompt and terminal
        self.logged_in = False
        self.fate = Fate.OPEN
        self.restarts = False  # the whole device is to start anew when this session ends
        self.editor = Editor()
        self.output = Output(device)
        self._typed = bytearray()
        self._program: Program | None = None
        self._ask: Ask | None = None
        self._rng: random.Random | None = None

    @property
    def rng(self) -> random.Random:
        """The session's own dice: the same throws in every run of the lab with the same seed."""
        if self._rng is None:
            self._rng = random.Random(f"{self.device.seed}/{self.device.name}/{self.identity}")
        return self._rng

    @property
    def dialect(self) -> Language:
        """How the mode that the user stands in behaves: as the rest, or as a shell below does."""
        personality = self.device.personality
        return self._languages(personality.modes[self.mode].dialect or personality.dialect)

    @property
    def busy(self) -> bool:
        """Whether a command runs, and what is typed waits."""
        return self._program is not None and self._ask is None and not self.output.more

    def start(self, program: Program) -> None:
        """Begin with a program: the login dialogue or the greeting. The first prompt follows it."""
        self._program = program

    def once(self, command: str) -> None:
        """Run a single command without terminal, as `ssh host command` does, and be over."""
        self.alone = True
        self.logged_in = True
        self.output.rows = 0
        self.output.bare = self.dialect.bare_output
        self.mode = self.device.personality.enabled
        self._begin(command)

    def resize(self, width: int) -> None:
        """The columns of the user's terminal; 0 means that they are not known."""
        if width:
            self.width = width

    def receive(self, data: bytes) -> bool:
        """Take what was typed. True if it stopped the running command, whose wait is then over."""
        data = self.editor.normalise(data)
        echo = self.device.echo
        if echo == "typing" or (echo == "both" and self.busy):
            secret = self._ask is not None and not self._ask.echo
            self.output.buffer += self.editor.tty(data, secret=secret)
        was_busy = self.busy
        self._typed += data
        return was_busy and self._stop_key()

    def flush(self) -> bytes:
        """What is to be written although a wait goes on: the echo of a plain terminal."""
        data = bytes(self.output.buffer)
        self.output.buffer.clear()
        return data

    def stalled(self) -> None:
        """The output cannot be written for now: the moment at which a stop key is noticed."""
        self._stop_key()

    def announce(self, line: str) -> bytes:
        """An unsolicited line, as it is to be written now."""
        return ("\n" + line).replace("\n", "\r\n").encode()

    def pull(self) -> bytes | float | None:
        """The next thing to do: bytes to write, seconds to wait, None until more is typed or all is over."""
        output = self.output
        if gap := output.gap():
            return gap
        while not output.full and self.fate is Fate.OPEN:
            if output.wait:
                if self._stop_key():
                    continue
                if output.buffer:
                    break
                wait, output.wait = output.wait, 0.0
                return wait
            if output.more:
                if not self._typed:
                    break
                if not output.page_key(self._typed.pop(0)):
                    self._drop()
            elif output.held:
                output.page()
            elif self._program is not None and self._ask is None:
                self._advance(None)
            elif self._typed:
                self._edit()
            else:
                break
        if not output.buffer:
            return None
        data, reset = output.leave()
        if reset:
            self.fate = Fate.RESET
        return data

    def _edit(self) -> None:
        """Read what was typed, up to a key that ends a line or more."""
        device, output = self.device, self.output
        echo = device.echo in ("reader", "both")
        wrap = None
        if width := device.faults.wrap:
            start = len(self._ask.text if self._ask else self._prompt_line())
            wrap = (device.faults.wrap_style or device.personality.wrap, width, start)
        shown = echo and (self._ask is None or self._ask.echo)
        text, key = self.editor.read(self._typed, echo=shown, wrap=wrap)
        output.buffer += text
        if key is Key.ENTER:
            if echo:
                output.buffer += b"\r\n"
            line = self.editor.take()
            if self._ask is not None:
                self._ask = None
                output.new_page()
                self._advance(line)
            else:
                self._begin(line)
        elif key is Key.INTERRUPT:
            self._interrupt_line()
        elif self._program is None and key is Key.END:
            self.editor.take()
            self._run(self.dialect.end_key(self))
        elif self._program is None and key is Key.EOF:
            self._run(self.dialect.eof_key(self))

    def _begin(self, line: str) -> None:
        """Run a line that was typed at the prompt."""
        device, output = self.device, self.output
        faults = device.faults
        if faults.latency or faults.jitter:
            output.wait = faults.latency + (self.rng.random() * faults.jitter if faults.jitter else 0.0)
        if not line.strip() or line.lstrip()[0] in COMMENT_MARKS:
            self._run(_nothing())
            return
        device.record(self.identity, line)
        self.last = line
        if faults.in_output:
            look = faults.lookalike if isinstance(faults.lookalike, str) else "{prompt}"
            look = look.replace("{prompt}", self._prompt_line().strip()).replace("{host}", device.host)
            output.noise = Noise(faults, self.rng, look, device.text(device.personality.syslog))
        hangs = faults.hang_on is not None and re.search(faults.hang_on, line) is not None
        self._run(_hang() if hangs else self.dialect.run(self, line))

    def _run(self, program: Program) -> None:
        self.output.new_page()
        self._program = program

    def _advance(self, answer: str | None) -> None:
        program = self._program
        assert program is not None
        try:
            piece = next(program) if answer is None else program.send(answer)
        except (StopIteration, Interrupted):
            self._finish()
        else:
            self._take(piece)

    def _take(self, piece: Piece) -> None:
        if isinstance(piece, str):
            self.output.command(piece, paged=self.logged_in)
        elif isinstance(piece, Ask):
            self.output.text(piece.text)
            self._ask = piece
        elif isinstance(piece, (int, float)):
            self.output.wait = float(piece)
        else:
            self.output.buffer += piece

    def _finish(self) -> None:
        self._program = None
        self.output.noise = None
        self.output.drop()
        if self.fate is Fate.OPEN:
            self._prompt()

    def _drop(self) -> None:
        """End the running program without its rest."""
        if self._program is not None:
            self._program.close()
        self._finish()

    def _stop_key(self) -> bool:
        """Whether a stop key has been typed and ended the running command."""
        if not self.busy or not self.logged_in or self.device.interrupt == "ignored":
            return False
        found = STOP.search(self._typed)
        if not found:
            return False
        del self._typed[: found.end()]
        assert self._program is not None
        self.output.drop()
        self.output.text("\n")
        if self.device.interrupt == "prompt":
            self._prompt()
            self.output.text("\n")
        try:
            piece = self._program.throw(Interrupted())
        except (Interrupted, StopIteration):
            self._finish()
        else:
            self._take(piece)
        return True

    def _interrupt_line(self) -> None:
        """The interrupt key at a prompt or a question: the line is dropped."""
        device, output = self.device, self.output
        if device.interrupt == "ignored" or not self.logged_in:
            return
        self.editor.take()
        if device.echo == "both":
            output.text("^C")
        if device.echo != "typing" or self._program is None:
            output.text("\n")
        if self._program is not None:
            self._ask = None
            self._drop()
            return
        self.dialect.interrupt_key(self)
        self._prompt()

    def _prompt(self) -> None:
        if self.alone:
            self.fate = Fate.CLOSE
            return
        self.output.new_page()
        self.output.text(self.dialect.prompt(self))

    def _prompt_line(self) -> str:
        return self.dialect.prompt(self).rpartition("\n")[2]


def _nothing() -> Program:
    yield from ()


def _hang() -> Program:
    while True:
        yield float("inf")
