# SPDX-License-Identifier: Apache-2.0
"""Calls from child processes to their parent."""

from __future__ import annotations

import multiprocessing
import os
import time
from array import array
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from benchmarks.clients.children import Begin, Call, ChildrenClient
from benchmarks.goals import Goal
from benchmarks.reasons import CHILDREN
from benchmarks.target import Target
from benchmarks.workloads.base import Case, Column, Metrics, Sizes, Workload, percentile, require

_COMMAND = "show clock"
_WARM_UP = 100  # calls
_PATIENCE = 30.0  # seconds
Report = tuple[Sequence[float], int, float]  # seconds of each call, the shortest answer, CPU seconds
_fork = multiprocessing.get_context("fork")


class Children(Workload[ChildrenClient]):
    name = "children"
    title = "Calls from child processes"
    about = (
        "Children, made by `fork`, call their parent and wait for the answer, again and again. The floor is a message"
        " each way on a Unix socket (msgspec), with an asyncio protocol in the parent and a blocking socket in the"
        " child; threads is the same with a thread for each child in the parent, manager a proxy of"
        " `multiprocessing.managers`. aioconn answers with a service of a connection which asks no device. With"
        " commands, all have the same aioconn connection in the parent, a pool of as many sessions as there are"
        " children. CPU is that of all processes but the devices'."
    )
    goals = (
        Goal(words="p50 at most 2 times the floor's", key="p50", bound=2, against="floor", why=CHILDREN),
    )
    columns = (
        Column(key="p50", title="p50 µs", digits=0, ratio="p50"),
        Column(key="p99", title="p99 µs", digits=0),
        Column(key="rate", title="calls/s", digits=0, ratio="calls"),
        Column(key="cpu", title="CPU µs/call", digits=1, ratio="CPU"),
    )
    takes = 75.0

    def cases(self, sizes: Sizes) -> Sequence[Case]:
        return [
            Case(
                title=f"{what}, {children} {'children' if children > 1 else 'child'}",
                needs=needs,
                devices=int(needs == "remote shell"),
                amounts={"children": children, "bytes": size, "milliseconds": milliseconds},
            )
            for what, needs, size in [
                *((_amount(size), "answers", size) for size in sizes.answer_bytes),
                ("`show clock` over SSH", "remote shell", 30),
            ]
            for children in sizes.children
            for milliseconds in sizes.milliseconds
        ]

    def run(self, client: ChildrenClient, case: Case, targets: Sequence[Target]) -> Metrics:
        count, seconds = case.amounts["children"], case.amounts["milliseconds"] / 1e3
        with self._answering(client, case, targets) as begin:
            family = _Family(begin, count, seconds)
            took, least = family.work()
        require(least, case.amounts["bytes"], "an answer")
        return {
            "p50": percentile(took, 50) * 1e6,
            "p99": percentile(took, 99) * 1e6,
            "rate": len(took) / seconds,
            "cpu": family.cpu / len(took) * 1e6,
        }

    def _answering(
        self, client: ChildrenClient, case: Case, targets: Sequence[Target]
    ) -> AbstractContextManager[Begin]:
        if case.needs == "answers":
            return client.answers(case.amounts["bytes"])
        return client.remote_shell(targets[0], _COMMAND, case.amounts["children"])


class _Family:
    """Children that begin together and call for some seconds."""

    def __init__(self, begin: Begin, count: int, seconds: float) -> None:
        self._begin, self._count, self._seconds = begin, count, seconds
        self.cpu = 0.0

    def work(self) -> tuple[Sequence[float], int]:
        """The seconds that each call took, ascending, and the shortest answer."""
        servers = [process.pid for process in multiprocessing.active_children()]
        ends = [_fork.Pipe() for _ in range(self._count)]
        children = [_fork.Process(target=self._call, args=(theirs,)) for _, theirs in ends]
        try:
            for child in children:
                child.start()
            for ours, _ in ends:
                self._hear(ours, _PATIENCE)
            before = self._cpu(servers)
            for ours, _ in ends:
                ours.send("begin")
            reports: list[Report] = [self._hear(ours, self._seconds + _PATIENCE) for ours, _ in ends]
            self.cpu = self._cpu(servers) - before + sum(cpu for _, _, cpu in reports)
            for child in children:
                child.join(_PATIENCE)
        finally:
            for child in children:
                if child.pid is not None:
                    child.kill()
                    child.join()
                child.close()
            for end in ends:
                end[0].close()
                end[1].close()
        return sorted(took for one, _, _ in reports for took in one), min(least for _, least, _ in reports)

    @staticmethod
    def _hear(pipe: Any, patience: float) -> Any:
        if not pipe.poll(patience):
            raise RuntimeError(f"a child has nothing to say after {patience:g} s")
        said = pipe.recv()
        if isinstance(said, BaseException):
            raise RuntimeError(f"a child failed: {type(said).__name__}: {said}") from said
        return said

    def _call(self, pipe: Any) -> None:
        try:
            call = self._begin()
            for _ in range(_WARM_UP):
                call()
            pipe.send("ready")
            pipe.recv()
            pipe.send(self._repeat(call))
        except Exception as error:
            pipe.send(error)

    def _repeat(self, call: Call) -> Report:
        took, least = array("d"), 1 << 30
        cpu, end = time.process_time(), time.perf_counter()
        until = end + self._seconds
        while (begun := end) < until:
            size = len(call())
            end = time.perf_counter()
            took.append(end - begun)
            if size < least:
                least = size
        return took, least, time.process_time() - cpu

    @staticmethod
    def _cpu(servers: Sequence[int | None]) -> float:
        """Seconds of this process and of what else serves the children."""
        ticks = 0
        for pid in servers:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            ticks += int(fields[11]) + int(fields[12])
        return time.process_time() + ticks / os.sysconf("SC_CLK_TCK")


def _amount(size: int) -> str:
    return f"{size // 1024} KiB" if size >= 1024 else f"{size} B"
