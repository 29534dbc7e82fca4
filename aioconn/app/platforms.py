# SPDX-License-Identifier: Apache-2.0
"""The operating systems whose command lines are known, or one of them in detail.

NAME is a platform, one of its aliases, or the path of a platform file. In a pipe the columns are
separated by tabs.
"""

from __future__ import annotations

import argparse
import sys
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from aioconn.app.exits import Exit
from aioconn.app.terminal import Screen, is_terminal, write
from aioconn.app.wording import names
from aioconn.app.writers import write_json
from aioconn.platforms.loader import known_platforms, load_platform
from aioconn.platforms.model import Mode, Platform

ALIASES = 4
"""Shown of each platform in the table of all."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", nargs="?", metavar="NAME", help="show this one in detail")
    parser.add_argument("--json", action="store_true", help="one JSON object per platform and line")


def run(arguments: argparse.Namespace) -> Exit:
    platforms = known_platforms() if arguments.name is None else [load_platform(arguments.name)]
    if arguments.json:
        for platform in platforms:
            write_json(as_json(platform))
    elif arguments.name is not None:
        Screen(sys.stdout).print(detail(platforms[0]))
    elif is_terminal(sys.stdout):
        Screen(sys.stdout).print(table(platforms))
    else:
        for platform in platforms:
            columns = (platform.name, platform.title, ",".join(platform.aliases), ",".join(platform.modes))
            write("\t".join(columns) + "\n")
    return Exit.OK


def table(platforms: list[Platform]) -> RenderableType:
    made = Table(box=None, header_style="bold", padding=(0, 2, 0, 0), pad_edge=False)
    made.add_column("platform", style="bold cyan", no_wrap=True)
    made.add_column("also known as", ratio=3)
    made.add_column("modes", ratio=2, style="dim")
    made.add_column("paging", style="dim", no_wrap=True)
    for platform in platforms:
        modes = Text(", ").join(
            Text(name, style="bold not dim" if name == platform.default_mode else "")
            for name in platform.modes
        )
        made.add_row(platform.name, names(platform.aliases, ALIASES), modes, paging(platform))
    note = "\nCommands run in the bold mode. `aioconn platforms NAME` shows the prompts."
    return Group(made, Text(note, style="dim"))


def paging(platform: Platform) -> str:
    """How long outputs come in one piece: switched off at login, or answered page by page."""
    if any(
        word in line for line in platform.on_open for word in ("length", "pager", "paging", "screen", "more")
    ):
        return "switched off"
    return "answered" if platform.pager is not None else "none"


def detail(platform: Platform) -> RenderableType:
    facts = Table.grid(padding=(0, 2, 0, 0))
    facts.add_column(style="dim", no_wrap=True)
    facts.add_column(overflow="fold")
    for name, value in (
        ("also known as", ", ".join(platform.aliases)),
        ("commands run in", platform.default_mode),
        ("sent after login", "\n".join(platform.on_open)),
        ("pager", platform.pager.pattern if platform.pager else ""),
        ("configuration", configuration(platform)),
        ("refusals begin with", "\n".join(platform.failures)),
        ("one SSH link carries", "several shells" if platform.shells_per_link else "one shell"),
        ("ntc-templates", platform.parser or ""),
        ("file", platform.source),
    ):
        if value:
            facts.add_row(name, Text(value))
    modes = Table(box=None, header_style="bold", padding=(0, 2, 0, 0), pad_edge=False)
    modes.add_column("mode", style="bold cyan", no_wrap=True)
    modes.add_column("prompt (a regular expression)", overflow="fold", ratio=1)
    modes.add_column("from here", overflow="fold", ratio=1)
    for mode in platform.modes.values():
        modes.add_row(mode.name, Text(mode.prompt), Text(ways(mode)))
    title = Text(platform.name, style="bold cyan")
    title.append(f"  {platform.title}", style="not bold default")
    return Group(title, Text(), facts, Text(), modes)


def ways(mode: Mode) -> str:
    if mode.outside:
        return "no way leads in"
    return "\n".join(f"{neighbour}: {step.send}" for neighbour, step in mode.steps.items())


def configuration(platform: Platform) -> str:
    how = platform.configure
    if how is None:
        return "none"
    commit = ", ".join(step.send for step in how.commit)
    return f"mode {how.mode}" + (f", then {commit}" if commit else "")


def as_json(platform: Platform) -> dict[str, Any]:
    how = platform.configure
    return {
        "name": platform.name,
        "title": platform.title,
        "aliases": list(platform.aliases),
        "default_mode": platform.default_mode,
        "modes": {
            mode.name: {"prompt": mode.prompt, "steps": {to: step.send for to, step in mode.steps.items()}}
            for mode in platform.modes.values()
        },
        "configure": None if how is None else how.mode,
        "on_open": list(platform.on_open),
        "pager": None if platform.pager is None else platform.pager.pattern,
        "failures": list(platform.failures),
        "shells_per_link": platform.shells_per_link,
    }
