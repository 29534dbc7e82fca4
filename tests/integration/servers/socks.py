# SPDX-License-Identifier: Apache-2.0
"""SOCKS proxies: microsocks with and without a login, and dante, which knows the users of this machine."""

from __future__ import annotations

from dataclasses import dataclass

from tests.integration.servers import needs
from tests.integration.servers.site import Site
from tests.integration.servers.sockets import free_port

USER, PASSWORD = "proxy-user", "proxy/pass:1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Socks:
    """Ports: of microsocks without a login, and with USER and PASSWORD; of dante, with the login `known`."""

    open: int
    closed: int
    dante: int
    known: tuple[str, str]


def start(site: Site) -> Socks:
    needs.root("dante")
    microsocks = needs.program("microsocks", "microsocks")
    danted = needs.program("danted", "dante-server")
    user = site.accounts.user("socks")
    socks = Socks(open=free_port(), closed=free_port(), dante=free_port(), known=(user.name, user.password))
    listening = [microsocks, "-i", "127.0.0.1", "-p"]
    site.start("microsocks", [*listening, str(socks.open)], port=socks.open)
    site.start(
        "microsocks-closed",
        [*listening, str(socks.closed), "-u", USER, "-P", PASSWORD],
        port=socks.closed,
    )
    folder = site.folder / "dante"
    folder.mkdir()
    (folder / "danted.conf").write_text(
        f"""
logoutput: {folder}/log
internal: 127.0.0.1 port = {socks.dante}
external: lo
socksmethod: username
clientmethod: none
user.privileged: root
user.unprivileged: nobody
client pass {{ from: 127.0.0.0/8 to: 0.0.0.0/0 }}
socks pass {{ from: 127.0.0.0/8 to: 127.0.0.1/32 socksmethod: username }}
"""
    )
    site.start(
        "danted",
        [danted, "-f", f"{folder}/danted.conf", "-p", f"{folder}/pid"],
        port=socks.dante,
        serves=False,  # its processes wait for the next
    )
    return socks
