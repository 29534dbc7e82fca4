# SPDX-License-Identifier: Apache-2.0
"""What is shown of a daemon: the same moving on a terminal, as lines in a pipe, and from outside."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, fields
from typing import Any, Self

from rich.console import Console, ConsoleOptions, RenderResult
from rich.text import Text

from aioconn.app.terminal import printable
from aioconn.app.wording import count, seconds, sentence
from aioconn.events import Closed, Event, Opened, OpenFailed

SHOWN = 8
"""Processes that are named while it moves."""
SETTLED = 0.5
"""Seconds after which a process that has no wire has left; it may be about to take another one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """What a daemon holds and who uses it. Its fields are the documented keys of `--status --json`, and stay."""

    name: str
    pid: int
    testbed: str
    file: str
    socket: str
    started: float
    """Seconds since the epoch."""
    idle: float
    """Seconds without any process."""
    idle_limit: float
    devices: int
    connected: int
    """Devices with a live connection."""
    sessions: int
    calls: int
    """So far."""
    processes: tuple[dict[str, Any], ...]
    """`pid`, `program`, `wires`, `calls`, `busy` (what is under way, or None), `since` (seconds) of each."""

    @classmethod
    def of(cls, said: dict[str, Any]) -> Self:
        """Out of what a broker says of itself."""
        known = {field.name: said[field.name] for field in fields(cls)}
        return cls(**{**known, "processes": tuple(said["processes"])})

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    @property
    def busy(self) -> int:
        """Processes with a call under way."""
        return sum(process["busy"] is not None for process in self.processes)


def headline(status: Status) -> Text:
    """Who it is, and where."""
    line = Text(printable(status.name), style="bold cyan")
    what = f": process {status.pid} holds the sessions of {count(status.devices, 'device')}"
    line.append(printable(f"{what}, at {status.socket}"), style="not bold default")
    return line


def state(status: Status) -> Iterable[Text]:
    """What goes on."""
    held = f"{count(status.sessions, 'session')} on {status.connected}/{count(status.devices, 'device')}"
    line = Text(f"{count(len(status.processes), 'process', 'processes')}", style="bold")
    line.append(f", {status.busy} busy, {count(status.calls, 'call')} so far; {held}", style="not bold")
    if not status.processes:
        line.append(f"; idle {status.idle:.0f} s of {status.idle_limit:.0f} s", style="dim not bold")
    yield line


def processes(status: Status) -> Iterable[Text]:
    for process in status.processes:
        line = Text(f"  {process['pid']}", style="bold")
        line.append(f"  {printable(process['program'])}", style="cyan not bold")
        line.append(f"  {count(process['calls'], 'call')} in {seconds(process['since'])}", style="not bold")
        if process["busy"] is not None:
            line.append(f", now {printable(process['busy'])}", style="not bold")
        yield line


class Board:
    """Moves: what `look` gives at each refresh."""

    def __init__(self, look: Callable[[], Status]) -> None:
        self._look = look

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        status = self._look()
        for line in (*state(status), *list(processes(status))[:SHOWN]):
            line.truncate(options.max_width - 1, overflow="ellipsis")
            yield line


class Diary:
    """Lines about who comes and goes, and about sessions, with the time of day. `say` is called in any thread."""

    def __init__(self, look: Callable[[], Status], say: Callable[[str], object]) -> None:
        self._look = look
        self._say = say
        self._known: dict[int, str] = {}
        self._missed: dict[int, float] = {}

    def look(self) -> bool:
        """Compare who is there now with who was; whether it takes another look, `SETTLED` seconds later."""
        now = time.monotonic()
        there = {process["pid"]: process["program"] for process in self._look().processes}
        for pid in there.keys() - self._known.keys():
            self._write(f"process {pid} ({there[pid]}) attached")
        for pid in self._known.keys() - there.keys():
            if now - self._missed.setdefault(pid, now) >= SETTLED:
                self._write(f"process {pid} ({self._known.pop(pid)}) has left")
        self._known |= there
        self._missed = {
            pid: since for pid, since in self._missed.items() if pid in self._known.keys() - there.keys()
        }
        return bool(self._missed)

    def on_event(self, event: Event) -> None:
        """A `Listener`."""
        if isinstance(event, Opened):
            what = f"connected in {seconds(event.elapsed)}"
        elif isinstance(event, OpenFailed):
            what = f"not connected after {seconds(event.elapsed)}: {sentence(event.error)}"
        elif isinstance(event, Closed):
            what = "closed" if event.error is None else f"lost: {sentence(event.error)}"
        else:
            return
        self._write(f"{event.device} via {event.path}: {what}")

    def _write(self, text: str) -> None:
        self._say(printable(f"{time.strftime('%H:%M:%S')} {text}"))
