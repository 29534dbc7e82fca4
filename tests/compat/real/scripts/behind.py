# SPDX-License-Identifier: Apache-2.0
"""Devices behind a jump host: `behind.py REPORT TESTBED DEVICE...`."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import psutil
from pyats.topology import loader

testbed = loader.load(sys.argv[2])
report: dict[str, Any] = {}
for name in sys.argv[3:]:
    device = testbed.devices[name]
    device.connect()
    report[name] = "Version" in device.execute("show version")
open_now = [
    link.raddr.port for link in psutil.Process().net_connections() if link.status == psutil.CONN_ESTABLISHED
]
report["ports"] = open_now
for name in sys.argv[3:]:
    testbed.devices[name].destroy_all()
Path(sys.argv[1]).write_text(json.dumps(report))
