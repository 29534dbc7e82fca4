# SPDX-License-Identifier: Apache-2.0
"""Several callers on one device."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.clients.base import CrewPlan, DeviceClient
from benchmarks.meter import Meter
from benchmarks.target import Target
from benchmarks.workloads.base import Case, Column, Metrics, Sizes, Workload, require

COMMAND = "show clock"


class Workers(Workload[DeviceClient]):
    name = "workers"
    title = "Several callers on one device"
    about = (
        "Each caller runs `show clock` again and again over SSH. aioconn gives them half as many sessions"
        " in a pool; the others have no pool, so that each caller has a session of its own. Sessions are opened before"
        " the clock starts. With one link, they are shells on one SSH connection, where a client can do that."
    )
    columns = (
        Column(key="rate", title="commands/s", digits=0, ratio="commands"),
        Column(key="cpu", title="CPU µs/command", digits=0, ratio="CPU"),
        Column(key="sessions", title="sessions", digits=0),
        Column(key="files", title="descriptors", digits=0),
        Column(key="open", title="opening ms", digits=1),
    )
    takes = 25.0

    def cases(self, sizes: Sizes) -> Sequence[Case]:
        return [
            Case(
                title=f"{workers} callers{words}",
                needs=needs,
                devices=1,
                amounts={"workers": workers, "milliseconds": milliseconds, "one_link": needs == "links"},
            )
            for needs, words in (("ssh", ""), ("links", ", one link"))
            for workers in sizes.workers
            for milliseconds in sizes.milliseconds
        ]

    def run(self, client: DeviceClient, case: Case, targets: Sequence[Target]) -> Metrics:
        meter = Meter()
        seconds = case.amounts["milliseconds"] / 1e3
        plan = CrewPlan(
            workers=case.amounts["workers"], seconds=seconds, one_link=bool(case.amounts["one_link"])
        )
        crew = client.crew(targets[0], COMMAND, plan, meter)
        require(min(crew.sizes), 30, COMMAND)
        return {
            "rate": len(crew.sizes) / meter.wall,
            "cpu": meter.cpu / len(crew.sizes) * 1e6,
            "sessions": crew.sessions,
            "files": crew.files,
            "open": crew.opening * 1e3,
        }
