# SPDX-License-Identifier: Apache-2.0
"""SNMP agents: net-snmp's snmpd on the real kernel, and snmpsim with recorded walks, slow and failing objects."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from tests.integration.servers import needs
from tests.integration.servers.daemon import Daemon
from tests.integration.servers.site import Site
from tests.integration.servers.sockets import free_port

AUTH, PRIV = "authpass-123", "privpass-123"

USERS: Mapping[str, tuple[str, str]] = {
    "md5des": ("MD5", "DES"),
    "shaaes": ("SHA", "AES"),
    "sha224aes192": ("SHA-224", "AES-192"),
    "sha256aes": ("SHA-256", "AES"),
    "sha384aes256": ("SHA-384", "AES-256"),
    "sha512aes256": ("SHA-512", "AES-256"),
    "md5aes256": ("MD5", "AES-256"),
    "md5aes256c": ("MD5", "AES-256-C"),
    "shaaes192c": ("SHA", "AES-192-C"),
    "authonly": ("SHA", ""),
    "noauth": ("", ""),
}
"""The users of snmpd, and what they have. All may write."""

SLOW = 0.8
"""Seconds that snmpsim needs for sysName of the community `slow`."""


class Snmpd:
    """Communities `public` and `private` (may write), and the users above."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self.port = free_port()
        self.folder = site.folder / "snmpd"
        (self.folder / "persist").mkdir(parents=True)
        lines = [
            f"agentAddress udp:127.0.0.1:{self.port},tcp:127.0.0.1:{self.port},udp6:[::1]:{self.port}",
            "rocommunity public 127.0.0.1",
            "rwcommunity private 127.0.0.1",
            "rocommunity6 public ::1",
            "sysDescr the agent of the tests",
        ]
        for name, (auth, priv) in USERS.items():
            words = [f"createUser {name}", *((auth, AUTH) if auth else ()), *((priv, PRIV) if priv else ())]
            lines += [" ".join(words), f"rwuser {name} {'priv' if priv else 'auth' if auth else 'noauth'}"]
        (self.folder / "snmpd.conf").write_text("\n".join(lines) + "\n")
        self._daemon = self._start()

    def _start(self) -> Daemon:
        persistent = str(self.folder / "persist")
        argv = [needs.program("snmpd", "snmpd"), "-f", "-Lo"]
        # what it keeps is read again only if the path of configurations has it as well
        path = f"{self.folder}:{persistent}"
        environment = {"SNMP_PERSISTENT_DIR": persistent, "SNMPCONFPATH": path, "MIBS": ""}
        return self._site.start("snmpd", argv, port=self.port, serves=False, environment=environment)

    def restart(self) -> None:
        """The engine keeps its id and counts one boot more."""
        self._site.stop(self._daemon)
        self._daemon = self._start()


class Snmpsim:
    """Each community is a recording: `full` (a walk of a Linux host), `slow` and `fail`."""

    def __init__(self, site: Site, program: Path) -> None:
        self.port = free_port()
        folder = site.folder / "snmpsim"
        data = folder / "data"
        data.mkdir(parents=True)
        wait = int(SLOW * 1000)
        (data / "slow.snmprec").write_text(
            "1.3.6.1.2.1.1.1.0|4|quick\n1.3.6.1.2.1.1.2.0|6|1.3.6.1.4.1.9.1.516\n"
            f"1.3.6.1.2.1.1.5.0|4:delay|value=slowbox,wait={wait},deviation=0\n"
        )
        (data / "fail.snmprec").write_text(
            "1.3.6.1.2.1.1.1.0|4:error|op=get,status=genError\n1.3.6.1.2.1.1.2.0|6|1.3.6.1.4.1.9.1.516\n"
            "1.3.6.1.2.1.1.5.0|4|failbox\n"
        )
        code = "import snmpsim, os; print(os.path.dirname(snmpsim.__file__))"
        python = program.parent / "python"
        home = subprocess.run([str(python), "-c", code], capture_output=True, text=True, check=True).stdout
        self.recording = data / "full.snmprec"
        shutil.copy(Path(home.strip()) / "data" / "recorded" / "linux-full-walk.snmprec", self.recording)
        argv = [
            str(program),
            f"--data-dir={data}",
            f"--cache-dir={folder / 'cache'}",
            f"--agent-udpv4-endpoint=127.0.0.1:{self.port}",
            "--process-user=root",
            "--process-group=root",
        ]
        site.start("snmpsim", argv, serves=False)
        _wait_for_udp(self.port)


def _wait_for_udp(port: int) -> None:
    deadline = time.monotonic() + 30
    while not any(
        f":{port:04X} 00000000:0000" in line for line in Path("/proc/net/udp").read_text().splitlines()
    ):
        if time.monotonic() > deadline:
            raise RuntimeError(f"nothing listens on UDP port {port}")
        time.sleep(0.05)


def start(site: Site) -> Snmpd:
    needs.program("snmpd", "snmpd")
    return Snmpd(site)


def start_simulator(site: Site) -> Snmpsim:
    needs.root("snmpsim")
    beside = Path(sys.executable).parent / "snmpsim-command-responder"
    found = beside if beside.exists() else shutil.which("snmpsim-command-responder")
    if found is None:
        needs.missing("snmpsim is not installed: pip install snmpsim pysmi")
    return Snmpsim(site, Path(found))
