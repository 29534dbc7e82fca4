# SPDX-License-Identifier: Apache-2.0
"""Three telnet servers with login(1) behind them: three engines for the options, one way to ask for a password.

inetutils says nothing to a client that does not negotiate; busybox shows `login:` at once; netkit (with TLS, switched
off here) asks for the terminal's type and environment first. Debian lets only one of them be installed, so the other
two are unpacked.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.integration.servers import needs, sockets
from tests.integration.servers.daemon import Daemon
from tests.integration.servers.site import Site

KINDS = ("inetutils", "busybox", "netkit")


class Telnetd:
    """`server(kind)` starts one, the first time that it is asked for."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._servers: dict[str, Daemon] = {}
        self.user = site.accounts.user("tel")

    def server(self, kind: str) -> Daemon:
        if kind not in self._servers:
            port = sockets.free_port()
            start: Callable[[int], list[str]] = getattr(self, f"_{kind}")
            self._servers[kind] = self._site.start(f"telnetd-{kind}", start(port), port=port)
        return self._servers[kind]

    def _inetutils(self, port: int) -> list[str]:
        return _inetd(port, f"{needs.program('telnetd', 'inetutils-telnetd')} -h")

    def _busybox(self, port: int) -> list[str]:
        program = self._unpacked("busybox-static", "bin/busybox")
        return [str(program), "telnetd", "-F", "-b", f"127.0.0.1:{port}", "-l", "/bin/login"]

    def _netkit(self, port: int) -> list[str]:
        program = self._unpacked("telnetd-ssl", "usr/sbin/in.telnetd")
        # its TLS is switched off, but it wants to see a certificate
        pair = self._site.folder / "telnetd.pem"
        argv = f"openssl req -x509 -newkey rsa:2048 -nodes -keyout {pair} -out {pair}.crt -days 2 -subj /CN=localhost"
        needs.program("openssl", "openssl")
        subprocess.run(argv.split(), check=True, capture_output=True)
        with pair.open("ab") as both:
            both.write(Path(f"{pair}.crt").read_bytes())
        return _inetd(port, f"{program} -h -L /usr/bin/login -z nossl -z cert={pair}")

    def _unpacked(self, package: str, program: str) -> Path:
        """A program of a package that is not installed; skips where there is no way to get it."""
        folder = self._site.folder / package
        folder.mkdir(exist_ok=True)
        for argv in (["apt-get", "download", "-q", package], ["sh", "-c", "dpkg -x ./*.deb ."]):
            try:
                done = subprocess.run(argv, cwd=folder, capture_output=True, timeout=30, check=False)
            except (OSError, subprocess.TimeoutExpired):
                pytest.skip(f"{package} cannot be had here")
            if done.returncode:
                pytest.skip(f"{package} cannot be had here")
        return folder / program


def start(site: Site) -> Telnetd:
    needs.root("a telnet server")
    needs.program("login", "login")
    needs.program("socat", "socat")
    needs.program("telnetd", "inetutils-telnetd")
    return Telnetd(site)


def _inetd(port: int, command: str) -> list[str]:
    socat = needs.program("socat", "socat")
    return [socat, f"TCP-LISTEN:{port},bind=127.0.0.1,reuseaddr,fork,backlog=128", f"EXEC:{command},nofork"]
