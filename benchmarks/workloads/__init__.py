# SPDX-License-Identifier: Apache-2.0
"""What is measured, in this order. A new workload is a file in here with a subclass of `Workload`, and a line below."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from benchmarks.workloads.base import Workload

_WORKLOADS = {
    # what people notice
    "commands": "commands:Commands",
    "visit": "visit:Visit",
    "fanout": "fanout:FanOut",
    "waiting": "waiting:Waiting",
    "bulk": "bulk:Bulk",
    "idle": "idle:Idle",
    "live": "live:Live",
    "together": "together:AllTogether",
    "workers": "workers:Workers",
    "second": "second:Second",
    "jump": "jump:Jump",
    "scaling": "scaling:Scaling",
    "netconf": "netconf:Netconf",
    "snmp": "snmp:Snmp",
    "rest": "rest:Rest",
    "gnmi": "gnmi:Gnmi",
    "cancel": "cancel:Cancel",
    "desync": "desync:Desync",
    "syncfanout": "syncfanout:SyncFanOut",
    "facade": "facade:Facade",
    "children": "children:Children",
    "testbed": "testbed:Testbed",
    "imports": "imports:Imports",
    # what is inside
    "gate": "gate:Gate",
    "handover": "handover:HandOver",
    "fairness": "fairness:Fairness",
    "storm": "storm:Storm",
    "engine": "engine:Engine",
}
NAMES = tuple(_WORKLOADS)


def load(name: str) -> Workload[Any]:
    module, _, cls = _WORKLOADS[name].partition(":")
    workload: Workload[Any] = getattr(import_module(f"benchmarks.workloads.{module}"), cls)()
    return workload
