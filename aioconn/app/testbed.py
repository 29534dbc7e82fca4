# SPDX-License-Identifier: Apache-2.0
"""Check testbed files, and what editors need to do the same.

Nothing is asked, looked up or connected.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
from collections import Counter
from collections.abc import Iterable

from rich.console import Group, RenderableType
from rich.text import Text

from aioconn.app import convert
from aioconn.app.excerpt import Excerpts
from aioconn.app.exits import Exit
from aioconn.app.terminal import Screen, printable, write
from aioconn.app.wording import count
from aioconn.app.writers import write_json
from aioconn.errors import Problem, TestbedError
from aioconn.testbed.inventories.recognition import FORMATS
from aioconn.testbed.load import load_spec
from aioconn.testbed.model import TestbedSpec


def add_arguments(parser: argparse.ArgumentParser) -> None:
    verbs = parser.add_subparsers(
        metavar="VERB", required=True, title="verbs", parser_class=argparse.ArgumentParser
    )
    checking = verbs.add_parser(
        "check",
        help="report all problems of files",
        description="Report every problem of the files, each with its place and what to write instead."
        " Exit code 0 if devices can be worked with, warnings or not, else 2.",
    )
    checking.add_argument(
        "files", metavar="FILE", nargs="+", help="a testbed, or an inventory of Nornir or Ansible"
    )
    checking.add_argument("--strict", action="store_true", help="exit code 2 for warnings as well")
    checking.add_argument("--json", action="store_true", help="one JSON object per file and line")
    checking.add_argument("--format", choices=FORMATS, help="whose file it is, if that does not show")
    checking.set_defaults(verb=check)
    describing = verbs.add_parser(
        "schema",
        help="write the JSON Schema of testbed files",
        description="Write the JSON Schema (draft 07) of testbed files, with which editors complete and check them."
        " The first line of a file names it to the YAML language server:"
        " # yaml-language-server: $schema=testbed.schema.json",
    )
    describing.set_defaults(verb=describe)
    convert.add_verb(verbs)


def run(arguments: argparse.Namespace) -> Exit:
    code: Exit = arguments.verb(arguments)
    return code


def describe(arguments: argparse.Namespace) -> Exit:
    from aioconn.testbed.schema import schema

    write(json.dumps(schema(), indent=2) + "\n")
    return Exit.OK


def check(arguments: argparse.Namespace) -> Exit:
    """Each file with what is wrong in it."""
    reports = [Checked.of(file, arguments.format) for file in arguments.files]
    if arguments.json:
        for report in reports:
            write_json(report.as_json())
    else:
        screen, excerpts = Screen(sys.stdout), Excerpts()
        for report in reports:
            screen.print(Group(*shown(report.found, excerpts), verdict(report)), soft_wrap=True)
    good = all(report.ok and not (arguments.strict and report.found) for report in reports)
    return Exit.OK if good else Exit.USAGE


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """A file, and what was found in it; `spec` is None if it cannot be used."""

    file: str
    spec: TestbedSpec | None
    found: tuple[Problem, ...]

    @classmethod
    def of(cls, file: str, format: str | None = None) -> Checked:
        try:
            spec = load_spec(file, format=format)
        except TestbedError as error:
            return cls(file=file, spec=None, found=tuple(error.problems))
        return cls(file=file, spec=spec, found=spec.warnings)

    @property
    def ok(self) -> bool:
        return self.spec is not None

    @property
    def problems(self) -> list[Problem]:
        return [problem for problem in self.found if not problem.warning]

    @property
    def warnings(self) -> list[Problem]:
        return [problem for problem in self.found if problem.warning]

    def as_json(self) -> dict[str, object]:
        return {
            "file": self.file,
            "ok": self.ok,
            "problems": [dataclasses.asdict(problem) for problem in self.problems],
            "warnings": [dataclasses.asdict(problem) for problem in self.warnings],
            "summary": None if self.spec is None else summary(self.spec),
        }


def shown(found: Iterable[Problem], excerpts: Excerpts) -> Iterable[RenderableType]:
    for problem in found:
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


def verdict(report: Checked) -> Text:
    line = Text(printable(f"{report.file}: "))
    problems, warnings, spec = len(report.problems), len(report.warnings), report.spec
    if spec is None:
        line.append(count(problems, "problem"), style="bold red")
    else:
        line.append("ok", style="bold green")
    if warnings:
        line.append(f", {count(warnings, 'warning')}", style="yellow")
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
