# SPDX-License-Identifier: Apache-2.0
"""Run commands on the devices of a testbed, on all at once.

Outputs go to stdout as each device finishes, everything else to stderr. In a pipe every line is
`device: line`; --json gives one object per device and line.
"""

from __future__ import annotations

import argparse
import contextlib
import traceback
from pathlib import Path
from typing import Any

from rich.text import Text

from aioconn.app.arguments import command, positive_int, positive_seconds
from aioconn.app.exits import Exit
from aioconn.app.loop import drive
from aioconn.app.progress import Journal, Progress, Tally
from aioconn.app.selection import require_path, select
from aioconn.app.terminal import printable
from aioconn.app.visit import Report, Visit
from aioconn.app.wording import count, names, seconds
from aioconn.app.writers import ForEyes, ForPipes, ForPrograms, IntoFolder, Writer
from aioconn.errors import MissingValue, TestbedError, UsageError
from aioconn.fanout import LIMIT, TIMEOUT, fan_out
from aioconn.testbed.device import Device
from aioconn.testbed.testbed import Testbed, load


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "commands", nargs="+", metavar="COMMAND", type=command, help="one argument is one command"
    )
    parser.add_argument("-t", "--testbed", required=True, metavar="FILE", help="the testbed, a YAML file")
    parser.add_argument(
        "-d",
        "--device",
        action="append",
        default=[],
        metavar="PATTERN",
        help="only devices of this name, alias or glob pattern ('core-*'); may be repeated",
    )
    parser.add_argument(
        "--via", metavar="NAME", help="the path to use, a name below the devices' connections"
    )
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
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="one JSON object per device and line")
    form.add_argument(
        "--out", type=Path, metavar="DIR", help="one file per device and command in this folder"
    )


def run(arguments: argparse.Namespace) -> Exit:
    testbed = load(arguments.testbed)
    devices = select(testbed.devices, arguments.device)
    require_path(devices, arguments.via)
    return drive(lambda: fan(testbed, devices, arguments), program=arguments.program)


async def fan(testbed: Testbed, devices: list[Device], arguments: argparse.Namespace) -> Exit:
    """The fan-out itself. A cancellation ends it with every session closed and what is there shown."""
    tally = Tally(len(devices))
    testbed.listeners.add(tally.on_event)
    failed: dict[str, BaseException] = {}
    progress = Progress(tally, data=arguments.out is None)
    writer = writer_for(arguments, progress)
    if arguments.verbose:
        testbed.listeners.add(Journal(progress).on_event)
    visits = {device.name: Visit(device, tally.begin) for device in devices}
    work: Any = fan_out(
        visits.values(),
        arguments.commands,
        limit=arguments.limit,
        timeout=arguments.timeout,
        via=arguments.via,
    )
    try:
        async with progress, testbed, contextlib.aclosing(work) as results:
            for warning in testbed.warnings if arguments.verbose else ():
                progress.note(Text(printable(str(warning)), style="yellow"))
            async for result in results:
                report = Report.of(visits[result.device], result)
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
        words.append(f" (failed: {names(failed)})", style="dim")
    progress.note(words)
