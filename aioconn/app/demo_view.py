# SPDX-License-Identifier: Apache-2.0
"""What `aioconn demo` shows on a terminal, and as a picture of one."""

from __future__ import annotations

import io
import re
from dataclasses import dataclass
from pathlib import Path

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from aioconn.app.fleet import Member, telling
from aioconn.app.progress import Tally
from aioconn.app.terminal import Screen, printable
from aioconn.app.visit import Report
from aioconn.app.wording import count, seconds, sentence
from aioconn.errors import AioconnError, UsageError

RECORDED_WIDTH = 90
_FONTS = re.compile(r"@font-face \{.*?\}\s*", re.DOTALL)
_NOTICE = re.compile(r"<!--.*?-->\s*", re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A device with what came of it."""

    member: Member
    protocol: str
    report: Report
    meant: bool
    """Whether it went as it should, failure included."""

    @property
    def said(self) -> str:
        return printable(telling(self.member.personality, self.report.outputs))


def headline(devices: int) -> Text:
    title = Text("aioconn demo", style="bold cyan")
    what = f"  {count(devices, 'simulated device')} on 127.0.0.1, over real SSH and telnet"
    title.append(what, style="not bold dim")
    return title


def table(rows: list[Row], width: int) -> RenderableType:
    names, kinds = zip(*((row.member.name, row.member.personality) for row in rows), strict=True)
    widths = (2, max(map(len, names)), min(18, max(map(len, kinds))), 6, 6)
    room = min(48, max(12, width - sum(widths) - 2 * len(widths)))
    made = Table(box=None, header_style="bold", padding=(0, 2, 0, 0), pad_edge=False)
    made.add_column("", width=widths[0])
    made.add_column("device", style="bold", no_wrap=True, width=widths[1])
    made.add_column("platform", no_wrap=True, overflow="ellipsis", width=widths[2])
    made.add_column("via", style="dim", width=widths[3])
    made.add_column("what it said", no_wrap=True, width=room)
    made.add_column("time", justify="right", width=widths[4])
    for row in rows:
        error = row.report.error
        mark = Text("ok", style="green") if error is None else Text("no", style="bold red")
        said = Text(row.said) if error is None else Text(kind(error), style="red")
        said.truncate(room, overflow="ellipsis")
        spent = Text(seconds(row.report.elapsed), style="dim")
        made.add_row(mark, row.member.name, row.member.personality, row.protocol, said, spent)
    return made


def kind(error: BaseException) -> str:
    """An error in a word or two."""
    phase = error.phase if isinstance(error, AioconnError) else None
    return f"{type(error).__name__} [{phase}]" if phase else type(error).__name__


def summary(rows: list[Row], tally: Tally) -> str:
    live = [row for row in rows if row.report.ok]
    commands = sum(len(row.report.outputs) for row in rows)
    protocols = [row.protocol for row in live]
    return (
        f"{count(len(rows), 'device')}, {len(rows) - len(live)} failed: {count(commands, 'command')} over "
        f"{protocols.count('ssh')} SSH and {count(protocols.count('telnet'), 'telnet session')} "
        f"in {seconds(tally.elapsed)}"
    )


def closing(rows: list[Row], tally: Tally, width: int) -> Text:
    """The end of it: how it went, what failed and whether that was meant, what to try next."""
    alone = sum(row.report.elapsed for row in rows)
    lines = [Text(), Text(summary(rows, tally), style="bold")]
    lines.append(Text(f"one after the other that takes {seconds(alone)}", style="dim"))
    for row in rows:
        if (error := row.report.error) is not None:
            line = Text(f"{row.member.name}, {'on purpose' if row.meant else 'not on purpose'}: ")
            line.append(sentence(error, seen=False), style="red")
            lines.append(line)
    lines.append(Text())
    for command, what in (
        ("aioconn lab", "keeps them running, writes lab.yaml"),
        ('aioconn run -t lab.yaml "show version"', "runs commands on them"),
    ):
        lines.append(Text.assemble((f"{command:<38}", "cyan"), (f"  {what}", "dim")))
    for line in lines:
        line.truncate(width - 1, overflow="ellipsis")
    return Text("\n").join(lines)


def record(rows: list[Row], tally: Tally, path: Path) -> None:
    """The same once more, as a picture (SVG) that loads nothing from elsewhere."""
    screen = Screen(
        io.StringIO(), record=True, width=RECORDED_WIDTH, force_terminal=True, color_system="truecolor"
    )
    screen.print(Text.assemble(("$ ", "dim"), ("aioconn demo", "bold")))
    screen.print(headline(len(rows)))
    screen.print(tally)
    screen.print(table(rows, RECORDED_WIDTH))
    screen.print(closing(rows, tally, RECORDED_WIDTH))
    picture = screen.export_svg(title="aioconn demo", unique_id="demo")
    try:
        path.write_text(_NOTICE.sub("", _FONTS.sub("", picture)) + "\n", encoding="utf-8")
    except OSError as error:
        raise UsageError(f"cannot write {str(path)!r}: {error.strerror}") from None
