# SPDX-License-Identifier: Apache-2.0
"""What is measured. A new workload is a file in here with a subclass of `Workload`, and a line below."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from benchmarks.workloads.base import Workload

_WORKLOADS = {
    "commands": "commands:Commands",
    "fanout": "fanout:FanOut",
    "visit": "visit:Visit",
    "scaling": "scaling:Scaling",
    "waiting": "waiting:Waiting",
    "jump": "jump:Jump",
    "bulk": "bulk:Bulk",
    "engine": "engine:Engine",
    "idle": "idle:Idle",
    "live": "live:Live",
    "together": "together:AllTogether",
    "second": "second:Second",
    "workers": "workers:Workers",
    "gate": "gate:Gate",
    "handover": "handover:HandOver",
    "fairness": "fairness:Fairness",
    "storm": "storm:Storm",
    "desync": "desync:Desync",
    "cancel": "cancel:Cancel",
    "facade": "facade:Facade",
    "children": "children:Children",
    "syncfanout": "syncfanout:SyncFanOut",
    "snmp": "snmp:Snmp",
    "netconf": "netconf:Netconf",
    "rest": "rest:Rest",
    "gnmi": "gnmi:Gnmi",
    "testbed": "testbed:Testbed",
    "imports": "imports:Imports",
}
NAMES = tuple(_WORKLOADS)


def load(name: str) -> Workload[Any]:
    module, _, cls = _WORKLOADS[name].partition(":")
    workload: Workload[Any] = getattr(import_module(f"benchmarks.workloads.{module}"), cls)()
    return workload
