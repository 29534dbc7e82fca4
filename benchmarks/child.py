# SPDX-License-Identifier: Apache-2.0
"""One measurement: `python -m benchmarks.child`, in the client's environment, with the order as JSON on stdin.

The last line of stdout is the result.
"""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from benchmarks import clients, workloads
from benchmarks.servers import raise_descriptor_limit
from benchmarks.target import Target
from benchmarks.workloads.base import Case


def order(client: str, workload: str, case: Case, targets: list[Target]) -> str:
    """What to write to the child's stdin."""
    whole = {
        "client": client,
        "workload": workload,
        "case": asdict(case),
        "targets": [asdict(one) for one in targets],
    }
    return json.dumps(whole)


def measure(wanted: dict[str, Any]) -> dict[str, Any]:
    client = clients.load(wanted["client"])
    case = Case(**wanted["case"])
    targets = [Target(**target) for target in wanted["targets"]]
    metrics = workloads.load(wanted["workload"]).run(client, case, targets)
    return {"metrics": metrics, "versions": {package: _version(package) for package in client.packages}}


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "from this folder"


if __name__ == "__main__":
    raise_descriptor_limit()
    result = measure(json.load(sys.stdin))
    print("\n" + json.dumps(result), flush=True)
