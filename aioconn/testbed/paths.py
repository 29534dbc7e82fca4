# SPDX-License-Identifier: Apache-2.0
"""The `connections` of a device: its paths, and the defaults of `connect()`."""

from __future__ import annotations

import re
import shlex
from typing import Any

from aioconn.credentials import Secret
from aioconn.errors import nearest
from aioconn.path import Path
from aioconn.testbed.logins import read_logins
from aioconn.testbed.markup import Deferred, Markup, kinds
from aioconn.testbed.model import ConnectionDefaults
from aioconn.testbed.protocol import KNOWN, parse_ssh_options, split_protocol
from aioconn.testbed.section import Section, close, describe
from aioconn.testbed.tree import Items, Scalar, Table
from aioconn.testbed.values import option, written

_STRAYS = frozenset(("credentials", "service_attributes", "clean"))  # among the connections, and none of them
_STRUCTURE = frozenset(
    (
        "protocol",
        "ip",
        "host",
        "port",
        "class",
        "credentials",
        "tacacs",
        "passwords",
        "proxy",
        "command",
        "arguments",
        "settings",
        "ssh_options",
    )
)
_TARGETS = ("ip", "host", "command", "url", "base_url")
_DEFAULTS = (
    "class",
    "alias",
    "via",
    "fallback",
    "max_sessions",
    "logins_per_minute",
    "pool_size",
    "pool_timeout",
    "arguments",
)
_DASH_P = re.compile(r"-p\s*(\d+)")


def read_connections(section: Section) -> tuple[dict[str, Path], ConnectionDefaults, dict[str, Any]]:
    """The paths by name, the defaults, and what stands among the connections without being one."""
    paths: dict[str, Path] = {}
    extra: dict[str, Any] = {}
    for name, (_, node) in section.node.entries.items():
        if name == "defaults":
            continue
        if name in _STRAYS and not _is_path(node):
            extra[name] = option(node, section.path(name), name)
            if name == "credentials":
                section.name_problem(
                    name,
                    "credentials among the connections are not used",
                    "move them one level up",
                    warning=True,
                )
        elif isinstance(node, Table):
            paths[name] = _read_path(name, Section(node, section.path(name), section.report))
        else:
            section.problem(
                name,
                f"expected a mapping that describes a connection, found {describe(node, name)}",
                f"write {name}: {{protocol: ssh, ip: ...}}",
            )
    return paths, _read_defaults(section, paths), extra


def _is_path(node: object) -> bool:
    return isinstance(node, Table) and any(
        name in node.entries for name in ("ip", "host", "protocol", "command")
    )


def _read_path(name: str, section: Section) -> Path:
    class_name = section.text("class")
    host = _host(section)
    command = _command(section)
    protocol, options = _protocol(name, section, bool(host), bool(command), class_name)
    port = _port(section)
    if "ssh_options" in section:
        _ssh_options(section, "ssh_options", section.text("ssh_options") or "", options)
    if (inline := options.pop("port", None)) is not None and port is None:
        port = _port_number(section, "protocol", inline)
    if not any(section.has(key) for key in _TARGETS) and class_name is None:
        what = "neither ip nor host nor command: there is no way to connect"
        section.add(what, _host_hint(section))
    section.misspelled(_STRUCTURE)
    own = section.options(_STRUCTURE)
    return Path(
        name=name,
        protocol=protocol,
        host=host,
        port=None if isinstance(port, Secret) else port,
        port_source=port if isinstance(port, Secret) else None,
        class_name=class_name,
        credentials=read_logins(section),
        proxy=_proxy(section),
        command=command,
        options={**options, **own},
        arguments=_table(section, "arguments"),
        settings=_table(section, "settings"),
        extra=own,
        origin=section.node.origin,
    )


def _host_hint(section: Section) -> str:
    for name in section.node.entries:
        if name in ("address", "hostname", "ip_address", "ipv4", "ipv6", "server"):
            return f"write ip instead of {name}"
    return next(
        (
            hint
            for name in section.node.entries
            if name not in _STRUCTURE and (hint := close(name, ("ip", "host", "command")))
        ),
        "add ip: or host:",
    )


def _host(section: Section) -> str | Secret | None:
    for name in ("ip", "host"):
        node = section.get(name)
        key = section.path(name)
        if isinstance(node, Items) and node.values:
            node, key = node.values[0], f"{key}[0]"  # of several addresses the first
        if node is None:
            continue
        value = written(node, key)
        if isinstance(value, str):
            value = value.strip()
        if value is None:
            section.problem(name, f"expected an address or a host name, found {describe(node, name)}")
            return None
        if isinstance(value, Secret) or value:
            return value
    return None


