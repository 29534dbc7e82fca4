# SPDX-License-Identifier: Apache-2.0
"""Live progress of a fan-out: how far it is, and which devices it waits for."""

from __future__ import annotations

import asyncio
import math
import sys
import time
from types import TracebackType
from typing import Self

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from aioconn.app.terminal import Screen, is_live, is_pipe, is_terminal, printable, write
from aioconn.app.wording import seconds, sentence
from aioconn.errors import Phase
from aioconn.events import Closed, Event, Opened, OpenFailed, Opening, ServiceFinished, ServiceStarted

REFRESH = 0.1
"""Seconds between two looks at the display."""
SLOW = 1.0
"""Seconds after which a device is worth naming."""
SHOWN = 3


class Tally:
    """Who is at work since when and at what, and how many are through. It listens to the testbed's events."""

    def __init__(self, total: int) -> None:
        self.total = total
        self.ok = 0
        self.failed = 0
        self.commands = 0
        self.started = time.monotonic()
        self.stopped: float | None = None
        self._last = self.started  # when a device was through
        self.running: dict[str, tuple[float, str]] = {}
        self._done: set[str] = set()

    @property
    def done(self) -> int:
        return self.ok + self.failed

    @property
    def elapsed(self) -> float:
        return (self.stopped or time.monotonic()) - self.started

    @property
    def left(self) -> float | None:
        """Seconds to go, if the rest goes like what is done; None while nobody can know, or where that is over."""
        if not self.done or self.elapsed < SLOW:
            return None
        spent = self._last - self.started
        left = spent / self.done * (self.total - self.done) - (self.elapsed - spent)
        return left if left > 0 else None

    def on_event(self, event: Event) -> None:
        """A `Listener`."""
        if event.device in self._done:
            return
        if isinstance(event, ServiceStarted):
            self._enter(event.device, event.what or event.service)
        elif isinstance(event, ServiceFinished):
            self.commands += event.error is None
        elif isinstance(event, Opening):
            self._enter(event.device, f"connecting ({event.phase})")

    def stop(self) -> None:
        """From now on `elapsed` stands still."""
        self.stopped = time.monotonic()

    def begin(self, device: str) -> None:
        self._enter(device, "connecting")

    def finish(self, device: str, *, ok: bool) -> None:
        self._done.add(device)
        self._last = time.monotonic()
        self.running.pop(device, None)
        if ok:
            self.ok += 1
        else:
            self.failed += 1

    def slowest(self) -> list[tuple[str, float, str]]:
        """Name, seconds and occupation of those at work for long, the longest first."""
        now = time.monotonic()
        late = [
            (now - since, name, what) for name, (since, what) in self.running.items() if now - since > SLOW
        ]
        return [(name, spent, what) for spent, name, what in sorted(late, reverse=True)]

    def _enter(self, device: str, what: str) -> None:
        since, _ = self.running.get(device, (time.monotonic(), ""))
        self.running[device] = (since, what)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield self._bar(options.max_width)
        for name, spent, what in self.slowest()[:SHOWN]:
            line = Text("  waiting for ", style="dim")
            line.append(printable(name), style="bold not dim")
            line.append(f"  {seconds(spent)}  {printable(what)}")
            line.truncate(options.max_width - 1, overflow="ellipsis")
            yield line

    def _bar(self, width: int) -> RenderableType:
        numbers = Text(f"{self.done}/{self.total}", style="bold")
        numbers.append(f"  {self.ok} ok", style="green not bold")
        if self.failed:
            numbers.append(f"  {self.failed} failed", style="red not bold")
        numbers.append(f"  {len(self.running)} running", style="not bold")
        numbers.append(f"  {seconds(self.elapsed)}", style="dim not bold")
        if (left := self.left) is not None:
            whole = math.ceil(left)
            numbers.append(
                f", about {seconds(whole) if whole >= 60 else f'{whole} s'} left", style="dim not bold"
            )
        numbers.truncate(width - 1, overflow="ellipsis")
        room = min(40, width - numbers.cell_len - 3)
        if room < 8:
            return numbers
        bar = ProgressBar(
            total=max(self.total, 1),
            completed=self.done,
            width=room,
            complete_style="green",
            finished_style="green",
        )
        grid = Table.grid(padding=(0, 1))
        grid.add_column(width=room)
        grid.add_column(no_wrap=True)
        grid.add_row(bar, numbers)
        return grid


class Progress:
    """Shows a tally while it is entered, on stdout if that is a terminal, else on stderr if that is one.

    Where neither is, or `data` goes to a pipe whose reader may write to the same terminal, nothing moves.
    What is shown meanwhile goes through `show()` and `note()`, which keep clear of the moving part.
    `refresh` is in seconds.
    """

    def __init__(self, tally: RenderableType, *, data: bool = True, refresh: float = REFRESH) -> None:
        self.out = Screen(sys.stdout)
        self.err = Screen(sys.stderr)
        self.interactive = is_terminal(sys.stdout)
        home = None
        if is_live(sys.stdout):
            home = self.out
        elif is_live(sys.stderr) and not (data and is_pipe(sys.stdout)):
            home = self.err
        self._home = home
        self._live = (
            Live(
                tally,
                console=home,
                auto_refresh=False,
                transient=True,
                redirect_stdout=False,
                redirect_stderr=False,
                vertical_overflow="crop",
            )
            if home is not None
            else None
        )
        self._interval = refresh
        self._refreshing: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        if self._live is not None:
            self._live.start(refresh=True)
            self._refreshing = asyncio.create_task(self._refresh(self._live))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is None:
            return
        assert self._refreshing is not None
        self._refreshing.cancel()
        self._live.stop()  # before anything can be cancelled: the cursor is hidden until then
        await asyncio.wait({self._refreshing})
        if not self._refreshing.cancelled():
            self._refreshing.exception()  # a terminal that went away is no news

    async def _refresh(self, live: Live) -> None:
        while True:
            await asyncio.sleep(self._interval)
            live.refresh()

    def show(self, *renderables: RenderableType) -> None:
        """Put something onto stdout, which is a terminal, above the moving part."""
        self.out.print(Group(*renderables), soft_wrap=True)

    def data(self, text: str) -> None:
        """Put text onto stdout as it is, whatever stdout is. Raises `OutputClosed`."""
        if self._home is self.out:
            self.out.print(Text(text), soft_wrap=True, end="")
        else:
            write(text)

    def note(self, text: str | Text) -> None:
        """Put a line onto stderr, or onto the terminal that both are."""
        console = self._home if self._home is not None and is_terminal(sys.stderr) else self.err
        console.print(text, soft_wrap=True)


class Journal:
    """The events of a testbed as lines for `--verbose`."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress

    def on_event(self, event: Event) -> None:
        """A `Listener`."""
        if (said := self._words(event)) is not None:
            moment = time.strftime("%H:%M:%S")
            self._progress.note(
                Text(printable(f"{moment} {event.device} via {event.path}: {said}"), style="dim")
            )

    def _words(self, event: Event) -> str | None:
        if isinstance(event, Opening):
            return f"{event.phase}" if event.phase is not Phase.COMMAND else None
        if isinstance(event, Opened):
            return f"connected in {seconds(event.elapsed)}"
        if isinstance(event, OpenFailed):
            return f"not connected after {seconds(event.elapsed)}: {sentence(event.error)}"
        if isinstance(event, ServiceFinished):
            how = "" if event.error is None else f": {sentence(event.error)}"
            return f"{event.what or event.service} took {seconds(event.elapsed)}{how}"
        if isinstance(event, Closed):
            return "closed" if event.error is None else f"lost: {sentence(event.error)}"
        return None
