# SPDX-License-Identifier: Apache-2.0
"""Forked children of a script of pyATS on the sessions of their parent: `pcalls.py REPORT TESTBED`."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

from pyats.async_ import pcall
from pyats.topology import loader

report: dict[str, Any] = {}
testbed = loader.load(sys.argv[2])
r1 = testbed.devices["r1"]
r1.connect()
r1.connect(alias="pool", via="cli", pool_size=3)


def ask(number: int) -> list[Any]:
    return [number, os.getpid(), *("Version" in str(r1.pool.execute("show version")) for _ in range(4))]


def ask_the_one(number: int) -> str:
    return str(r1.execute("show clock\nshow version")["show clock"])


def several_on_one(number: int) -> bool:
    with r1.pool.allocate() as session:
        session.configure([f"interface Loopback{number}", f"description child {number}"])
        return f"description child {number}" in session.execute("show running-config")


answers = pcall(ask, number=list(range(8)))
report["processes"] = len({answer[1] for answer in answers} - {os.getpid()})
report["answers"] = [answer[0] for answer in answers if all(answer[2:])]
report["one"] = [text[:1] for text in pcall(ask_the_one, number=list(range(4)))]
report["allocated"] = list(pcall(several_on_one, number=list(range(6))))

# a child that dies with a session frees it
r1.connect(alias="single", via="cli", pool_size=1, pool_timeout=10)
reading, writing = os.pipe()
if (child := os.fork()) == 0:
    with r1.single.allocate():
        os.write(writing, b"!")
        time.sleep(60)
    os._exit(1)
os.read(reading, 1)
os.kill(child, signal.SIGKILL)
os.waitpid(child, 0)
report["freed"] = "Version" in r1.single.execute("show version")

# the parent has what it had
report["after"] = [r1.connected, r1.pool.connected, r1.execute("show clock")[:1]]
r1.destroy_all()
Path(sys.argv[1]).write_text(json.dumps(report))