def _command(section: Section) -> tuple[str, ...]:
    if isinstance(section.get("command"), Items):
        return section.texts("command")
    text = section.text("command")
    if not text:
        return ()
    try:
        return tuple(shlex.split(text))
    except ValueError as error:
        section.problem("command", f"not a command line: {str(error).lower()}")
        return ()


def _proxy(section: Section) -> tuple[str, ...]:
    node = section.get("proxy")
    if not isinstance(node, Items):
        return section.texts("proxy")
    found: list[str] = []
    for index, item in enumerate(node.values):
        key = f"{section.path('proxy')}[{index}]"
        if isinstance(item, Table):  # unicon's long form: {device: name, command: ssh ...}
            hop = Section(item, key, section.report)
            if "device" not in hop:
                section.report.add(item, key, "a proxy needs the name of a device", "write - device: NAME")
            if "command" in hop:
                hop.problem(
                    "command", "not used: the connection goes through the proxy's own SSH link", warning=True
                )
            found.extend(hop.texts("device"))
        elif isinstance(item, Scalar) and not item.null:
            found.append(item.text.strip())
        else:
            section.report.add(item, key, f"expected the name of a device, found {describe(item, 'proxy')}")
    return tuple(found)


def _port(section: Section) -> int | Secret | None:
    node = section.get("port")
    if node is None:
        return None
    if isinstance(node, Scalar) and isinstance(node.raw, Secret):
        return node.raw
    if isinstance(node, Scalar) and kinds(node.text):
        return Deferred(Markup(text=node.text, key=section.path("port"), origin=node.origin).resolve)
    if not isinstance(node, Scalar):
        section.problem("port", f"expected a port number, found {describe(node, 'port')}")
        return None
    return _port_number(section, "port", node.text.strip())


def _port_number(section: Section, name: str, text: str) -> int | None:
    if (match := _DASH_P.fullmatch(text)) is not None:
        text = match[1]
        section.problem(name, f"a port is a number; read as {text}", f"write port: {text}", warning=True)
    if not (text.isascii() and text.isdigit()):
        section.problem(name, f"expected a port number from 1 to 65535, found {text[:60]!r}")
    elif not 1 <= int(text[:9]) <= 65535:
        section.problem(name, f"port {text[:20]} is out of range", "a port is a number from 1 to 65535")
    else:
        return int(text)
    return None


def _protocol(
    path: str, section: Section, host: bool, command: bool, class_name: str | None
) -> tuple[str | None, dict[str, Any]]:
    """The protocol's name, and the options that were written behind it (`port` among them)."""
    options: dict[str, Any] = {}
    text = section.text("protocol")
    if not text:
        if class_name is not None or command or not host:
            return None, options  # the class knows, or there is a bigger problem
        other = path.lower() if path.lower() in KNOWN and path.lower() != "ssh" else None
        port = section.node.entries.get("port")
        if (
            other is None
            and port is not None
            and isinstance(port[1], Scalar)
            and port[1].text.strip() == "23"
        ):
            other = "telnet"
        if other is not None:
            section.add("no protocol: taken as ssh", f"write protocol: {other} if you mean it", warning=True)
        return "ssh", options
    name, rest = split_protocol(text)
    if name not in KNOWN and class_name is None:
        section.problem("protocol", f"unknown protocol {name!r}", nearest(name, KNOWN), warning=True)
    if rest:
        _ssh_options(section, "protocol", rest, options)
    return name, options


def _ssh_options(section: Section, name: str, text: str, options: dict[str, Any]) -> None:
    found = parse_ssh_options(text)
    options.update(found.options)
    if found.port is not None:
        options["port"] = found.port
    if found.ignored:
        section.problem(name, f"not understood and left out: {' '.join(found.ignored)}", warning=True)


def _table(section: Section, name: str) -> dict[str, Any]:
    found = section.section(name)
    return {} if found is None else found.options()


def _read_defaults(connections: Section, paths: dict[str, Path]) -> ConnectionDefaults:
    section = connections.section("defaults")
    if section is None:
        return ConnectionDefaults()
    for name in section.node.entries:
        if name not in _DEFAULTS:
            section.name_problem(name, "unknown key, not used", nearest(name, _DEFAULTS), warning=True)
    via = section.texts("via")
    for name in via:
        if name not in paths:
            section.problem("via", f"names no connection of this device: {name!r}", nearest(name, paths))
    return ConnectionDefaults(
        class_name=section.text("class"),
        alias=section.text("alias"),
        via=tuple(dict.fromkeys((*via, *(name for name in section.texts("fallback") if name in paths)))),
        max_sessions=section.count("max_sessions"),
        logins_per_minute=section.count("logins_per_minute"),
        pool_size=section.count("pool_size"),
        pool_timeout=section.seconds("pool_timeout"),
        arguments=_table(section, "arguments"),
    )
