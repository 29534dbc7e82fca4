# SPDX-License-Identifier: Apache-2.0
"""Hold the sessions of a testbed's devices for scripts that are started again and again.

A script says `aioconn.sync.attach()` instead of `load("testbed.yaml")`: the first one that connects a device
pays for the login, all others find the session there. `aioconn run --attach` does the same. Runs until
Ctrl-C, --stop, or until nobody has been attached for --idle seconds.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys

from rich.console import Group
from rich.text import Text

from aioconn.app.arguments import positive_seconds
from aioconn.app.background import detach, end_process, launch
from aioconn.app.daemon import IDLE, Daemon
from aioconn.app.daemon_view import SETTLED, Board, Diary, Status, headline, processes, state
from aioconn.app.exits import Exit
from aioconn.app.loop import drive, leave
from aioconn.app.progress import Journal, Progress
from aioconn.app.terminal import OutputClosed, Screen, abandon_stdout, write
from aioconn.app.wording import complaint, count
from aioconn.app.writers import write_json
from aioconn.broker.client import estate_of
from aioconn.broker.frames import Target
from aioconn.errors import AioconnError, UsageError
from aioconn.sync.served import Card, Claim, find, name_for, process_of, running
from aioconn.testbed.testbed import Testbed, load

STOPPING = 15.0
"""Seconds after which `--stop` gives up waiting; closing politely takes no longer than that."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-t", "--testbed", metavar="FILE", help="the testbed, a YAML file")
    parser.add_argument("--name", metavar="NAME", help="what scripts call it (default: the testbed's name)")
    parser.add_argument(
        "--idle",
        type=positive_seconds,
        default=IDLE,
        metavar="SECONDS",
        help="end when no process has been attached for so long (default %(default)g)",
    )
    verbs = parser.add_mutually_exclusive_group()
    verbs.add_argument("--background", action="store_true", help="return when it listens, and leave it there")
    verbs.add_argument(
        "--status", action="store_true", help="show what is served, by all or by the named one"
    )
    verbs.add_argument("--stop", action="store_true", help="end it, and wait until its sessions are closed")
    verbs.add_argument("--detach", action="store_true", help=argparse.SUPPRESS)  # how --background starts us
    parser.add_argument("--json", action="store_true", help="with --status: one JSON object per line")


def run(arguments: argparse.Namespace) -> Exit:
    if arguments.json and not arguments.status:
        raise UsageError("--json belongs to --status")
    if arguments.status:
        return show(arguments)
    if arguments.stop:
        return stop(arguments)
    if arguments.testbed is None:
        raise UsageError("there is nothing to serve", hint="name a testbed: aioconn serve -t FILE")
    # On one loop thread, so that one wire serves a script for all devices; what is slow there waits by itself.
    testbed = load(arguments.testbed, loop="shared")
    claim = Claim(name_for(testbed.name) if arguments.name is None else arguments.name)
    if arguments.background:
        return leave_behind(claim.name, arguments)
    return drive(lambda: serve(testbed, claim, arguments), program=arguments.program)


# ---------------------------------------------------------------------- serving


async def serve(testbed: Testbed, claim: Claim, arguments: argparse.Namespace) -> Exit:
    async with Daemon(testbed, claim, idle=arguments.idle) as daemon:
        progress = Progress(Board(daemon.status), refresh=0.5)
        if progress.interactive:
            progress.show(headline(daemon.status()))
        else:
            write(f"{headline(daemon.status())}\n")
        if arguments.detach:
            detach()
        if arguments.verbose:
            testbed.listeners.add(Journal(progress).on_event)
        if not progress.interactive and not arguments.detach:
            keep_diary(daemon, arguments)
        async with progress:
            why = await daemon.ended()
        held = daemon.status().sessions
        progress.note(Text(f"{why}: closing {count(held, 'session')}"))
    if arguments.program:
        leave(Exit.OK)  # as long as signals are heard here: another one is not to end it in some other way
    return Exit.OK


def keep_diary(daemon: Daemon, arguments: argparse.Namespace) -> None:
    """Lines on stdout, as long as somebody reads them: a daemon does not end because nobody does."""
    loop = asyncio.get_running_loop()

    def say(line: str) -> None:
        try:
            write(f"{line}\n")
        except OutputClosed:
            abandon_stdout()

    diary = Diary(daemon.status, lambda line: loop.call_soon_threadsafe(say, line))

    def look() -> None:
        if diary.look():
            loop.call_later(SETTLED, look)

    daemon.on_change = look
    if not arguments.verbose:
        daemon.testbed.listeners.add(diary.on_event)


def leave_behind(name: str, arguments: argparse.Namespace) -> Exit:
    """`--background`."""
    options = ["-t", arguments.testbed, "--name", name, "--idle", str(arguments.idle), "--detach"]
    code, said = launch(["serve", *options, *["-v"] * arguments.verbose])
    write(said)
    return Exit(code) if code in set(Exit) else Exit.FAILED


# ---------------------------------------------------------------------- from outside


def show(arguments: argparse.Namespace) -> Exit:
    """`--status`: all that run, or the named one. `Exit.FAILED` if there is none, or one does not answer."""
    code = Exit.OK
    cards = chosen(arguments)
    for card in cards:
        try:
            status = status_of(card)
        except AioconnError as error:
            code = Exit.FAILED
            Screen(sys.stderr).print(Text(f"{card.name}: {complaint(error)}", style="red"), soft_wrap=True)
            continue
        if arguments.json:
            write_json(status.as_json())
        else:
            lines = (
                headline(status),
                *(Text("  ").append(line) for line in state(status)),
                *processes(status),
            )
            Screen(sys.stdout).print(Group(*lines), soft_wrap=True)
    return code if cards else nothing_runs(arguments)


def stop(arguments: argparse.Namespace) -> Exit:
    """`--stop`: the named one, or the only one."""
    cards = chosen(arguments)
    if not cards:
        return nothing_runs(arguments)
    card = cards[0] if len(cards) == 1 else find()  # which says that there are several
    pid = process_of(card)
    if not end_process(pid, STOPPING):
        raise AioconnError(
            f"process {pid} ({card.name}) has not ended within {STOPPING:g} s", hint=f"kill -KILL {pid}"
        )
    write(f"{card.name}: process {pid} has ended\n")
    return Exit.OK


def chosen(arguments: argparse.Namespace) -> list[Card]:
    """Those that run, of the name if there is one."""
    name = arguments.name
    if name is None and arguments.testbed is not None:
        name = name_for(load(arguments.testbed).name)
    return [card for card in running() if name in (None, card.name)]


def nothing_runs(arguments: argparse.Namespace) -> Exit:
    names = ", ".join(card.name for card in running())
    print(
        f"aioconn: no such daemon runs; these do: {names}" if names else "aioconn: no daemon runs",
        file=sys.stderr,
    )
    return Exit.FAILED


def status_of(card: Card) -> Status:
    """All but that we have asked. Raises `BrokerGone` or `BrokerRefused`."""
    estate = estate_of(card.address)
    try:
        said = estate.ask(Target("broker"), "statistics")
        others = [process for process in said["processes"] if process["pid"] != os.getpid()]
        return Status.of({**said, "processes": others})
    finally:
        estate.close()
