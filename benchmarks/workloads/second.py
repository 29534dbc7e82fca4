# SPDX-License-Identifier: Apache-2.0
"""A further session to a device: on a link that is open, or on one of its own."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.clients.links import LinkClient
from benchmarks.goals import Goal
from benchmarks.meter import Meter, descriptors
from benchmarks.reasons import SECOND
from benchmarks.target import Target
from benchmarks.workloads.base import Case, Column, Metrics, Sizes, Workload, require

_COMMAND = "show clock"


class Second(Workload[LinkClient]):
    name = "second"
    title = "A further session on an open link"
    about = (
        "Sessions over SSH are opened one after the other, first with a connection each, then as shells on one"
        " connection, for clients that can do that. Descriptors are those of a further session."
    )
    goals = (
        Goal(words="CPU at most half of that of a new connection", key="share", bound=0.5, why=SECOND),
        Goal(words="no descriptor", key="files", bound=0),
    )
    columns = (
        Column(key="new", title="new connection ms", ratio="new"),
        Column(key="new_cpu", title="its CPU ms"),
        Column(key="further", title="further session ms", ratio="further"),
        Column(key="further_cpu", title="its CPU ms"),
        Column(key="share", title="CPU ÷ new"),
        Column(key="files", title="descriptors"),
    )
    takes = 6.0

    def cases(self, sizes: Sizes) -> Sequence[Case]:
        return [
            Case(
                title=f"{count} sessions", needs="links", devices=1, server="ssh", amounts={"sessions": count}
            )
            for count in sizes.links
        ]

    def run(self, client: LinkClient, case: Case, targets: Sequence[Target]) -> Metrics:
        count = case.amounts["sessions"]
        new, further = Meter(), Meter()
        files: list[int] = []
        sizes = client.further(targets[0], count, _COMMAND, new, further, lambda: files.append(descriptors()))
        require(len(sizes), 2 * count, "answers")
        require(min(sizes), 30, _COMMAND)
        return {
            "new": new.wall / count * 1e3,
            "new_cpu": new.cpu / count * 1e3,
            "further": further.wall / count * 1e3,
            "further_cpu": further.cpu / count * 1e3,
            "share": further.cpu / new.cpu,
            "files": (files[1] - files[0]) / count,
        }
