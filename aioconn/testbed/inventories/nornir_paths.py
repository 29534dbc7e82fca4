# SPDX-License-Identifier: Apache-2.0
"""What Nornir's `connection_options` mean: each names a plugin, and with it a way to the device."""

from __future__ import annotations

from collections.abc import Mapping

from aioconn.testbed.inventories.host import Host, Login, reached, table, text
from aioconn.testbed.inventories.platforms import is_telnet, system
from aioconn.testbed.report import Report
from aioconn.testbed.tree import Node, Scalar, Table

_LINES = ("aioconn", "netmiko", "scrapli", "paramiko", "cli", "ssh", "telnet")  # what reaches a command line
_PROTOCOLS = {
    "netconf": "netconf",
    "scrapli_netconf": "netconf",
    "ncclient": "netconf",
    "pyez": "netconf",
    "gnmi": "gnmi",
    "pygnmi": "gnmi",
    "restconf": "restconf",
    "snmp": "snmp",
    "rest": "https",
    "http": "https",
    "httpx": "https",
    "requests": "https",
}
_NAPALM = {"eos": "eapi", "nxos": "nxapi", "junos": "netconf"}  # NAPALM decides by platform; the others: ssh
_OF_THE_DEVICE = ("pool_size", "pool_timeout")

Attributes = Mapping[str, Node | None]
Option = dict[str, Node]


def credential(attributes: Attributes) -> Login:
    """Username and password, as far as they are there."""
    return {name: node for name in ("username", "password") if (node := attributes.get(name)) is not None}


class Paths:
    """Gives hosts their paths. What means nothing here is told once for each place."""

    def __init__(self, report: Report) -> None:
        self._report = report
        self._told: set[int] = set()

    def add(self, host: Host, options: Mapping[str, Option], inherited: Attributes) -> dict[str, Node]:
        """One path for each plugin, and `cli` if none of them reaches a command line. What is left comes back."""
        unknown: dict[str, Node] = {}
        for name, option in options.items():
            left = self._path(host, name, option, inherited)
            if left is not None:
                unknown[name] = left
        if not any(name.lower() in _LINES for name in options):
            cli = {"protocol": _carrier(inherited, {}, host.place), **_reached(host, inherited, inherited)}
            host.paths = {"cli": cli, **host.paths}
        return unknown

    def _path(self, host: Host, name: str, option: Option, inherited: Attributes) -> Node | None:
        place = next(iter(option.values()), host.place)
        found = option.get("extras")
        extras = {key: node for key, (_, node) in found.entries.items()} if isinstance(found, Table) else {}
        protocol = _protocol(name.lower(), option, extras, inherited, place)
        if protocol is None:
            if id(place) not in self._told:
                self._told.add(id(place))
                self._report.add(
                    place,
                    f"connection_options.{name}",
                    "nothing of aioconn is meant by this: kept in custom.connection_options",
                    warning=True,
                )
            return table(place, option)
        path = {"protocol": protocol, **_reached(host, option, inherited)}
        full = credential({**inherited, **option})
        logins: dict[str, Login] = {"default": full} if "username" in option or "password" in option else {}
        left = _placed(path, logins, extras, full)
        if name.lower() == "aioconn":
            left = _own(host, path, left)
        if logins:
            credentials = {key: table(next(iter(login.values())), login) for key, login in logins.items()}
            path["credentials"] = table(place, credentials)
        host.paths[name] = path
        return table(place, {"extras": table(place, left)}) if left else None


def _protocol(name: str, option: Option, extras: Option, inherited: Attributes, place: Node) -> Scalar | None:
    if name in _LINES:
        return _carrier({**inherited, **option}, extras, place)
    if name == "napalm":
        platform = option.get("platform") or inherited["platform"]
        spelling = platform.text.strip().lower() if isinstance(platform, Scalar) else ""
        return text("ssh" if spelling == "nxos_ssh" else _NAPALM.get(system(spelling), "ssh"), place)
    return text(_PROTOCOLS[name], place) if name in _PROTOCOLS else None


def _carrier(attributes: Attributes, extras: Option, place: Node) -> Scalar:
    """ssh or telnet, which the platform's name or an extra may say; for our own plugin whatever it says."""
    if isinstance(node := extras.get("protocol"), Scalar) and not node.null:
        return node
    for node in (extras.get("device_type"), attributes.get("platform")):
        if isinstance(node, Scalar) and is_telnet(node.text):
            return text("telnet", node)
    node = extras.get("transport")
    if isinstance(node, Scalar) and node.text.strip().lower() in ("telnet", "asynctelnet"):
        return text("telnet", node)
    return text("ssh", place)


def _reached(host: Host, option: Attributes, inherited: Attributes) -> dict[str, Node]:
    """Address and port; without `hostname` a host goes by its name."""
    address = option.get("hostname") or inherited["hostname"] or text(host.name, host.place)
    return reached(address, option.get("port") or inherited["port"])


def _placed(path: Option, logins: dict[str, Login], extras: Option, login: Login) -> Option:
    """Put those extras in their places that other plugins' users know; the rest comes back."""
    left: Option = {}
    for name, node in extras.items():
        if name == "optional_args" and isinstance(node, Table):  # NAPALM's
            rest = _placed(path, logins, {key: value for key, (_, value) in node.entries.items()}, login)
            if rest:
                left[name] = table(node, rest)
        elif not isinstance(node, Scalar) or node.null:
            left[name] = node
        elif name in ("secret", "auth_secondary", "enable_password"):
            logins["enable"] = {"password": node}
        elif name in ("key_file", "auth_private_key", "ssh_private_key_file"):
            logins.setdefault("default", dict(login))["key"] = node
        elif name in ("passphrase", "auth_private_key_passphrase"):
            logins.setdefault("default", dict(login))["passphrase"] = node
        elif name == "auth_strict_key":
            loose = node.text.strip().lower() in ("false", "no", "off")
            path["host_key_policy"] = text("ignore" if loose else "strict", node)
        elif name not in ("device_type", "transport", "protocol"):  # which were asked for already
            left[name] = node
    return left


def _own(host: Host, path: Option, extras: Option) -> Option:
    """The extras of our own plugin: keys of a testbed's device, and options of the connection."""
    for name, node in extras.items():
        if name in _OF_THE_DEVICE:
            host.defaults[name] = node
        elif name == "os":
            host.os = node
        elif name == "credentials" and isinstance(node, Table):
            for key, (_, login) in node.entries.items():
                if isinstance(login, Table):
                    host.logins[key] = {field: value for field, (_, value) in login.entries.items()}
        elif name == "connections" and isinstance(node, Table):
            for key, (_, other) in node.entries.items():
                if isinstance(other, Table):
                    host.paths[key] = {field: value for field, (_, value) in other.entries.items()}
        elif name != "timeout":  # that of one call of connect()
            path[name] = node
    return {}
