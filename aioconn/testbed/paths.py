# SPDX-License-Identifier: Apache-2.0
"""The `connections` of a device: its paths, and the defaults of `connect()`."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from aioconn.credentials import Credential, Secret
from aioconn.path import Path
from aioconn.testbed import keys
from aioconn.testbed.addresses import host_hint, read_hosts, read_port, written_port
from aioconn.testbed.equivalents import from_settings, is_foreign, translated
from aioconn.testbed.hops import Hops, command_line
from aioconn.testbed.logins import chosen_in, read_logins
from aioconn.testbed.model import ConnectionDefaults
from aioconn.testbed.protocol import KNOWN, parse_ssh_options, split_protocol
from aioconn.testbed.section import Section, describe, glued
from aioconn.testbed.tree import Items, Scalar, Table
from aioconn.testbed.values import option
from aioconn.testbed.wrappers import read_wrappers

_STRAYS = frozenset(("credentials", "service_attributes", "clean"))  # among the connections, and none of them


def read_connections(
    section: Section, logins: Mapping[str, Credential]
) -> tuple[dict[str, Path], ConnectionDefaults, dict[str, Any]]:
    """The paths by name, the defaults, and what stands among the connections without being one.

    `logins` are the credentials that the device has already.
    """
    paths: dict[str, Path] = {}
    extra: dict[str, Any] = {}
    fallback = _fallback_logins(section, logins)
    for name, (_, node) in section.node.entries.items():
        if name == "defaults":
            continue
        if name in _STRAYS and not _is_path(node):
            extra[name] = option(node, section.path(name), name)
            if name == "credentials":
                what = "credentials among the connections are not used"
                section.name_problem(name, what, "move them one level up", warning=True)
        elif isinstance(node, Table):
            entry = Section(node, section.path(name), section.report)
            paths[name] = _read_path(name, entry, logins, fallback)
        else:
            if name in keys.CONNECTION:
                hint = f"{name} is a key of a connection, whose own name (cli, ...) is missing above it"
            else:
                hint = f"write {name}: {{protocol: ssh, ip: ...}}"
            what = f"expected a mapping that describes a connection, found {describe(node, name)}"
            section.problem(name, what, glued(node) or hint)
    return paths, _read_defaults(section, paths), extra


def _is_path(node: object) -> bool:
    return isinstance(node, Table) and any(
        name in node.entries for name in ("ip", "host", "protocol", "command")
    )


def _read_path(
    name: str, section: Section, logins: Mapping[str, Credential], fallback: tuple[str, ...]
) -> Path:
    class_name = section.text("class")
    hosts = read_hosts(section)
    hops = Hops(section) if "proxy" in section.node.entries or "sshtunnel" in section.node.entries else None
    command = _command(section)
    if hops is not None and not command:
        command = hops.command()
    protocol, options, user = _protocol(name, section, bool(hosts), bool(command), class_name)
    port = read_port(section)
    if "ssh_options" in section:
        user = _ssh_options(section, "ssh_options", section.text("ssh_options") or "", options) or user
    if (inline := options.pop("port", None)) is not None and port is None:
        port = written_port(section, "protocol", inline)
    if (
        class_name is None
        and not (hops is not None and hops.says_command)
        and not any(section.has(key) for key in keys.TARGETS)
    ):
        what = "neither ip nor host nor command: there is no way to connect"
        section.add(what, host_hint(section))
    section.misspelled(keys.CONNECTION)
    own = section.options(keys.CONNECTION)
    options.update(own)
    own_logins = read_logins(section)
    path = Path(
        name=name,
        protocol=protocol,
        host=hosts[0] if hosts else None,
        port=None if isinstance(port, Secret) else port,
        port_source=port if isinstance(port, Secret) else None,
        class_name=class_name,
        credentials=own_logins,
        proxy=hops.names if hops is not None else (),
        command=command,
        login=_chosen(section, "login_creds", logins, own_logins) or chosen_in(section),
        user=user,
        options=options,
        wrappers=read_wrappers(section),
        extra=own,
        origin=section.node.origin,
    )
    path = _adapted(section, path, own)
    fallback = _chosen(section, "fallback_credentials", logins, own_logins) or fallback
    return path if len(hosts) < 2 and not fallback else _with_others(path, hosts, fallback)


def _adapted(section: Section, path: Path, own: dict[str, Any]) -> Path:
    """With `arguments` and `settings`, and what unicon's words among them and among the keys of the path come to."""
    arguments, argument_options, foreign = _arguments(section)
    settings = _table(section, "settings")
    found: dict[str, Any] = {}
    if any(map(is_foreign, own)):
        found.update(translated(section, own))
    if settings and (entry := section.section("settings")) is not None:
        found = {**from_settings(entry, settings), **found}
    if not (arguments or argument_options or foreign or settings or found):
        return path
    return dataclasses.replace(
        path,
        options={**found, **path.options, **argument_options},
        arguments=arguments,
        settings=settings,
        extra={**own, "arguments": foreign} if foreign else own,
    )


