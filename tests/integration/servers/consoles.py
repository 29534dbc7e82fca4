# SPDX-License-Identifier: Apache-2.0
"""ser2net as a console server: telnet to what would be serial lines.

`login` is a line with login(1), for one user at a time. `router` is a line with vtysh that nobody ever logs out from:
whoever comes finds it as the one before has left it.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass

from tests.integration.servers import needs, sockets
from tests.integration.servers.accounts import User
from tests.integration.servers.frr import Frr
from tests.integration.servers.site import Site

_LINE = """%YAML 1.1
---
connection: &{name}
  accepter: telnet(rfc2217),tcp,127.0.0.1,{port}
  enable: on
  options: {{mdns: false, kickolduser: false, banner: "\\r\\nConsole server port {name}\\r\\n"}}
  connector: serialdev,{device},9600n81,local
"""


@dataclass(frozen=True, kw_only=True)
class Consoles:
    login: int
    router: int
    user: User


def start(site: Site, frr: Frr) -> Consoles:
    needs.root("a console server with login(1)")
    ser2net, socat = needs.program("ser2net", "ser2net"), needs.program("socat", "socat")
    folder = site.folder / "consoles"
    folder.mkdir()
    needs.program("setsid", "util-linux")
    lines = {"login": needs.program("login", "login"), "router": shlex.join(frr.vtysh)}
    ports = {name: sockets.free_port() for name in lines}
    for name, command in lines.items():
        device, far_end = folder / name, folder / f"{name}-far"
        pair = [f"PTY,link={end},raw,echo=0" for end in (device, far_end)]
        site.start(f"line-{name}", [socat, *pair], ready=far_end, serves=False)
        # at the far end, what has ended begins again, as a getty does
        again = f"stty sane <{far_end}; setsid --ctty --wait {command} <>{far_end} >&0 2>&1; sleep 0.1"
        site.start(f"program-{name}", ["sh", "-c", f"while :; do {again}; done"], serves=False)
        configuration = folder / f"{name}.yaml"
        configuration.write_text(_LINE.format(name=name, port=ports[name], device=device))
        argv = [ser2net, "-n", "-d", "-u", "-c", str(configuration)]
        site.start(f"ser2net-{name}", argv, port=ports[name])
    return Consoles(login=ports["login"], router=ports["router"], user=site.accounts.user("con"))
