# SPDX-License-Identifier: Apache-2.0
"""Nornir's SimpleInventory: `hosts.yaml`, and `groups.yaml` and `defaults.yaml` beside it.

A host's attribute is its own, else that of the first group that has one (depth first), else that of the defaults.
In `connection_options` each field is looked for in the same order, where a group stands for itself, its groups and
then the defaults already: the defaults win over the second group. (Nornir 3: "Inventory".)
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from aioconn.testbed.inventories.files import InventoryFiles
from aioconn.testbed.inventories.host import Host, items, table, testbed_of, text
from aioconn.testbed.inventories.nornir_paths import Paths, credential
from aioconn.testbed.inventories.platforms import system
from aioconn.testbed.report import Report
from aioconn.testbed.section import Section, describe
from aioconn.testbed.tree import Items, Node, Scalar, Table

_ATTRIBUTES = ("hostname", "port", "username", "password", "platform")
_ELEMENT = (*_ATTRIBUTES, "groups", "data", "connection_options")
_OPTION = (*_ATTRIBUTES, "extras")
_FILES = ("groups", "defaults")
_DEPTH = 100  # groups in groups


@dataclass(slots=True)
class _Element:
    """A host, a group or the defaults, as written."""

    name: str
    place: Node
    section: Section
    groups: list[_Element] = field(default_factory=list)
    chain: list[_Element] | None = None  # all groups, the nearest first
    options: Section | None = None
    data: Section | None = None

    def get(self, attribute: str) -> Node | None:
        return self.section.get(attribute)


def read_nornir(path: Path, files: InventoryFiles) -> Table | None:
    """The tree of a testbed from the folder of an inventory, or from its file of hosts."""
    hosts_file = path if not path.is_dir() else _beside(path / "hosts.yaml") or path / "hosts.yaml"
    hosts = files.yaml(hosts_file, "a file of hosts")
    others: dict[str, Table | None] = {}
    for name in _FILES:
        found = _beside(hosts_file.with_name(f"{name}.yaml"))
        others[name] = None if found is None else files.yaml(found, f"{found.name} of an inventory")
    return _Inventory(hosts, others, files.report, Node(str(hosts_file), 1, 1)).tree()


def _beside(path: Path) -> Path | None:
    return next((found for found in (path, path.with_suffix(".yml")) if found.exists()), None)


class _Inventory:
    def __init__(
        self, hosts: Table | None, others: dict[str, Table | None], report: Report, where: Node
    ) -> None:
        self._report = report
        self._where = where
        empty = Table(where.file, where.line, where.column)
        defaults = others["defaults"] or empty
        self._defaults = self._element("defaults", defaults, Section(defaults, "defaults", report))
        self._groups = self._elements(Section(others["groups"] or empty, "", report), "a group")
        self._hosts = self._elements(Section(hosts or empty, "", report), "a host")
        self._paths = Paths(report)

    def tree(self) -> Table | None:
        if not self._hosts and any(not problem.warning for problem in self._report.problems):
            return None  # which says enough
        if not self._hosts:
            self._report.add(self._where, "", "there is no host in it", "write NAME: {hostname: ...}")
            return None
        for element in (*self._groups.values(), *self._hosts.values()):
            self._join(element)
        for group in self._groups.values():
            self._chain(group, ())
        return testbed_of(
            [self._host(element) for element in self._hosts.values()], self._where, self._report
        )

    def _elements(self, section: Section, what: str) -> dict[str, _Element]:
        return {
            name: self._element(name, section.node.entries[name][0], entry)
            for name, entry in section.sections(what)
        }

    def _element(self, name: str, place: Node, section: Section) -> _Element:
        section.misspelled(_ELEMENT)
        element = _Element(name, place, section, options=section.section("connection_options"))
        element.data = section.section("data")
        if element.options is not None:
            for _, option in element.options.sections("a connection (hostname, port, extras, ...)"):
                option.misspelled(_OPTION)
                option.section("extras")  # says so if it is no mapping
        for attribute in _ATTRIBUTES:
            node = section.get(attribute)
            if node is not None and not isinstance(node, Scalar):
                section.problem(attribute, f"expected a text, found {describe(node, attribute)}")
                del section.node.entries[attribute]
        return element

    def _join(self, element: _Element) -> None:
        """Find the groups that an element names."""
        node = element.get("groups")
        if node is not None and not isinstance(node, Items):
            element.section.problem(
                "groups",
                f"expected a list of groups, found {describe(node, 'groups')}",
                "write groups: [NAME]",
            )
            return
        for name in element.section.texts("groups"):
            if (group := self._groups.get(name)) is not None:
                element.groups.append(group)
            else:
                element.section.problem(
                    "groups", f"no group is called {name!r}", self._report.nearest(name, self._groups)
                )

    def _chain(self, element: _Element, above: tuple[_Element, ...]) -> list[_Element]:
        """All groups of an element, depth first, each once. A circle is a problem, and cut."""
        if element.chain is not None:
            return element.chain
        found: dict[int, _Element] = {}
        for group in list(element.groups):
            if group is element or group in above or len(above) > _DEPTH:
                trail = [*(one.name for one in above), element.name, group.name]
                shown = " -> ".join(trail[trail.index(group.name) if group.name in trail[:-1] else 0 :][:8])
                element.section.problem("groups", f"groups go in a circle: {shown}")
                element.groups.remove(group)
                continue
            for one in (group, *self._chain(group, (*above, element))):
                found.setdefault(id(one), one)
        element.chain = list(found.values())
        return element.chain

    # ------------------------------------------------------------------ one host

    def _host(self, element: _Element) -> Host:
        groups = self._chain(element, ())
        place = element.place
        inherited = {name: self._inherited(name, element, groups) for name in _ATTRIBUTES}
        host = Host(name=element.name, place=place)
        for source in (element, *groups, self._defaults):
            if source.data is not None:
                for name, entry in source.data.node.entries.items():
                    host.custom.setdefault(name, entry)
        if groups and "groups" not in host.custom:
            names = items(place, (text(group.name, place) for group in groups))
            host.custom["groups"] = (text("groups", place), names)
        platform = inherited["platform"]
        if login := credential(inherited):
            host.logins["default"] = login
        options = self._options(element, groups)
        unknown = self._paths.add(host, options, inherited)
        platform = platform or next((o["platform"] for o in options.values() if "platform" in o), None)
        if host.os is None and isinstance(platform, Scalar):
            host.os = text(system(platform.text), platform)
        if unknown and "connection_options" not in host.custom:
            host.custom["connection_options"] = (text("connection_options", place), table(place, unknown))
        return host

    def _inherited(self, name: str, element: _Element, groups: list[_Element]) -> Node | None:
        return next(
            (node for one in (element, *groups, self._defaults) if (node := one.get(name)) is not None), None
        )

    def _options(self, element: _Element, groups: list[_Element]) -> dict[str, dict[str, Node]]:
        """The connection options by name, each field from the first that has it."""
        order = [element, *self._first_line(element), self._defaults, *groups]
        found: dict[str, dict[str, Node]] = {}
        for one in order:
            if one.options is None:
                continue
            for name, (_, node) in one.options.node.entries.items():
                if not isinstance(node, Table):
                    continue
                fields = found.setdefault(name, {})
                for key, (_, value) in node.entries.items():
                    if not (isinstance(value, Scalar) and value.null):
                        fields.setdefault(key, value)
        return found

    def _first_line(self, element: _Element) -> Iterator[_Element]:
        """The groups that come before the defaults: the first one, its first one, and so on."""
        while element.groups:
            element = element.groups[0]
            yield element
