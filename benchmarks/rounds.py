# SPDX-License-Identifier: Apache-2.0
"""Measures each client in a process of its own, in turns: A B C, B C A, ..., so that a busy moment strikes them all."""

from __future__ import annotations

import json
import os
import re
import signal
import statistics
import subprocess
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.child import order
from benchmarks.clients.base import Client
from benchmarks.environments import CannotInstall, python_for
from benchmarks.goals import OURS
from benchmarks.servers import Servers
from benchmarks.target import ROOT
from benchmarks.workloads.base import Case, Metrics, Workload

SLOW = 5.0
"""Seconds; a measurement that takes longer is not repeated."""
COMPARED = 9
"""Rounds of those whom a goal compares, where there are several and it does not take long."""
_LONG = 14.0  # seconds that these may take beyond the others


class NotDone(RuntimeError):
    """A measurement took longer than there is patience for."""


@dataclass(slots=True, kw_only=True)
class Measured:
    """One client in one case: a value per round, or why there is none. `seconds` is what all rounds took, with the
    start of the client's process."""

    workload: str
    case: str
    client: str
    floor: bool
    runs: list[Metrics] = field(default_factory=list)
    rounds: list[int] = field(default_factory=list)
    error: str | None = None
    seconds: float = 0.0

    @property
    def medians(self) -> Metrics:
        keys = self.runs[0] if self.runs else ()
        return {key: statistics.median(run[key] for run in self.runs) for key in keys}

    def ratios(self, floor: Measured) -> Metrics:
        """The median of how many times the floor's value it was, round by round."""
        pairs = [
            (run, floor.runs[floor.rounds.index(number)])
            for number, run in zip(self.rounds, self.runs, strict=True)
            if number in floor.rounds
        ]
        keys = [key for key in self.medians if all(below.get(key, 0) > 0 for _, below in pairs)]
        return {
            key: statistics.median(run[key] / below[key] for run, below in pairs) for key in keys if pairs
        }


