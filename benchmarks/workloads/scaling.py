# SPDX-License-Identifier: Apache-2.0
"""What a device costs as there are more of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from benchmarks.goals import Goal
from benchmarks.reasons import SCALING
from benchmarks.workloads.base import Case, Column, Sizes
from benchmarks.workloads.visit import Visit

_PEERS = 1000  # devices


class Scaling(Visit):
    name = "scaling"
    title = "Cost per device, from few to thousands"
    about = (
        "Connect, one command, close again, from 10 devices to 10,000: what each of them costs is to stay what it is."
        f" Devices are spread over server processes. Peers are asked for {_PEERS:,} at most: what takes them minutes"
        " tells no more. A client that is not done after a minute is not tried with more."
    )
    goals: ClassVar[tuple[Goal, ...]] = (
        Goal(
            words="CPU per device grows by a quarter at most from 100 to 10,000 over SSH",
            key="per_device",
            bound=1.25,
            against="sizes",
            why=SCALING,
            cases="^ssh, (100|1,000|10,000) ",
        ),
        Goal(
            words="CPU per device grows by a quarter at most from 100 to 10,000 over telnet",
            key="per_device",
            bound=1.25,
            against="sizes",
            why=SCALING,
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
    patience = 150.0
    takes = 190.0

    def cases(self, sizes: Sizes) -> Sequence[Case]:
        return [
            Case(
                title=f"{protocol}, {count:,} devices",
                needs=protocol,
                devices=count,
                server=f"crowd, {protocol}",
                peers=count <= _PEERS,
                amounts={"devices": count},
            )
            for protocol, counts in (("ssh", sizes.ssh_scaling), ("telnet", sizes.telnet_scaling))
            for count in counts
        ]
