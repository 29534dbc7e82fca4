# SPDX-License-Identifier: Apache-2.0
"""A host of an inventory with all that it inherits, and the tree of a testbed that many of them make."""

from __future__ import annotations

import ipaddress
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from aioconn.testbed.report import Report
from aioconn.testbed.tree import NODE_LIMIT, Items, Node, Scalar, Table

Login = dict[str, Node]  # the fields of a credential: username, password, key


@dataclass(slots=True, kw_only=True)
class Host:
    """One host. The nodes are those of the inventory's files; hosts share what they inherit.

    `logins` are credentials by name, `paths` the connections: each a mapping of a testbed's keys; so are the
    `defaults` of the connections. `custom` is data of the inventory's owner.
    """

    name: str
    place: Node
    os: Node | None = None
    logins: dict[str, Login] = field(default_factory=dict)
    paths: dict[str, dict[str, Node]] = field(default_factory=dict)
    defaults: dict[str, Node] = field(default_factory=dict)
    custom: dict[str, tuple[Scalar, Node]] = field(default_factory=dict)


def text(value: str, place: Node) -> Scalar:
    """A text of ours, which stands where it comes from."""
    return Scalar(place.file, place.line, place.column, value, plain=False)


def table(place: Node, entries: Mapping[str, Node]) -> Table:
    """A mapping of ours; each of its keys stands where its value does."""
    keyed = {name: (text(name, value), value) for name, value in entries.items()}
    return Table(place.file, place.line, place.column, keyed)


def items(place: Node, values: Iterable[Node]) -> Items:
    return Items(place.file, place.line, place.column, list(values))


def reached(address: Node, port: Node | None) -> dict[str, Node]:
    """Address and port of a path: `ip` for numbers, `host` for names, which pyATS would look up while loading."""
    numbers = isinstance(address, Scalar) and _is_address(address.text.strip())
    found = {"ip" if numbers else "host": address}
    return found if port is None else {**found, "port": port}


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def testbed_of(hosts: Sequence[Host], where: Node, report: Report) -> Table:
    """The tree of a testbed. What all hosts have in common of a credential is written once, at the testbed."""
    if (size := _size(hosts)) > NODE_LIMIT:
        report.add(
            where,
            "",
            f"the variables of all hosts together are {size:,} values: more than {NODE_LIMIT:,} are not read",
        )
        return table(where, {})
    shared = _shared(hosts)
    devices: dict[str, tuple[Scalar, Node]] = {
        host.name: (text(host.name, host.place), _device(host, shared)) for host in hosts
    }
    tree = table(where, {"devices": Table(where.file, where.line, where.column, devices)})
    if shared:
        common = table(where, {"credentials": table(where, _credentials(shared))})
        tree.entries = {"testbed": (text("testbed", where), common), **tree.entries}
    return tree


def _device(host: Host, shared: Mapping[str, Login]) -> Table:
    own = {name: login for name, login in host.logins.items() if not _same(login, shared.get(name))}
    entries: dict[str, Node] = {}
    if host.os is not None:
        entries["os"] = host.os
    if own:
        entries["credentials"] = table(host.place, _credentials(own))
    paths = {"defaults": host.defaults} if host.defaults else {}
    paths.update(host.paths)
    entries["connections"] = table(  # pyATS wants it, be it empty
        host.place, {name: table(host.place, path) for name, path in paths.items()}
    )
    if host.custom:
        entries["custom"] = Table(host.place.file, host.place.line, host.place.column, dict(host.custom))
    return table(host.place, entries)


def _credentials(logins: Mapping[str, Login]) -> dict[str, Node]:
    return {name: table(next(iter(login.values())), login) for name, login in logins.items()}


def _shared(hosts: Sequence[Host]) -> dict[str, Login]:
    """By name the credential that most hosts have, if each has one: who has none must not get it."""
    found: dict[str, Login] = {}
    for name in dict.fromkeys(name for host in hosts for name in host.logins):
        if len(hosts) < 2 or not all(name in host.logins for host in hosts):
            continue
        logins = {_identity(host.logins[name]): host.logins[name] for host in hosts}
        (most, count), *_ = Counter(_identity(host.logins[name]) for host in hosts).most_common(1)
        if count > 1:
            found[name] = logins[most]
    return found


def _identity(login: Login) -> tuple[tuple[str, int], ...]:
    return tuple((name, id(node)) for name, node in login.items())


def _same(login: Login, other: Login | None) -> bool:
    return other is not None and _identity(login) == _identity(other)


def _size(hosts: Sequence[Host]) -> int:
    """How many values the hosts' data are when each host has its own copy of what it inherits."""
    known: dict[int, int] = {}
    total = 0
    for host in hosts:
        for _, node in host.custom.values():
            if id(node) not in known:
                known[id(node)] = weight(node)
            total += known[id(node)]
        total += len(host.paths) + 1
    return total


def weight(node: Node) -> int:
    """How many values there are in a node, its aliases expanded; a node that is met twice is weighed once."""
    known: dict[int, int] = {}
    waiting: list[tuple[Node, bool]] = [(node, False)]
    while waiting:
        found, leaving = waiting.pop()
        if leaving:
            known[id(found)] = 1 + sum(known[id(below)] for below in _below(found))
        elif id(found) not in known:
            known[id(found)] = 1  # until all below it is weighed
            waiting.append((found, True))
            waiting.extend((below, False) for below in _below(found))
    return known[id(node)]


def _below(node: Node) -> list[Node]:
    if isinstance(node, Table):
        return [value for _, value in node.entries.values()]
    return node.values if isinstance(node, Items) else []
