# SPDX-License-Identifier: Apache-2.0
"""A run of Nornir over its inventory: `fifty.py REPORT FOLDER`."""

from __future__ import annotations

import json
import sys
import threading
from pathlib import Path
from typing import Any

from nornir import InitNornir
from nornir.core.task import Result, Task

from aioconn.compat.nornir import configure, execute

report: dict[str, Any] = {}
folder = Path(sys.argv[2])
files = {"host_file": str(folder / "hosts.yaml"), "group_file": str(folder / "groups.yaml")}
nr = InitNornir(
    inventory={"plugin": "SimpleInventory", "options": files},
    runner={"plugin": "threaded", "options": {"num_workers": 50}},
    logging={"enabled": False},
)
threads: set[int] = set()


def look(task: Task) -> Result:
    """Several calls on the device itself, which is one of `aioconn.sync`."""
    threads.add(threading.get_ident())
    device = task.host.get_connection("aioconn", task.nornir.config)
    with device.transaction() as session:
        session.execute("show clock")
        return Result(host=task.host, result=session.execute("show version"))


results = nr.run(task=look)
report["hosts"] = len(results)
report["versions"] = sum("Version" in each[0].result for each in results.values() if not each.failed)
report["failed"] = {name: repr(each[0].exception) for name, each in results.items() if each.failed}
report["threads"] = len(threads)

good = nr.filter(filter_func=lambda host: host.name != "wrong")
report["dry"] = good.run(task=configure, lines=["interface Loopback0", "description dry"], dry_run=True)[
    "r1"
].changed
done = good.run(task=configure, lines=["interface Loopback0", "description by nornir"])
report["changed"] = sum(each.changed for each in done.values())
answers = good.run(task=execute, command=["show clock", "show version"])
report["lists"] = sum(len(each[0].result) == 2 for each in answers.values())
nr.close_connections()
Path(sys.argv[1]).write_text(json.dumps(report))