@dataclass(slots=True, kw_only=True)
class Rounds:
    """`tell` is told of each measurement, `say` of all else. `versions` fills up with those of the clients."""

    servers: Servers
    clients: Sequence[Client]
    repeats: int
    say: Callable[[str], None]
    tell: Callable[[str], None]
    versions: dict[str, str] = field(default_factory=dict)
    _pythons: dict[str, Path | CannotInstall] = field(default_factory=dict)
    _gave_up: set[tuple[str, str, str]] = field(default_factory=set)

    def prepare(self, wanted: Iterable[tuple[Workload[Any], Case]]) -> None:
        """Make the environments of all clients that are measured: it would take its time in the midst of them."""
        for workload, case in wanted:
            for client in self.able(workload, case):
                if client.name not in self._pythons:
                    self._pythons[client.name] = self._environment(client)

    def able(self, workload: Workload[Any], case: Case) -> list[Client]:
        """All clients that can do it, the floor first."""
        found = [
            client
            for client in self.clients
            if case.needs in client.offers
            and workload.name in (client.only or {workload.name})
            and (case.peers or workload.has_floor(client) or client.name.startswith(OURS))
        ]
        return sorted(found, key=lambda client: not workload.has_floor(client))

    def count(self, workload: Workload[Any], case: Case) -> int:
        """How many measurements it is, if none is slow or fails."""
        further = len(self.further(workload)) * len(self.compared(workload, case))
        return len(self.able(workload, case)) * min(self.repeats, workload.repeats) + further

    def further(self, workload: Workload[Any]) -> range:
        """The numbers of the rounds that those have whom a goal compares, beyond those of all clients."""
        rounds = min(self.repeats, workload.repeats)
        return range(rounds, COMPARED if rounds > 1 else rounds)

    def compared(self, workload: Workload[Any], case: Case) -> list[Client]:
        """The floor, and whom a goal compares with it in this case, or with other sizes of it; nobody if none does."""
        goals = [goal for goal in workload.goals if goal.compares]
        able = self.able(workload, case)
        floors = [client for client in able if workload.has_floor(client)]
        about = [
            client
            for client in able
            if client not in floors
            and any(goal.is_about(client.name, case.title, floor=False) for goal in goals)
        ]
        return [*floors, *about] if about else []

    def measure(self, workload: Workload[Any], case: Case) -> list[Measured]:
        """Of all clients that are able."""
        able = self.able(workload, case)
        found = {
            client.name: Measured(
                workload=workload.name,
                case=case.title,
                client=client.name,
                floor=workload.has_floor(client),
            )
            for client in able
        }
        slow: set[str] = set()

        def measure(clients: list[Client], number: int) -> float:
            turn = number % max(1, len(clients))
            begun = time.monotonic()
            for client in clients[turn:] + clients[:turn]:
                measured = found[client.name]
                if measured.error is None and client.name not in slow:
                    started = time.monotonic()
                    self._once(workload, case, client, measured, number)
                    took = time.monotonic() - started
                    measured.seconds += took
                    if took > SLOW:
                        slow.add(client.name)
            return time.monotonic() - begun

        for number in range(min(self.repeats, workload.repeats)):
            measure(able, number)
        # The same work may take half as long again a second later, as processors change their pace: the median of
        # several rounds, in which only those run whom a goal compares, tells more than that of two.
        compared = self.compared(workload, case)
        left = _LONG
        for number in self.further(workload):
            likely = sum(found[client.name].seconds / max(1, number) for client in compared)
            if likely > left or any(client.name in slow for client in compared):
                break
            left -= measure(compared, number)
        return list(found.values())

    def _once(
        self, workload: Workload[Any], case: Case, client: Client, measured: Measured, number: int
    ) -> None:
        attempt = (workload.name, client.name, case.needs)
        what = f"{workload.name}: {case.title}, {client.name}"
        try:
            if case.devices > client.most:
                raise RuntimeError(f"not asked for more than {client.most} devices")
            if case.amounts.get("megabytes", 0) > client.megabytes:
                raise RuntimeError(f"not asked for more than {client.megabytes} MB")
            if attempt in self._gave_up:
                raise RuntimeError("not tried: it was not done in time with less")
            metrics = self._twice(what, workload, case, client)
        except (CannotInstall, RuntimeError) as error:
            if isinstance(error, NotDone):
                self._gave_up.add(attempt)
            measured.error = str(error)
            self.tell(f"{what}: {error}")
            return
        measured.runs.append(metrics)
        measured.rounds.append(number)
        columns = (column for column in workload.columns if column.key in metrics)
        found = (f"{column.title} {metrics[column.key]:.{column.digits}f}" for column in columns)
        self.tell(f"{what}: {', '.join(found)}")

    def _twice(self, what: str, workload: Workload[Any], case: Case, client: Client) -> Metrics:
        """A peer that fails is tried once more: who is missing is nobody to compare with. aioconn is not."""
        try:
            return self._run(workload, case, client)
        except NotDone:
            raise
        except RuntimeError as error:
            if not client.separate:
                raise
            self.say(f"{what}: {error}; once more")
        return self._run(workload, case, client)

    def _run(self, workload: Workload[Any], case: Case, client: Client) -> Metrics:
        python = self._python(client)
        server = case.server or client.server(case.needs)
        targets = self.servers.targets(server, case.devices) if server else []
        before = self.servers.counted()
        said, complained, status = _child(
            python, order(client.name, workload.name, case, targets), workload.patience
        )
        if status != 0:
            raise RuntimeError(_reason(complained) or f"ended with {status} and said nothing")
        try:
            result = json.loads(said.splitlines()[-1])
        except (IndexError, ValueError):
            raise RuntimeError("it said nothing that can be read") from None
        self.versions.update(result["versions"])
        metrics: Metrics = result["metrics"]
        if targets:
            after = self.servers.counted()
            metrics["server_cpu"] = after["server_cpu"] - before["server_cpu"]
            if targets[0].jump:
                metrics["jump_links"] = after["jump_links"] - before["jump_links"]
        return metrics

    def _python(self, client: Client) -> Path:
        if client.name not in self._pythons:
            self._pythons[client.name] = self._environment(client)
        python = self._pythons[client.name]
        if isinstance(python, CannotInstall):
            raise python
        return python

    def _environment(self, client: Client) -> Path | CannotInstall:
        try:
            return python_for(client, self.say)
        except CannotInstall as error:
            self.say(str(error))
            return error


def _reason(complained: str) -> str:
    """The line of a traceback that says what happened: none that is indented, and more may follow it."""
    lines = [line for line in complained.splitlines() if line.strip()]
    errors = [line for line in lines if re.match(r"[\w.]+(Error|Exception|Timeout|Group|Refused)\b", line)]
    return (errors or lines or [""])[-1].strip()[:300]


def _child(python: Path, asked: str, patience: float) -> tuple[str, str, int]:
    """What a client's process said, what it complained of, how it ended. Whoever is not waited for to the end is killed
    with all that it has started: it leads a process group of its own."""
    with subprocess.Popen(
        [str(python), "-m", "benchmarks.child"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        start_new_session=True,
    ) as child:
        try:
            said, complained = child.communicate(asked, timeout=patience)
        except BaseException as error:
            with suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)
            if isinstance(error, subprocess.TimeoutExpired):
                raise NotDone(f"not done within {patience:g} s") from None
            raise
    return said, complained, child.returncode
