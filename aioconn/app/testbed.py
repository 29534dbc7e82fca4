# SPDX-License-Identifier: Apache-2.0
"""Check testbed files: every problem with its place and what to write instead.

Nothing is asked, looked up or connected. Exit code 0 if devices can be worked with, warnings or not, else 2.
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
from collections import Counter
from collections.abc import Iterable

from rich.console import Group, RenderableType
from rich.text import Text

from aioconn.app.excerpt import Excerpts
from aioconn.app.exits import Exit
from aioconn.app.terminal import Screen, printable
from aioconn.app.wording import count
from aioconn.app.writers import write_json
from aioconn.errors import Problem, TestbedError
from aioconn.testbed.load import load_spec
from aioconn.testbed.model import TestbedSpec


def add_arguments(parser: argparse.ArgumentParser) -> None:
    verbs = parser.add_subparsers(
        metavar="VERB", required=True, title="verbs", parser_class=argparse.ArgumentParser
    )
    check = verbs.add_parser(
        "check",
        help="report all problems of a file",
        description="Report every problem of a file, each with its place.",
    )
    check.add_argument("file", metavar="FILE", help="the testbed, a YAML file")
    check.add_argument("--json", action="store_true", help="one JSON object for all")


def run(arguments: argparse.Namespace) -> Exit:
    spec: TestbedSpec | None = None
    try:
        spec = load_spec(arguments.file)
        found: tuple[Problem, ...] = spec.warnings
    except TestbedError as error:
        found = tuple(error.problems)
    problems = [problem for problem in found if not problem.warning]
    warnings = [problem for problem in found if problem.warning]
    if arguments.json:
        write_json(
            {
                "file": arguments.file,
                "ok": not problems,
                "problems": [dataclasses.asdict(problem) for problem in problems],
                "warnings": [dataclasses.asdict(problem) for problem in warnings],
                "summary": None if spec is None else summary(spec),
            }
        )
    else:
        Screen(sys.stdout).print(
            Group(*shown(problems, warnings), verdict(arguments.file, spec, problems, warnings)),
            soft_wrap=True,
        )
    return Exit.USAGE if problems else Exit.OK


def shown(problems: list[Problem], warnings: list[Problem]) -> Iterable[RenderableType]:
    excerpts = Excerpts()
    for problem in (*problems, *warnings):
        yield headline(problem)
        yield from excerpts.of(problem)
        if problem.hint:
            yield Text(f"  -> {printable(problem.hint)}", style="cyan")
        yield Text()


def headline(problem: Problem) -> Text:
    place = problem.source
    if problem.line is not None:
        place += f":{problem.line}" + (f":{problem.column}" if problem.column is not None else "")
    line = Text(printable(f"{place}: ") if place else "", style="bold")
    line.append("warning: " if problem.warning else "error: ", style="yellow" if problem.warning else "red")
    line.append(printable(problem.message))
    if problem.key:
        line.append(f"  ({printable(problem.key)})", style="not bold dim")
    return line


def verdict(file: str, spec: TestbedSpec | None, problems: list[Problem], warnings: list[Problem]) -> Text:
    line = Text(printable(f"{file}: "))
    if problems:
        line.append(count(len(problems), "problem"), style="bold red")
    else:
        line.append("ok", style="bold green")
    if warnings:
        line.append(f", {count(len(warnings), 'warning')}", style="yellow")
    if spec is not None:
        numbers = summary(spec)
        line.append(f"\n{count(len(spec.devices), 'device')}")
        for what in ("os", "protocols"):
            listed = ", ".join(f"{number} {printable(name)}" for name, number in numbers[what].items())
            line.append(f"\n  {what}: {listed or 'none'}")
        if spec.topology.links:
            line.append(f"\n  links: {len(spec.topology.links)}")
    return line


def summary(spec: TestbedSpec) -> dict[str, dict[str, int]]:
    """How many devices of each operating system, how many paths of each protocol."""
    systems = Counter(device.os or "unknown" for device in spec.devices.values())
    protocols = Counter(
        path.protocol or ("command" if path.command else "ssh")
        for device in spec.devices.values()
        for path in device.connections.values()
    )
    return {"os": dict(systems.most_common()), "protocols": dict(protocols.most_common())}
