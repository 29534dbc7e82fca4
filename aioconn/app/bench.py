# SPDX-License-Identifier: Apache-2.0
"""Measure the devices of a testbed: how long each phase of a connect takes, a command, a further session, a close;
then a fan-out over all of them.

Devices are visited a few at a time, so that what is measured is the device and not the others. The command
is one that changes nothing; without --command it is a comment line, or the cheapest the platform knows.
Limits of the testbed (max_sessions, logins_per_minute) are respected, and waiting for them is shown as such.

In a pipe every line is `device: what was measured`; --json gives one object per device and line, seconds throughout,
and one of the fan-out at the end.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from aioconn.app.arguments import add_selection, command, positive_int, positive_seconds
from aioconn.app.bench_view import Form, form_for
from aioconn.app.calls import takes_commands
from aioconn.app.exits import Exit
from aioconn.app.loop import drive
from aioconn.app.progress import Progress, Tally
from aioconn.app.run import note_end, verdict
from aioconn.app.samples import Subject
from aioconn.app.selection import require_path, select
from aioconn.errors import UnknownPath, UsageError
from aioconn.fanout import fan_out
from aioconn.testbed.device import Device
from aioconn.testbed.testbed import Testbed, load
from aioconn.visits import LIMIT, TIMEOUT

AT_ONCE = 4
"""Devices that are measured at the same time: more of them would measure this process."""
COUNT = 20
_LIBRARIES = {"ssh": "aioconn.transport.ssh", "telnet": "aioconn.transport.telnet"}
"""What the first connect imports otherwise, and would be measured with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FanOut:
    """All devices at once: connect, one command, close. Seconds; `cpu` is that of this process."""

    devices: int
    ok: int
    limit: int
    wall: float
    cpu: float

    def as_json(self) -> dict[str, Any]:
        return {
            "fan_out": {
                "devices": self.devices,
                "ok": self.ok,
                "limit": self.limit,
                "wall": round(self.wall, 4),
                "cpu": round(self.cpu, 4),
            }
        }


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-t", "--testbed", metavar="FILE", required=True, help="the testbed, a YAML file")
    add_selection(parser, "--devices")
    parser.add_argument(
        "--command", type=command, metavar="COMMAND", help="what to measure with; one that changes nothing"
    )
    parser.add_argument(
        "--count",
        type=positive_int,
        default=COUNT,
        metavar="N",
        help="commands on each session (default %(default)s)",
    )
    parser.add_argument(
        "--rounds",
        type=positive_int,
        default=1,
        metavar="N",
        help="so many times; each takes two logins of a device (default %(default)s)",
    )
    parser.add_argument(
        "--limit",
        type=positive_int,
        default=LIMIT,
        metavar="N",
        help=f"devices at once in the fan-out (default %(default)s), and at most {AT_ONCE} before it",
    )
    parser.add_argument(
        "--timeout",
        type=positive_seconds,
        default=TIMEOUT,
        metavar="S",
        help="seconds for each device and round (default %(default)g)",
    )
    parser.add_argument("--json", action="store_true", help="one JSON object per device and line")


def run(arguments: argparse.Namespace) -> Exit:
    testbed = load(arguments.testbed)
    devices = select(testbed.devices, arguments.device)
    require_path(devices, arguments.via)
    require_command_lines(devices, arguments.via)
    protocols = {path.protocol for device in devices for path in device.paths.values()}
    for protocol, module in _LIBRARIES.items():
        if protocol in protocols:
            importlib.import_module(module)
    return drive(lambda: measure(testbed, devices, arguments), program=arguments.program)


def require_command_lines(devices: Sequence[Device], via: str | None) -> None:
    """Raises `UsageError` for a path of another protocol; that one is missing is for `connect()` to say."""
    for device in devices:
        with contextlib.suppress(UnknownPath):
            if not takes_commands(device.manager.class_of(via)):
                path = f"the path {via!r}" if via else "the default path"
                raise UsageError(
                    f"{path} of {device.name} is no command line",
                    device=device.name,
                    hint="`--via NAME` names one that is",
                )


async def measure(testbed: Testbed, devices: Sequence[Device], arguments: argparse.Namespace) -> Exit:
    """The rounds, then the fan-out. A cancellation ends it with every session closed and what is there shown."""
    tally = Tally(len(devices) * arguments.rounds)
    testbed.listeners.add(tally.on_event)
    progress = Progress(tally)
    form = form_for(progress, as_json=arguments.json)
    subjects = {
        device.name: Subject(device, tally.begin, command=arguments.command, count=arguments.count)
        for device in devices
    }
    failed: dict[str, BaseException] = {}
    try:
        async with progress, testbed:
            for number in range(arguments.rounds):
                healthy = [subject for subject in subjects.values() if subject.sample.ok]
                tally.total -= 0 if number == 0 else len(subjects) - len(healthy)
                await _round(healthy, arguments, tally, form, failed, last=number + 1 == arguments.rounds)
            healthy = [subject for subject in subjects.values() if subject.sample.ok]
            if healthy:
                form.put_fan_out(await _fan_out(healthy, devices, arguments, failed))
    finally:
        form.end()
        note_end(progress, tally, failed)
    return verdict(tally, failed)


async def _round(
    subjects: Sequence[Subject],
    arguments: argparse.Namespace,
    tally: Tally,
    form: Form,
    failed: dict[str, BaseException],
    *,
    last: bool,
) -> None:
    """Each device once; it is shown when no further round can change it."""
    by_name = {subject.name: subject for subject in subjects}
    work: Any = fan_out(
        subjects,
        "",
        limit=min(AT_ONCE, arguments.limit),
        timeout=arguments.timeout,
        via=arguments.via,
    )
    async with contextlib.aclosing(work) as results:
        async for result in results:
            sample = by_name[result.device].sample
            sample.error = result.error
            tally.finish(result.device, ok=result.ok)
            if result.error is not None:
                failed[result.device] = result.error
            if last or not sample.ok:
                form.put(sample)


async def _fan_out(
    subjects: Sequence[Subject],
    devices: Sequence[Device],
    arguments: argparse.Namespace,
    failed: dict[str, BaseException],
) -> FanOut:
    """As a script would do it, on the devices that could be measured."""
    commands = {subject.name: subject.sample.command for subject in subjects}
    healthy = [device for device in devices if device.name in commands]
    begun, used = time.monotonic(), time.process_time()

    async def ask(device: Device) -> None:
        await device.execute(commands[device.name])

    ok = 0
    work: Any = fan_out(healthy, ask, limit=arguments.limit, timeout=arguments.timeout, via=arguments.via)
    async with contextlib.aclosing(work) as results:
        async for result in results:
            ok += result.ok
            if result.error is not None:
                failed[result.device] = result.error
    return FanOut(
        devices=len(healthy),
        ok=ok,
        limit=arguments.limit,
        wall=time.monotonic() - begun,
        cpu=time.process_time() - used,
    )
