# SPDX-License-Identifier: Apache-2.0
"""What is measured. A new workload is a file in here with a subclass of `Workload`, and a line below."""

from __future__ import annotations

from importlib import import_module

from benchmarks.workloads.base import Workload

_WORKLOADS = {
    "commands": "commands:Commands",
    "fanout": "fanout:FanOut",
    "bulk": "bulk:Bulk",
    "engine": "engine:Engine",
    "idle": "idle:Idle",
}
NAMES = tuple(_WORKLOADS)


def load(name: str) -> Workload:
    module, _, cls = _WORKLOADS[name].partition(":")
    workload: Workload = getattr(import_module(f"benchmarks.workloads.{module}"), cls)()
    return workload
