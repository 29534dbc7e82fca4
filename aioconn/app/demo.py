# SPDX-License-Identifier: Apache-2.0
"""Start simulated devices of several makers, log into all of them at once over SSH and telnet, run
commands, and show what they say. One of them does not accept its password: that is meant.

Needs nothing else, leaves nothing behind. In a pipe it prints lines, with --json an object per line.
"""

from __future__ import annotations

import argparse
import contextlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from aioconn.app.arguments import positive_int
from aioconn.app.demo_view import Row, closing, headline, record, summary, table
from aioconn.app.exits import Exit
from aioconn.app.fleet import Member, fleet, question
from aioconn.app.loop import drive
from aioconn.app.progress import Journal, Progress, Tally
from aioconn.app.terminal import write
from aioconn.app.visit import Report, Visit
from aioconn.app.wording import sentence
from aioconn.app.writers import write_json
from aioconn.errors import AuthenticationFailed
from aioconn.fanout import fan_out
from aioconn.lab import Faults, Lab
from aioconn.results import Output
from aioconn.testbed.device import Device
from aioconn.testbed.testbed import load

LATENCY, JITTER = 0.08, 0.35
"""Seconds that each command takes on a device, as if it were far away."""
TIMEOUT = 30.0
LIMIT = 100
REFUSING = 5
"""Which device does not accept its password."""
SSH_ONLY = ("frr", "linux")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--devices", type=positive_int, default=24, metavar="N", help="how many (default %(default)s)"
    )
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="decides all that is random")
    parser.add_argument("--json", action="store_true", help="one JSON object per device and line")
    parser.add_argument("--record", type=Path, metavar="FILE.svg", help=argparse.SUPPRESS)


class DemoVisit(Visit):
    """Asks each device what its system knows."""

    __slots__ = ("_commands",)

    def __init__(self, device: Device, tally: Tally, commands: tuple[str, ...]) -> None:
        super().__init__(device, tally.begin)
        self._commands = commands

    async def execute(self, command: Sequence[str], *, timeout: float | None = None) -> list[Output]:
        return await super().execute(self._commands, timeout=timeout)


def run(arguments: argparse.Namespace) -> Exit:
    return drive(lambda: show(arguments))


async def show(arguments: argparse.Namespace) -> Exit:
    members = fleet(arguments.devices)
    refusing = members[REFUSING].name if len(members) > REFUSING else ""
    async with Lab(seed=arguments.seed) as lab:
        protocols = {}
        for number, member in enumerate(members):
            old = number % 5 in (1, 3) and member.personality not in SSH_ONLY and member.name != refusing
            protocol = protocols[member.name] = "telnet" if old else "ssh"
            faults = Faults(latency=LATENCY, jitter=JITTER, wrong_password=member.name == refusing)
            await lab.add(member.name, personality=member.personality, protocols=[protocol], faults=faults)
        tally = Tally(len(members))
        progress = Progress(tally, data=False)
        if progress.interactive and not arguments.json:
            progress.show(headline(len(members)))
        reports = await visit(lab, members, tally, progress, verbose=arguments.verbose)
    rows = [
        Row(
            member=member,
            protocol=protocols[member.name],
            report=(report := reports[member.name]),
            meant=as_expected(report, refuses=member.name == refusing),
        )
        for member in members
    ]
    put(rows, tally, progress, arguments)
    if arguments.record is not None:
        record(rows, tally, arguments.record)
    return Exit.OK if all(row.meant for row in rows) else Exit.FAILED


def as_expected(report: Report, *, refuses: bool) -> bool:
    return isinstance(report.error, AuthenticationFailed) if refuses else report.ok


async def visit(
    lab: Lab, members: list[Member], tally: Tally, progress: Progress, *, verbose: int
) -> dict[str, Report]:
    """The fan-out over the lab; a report for every member."""
    testbed = load(lab.testbed())
    testbed.listeners.add(tally.on_event)
    if verbose:
        testbed.listeners.add(Journal(progress).on_event)
    visits = {
        it.name: DemoVisit(testbed[it.name], tally, question(it.personality).commands) for it in members
    }
    reports: dict[str, Report] = {}
    work: Any = fan_out(visits.values(), (), limit=LIMIT, timeout=TIMEOUT)
    async with progress, testbed, contextlib.aclosing(work) as results:
        async for result in results:
            report = reports[result.device] = Report.of(visits[result.device], result)
            tally.finish(report.device, ok=report.ok)
    tally.stop()
    return reports


def put(rows: list[Row], tally: Tally, progress: Progress, arguments: argparse.Namespace) -> None:
    if arguments.json:
        for row in rows:
            value = row.report.as_json()
            write_json(
                {**value, "platform": row.member.personality, "protocol": row.protocol, "said": row.said}
            )
    elif progress.interactive:
        progress.out.print(table(rows, progress.out.width))
        progress.out.print(closing(rows, tally, progress.out.width))
    else:
        for row in rows:
            what = row.said if row.report.error is None else sentence(row.report.error)
            write(f"{row.member.name}: {row.member.personality}, {row.protocol}: {what}\n", flush=False)
        write(f"{summary(rows, tally)}\n")
