# SPDX-License-Identifier: Apache-2.0
"""Run simulated devices on this machine until Ctrl-C, and write the testbed that reaches them.

They speak real SSH and telnet on 127.0.0.1, and HTTP (RESTCONF among it), NETCONF, SNMP and gNMI if asked to; they are
good for trying things out and for tests.
"""

from __future__ import annotations

import argparse
import asyncio
from pathlib import Path

import yaml
from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.table import Table
from rich.text import Text

from aioconn.app.arguments import positive_int
from aioconn.app.exits import Exit
from aioconn.app.fleet import Member, fleet, question
from aioconn.app.loop import drive
from aioconn.app.progress import Progress
from aioconn.app.terminal import write
from aioconn.app.wording import count
from aioconn.errors import UsageError
from aioconn.lab import Lab
from aioconn.lab.servers import CONSOLES, PROTOCOLS, check

HEADER = "# A testbed written by `aioconn lab`: it works as long as that runs.\n"
DEFAULT_FILE = Path("lab.yaml")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--devices", type=positive_int, default=6, metavar="N", help="how many (default %(default)s)"
    )
    parser.add_argument(
        "--personality",
        action="append",
        default=[],
        metavar="NAME",
        help="of this kind (cisco_iosxe, junos, a folder); may be repeated; a mixture of all without it",
    )
    parser.add_argument(
        "--write", type=Path, default=DEFAULT_FILE, metavar="FILE", help="the testbed (default %(default)s)"
    )
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="decides all that is random")
    protocols = parser.add_mutually_exclusive_group()
    protocols.add_argument("--ssh", action="store_true", help="SSH only")
    protocols.add_argument("--telnet", action="store_true", help="telnet only")
    protocols.add_argument(
        "--protocols",
        type=protocol_names,
        default=CONSOLES,
        metavar="NAME,...",
        help=f"any of {', '.join(PROTOCOLS)}, or all (default {','.join(CONSOLES)})",
    )


def protocol_names(text: str) -> tuple[str, ...]:
    """`ssh,netconf` as names; `all` are all of them."""
    names = tuple(dict.fromkeys(name for name in text.lower().replace(",", " ").split() if name))
    if names == ("all",):
        return PROTOCOLS
    try:
        for name in names:
            check(name)
    except UsageError as error:
        raise argparse.ArgumentTypeError(f"{error.message}, {error.hint}") from None
    if not names:
        raise argparse.ArgumentTypeError("no protocol is named")
    return names


def run(arguments: argparse.Namespace) -> Exit:
    refuse_foreign_file(arguments.write)
    protocols = ("ssh",) if arguments.ssh else ("telnet",) if arguments.telnet else arguments.protocols
    members = fleet(arguments.devices, arguments.personality)
    code = drive(lambda: serve(members, protocols, arguments.write, arguments.seed))
    return Exit.OK if code is Exit.INTERRUPTED else code  # Ctrl-C is how a lab is meant to end


def refuse_foreign_file(path: Path) -> None:
    """Raises `UsageError` if a file is in the way that another lab did not write."""
    try:
        with path.open("rb") as file:
            ours = file.read(len(HEADER.encode())) == HEADER.encode()
    except FileNotFoundError:
        return
    except OSError as error:
        raise UsageError(f"cannot write {str(path)!r}: {error.strerror}") from None
    if not ours:
        raise UsageError(
            f"{str(path)!r} is there already, and not from a lab", hint="choose another: --write FILE"
        )


def write_testbed(lab: Lab, path: Path) -> None:
    try:
        path.write_text(HEADER + yaml.safe_dump(lab.testbed(), sort_keys=False), encoding="utf-8")
    except OSError as error:
        raise UsageError(f"cannot write {str(path)!r}: {error.strerror}") from None


async def serve(members: list[Member], protocols: tuple[str, ...], path: Path, seed: int) -> Exit:
    async with Lab(seed=seed) as lab:
        for member in members:
            await lab.add(member.name, personality=member.personality, protocols=protocols)
        write_testbed(lab, path)
        progress = Progress(Visitors(lab), refresh=1.0)
        if progress.interactive:
            progress.show(*introduction(lab, members, path))
        else:
            write("".join(f"{name} {line}\n" for name, line in addresses(lab)))
        progress.note(Text(f"{path} reaches {count(len(members), 'device')}; Ctrl-C ends them"))
        async with progress:
            await asyncio.Event().wait()
    return Exit.OK


class Visitors:
    """Who is on the devices, counted when it is looked at."""

    def __init__(self, lab: Lab) -> None:
        self._lab = lab

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        devices = self._lab.devices.values()
        sessions, logins = sum(it.sessions for it in devices), sum(it.logins for it in devices)
        yield Text(f"{count(sessions, 'session')} now, {count(logins, 'login')} so far", style="dim")


def addresses(lab: Lab) -> list[tuple[str, str]]:
    found = []
    for name, device in lab.devices.items():
        ports = sorted(device.ports.items(), key=lambda item: PROTOCOLS.index(item[0]))
        urls = [f"{protocol}://{device.username}@{device.address}:{port}" for protocol, port in ports]
        found.append((name, " ".join(urls)))
    return found


def introduction(lab: Lab, members: list[Member], path: Path) -> list[RenderableType]:
    table = Table(box=None, header_style="bold", padding=(0, 2, 0, 0), pad_edge=False)
    table.add_column("device", style="bold cyan", no_wrap=True)
    table.add_column("kind", no_wrap=True)
    first = lab[members[0].name]
    spoken = [protocol for protocol in PROTOCOLS if protocol in first.ports]
    for protocol in spoken:
        table.add_column(f"{protocol} port" if len(spoken) < 4 else protocol, justify="right")
    for member in members:
        ports = lab[member.name].ports
        table.add_row(member.name, member.personality, *(str(ports[protocol]) for protocol in spoken))
    command = question(members[0].personality).commands[0]
    words = [f'aioconn run -t {path} "{command}" -d {first.name}', f"aioconn testbed check {path}"]
    if first.ssh_port:
        words.append(f"ssh -p {first.ssh_port} {first.username}@{first.address}")
    if first.telnet_port:
        words.append(f"telnet {first.address} {first.telnet_port}")
    if "http" in first.ports:
        words.append(f"curl -u {first.username} http://{first.address}:{first.ports['http']}/restconf/data")
    hints = Text("Try, in another terminal:\n", style="dim")
    for line in words:
        hints.append(f"  {line}\n", style="not dim")
    credentials = Text(f"On 127.0.0.1, user {first.username}, password {first.password}\n", style="dim")
    return [table, Text(), credentials, hints]
