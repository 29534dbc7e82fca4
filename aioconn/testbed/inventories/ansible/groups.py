# SPDX-License-Identifier: Apache-2.0
"""Groups and hosts of an Ansible inventory, and which of many values of a variable counts.

From the weakest to the strongest: `all` and then the other groups as the inventory writes them, `group_vars/all`, the
other files of `group_vars`, what the inventory writes at the host, the files of `host_vars`. Among groups the deeper
one wins, then the higher `ansible_group_priority`, then the later name. (Ansible documentation: "How variables are
merged".)
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TypeAlias

from aioconn.testbed.inventories.ansible.ranges import HOST_LIMIT, BadPattern, TooManyHosts, expand
from aioconn.testbed.report import Report
from aioconn.testbed.tree import Node, Scalar

Variables: TypeAlias = dict[str, tuple[Scalar, Node]]  # name -> (where the name stands, value)
ALL, UNGROUPED = "all", "ungrouped"


@dataclass(slots=True, eq=False)
class Group:
    """`children` are where the names of other groups stand. `files`: what `group_vars` says."""

    name: str
    place: Node
    declared: bool = True
    children: dict[str, Node] = field(default_factory=dict)
    variables: Variables = field(default_factory=dict)
    files: Variables = field(default_factory=dict)
    depth: int = 0
    priority: int = 1


@dataclass(slots=True, eq=False)
class Member:
    """A host. `files`: what `host_vars` says."""

    name: str
    place: Node
    groups: dict[str, None] = field(default_factory=dict)
    variables: Variables = field(default_factory=dict)
    files: Variables = field(default_factory=dict)


class Groups:
    """All groups and hosts, from however many files."""

    def __init__(self, report: Report) -> None:
        self.report = report
        self.groups: dict[str, Group] = {}
        self.hosts: dict[str, Member] = {}
        self.too_many = False
        self._parents: dict[str, list[str]] = {}
        self._merged: dict[tuple[str, ...], Variables] = {}

    def group(self, name: str, place: Node, *, declared: bool = True) -> Group:
        """The group of this name, made if it is new. `declared`: it is more than named by another one."""
        found = self.groups.setdefault(name, Group(name, place, declared))
        if declared and not found.declared:
            found.declared, found.place = True, place
        return found

    def add_hosts(self, pattern: str, group: str, place: Node, variables: Variables) -> None:
        """Put the hosts that a pattern stands for into a group. A wrong pattern is a problem."""
        try:
            names, port = expand(pattern, HOST_LIMIT - len(self.hosts))
        except BadPattern as error:
            self.too_many |= isinstance(error, TooManyHosts)
            self.report.add(place, group, f"{pattern[:60]!r} is no name of hosts: {error}")
            return
        if port is not None:
            number = Scalar(place.file, place.line, place.column, port)
            variables = {"ansible_port": (number, number), **variables}
        for name in names:
            host = self.hosts.setdefault(name, Member(name, place))
            host.groups[group] = None
            host.variables.update(variables)

    def finish(self) -> None:
        """Check what names what, and find how deep each group is. To be called once, after all files."""
        for group in list(self.groups.values()):
            if not group.declared:
                self.report.add(
                    group.place,
                    group.name,
                    f"there is no group {group.name!r}",
                    self.report.nearest(group.name, [g.name for g in self.groups.values() if g.declared]),
                )
            priority = group.variables.pop("ansible_group_priority", None)
            if priority is not None and isinstance(priority[1], Scalar):
                digits = priority[1].text.strip()
                group.priority = (
                    int(digits) if digits.isascii() and digits.isdigit() and len(digits) < 10 else 1
                )
        self._cut_circles()
        for group in self.groups.values():
            for child in group.children:
                self._parents.setdefault(child, []).append(group.name)
        self._deepen()

    def of(self, host: Member) -> list[Group]:
        """All groups of a host but `all`, the weakest first."""
        found: dict[str, None] = dict.fromkeys(host.groups)
        order = list(found)
        for name in order:  # grows while we walk it
            for parent in self._parents.get(name, ()):
                if parent not in found:
                    found[parent] = None
                    order.append(parent)
        groups = [self.groups[name] for name in found if name != ALL and name in self.groups]
        return sorted(groups, key=lambda group: (group.depth, group.priority, group.name))

    def variables_of(self, host: Member, groups: Iterable[Group]) -> Variables:
        """What counts for a host, by name."""
        groups = list(groups)
        key = tuple(group.name for group in groups)
        if key not in self._merged:
            everyone = self.groups.get(ALL)
            layers = [] if everyone is None else [everyone.variables]
            layers += [group.variables for group in groups]
            layers += [] if everyone is None else [everyone.files]
            layers += [group.files for group in groups]
            self._merged[key] = {name: entry for layer in layers for name, entry in layer.items()}
        return {**self._merged[key], **host.variables, **host.files}

    def _cut_circles(self) -> None:
        """A group inside itself is a problem. Walks without recursion: a hostile file nests deep."""
        done: set[str] = set()
        for root in self.groups:
            trail: dict[str, None] = {}
            stack: list[tuple[str, bool]] = [(root, False)]
            while stack:
                name, leaving = stack.pop()
                if leaving:
                    del trail[name]
                    done.add(name)
                    continue
                if name in done or name not in self.groups:
                    continue
                trail[name] = None
                stack.append((name, True))
                group = self.groups[name]
                for child in list(group.children):
                    if child in trail:
                        way = [*trail, child]
                        shown = " -> ".join(way[way.index(child) :][:8])
                        self.report.add(group.children.pop(child), name, f"groups go in a circle: {shown}")
                    elif child not in done:
                        stack.append((child, False))

    def _deepen(self) -> None:
        """The depth of a group is the longest way to it. There are no circles any more."""
        waiting = {name: len(self._parents.get(name, ())) for name in self.groups}
        ready = [name for name, parents in waiting.items() if not parents]
        for name in ready:  # grows while we walk it
            group = self.groups[name]
            if name != ALL:
                group.depth = max(group.depth, 1)
            for child in group.children:
                if child in self.groups:
                    self.groups[child].depth = max(self.groups[child].depth, group.depth + 1)
                    waiting[child] -= 1
                    if not waiting[child]:
                        ready.append(child)
