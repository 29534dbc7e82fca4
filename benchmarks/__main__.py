# SPDX-License-Identifier: Apache-2.0
"""Measures aioconn against the floor and its peers; see --help."""

from __future__ import annotations

import argparse
import dataclasses
import signal
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path

from benchmarks import clients, pages, tables, workloads
from benchmarks import run as runs
from benchmarks.progress import expected
from benchmarks.report import RESULTS, UNFINISHED, Report
from benchmarks.run import Run
from benchmarks.workloads.base import QUICK, Sizes

_HERE = Path(__file__).resolve().parent
_STOPS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_STOPPED = 130  # as a shell has it after a Ctrl-C


def main(arguments: list[str] | None = None) -> int:
    """Measure, write, and print where to. 1 if aioconn or a floor could not be measured somewhere, 130 if stopped."""
    parser = _parser()
    asked = parser.parse_args(arguments)
    for name in asked.workloads:
        if name not in workloads.NAMES:
            parser.error(f"there is no workload {name!r}; there are {', '.join(workloads.NAMES)}")
    for number in _STOPS:
        if signal.getsignal(number) is not signal.SIG_IGN:  # as nohup has it
            signal.signal(number, _stop)
    if asked.redraw:
        return redraw(asked.output or _HERE)
    if asked.resume:
        return _resume(parser, asked)
    if asked.update:
        return _update(parser, asked)
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
    repeats = asked.repeats or (1 if asked.quick else 3)
    wanted = asked.workloads or list(workloads.NAMES)
    complete = not asked.workloads and not asked.quick and not asked.clients and not asked.size
    folder = asked.output or (_HERE if complete else None)
    if folder is not None and (before := runs.unfinished(folder)) is not None:
        _say(
            f"{folder / UNFINISHED}, of {before.date:%Y-%m-%d %H:%M} UTC, makes way: --resume would have gone on"
        )
    return _go(runs.new(wanted, names, sizes, repeats), folder, repeats, asked.within)


def _resume(parser: argparse.ArgumentParser, asked: argparse.Namespace) -> int:
    if asked.workloads or asked.clients or asked.size or asked.quick or asked.repeats:
        parser.error("--resume goes on with what the stopped run was to measure, and takes nothing else")
    folder = asked.output or _HERE
    report = runs.unfinished(folder)
    if report is None:
        parser.error(f"there is nothing to resume: no {folder / UNFINISHED}")
    if not runs.is_of_today(report):
        parser.error(f"{folder / UNFINISHED} is of other workloads or clients: it has to begin anew")
    return _go(report, folder, report.repeats, asked.within)


def _update(parser: argparse.ArgumentParser, asked: argparse.Namespace) -> int:
    if asked.clients or asked.size or asked.quick or not asked.workloads:
        parser.error("--update takes workloads, which are measured with all their clients and sizes")
    folder = asked.output or _HERE
    try:
        report = runs.finished(folder)
    except (OSError, ValueError) as error:
        parser.error(f"{folder / RESULTS} cannot be updated: {error}")
    return _go(report, folder, asked.repeats or report.repeats, asked.within, again=asked.workloads)


def _go(
    report: Report, folder: Path | None, repeats: int, minutes: float | None, *, again: Sequence[str] = ()
) -> int:
    alone = bool(again)
    path = None if folder is None else folder / (RESULTS if alone else UNFINISHED)
    within = None if minutes is None else minutes * 60
    run = Run(report, again or report.missing, path, repeats=repeats, say=_say, alone=alone, within=within)
    try:
        run.go()
    except KeyboardInterrupt:
        _say(_left(run.report, path, alone=alone))
        if folder is None:
            print(tables.markdown(run.report))
        return _STOPPED
    except Exception:
        traceback.print_exc()
        _say(_left(run.report, path, alone=alone))
        return 1
    if folder is None:
        print(tables.markdown(run.report))
    else:
        _finish(run.report, folder)
        print(folder / "RESULTS.md")
    return int(bool(runs.errors(run.report)))


def _left(report: Report, path: Path | None, *, alone: bool) -> str:
    """What a stopped run has to say."""
    if path is None:
        return "stopped; what was measured until then:"
    if alone:
        return f"stopped; what was measured until then is in {path}, and after --redraw on all pages"
    if not report.moments:
        return "stopped before anything was measured"
    whole = len(report.moments) + len(report.missing)
    return (
        f"stopped; {len(report.moments)} of {whole} workloads are kept in {path}, --resume goes on from there"
    )


def _finish(report: Report, folder: Path) -> bool:
    """All files, and what other pages say of a run whose folder this is. Whether plots are among them."""
    report.save(folder / RESULTS)
    (folder / "RESULTS.md").write_text(tables.markdown(report), encoding="utf-8")
    (folder / UNFINISHED).unlink(missing_ok=True)
    try:
        drawn = _draw(report, folder)
    except Exception:  # half an hour is not lost for a picture, nor are the other pages
        traceback.print_exc()
        drawn = False
    if folder.resolve() == _HERE:
        pages.rewrite(report)
    return drawn


def redraw(folder: Path) -> int:
    """RESULTS.md and the plots of what was measured before; of the complete run also what other pages say of it."""
    drawn = _finish(Report.read(folder / RESULTS), folder)
    print(folder / "RESULTS.md")
    return int(not drawn)


def _draw(report: Report, folder: Path) -> bool:
    try:
        from benchmarks import plots
    except ModuleNotFoundError as error:
        _say(f"no plots: {error.name} is not installed (dependency group `bench`)")
        return False
    plots.draw(report, folder / "plots")
    return True


def _stop(number: int, frame: object) -> None:
    """Once: nox sends SIGTERM after the terminal's SIGINT, which is not to end the cleaning up."""
    for one in _STOPS:
        signal.signal(one, lambda *_: None)
    raise KeyboardInterrupt


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _parser() -> argparse.ArgumentParser:
    every = [workloads.load(name) for name in workloads.NAMES]
    minutes = {repeats: sum(expected(one, repeats) for one in every) / 60 for repeats in (1, 2, 3)}
    told = ", ".join(f"{taken:.0f} minutes with --repeats {repeats}" for repeats, taken in minutes.items())
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description=__doc__,
        epilog=f"Everything takes, on two cores that do nothing else: {told}; the peers' environments some more,"
        " when they are first made. What was measured is kept after each workload: a run that was stopped goes on"
        " with --resume. How many seconds each workload takes with two rounds: "
        + ", ".join(f"{one.name} {expected(one, 2):.0f}" for one in every)
        + ".",
    )
    parser.add_argument(
        "workloads", nargs="*", metavar="workload", help=f"some of {', '.join(workloads.NAMES)}"
    )
    parser.add_argument("--clients", help=f"some of {','.join(clients.NAMES)}; all by default")
    how = parser.add_mutually_exclusive_group()
    how.add_argument(
        "--resume", action="store_true", help="go on with the run that was stopped: measure what it has not"
    )
    how.add_argument(
        "--update",
        action="store_true",
        help="measure the named workloads again, and put them in place of their rows in RESULTS.json",
    )
    how.add_argument(
        "--redraw",
        action="store_true",
        help="measure nothing: RESULTS.md, the plots and the tables of README and docs again from RESULTS.json",
    )
    parser.add_argument("--quick", action="store_true", help="small sizes, one round, no peers: does it run?")
    parser.add_argument("--repeats", type=int, help="rounds, 3 by default")
    parser.add_argument(
        "--within",
        type=float,
        metavar="MINUTES",
        help="leave out workloads that would not be done by then; --update measures them later",
    )
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
