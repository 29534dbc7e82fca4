# SPDX-License-Identifier: Apache-2.0
"""netconfd (yuma123) behind OpenSSH: one with a candidate, one that writes to running."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tests.integration.servers import needs, openssh, sockets
from tests.integration.servers.openssh import OpenSsh, Sshd
from tests.integration.servers.site import Site

MODULES = "/usr/share/yuma/modules"
INTERFACES = "urn:ietf:params:xml:ns:yang:ietf-interfaces"
SEED = f"""<?xml version="1.0" encoding="UTF-8"?>
<config xmlns="urn:ietf:params:xml:ns:netconf:base:1.0"><interfaces xmlns="{INTERFACES}"
 xmlns:i="urn:ietf:params:xml:ns:yang:iana-if-type">
<interface><name>GigabitEthernet0/0</name><description>uplink</description><type>i:ethernetCsmacd</type></interface>
<interface><name>Loopback0</name><type>i:softwareLoopback</type></interface>
</interfaces></config>
"""


@dataclass(frozen=True, kw_only=True)
class Netconfd:
    """The SSH servers that lead to the daemons, and who may log in."""

    candidate: Sshd
    running: Sshd
    ssh: OpenSsh

    def entry(self, server: Sshd) -> dict[str, object]:
        """A device of a testbed."""
        login = {"username": self.ssh.user.name, "password": self.ssh.user.password}
        path = {"protocol": "netconf", "ip": "127.0.0.1", "port": server.port}
        return {"connections": {"nc": path}, "credentials": {"default": login}}


def start(site: Site, ssh: OpenSsh) -> Netconfd:
    program = needs.program("netconfd", "netconfd")
    subsystem = needs.program("netconf-subsystem", "netconfd")
    if not Path(MODULES).is_dir():
        needs.missing(
            "yuma's modules are not installed: apt-get install --no-install-recommends libyuma-base"
        )

    def serve(name: str, *options: str) -> Sshd:
        folder = site.folder / name
        for each in (".yuma", "data", "empty"):
            (folder / each).mkdir(parents=True)
        startup = folder / "data" / "startup-cfg.xml"
        startup.write_text(SEED)
        socket = folder / "ncx.sock"
        port = sockets.free_port()
        site.start(
            f"netconfd-{name}",
            [
                program,
                "--log-level=info",
                f"--modpath={MODULES}",
                f"--runpath={folder / 'empty'}",  # no code of any module: some of them change the machine
                f"--datapath={folder / 'data'}",
                f"--ncxserver-sockname={socket}",
                f"--port={port}",
                f"--superuser={ssh.user.name}",
                "--access-control=off",
                f"--startup={startup}",
                "--module=iana-if-type",
                "--module=ietf-interfaces",
                *options,
            ],
            ready=socket,
            environment={"HOME": str(folder)},
        )
        command = f'Subsystem netconf "{subsystem} --ncxserver-sockname={port}@{socket}"'
        return ssh.server(f"netconf-{name}", openssh.PASSWORD, command, "MaxSessions 100", port=port)

    return Netconfd(
        candidate=serve("candidate", "--target=candidate"),
        running=serve("running", "--target=running", "--with-startup=true"),
        ssh=ssh,
    )
