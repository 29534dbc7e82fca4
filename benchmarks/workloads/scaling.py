# SPDX-License-Identifier: Apache-2.0
"""What a device costs as there are more of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from benchmarks.goals import Goal
from benchmarks.workloads.base import Case, Column, Sizes
from benchmarks.workloads.visit import Visit


class Scaling(Visit):
    name = "scaling"
    title = "Cost per device, from few to thousands"
    about = (
        "The same again, from 10 devices on to as many as are reasonable: what each of them costs is to stay what it"
        " is. Devices are spread over server processes. A client that is not done after a minute is not tried with"
        " more."
    )
    goals: ClassVar[tuple[Goal, ...]] = (
        Goal(
            words="CPU per device grows by a quarter at most from 100 to 3,000 over SSH",
            key="per_device",
            bound=1.25,
            against="sizes",
            cases="^ssh, (100|1,000|3,000) ",
        ),
        Goal(
            words="… and to 10,000 over telnet",
            key="per_device",
            bound=1.25,
            against="sizes",
            cases="^telnet, (100|1,000|10,000) ",
        ),
    )
    columns: ClassVar[tuple[Column, ...]] = (
        Column(key="per_device", title="CPU ms/device", ratio="CPU"),
        Column(key="wall", title="wall s", ratio="wall"),
        Column(key="peak", title="memory MB", digits=1),
        Column(key="server_cpu", title="servers' CPU s"),
    )
    repeats = 1

    def cases(self, sizes: Sizes) -> Sequence[Case]:
        return [
            Case(
                title=f"{protocol}, {count:,} devices",
                needs=protocol,
                devices=count,
                server=f"crowd, {protocol}",
                amounts={"devices": count},
            )
            for protocol, counts in (("ssh", sizes.ssh_scaling), ("telnet", sizes.telnet_scaling))
            for count in counts
        ]
