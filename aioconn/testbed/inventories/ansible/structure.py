# SPDX-License-Identifier: Apache-2.0
"""An inventory in YAML form: groups with `hosts`, `vars` and `children`, as deep as they go."""

from __future__ import annotations

from aioconn.testbed.inventories.ansible.groups import ALL, UNGROUPED, Groups
from aioconn.testbed.section import Section
from aioconn.testbed.tree import Node, Scalar, Table

PARTS = ("hosts", "vars", "children")


def looks_like(tree: Table) -> bool:
    """Whether a YAML file is an inventory: all that stands at its top are groups."""
    entries = [node for _, node in tree.entries.values()]
    tables = [node for node in entries if isinstance(node, Table)]
    nothing = [node for node in entries if isinstance(node, Scalar) and node.null]
    if "plugin" in tree.entries and "devices" not in tree.entries:
        return True
    return (
        bool(tables)
        and len(tables) + len(nothing) == len(entries)
        and "devices" not in tree.entries
        and all(set(node.entries) <= set(PARTS) for node in tables)
        and any(node.entries for node in tables)
    )


def read_structure(tree: Table, groups: Groups) -> None:
    """Add what a file says to `groups`. Whatever is wrong is a problem."""
    report = groups.report
    groups.group(ALL, tree)
    groups.group(UNGROUPED, tree)
    if "plugin" in tree.entries:
        key, node = tree.entries["plugin"]
        name = f" {node.text!r}" if isinstance(node, Scalar) else ""
        report.add(
            key,
            "plugin",
            f"the inventory plugin{name} is not run here",
            "load what `ansible-inventory -i FILE --list --yaml` prints",
        )
        return
    root = Section(tree, "", report)
    # a group may stand in several places, and hold others: what is still to be read, with where it is named
    waiting: list[tuple[str, Node, Section]] = []

    def find(section: Section) -> None:
        found = [(name, section.node.entries[name][0], entry) for name, entry in section.sections("a group")]
        waiting.extend(reversed(found))

    find(root)
    done: set[tuple[str, int]] = set()
    while waiting:
        name, place, section = waiting.pop()
        group = groups.group(name, place)
        if (name, id(section.node)) in done:
            continue  # an alias
        done.add((name, id(section.node)))
        for part in section.node.entries:
            if part not in PARTS:
                section.name_problem(
                    part,
                    "not read: a group has hosts, vars and children",
                    report.close(part, PARTS),
                    warning=True,
                )
        if (variables := section.section("vars")) is not None:
            group.variables.update(variables.node.entries)
        if (hosts := section.section("hosts")) is not None:
            for pattern, entry in hosts.sections("a host (name: value)"):
                key = hosts.node.entries[pattern][0]
                groups.add_hosts(pattern, name, key, entry.node.entries)
        if (children := section.section("children")) is not None:
            for child, (key, _) in children.node.entries.items():
                group.children.setdefault(child, key)
            find(children)
