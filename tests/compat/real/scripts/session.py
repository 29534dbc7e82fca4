# SPDX-License-Identifier: Apache-2.0
"""What a script of pyATS does with a device, on our sessions: `session.py REPORT TESTBED`."""

from __future__ import annotations

import json
import logging
import sys
from pathlib import Path
from typing import Any

from pyats.topology import loader
from unicon.core.errors import ConnectionError as UniconConnectionError
from unicon.core.errors import SubCommandFailure
from unicon.eal.dialogs import Dialog, Statement

from aioconn.compat.pyats import Connection
from aioconn.errors import CommandRejected, SessionClosed


class Lines(logging.Handler):
    """What is logged."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.seen: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.seen.append(f"{record.name} {record.getMessage()}")


lines = Lines()
logging.getLogger().addHandler(lines)
logging.getLogger().setLevel(logging.INFO)
report: dict[str, Any] = {}
testbed = loader.load(sys.argv[2])
r1 = testbed.devices["r1"]

# a life
r1.connect()
report["class"] = type(r1.default) is Connection
report["clock"] = r1.execute("show clock")
report["configured"] = r1.configure(["interface Loopback0", "description uplink"])
r1.configure("username bob password secret")
r1.configure("line vty 0 4")
r1.configure("interface Loopback1\n description other")
r1.connect(alias="vty_1", via="vty")
report["connected"] = [r1.connected, r1.is_connected("vty_1"), r1.is_connected("nobody")]
r1.connect()  # again: nothing happens
with r1.temp_default_alias("vty_1"):
    r1.execute("show version")

# a pool
r1.connect(alias="pool", via="cli", pool_size=3, pool_timeout=20)
report["pool"] = [r1.pool.connected, "Version" in r1.pool.execute("show version")]
with r1.pool.allocate() as session:
    session.configure(["interface Loopback2"])
    report["allocated"] = session.execute("show clock").startswith("*")

# genie
parsed = r1.parse("show version")["version"]
report["parsed"] = [parsed["version"], parsed["hostname"]]

# unicon's words and results
several = r1.execute(["show clock", "show version"])
report["several"] = sorted(several)
report["repeated"] = len(r1.execute("show clock\nshow clock"))
r1.sendline("show clock")
found = r1.expect([r"never", r"UTC"])
report["expected"] = [found.last_match_index, "show clock" in found.match_output]
report["received"] = [
    r1.receive(r"r1#"),
    r1.receive_buffer().endswith("r1#"),
    r1.receive(r"no such", timeout=0.2),
]
r1.transmit("show clock\r")
report["received"] += [r1.receive(timeout=0.5), "UTC" in r1.receive_buffer()]
report["clean"] = r1.execute("show clock").startswith("*")
dialog = Dialog([Statement(pattern=r"\[confirm\]", action="sendline()", loop_continue=True)])
report["dialog"] = "Invalid" not in r1.execute("clear logging", reply=dialog, timeout=10)

r1.disable()
report["levels"] = [r1.mode]
r1.enable()
report["levels"] += [r1.mode]
report["ping"] = "Success rate is 100 percent" in r1.ping("192.0.2.1")
report["copied"] = "OK" in r1.copy(source="running-config", dest="startup-config")
with r1.bash_console() as bash:
    report["bash"] = bash.mode
report["reloaded"] = [r1.reload(pause=0.1, timeout=30), r1.execute("show clock")[:1]]

# errors
for name, command, keys in (
    ("refused", "show nonsense", {}),
    ("pattern", "show version", {"error_pattern": [r"^Cisco"]}),
    ("further", "show version", {"append_error_pattern": [r"^Cisco"]}),
):
    try:
        r1.execute(command, **keys)
    except SubCommandFailure as error:
        report[name] = error.line if isinstance(error, CommandRejected) else repr(error)
report["allowed"] = "Invalid" in r1.execute("show nonsense", error_pattern=[])
r1.disconnect()
try:
    r1.execute("show clock")
except SubCommandFailure as error:
    report["closed"] = isinstance(error, SessionClosed)
try:
    r1.connect(alias="bad", via="cli", columns="wide")
except SubCommandFailure as error:
    report["option"] = "columns" in str(error)
r1.connections["nowhere"] = {"protocol": "telnet", "ip": "127.0.0.1", "port": 1}
try:
    r1.connect(alias="nowhere", via="nowhere")
except UniconConnectionError as error:
    report["nowhere"] = str(error).startswith("r1 via nowhere")

# the log
logged = "\n".join(line for line in lines.seen if line.startswith("aioconn.compat.pyats "))
report["logged"] = ["r1, default: show clock\n*" in logged, "secret" in logged, "line vty 0 4" in logged]
report["noise"] = [line for line in lines.seen if line.startswith("asyncssh")]

# and the end
r1.connect()
report["again"] = r1.execute("show clock").startswith("*")
r1.destroy("vty_1")
report["left"] = sorted(r1.connectionmgr.connections)
r1.destroy_all()
report["end"] = [r1.is_connected(), list(r1.connectionmgr.connections)]

Path(sys.argv[1]).write_text(json.dumps(report))
