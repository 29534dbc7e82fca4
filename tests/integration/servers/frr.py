# SPDX-License-Identifier: Apache-2.0
"""FRRouting: four daemons with their own telnet VTYs, and vtysh in front of all of them.

zebra and bgpd have a password and an enable password. ospfd wants no login, has a message of the day that is full of
prompts, and closes idle sessions. staticd has no password configured and lets nobody in.
"""

from __future__ import annotations

import shutil
import subprocess
import time
from pathlib import Path

from tests.integration.servers import needs, sockets
from tests.integration.servers.site import Site

PASSWORD = "vty-password"
ENABLE = "enable-password"
HOST = "r1"
IDLE = 4  # seconds until ospfd closes; longer than it takes to find a prompt behind a message of the day
MOTD = '*** maintenance: use "router#" as prompt > host> also not a prompt #'

_CONFIGURATIONS = {
    "zebra": f"hostname {HOST}\npassword {PASSWORD}\nenable password {ENABLE}\nline vty\n exec-timeout 0 0\n",
    "bgpd": f"hostname {HOST}\npassword {PASSWORD}\nenable password {ENABLE}\nrouter bgp 65001\n"
    " bgp router-id 10.255.0.1\nline vty\n exec-timeout 0 0\n",
    "ospfd": f"hostname {HOST}-ospfd\nbanner motd line {MOTD}\nline vty\n no login\n exec-timeout 0 {IDLE}\n",
    "staticd": f"hostname {HOST}-staticd\n",
}


class Frr:
    def __init__(self, site: Site) -> None:
        self.folder = site.folder / "frr"
        self.folder.mkdir(mode=0o755)
        (self.folder / "vtysh.conf").write_text(f"no service integrated-vtysh-config\nhostname {HOST}\n")
        for name, text in _CONFIGURATIONS.items():
            (self.folder / f"{name}.conf").write_text(text)
        for path in (self.folder, *self.folder.iterdir()):
            shutil.chown(path, "frr", "frr")
        self.ports = {name: sockets.free_port() for name in _CONFIGURATIONS}
        for name, port in self.ports.items():
            site.start(name, self._argv(name, port), port=port)
            if name == "zebra":
                _wait_for(self.folder / "zserv.api")
        self.vtysh = ["vtysh", "--vty_socket", str(self.folder), "--config_dir", str(self.folder)]
        for name in _CONFIGURATIONS:
            _wait_for(self.folder / f"{name}.vty")

    def _argv(self, name: str, port: int) -> list[str]:
        own = ["-p", "0"] if name == "bgpd" else []
        return [
            needs.program(name, "frr"),
            *("-A", "127.0.0.1", "-P", str(port), *own),
            *("-f", str(self.folder / f"{name}.conf"), "-i", str(self.folder / f"{name}.pid")),
            *("-z", str(self.folder / "zserv.api"), "--vty_socket", str(self.folder)),
        ]

    def show(self, command: str) -> str:
        """What vtysh says without any of our code in between."""
        done = subprocess.run([*self.vtysh, "-c", command], capture_output=True, text=True, check=True)
        return done.stdout


def start(site: Site) -> Frr:
    needs.root("FRRouting")
    for name in (*_CONFIGURATIONS, "vtysh"):
        needs.program(name, "frr")
    return Frr(site)


def _wait_for(path: Path) -> None:
    deadline = time.monotonic() + 10
    while not path.exists():
        if time.monotonic() > deadline:
            raise RuntimeError(f"{path.name} does not appear")
        time.sleep(0.02)
