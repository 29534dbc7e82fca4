# SPDX-License-Identifier: Apache-2.0
"""Where a connection goes: `ip` or `host`, and `port`."""

from __future__ import annotations

import re

from aioconn.credentials import Secret
from aioconn.path import port_of
from aioconn.testbed import keys
from aioconn.testbed.markup import Deferred, Markup
from aioconn.testbed.section import Section, describe
from aioconn.testbed.tree import Items, Scalar
from aioconn.testbed.values import has_markup, written

_OCTET = "(?:25[0-5]|2[0-4][0-9]|[01]?[0-9]?[0-9])"
_RIGHT = re.compile(rf"(?:{_OCTET}\.){{3}}{_OCTET}|[A-Za-z0-9_-]*")
_QUADS = re.compile(r"(?:[0-9]{1,9}\.){3}[0-9]{1,9}")
_DASH_P = re.compile(r"-p\s*(\d+)")


def read_hosts(section: Section) -> list[str | Secret]:
    """The addresses to try, in this order; `ip` comes before `host`. Empty if there is none."""
    for name in ("ip", "host"):
        node = section.get(name)
        if node is None:
            continue
        nodes = node.values if isinstance(node, Items) else [node]
        found: list[str | Secret] = []
        for index, item in enumerate(nodes):
            if isinstance(item, Scalar) and item.null:
                continue
            key = section.path(name) + (f"[{index}]" if isinstance(node, Items) else "")
            value = written(item, key)
            if value is None:
                what = f"expected an address or a host name, found {describe(item, name)}"
                section.report.add(item, key, what) if isinstance(node, Items) else section.problem(
                    name, what
                )
                return []
            if isinstance(value, str):
                value = value.strip()
                if (doubt := _doubt(value)) is not None:
                    section.report.add(item, key, *doubt, warning=True)
            if value != "" and not any(isinstance(value, str) and value == other for other in found):
                found.append(value)
        if found:
            return found
    return []


def _doubt(address: str) -> tuple[str, str] | None:
    """What is wrong with an address that looks like one with something else, and what to write."""
    if _RIGHT.fullmatch(address):  # nearly all are
        return None
    if "://" in address:
        return "a URL in the place of an address", "write the address alone, protocol: and port: beside it"
    alone, slash, _ = address.partition("/")
    if slash:
        return "a prefix length is no part of an address to connect to", f"write {alone}"
    alone, colon, port = address.partition(":")
    if colon and port.isdigit() and "." in alone:
        return "a port is no part of an address", f"write {alone}, and port: {port} beside it"
    if _QUADS.fullmatch(address):
        return "this looks like an IPv4 address, and is none", "each of the four numbers is at most 255"
    return None


def host_hint(section: Section) -> str:
    """What to do about a connection without an address."""
    for name in section.node.entries:
        if name in ("address", "hostname", "ip_address", "ipv4", "ipv6", "server"):
            return f"write ip instead of {name}"
    hints = (
        section.report.close(name, ("ip", "host", "command"))
        for name in section.node.entries
        if name not in keys.CONNECTION
    )
    return next(filter(None, hints), "add ip: or host:")


def read_port(section: Section) -> int | Secret | None:
    """The port; deferred if there is markup in it."""
    node = section.get("port")
    if node is None:
        return None
    if not isinstance(node, Scalar):
        section.problem("port", f"expected a port number, found {describe(node, 'port')}")
        return None
    if isinstance(node.raw, Secret):
        return node.raw
    if has_markup(node):
        return Deferred(Markup.of(node, section.path("port")))
    return written_port(section, "port", node.text.strip())


def written_port(section: Section, name: str, text: str) -> int | None:
    """The port number that is written, which may be as it is given to the ssh command."""
    if (match := _DASH_P.fullmatch(text)) is not None:
        text = match[1]
        section.problem(name, f"a port is a number; read as {text}", f"write port: {text}", warning=True)
    if (port := port_of(text)) is not None:
        return port
    if text.isascii() and text.isdigit():
        section.problem(name, f"port {text[:20]} is out of range", "a port is a number from 1 to 65535")
    else:
        section.problem(name, f"expected a port number from 1 to 65535, found {text[:60]!r}")
    return None
