# SPDX-License-Identifier: Apache-2.0
"""A device without I/O, for all the ways in which devices repeat what is typed; and platforms to talk to it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import pairwise

from aioconn.platforms.model import Mode, Pager, Platform, Probe
from aioconn.wire.dialogue import Answer, Dialogue
from aioconn.wire.echo import Discipline
from aioconn.wire.exchange import Exchange
from aioconn.wire.probe import ProbeLine
from aioconn.wire.prompt import Prompts

CISCO = Platform(
    name="cisco",
    default_mode="privileged",
    modes={
        "user": Mode(name="user", prompt="{host}>"),
        "privileged": Mode(name="privileged", prompt="{host}#"),
        "config": Mode(name="config", prompt=r"{host}\([\w.\-@/:+ ]{1,48}\)#"),
    },
    pager=Pager(pattern="--More--$"),
    probe=Probe(send="!{token}"),
)
LINUX = Platform(
    name="shell",
    default_mode="shell",
    modes={"shell": Mode(name="shell", prompt=r"(?:[\w.\-]+@)?{host}:[^\s$#%]*[$#]")},
    pager=Pager(pattern=r"--More--$"),
    probe=Probe(send='printf "%s\\n" aio""{token}', answer="aio{token}"),
    tty=True,
)
JUNOS = Platform(
    name="junos",
    default_mode="cli",
    modes={
        "cli": Mode(name="cli", prompt=r"(?:[\w.\-+]+@)?{host}>", leader=r"\{\w+(?::\w+)?\}"),
        "config": Mode(
            name="config", prompt=r"(?:[\w.\-+]+@)?{host}#", leader=r"(?:\{\w+(?::\w+)?\})?\[edit[^\]]*\]"
        ),
    },
    probe=Probe(send="#{token}"),
)
SRL = Platform(
    name="srl",
    default_mode="running",
    modes={
        "running": Mode(
            name="running",
            prompt=r"[A-D]:(?:[\w.\-]+@)?{host}#",
            leader=r"--\{[^}]*\brunning\b[^}]*\}--\[.*\]--.*",
        ),
        "config": Mode(
            name="config",
            prompt=r"[A-D]:(?:[\w.\-]+@)?{host}#",
            leader=r"--\{[^}]*\bcandidate\b[^}]*\}--\[.*\]--.*",
        ),
    },
    probe=Probe(send="#{token}"),
)
SROS = Platform(
    name="sros",
    default_mode="cli",
    modes={
        "cli": Mode(name="cli", prompt=r"[A-D]:[\w.\-]+@{host}#", leader=r"\[.*\]"),
        "config": Mode(
            name="config", prompt=r"[A-D]:[\w.\-]+@{host}#", leader=r"[!*]{0,2}\((?:ex|gl|pr|ro)\)\[.*\]"
        ),
        "classic": Mode(name="classic", prompt=r"\*?[A-D]:(?!\S*@){host}#"),
    },
    probe=Probe(send="#{token}"),
)

Split = Callable[[bytes], Iterable[bytes]]


def whole(data: bytes) -> list[bytes]:
    """The piece as it is."""
    return [data]


def bytewise(data: bytes) -> list[bytes]:
    """Byte by byte."""
    return [data[index : index + 1] for index in range(len(data))]


def at(*positions: int) -> Split:
    """Cut at these offsets (modulo the size of the piece)."""

    def split(data: bytes) -> list[bytes]:
        cuts = sorted({0, len(data), *(position % (len(data) + 1) for position in positions)})
        return [data[a:b] for a, b in pairwise(cuts)]

    return split


class Device:
    """Runs commands whose outputs come in pieces; `write` takes input at any time, `read` gives the next piece."""

    def __init__(
        self,
        discipline: Discipline,
        outputs: Mapping[str, Sequence[bytes]] | None = None,
        *,
        prompt: bytes = b"r1# ",
        running: Sequence[bytes] | None = None,
    ) -> None:
        self.prompt = prompt
        self.written: list[bytes] = []
        self.sent = bytearray()
        self._discipline = discipline
        self._outputs = outputs or {}
        self._out: deque[bytes] = deque()
        self._lines: deque[str] = deque()
        self._running: deque[bytes] | None = None
        if running is not None:
            self._running = deque([*running, self.prompt])

    def write(self, data: bytes) -> None:
        self.written.append(data)
        for line in data.replace(b"\r", b"\n").split(b"\n")[:-1]:
            busy = self._running is not None
            if self._discipline is Discipline.TYPING or (self._discipline is Discipline.BOTH and busy):
                self._out.append(line + b"\r\n")
            self._lines.append(line.decode())

    def read(self) -> bytes | None:
        piece = self._read()
        self.sent += piece or b""
        return piece

    def _read(self) -> bytes | None:
        if self._out:
            return self._out.popleft()
        if self._running:
            piece = self._running.popleft()
            if not self._running:
                self._running = None
            return piece
        if not self._lines:
            return None
        line = self._lines.popleft()
        self._running = deque([*self._answer(line), self.prompt])
        return (
            line.encode() + b"\r\n"
            if self._discipline in (Discipline.READER, Discipline.BOTH)
            else self._read()
        )

    def _answer(self, line: str) -> Sequence[bytes]:
        if line.startswith("printf "):
            return [line.split('""')[1].encode().join([b"aio", b"\r\n"])]
        return () if line[:1] in "!#" else self._outputs.get(line, ())


def exchange(
    command: str,
    discipline: Discipline = Discipline.READER,
    *,
    platform: Platform = CISCO,
    host: str | None = "r1",
    answers: Sequence[Answer] = (),
    confirm: bool = False,
    lead: bool = False,
    streaming: bool = False,
    provable: bool = True,
    newline: bytes = b"\n",
) -> Exchange:
    """An exchange as the command line class prepares it."""
    pager = platform.pager
    pagers = [Answer(pattern=pager.pattern, send=b" ", pager=True)] if pager is not None else []
    return Exchange(
        command,
        prompts=Prompts(platform, host),
        discipline=discipline,
        dialogue=Dialogue([*answers, *pagers]),
        newline=newline,
        confirm=confirm,
        make_probe=(lambda _: ProbeLine(platform.probe)) if provable else (lambda _: None),
        lead=lead,
        streaming=streaming,
    )


def converse(device: Device, talk: Exchange, *, split: Split = whole, pauses: bool = False) -> bytes:
    """Let them talk until the exchange is over; `pauses`: the device is silent for long after each piece.

    Returns what the exchange was given. While streaming, what was taken is collected in `pieces` of the exchange.
    """
    given = bytearray()
    device.write(talk.start())
    for _ in range(100_000):
        piece = device.read()
        if piece is None:
            if talk.quiet_after is None:
                raise AssertionError(f"both wait; seen {bytes(given)!r}")
            device.write(talk.quiet())
        else:
            for part in split(piece):
                given += part
                if reply := talk.feed(part):
                    device.write(reply)
                if talk.done is not None:
                    break
            if pauses and talk.done is None and talk.quiet_after is not None:
                device.write(talk.quiet())
        if talk.done is not None or talk.refused is not None:
            return bytes(given)
    raise AssertionError("no end")
