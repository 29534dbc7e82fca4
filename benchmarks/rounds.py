# SPDX-License-Identifier: Apache-2.0
"""Measures each client in a process of its own, in turns: A B C, B C A, ..., so that a busy moment strikes them all."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.child import order
from benchmarks.clients.base import Client
from benchmarks.environments import CannotInstall, python_for
from benchmarks.servers import Servers
from benchmarks.target import ROOT
from benchmarks.workloads.base import Case, Metrics, Workload

SLOW = 12.0
"""Seconds; a measurement that takes longer is not repeated."""


class NotDone(RuntimeError):
    """A measurement took longer than there is patience for."""


@dataclass(slots=True, kw_only=True)
class Measured:
    """One client in one case: a value per round, or why there is none."""

    workload: str
    case: str
    client: str
    floor: bool
    runs: list[Metrics] = field(default_factory=list)
    rounds: list[int] = field(default_factory=list)
    error: str | None = None

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
    """`say` is told of each measurement. `versions` fills up with those of the clients."""

    servers: Servers
    clients: Sequence[Client]
    repeats: int
    say: Callable[[str], None]
    versions: dict[str, str] = field(default_factory=dict)
    _pythons: dict[str, Path | CannotInstall] = field(default_factory=dict)
    _gave_up: set[tuple[str, str, str]] = field(default_factory=set)

    def measure(self, workload: Workload[Any], case: Case) -> list[Measured]:
        """All clients that can do it, the floor first."""
        able = [
            client
            for client in self.clients
            if case.needs in client.offers and workload.name in (client.only or {workload.name})
        ]
        able.sort(key=lambda client: not workload.has_floor(client))
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
        for number in range(min(self.repeats, workload.repeats)):
            turn = number % max(1, len(able))
            for client in able[turn:] + able[:turn]:
                measured = found[client.name]
                if measured.error is None and client.name not in slow:
                    started = time.monotonic()
                    self._once(workload, case, client, measured, number)
                    if time.monotonic() - started > SLOW:
                        slow.add(client.name)
        return list(found.values())

    def _once(
        self, workload: Workload[Any], case: Case, client: Client, measured: Measured, number: int
    ) -> None:
        attempt = (workload.name, client.name, case.needs)
        what = f"{workload.name}: {case.title}, {client.name}"
        try:
            if case.devices > client.most:
                raise RuntimeError(f"not asked for more than {client.most} devices")
            if attempt in self._gave_up:
                raise RuntimeError("not tried: it was not done in time with less")
            metrics = self._run(workload, case, client)
        except (CannotInstall, RuntimeError) as error:
            if isinstance(error, NotDone):
                self._gave_up.add(attempt)
            measured.error = str(error)
            self.say(f"{what}: {error}")
            return
        measured.runs.append(metrics)
        measured.rounds.append(number)
        columns = (column for column in workload.columns if column.key in metrics)
        found = (f"{column.title} {metrics[column.key]:.{column.digits}f}" for column in columns)
        self.say(f"{what}: {', '.join(found)}")

    def _run(self, workload: Workload[Any], case: Case, client: Client) -> Metrics:
        python = self._python(client)
        server = case.server or client.server(case.needs)
        targets = self.servers.targets(server, case.devices) if server else []
        before = self.servers.counted()
        try:
            done = subprocess.run(
                [str(python), "-m", "benchmarks.child"],
                input=order(client.name, workload.name, case, targets),
                capture_output=True,
                text=True,
                timeout=workload.patience,
                check=False,
                cwd=ROOT,
                env={**os.environ, "PYTHONPATH": str(ROOT)},
            )
        except subprocess.TimeoutExpired:
            raise NotDone(f"not done within {workload.patience:g} s") from None
        if done.returncode != 0:
            said = done.stderr.strip().splitlines() or [f"ended with {done.returncode} and said nothing"]
            raise RuntimeError(said[-1].strip()[:300])
        result = json.loads(done.stdout.splitlines()[-1])
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
            if client.separate:
                self.say(f"environment of {client.name}")
            try:
                self._pythons[client.name] = python_for(client)
            except CannotInstall as error:
                self._pythons[client.name] = error
        python = self._pythons[client.name]
        if isinstance(python, CannotInstall):
            raise python
        return python
