# SPDX-License-Identifier: Apache-2.0
"""The `servers` of a testbed: what serves all of its devices, and may be a jump host on the way to them."""

from __future__ import annotations

from collections.abc import Mapping

from aioconn.credentials import Credential, Credentials, Secret
from aioconn.path import Path
from aioconn.testbed import keys
from aioconn.testbed.addresses import read_port
from aioconn.testbed.logins import older_credential, read_logins
from aioconn.testbed.markup import hold
from aioconn.testbed.model import DeviceSpec, Server
from aioconn.testbed.protocol import parse_ssh_options
from aioconn.testbed.section import Section, describe
from aioconn.testbed.tree import Items, Scalar
from aioconn.testbed.values import written


def read_servers(testbed: Section, shared: Mapping[str, Credential]) -> dict[str, tuple[Server, Section]]:
    """Each with its section, which tells how it is reached. `shared` are the testbed's credentials."""
    section = testbed.section("servers")
    if section is None:
        return {}
    return {
        name: (_server(name, entry, shared), entry)
        for name, entry in section.sections("a server", keys.SERVER)
    }


def _server(name: str, section: Section, shared: Mapping[str, Credential]) -> Server:
    own = section.options(keys.SERVER)
    return Server(
        name=name,
        server=section.text("server"),
        type=section.text("type"),
        address=tuple(_addresses(section)),
        port=read_port(section),
        path=section.text("path"),
        credentials=Credentials(
            read_logins(section), _older(section), shared, origin=section.path("credentials")
        ),
        custom=section.free("custom"),
        extra=hold(own),
        origin=section.node.origin,
    )


def _older(section: Section) -> dict[str, Credential]:
    """`username` and `password` of the server itself."""
    if "username" not in section.node.entries and "password" not in section.node.entries:
        return {}
    return {"default": older_credential(section)}


def _addresses(section: Section) -> list[str | Secret]:
    node = section.get("address")
    if node is None:
        return []
    found: list[str | Secret] = []
    for item in node.values if isinstance(node, Items) else [node]:
        value = written(item, section.path("address"))
        if value is None:
            section.problem(
                "address", f"expected an address or a host name, found {describe(item, 'address')}"
            )
        elif not (isinstance(item, Scalar) and item.null):
            found.append(value.strip() if isinstance(value, str) else value)
    return found


def as_jump_host(server: Server, section: Section) -> DeviceSpec:
    """The server as a device to go through. unicon looks for `port` and `ssh_options` in its `custom`."""
    hosts: tuple[str | Secret | None, ...] = server.address or (server.server,)
    if not any(hosts):
        section.add("this server is gone through, and has no address", "add address:")
    custom = section.section("custom") or Section(section.node, section.key, section.report)
    options = parse_ssh_options(custom.text("ssh_options") or "")
    port = read_port(custom) if "port" in custom else server.port
    ways = [
        Path(
            name="ssh",
            protocol="ssh",
            host=host,
            port=None if isinstance(port, Secret) else port,
            port_source=port if isinstance(port, Secret) else None,
            user=options.user,
            options=options.options,
            origin=server.origin,
        )
        for host in hosts
    ]
    path = ways[0].with_others(ways[1:])
    return DeviceSpec(
        name=server.name, connections={"ssh": path}, credentials=server.credentials, origin=server.origin
    )
