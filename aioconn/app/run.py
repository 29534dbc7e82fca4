# SPDX-License-Identifier: Apache-2.0
"""Run commands on the devices of a testbed, on all at once.

Outputs go to stdout as each device finishes, everything else to stderr. In a pipe every line is
`device: line`; --json gives one object per device and line. --attach uses the sessions that an
`aioconn serve` holds, and leaves them open there.
"""

from __future__ import annotations

import argparse
import contextlib
import re
import traceback
from collections.abc import AsyncGenerator, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any, Protocol

from rich.text import Text

from aioconn.app.arguments import add_selection, command, positive_int, positive_seconds, worker_count
from aioconn.app.exits import Exit
from aioconn.app.loop import drive
from aioconn.app.progress import Journal, Progress, Tally
from aioconn.app.selection import require_path, select
from aioconn.app.terminal import printable
from aioconn.app.visit import Report, visit_to, visited
from aioconn.app.wording import causes, count, seconds
from aioconn.app.writers import ForEyes, ForPipes, ForPrograms, IntoFolder, Writer
from aioconn.errors import MissingValue, Problem, TestbedError, UsageError
from aioconn.events import Listeners
from aioconn.fanout import fan_out
from aioconn.results import Result
from aioconn.testbed.testbed import load
from aioconn.visits import LIMIT, TIMEOUT, Reachable
from aioconn.workers.spread import WORTH, spread

NAME = re.compile(r"[\w.\-]+")
"""What may be the name of a daemon, and is no command of several words."""


def name_or_command(text: str) -> str:
    """What may follow `--attach`; nothing at all is any daemon."""
    return text and command(text)


class Commands(argparse.Action):
    """At least one. What follows `--attach` is one as well if it cannot be a name, or if there is no other."""

    def __call__(
        self, parser: argparse.ArgumentParser, namespace: argparse.Namespace, values: Any, option: Any = None
    ) -> None:
        commands = list(values or ())
        if namespace.attach and (not commands or not NAME.fullmatch(namespace.attach)):
            commands.insert(0, namespace.attach)
            namespace.attach = ""
        if not commands:
            parser.error("the following arguments are required: COMMAND")
        namespace.commands = commands


class Attach(argparse.Action):
    """`--attach`, `--attach NAME`, `--attach COMMAND`: see `Commands`, which may come before it or after it."""

    def __call__(
        self, parser: argparse.ArgumentParser, namespace: argparse.Namespace, value: Any, option: Any = None
    ) -> None:
        namespace.attach = value
        if namespace.commands and value and not NAME.fullmatch(value):
            namespace.commands.append(value)
            namespace.attach = ""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "commands",
        nargs="*",
        action=Commands,
        metavar="COMMAND",
        type=command,
        help="one argument is one command; over a path of another protocol all of them are one call: "
        "a service and its arguments, as `get PATH`, `walk sysDescr`, `get-config`",
    )
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("-t", "--testbed", metavar="FILE", help="the testbed, a YAML file")
    source.add_argument(
        "--attach",
        nargs="?",
        const="",
        action=Attach,
        type=name_or_command,
        metavar="NAME",
        help="use the sessions that `aioconn serve` holds under this name; needs none where one runs",
    )
    add_selection(parser)
    parser.add_argument(
        "--limit", type=positive_int, default=LIMIT, metavar="N", help="devices at once (default %(default)s)"
    )
    parser.add_argument(
        "--timeout",
        type=positive_seconds,
        default=TIMEOUT,
        metavar="S",
        help="seconds for each device, connecting included (default %(default)g)",
    )
    parser.add_argument(
        "--workers",
        type=worker_count,
        metavar="N",
        help="processes that work on them, this one among them; `auto`, the default, is one for each "
        f"{WORTH} devices, at most one for each core",
    )
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="one JSON object per device and line")
    form.add_argument(
        "--out", type=Path, metavar="DIR", help="one file per device and command in this folder"
    )