def _arguments(section: Section) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """The `arguments` of a path or of the defaults: ours, the options that unicon's come to, and unicon's."""
    entry = section.section("arguments")
    if entry is None:
        return {}, {}, {}
    written = entry.options()
    foreign = {name: value for name, value in written.items() if is_foreign(name)}
    if not foreign:
        return written, {}, {}
    ours = {name: value for name, value in written.items() if name not in foreign}
    return ours, translated(entry, foreign), foreign


def _with_others(path: Path, hosts: list[str | Secret], fallback: Iterable[str]) -> Path:
    """With the ways that differ in address or credentials: first other credentials, then another address."""
    others = [
        dataclasses.replace(path, host=host, login=login)
        for host in hosts or (None,)
        for login in (path.login, *((name,) for name in fallback))
    ]
    return path.with_others(others[1:])


def _chosen(section: Section, name: str, *known: Mapping[str, Credential]) -> tuple[str, ...]:
    """Names of credentials: of those that log in. An unknown one means `default`."""
    names = section.texts(name) if name in section.node.entries else ()
    for one in names:
        if not any(one in layer for layer in known):
            hint = section.report.nearest(one, {*known[0], *known[-1]}) if any(known) else None
            section.problem(name, f"no credential is called {one!r}: default is used", hint, warning=True)
    return names


def _fallback_logins(section: Section, logins: Mapping[str, Credential]) -> tuple[str, ...]:
    defaults = section.node.entries.get("defaults")
    if defaults is None or not isinstance(defaults[1], Table):
        return ()
    return _chosen(
        Section(defaults[1], section.path("defaults"), section.report), "fallback_credentials", logins
    )


def _command(section: Section) -> tuple[str, ...]:
    if isinstance(section.get("command"), Items):
        return section.texts("command")
    text = section.text("command")
    return command_line(section, text) if text else ()


def _protocol(
    path: str, section: Section, host: bool, command: bool, class_name: str | None
) -> tuple[str | None, dict[str, Any], str | None]:
    """The protocol's name, the options that were written behind it (`port` among them), and the user."""
    options: dict[str, Any] = {}
    text = section.text("protocol")
    if not text:
        if class_name is not None or command or not host:
            return None, options, None  # the class knows, or there is a bigger problem
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
        return "ssh", options, None
    name, rest = split_protocol(text)
    if name not in KNOWN and class_name is None:
        section.problem(
            "protocol", f"unknown protocol {name!r}", section.report.nearest(name, KNOWN), warning=True
        )
    user = _ssh_options(section, "protocol", rest, options) if rest else None
    return name, options, user


def _ssh_options(section: Section, name: str, text: str, options: dict[str, Any]) -> str | None:
    """What is understood of them goes to `options`; the user is returned."""
    found = parse_ssh_options(text)
    options.update(found.options)
    if found.port is not None:
        options["port"] = found.port
    if found.ignored:
        section.problem(name, f"not understood and left out: {' '.join(found.ignored)}", warning=True)
    return found.user


def _table(section: Section, name: str) -> dict[str, Any]:
    found = section.section(name)
    return {} if found is None else found.options()


def _read_defaults(connections: Section, paths: dict[str, Path]) -> ConnectionDefaults:
    section = connections.section("defaults")
    if section is None:
        return ConnectionDefaults()
    for name in section.node.entries:
        if name not in keys.DEFAULTS and not is_foreign(name):
            hint = section.report.nearest(name, keys.DEFAULTS)
            section.name_problem(name, "unknown key, not used", hint, warning=True)
    consoles = tuple(_known_paths(section, "connections", paths))
    if len(consoles) > 1:
        what = "one session at a time: connect() opens the first of these that answers"
        section.problem("connections", what, "open the others by connect(via=..., alias=...)", warning=True)
    via = tuple(_known_paths(section, "via", paths)) or consoles
    arguments, options, _ = _arguments(section)
    if consoles:
        more = _table(section, "connections_arguments")
        foreign = {name: value for name, value in more.items() if is_foreign(name)}
        ours = {name: value for name, value in more.items() if name not in foreign}
        arguments = {**ours, **translated(section, foreign), **arguments}
    return ConnectionDefaults(
        class_name=section.text("class"),
        alias=section.text("alias"),
        via=tuple(dict.fromkeys((*via, *(name for name in section.texts("fallback") if name in paths)))),
        max_sessions=section.count("max_sessions"),
        logins_per_minute=section.count("logins_per_minute"),
        pool_size=section.count("pool_size"),
        pool_timeout=section.seconds("pool_timeout"),
        arguments={**options, **arguments},
    )


def _known_paths(section: Section, name: str, paths: Mapping[str, Path]) -> Iterator[str]:
    for one in section.texts(name) if name in section.node.entries else ():
        yield one
        if one not in paths:
            hint = section.report.nearest(one, paths)
            section.problem(name, f"names no connection of this device: {one!r}", hint, warning=True)
