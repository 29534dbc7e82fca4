# SPDX-License-Identifier: Apache-2.0
"""Measures aioconn against the floor and its peers; see --help."""

from __future__ import annotations

import argparse
import dataclasses
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

from benchmarks import clients, machine, pages, workloads
from benchmarks.report import Report
from benchmarks.rounds import Measured, Rounds
from benchmarks.servers import Servers
from benchmarks.workloads.base import QUICK, Sizes

_HERE = Path(__file__).resolve().parent


def main(arguments: list[str] | None = None) -> int:
    """Measure, write, and print where to. 1 if aioconn or the floor could not be measured somewhere."""
    parser = _parser()
    asked = parser.parse_args(arguments)
    if asked.redraw:
        return redraw(asked.output or _HERE)
    sizes = QUICK if asked.quick else Sizes()
    try:
        sizes = dataclasses.replace(sizes, **dict(_size(text) for text in asked.size))
    except ValueError as error:
        parser.error(str(error))
    names = asked.clients.split(",") if asked.clients else list(clients.NAMES)
    if asked.quick and not asked.clients:
        names = [name for name in names if not clients.load(name).separate]
    for name in names:
        if name not in clients.NAMES:
            parser.error(f"there is no client {name!r}; there are {', '.join(clients.NAMES)}")
    wanted = [workloads.load(name) for name in asked.workloads or workloads.NAMES]
    load, begun = machine.load(), time.monotonic()
    results: list[Measured] = []
    with Servers() as servers:
        rounds = Rounds(
            servers=servers,
            clients=[clients.load(name) for name in names],
            repeats=asked.repeats or (1 if asked.quick else 3),
            say=lambda line: print(line, file=sys.stderr, flush=True),
        )
        for workload in wanted:
            for case in workload.cases(sizes):
                results += rounds.measure(workload, case)
    report = Report(
        date=datetime.now(UTC),
        machine=machine.describe(),
        load=load,
        versions=rounds.versions,
        sizes=dataclasses.asdict(sizes),
        repeats=rounds.repeats,
        took=time.monotonic() - begun,
        workloads=wanted,
        results=results,
    )
    complete = not asked.workloads and not asked.quick and not asked.clients
    folder = asked.output or (_HERE if complete else None)
    if folder is None:
        print(report.as_markdown())
    else:
        report.write(folder)
        _draw(report, folder)
        print(folder / "RESULTS.md")
    return int(any(one.error for one in results if not clients.load(one.client).separate))


def redraw(folder: Path) -> int:
    """RESULTS.md and the plots of what was measured before; of the complete run also what other pages say of it."""
    report = Report.read(folder)
    report.write(folder)
    drawn = _draw(report, folder)
    if folder == _HERE:
        pages.rewrite(report)
    print(folder / "RESULTS.md")
    return int(not drawn)


def _draw(report: Report, folder: Path) -> bool:
    try:
        from benchmarks import plots
    except ModuleNotFoundError as error:
        print(f"no plots: {error.name} is not installed (dependency group `bench`)", file=sys.stderr)
        return False
    plots.draw(report, folder / "plots")
    return True


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "workloads", nargs="*", metavar="workload", help=f"some of {', '.join(workloads.NAMES)}"
    )
    parser.add_argument("--clients", help=f"some of {','.join(clients.NAMES)}; all by default")
    parser.add_argument(
        "--redraw",
        action="store_true",
        help="measure nothing: RESULTS.md, the plots and the tables of README and docs again from RESULTS.json",
    )
    parser.add_argument("--quick", action="store_true", help="small sizes, one round, no peers: does it run?")
    parser.add_argument("--repeats", type=int, help="rounds, 3 by default")
    parser.add_argument(
        "--size",
        action="append",
        default=[],
        metavar="WHAT=N[,N]",
        help=f"WHAT is one of {', '.join(Sizes.names())}",
    )
    parser.add_argument(
        "--output",
        type=Path,
        metavar="FOLDER",
        help="where RESULTS.md and RESULTS.json go; benchmarks/ after a complete run, else the table is printed",
    )
    return parser


def _size(text: str) -> tuple[str, tuple[int, ...]]:
    name, _, amounts = text.partition("=")
    if name not in Sizes.names():
        raise ValueError(f"there is no size {name!r}; there are {', '.join(Sizes.names())}")
    values = tuple(int(amount) for amount in amounts.split(","))
    if min(values) < 1:
        raise ValueError(f"{text}: sizes are above zero")
    return name, values


if __name__ == "__main__":
    sys.exit(main())