class Source(AbstractAsyncContextManager[Any], Protocol):
    """What the devices belong to: a testbed, or one of a daemon's. Leaving it ends what it has to."""

    @property
    def listeners(self) -> Listeners: ...
    @property
    def warnings(self) -> tuple[Problem, ...]: ...


def run(arguments: argparse.Namespace) -> Exit:
    if arguments.attach is not None:
        return run_attached(arguments)
    testbed = load(arguments.testbed)
    arguments.workers = arguments.workers or "auto"
    devices = select(testbed.devices, arguments.device)
    require_path(devices, arguments.via)
    return drive(lambda: fan(testbed, devices, arguments), program=arguments.program)


def run_attached(arguments: argparse.Namespace) -> Exit:
    """The same on the devices of a daemon."""
    from aioconn.app.attached import attached

    if arguments.workers not in (None, 1):
        raise UsageError("--workers: the sessions are those of the daemon", hint="leave it out with --attach")
    arguments.workers = 1
    testbed = attached(arguments.attach or None, limit=arguments.limit)
    devices = select(testbed.devices, arguments.device)
    arguments.limit = testbed.limit
    return drive(lambda: fan(testbed, devices, arguments), program=arguments.program)


async def fan(source: Source, devices: Sequence[Reachable], arguments: argparse.Namespace) -> Exit:
    """The fan-out itself. A cancellation ends it with every session closed and what is there shown."""
    tally = Tally(len(devices))
    source.listeners.add(tally.on_event)
    failed: dict[str, BaseException] = {}
    progress = Progress(tally, data=arguments.out is None)
    writer = writer_for(arguments, progress)
    if arguments.verbose:
        source.listeners.add(Journal(progress).on_event)
    # where what is to be done makes no sense, that is said before anything is touched
    visits = {
        device.name: visit_to(device, arguments.commands, arguments.via, tally.begin) for device in devices
    }
    keys = {"limit": arguments.limit, "timeout": arguments.timeout, "via": arguments.via}
    work: AsyncGenerator[Result[Any], None]
    if arguments.workers == 1:
        work = fan_out(visits.values(), arguments.commands, **keys)
    else:
        work = spread(devices, arguments.commands, workers=arguments.workers, how=visited, **keys)
    try:
        async with progress, source, contextlib.aclosing(work) as results:
            for warning in source.warnings if arguments.verbose else ():
                progress.note(Text(printable(str(warning)), style="yellow"))
            async for result in results:
                report = Report.of(visits[result.device] if arguments.workers == 1 else None, result)
                tally.finish(report.device, ok=report.ok)
                if report.error is not None:
                    failed[report.device] = report.error
                    if arguments.verbose > 1:
                        trace = "".join(traceback.format_exception(report.error))
                        progress.note(Text(printable(trace.rstrip()), style="dim"))
                writer.put(report)
    finally:
        note_end(progress, tally, failed)
    return verdict(tally, failed)


def writer_for(arguments: argparse.Namespace, progress: Progress) -> Writer:
    if arguments.json:
        return ForPrograms(progress)
    if arguments.out is not None:
        return IntoFolder(arguments.out, progress)
    return ForEyes(progress) if progress.interactive else ForPipes(progress)


def verdict(tally: Tally, failed: dict[str, BaseException]) -> Exit:
    """Where no device could even be tried because of what the testbed says, the testbed is what is wrong."""
    if not failed:
        return Exit.OK
    if not tally.ok and all(
        isinstance(it, (UsageError, TestbedError, MissingValue)) for it in failed.values()
    ):
        return Exit.USAGE
    return Exit.FAILED


def note_end(progress: Progress, tally: Tally, failed: dict[str, BaseException]) -> None:
    """The last line: how it went."""
    words = Text(f"{count(tally.total, 'device')}: ")
    words.append(f"{tally.ok} ok", style="green" if tally.ok else "")
    if failed:
        words.append(f", {len(failed)} failed", style="red")
    if tally.done < tally.total:
        words.append(f", {tally.total - tally.done} not finished", style="yellow")
    words.append(f" in {seconds(tally.elapsed)}", style="dim")
    if failed:
        words.append(f" (failed: {causes(failed)})", style="dim")
    progress.note(words)
