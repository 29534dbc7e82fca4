# SPDX-License-Identifier: Apache-2.0
"""The `topology` of a testbed: interfaces and links. Checked lightly, for no connection needs it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from aioconn.testbed import keys
from aioconn.testbed.markup import hold
from aioconn.testbed.section import Section
from aioconn.testbed.topology import Interface, Link, Named, Topology
from aioconn.testbed.tree import Items, Scalar

_INTERFACE = ("type", "link", "alias", "ipv4", "ipv6")


def read_topology(section: Section, names: Mapping[str, str]) -> Topology:
    """`names` maps names and aliases of devices to their names."""
    links: dict[str, Link] = {}
    for kind in keys.TOPOLOGY:
        declared = section.section(kind)
        for name, entry in declared.sections("a link", keys.LINK) if declared is not None else ():
            entry.unused("class")
            links[name] = Link(name=name, alias=entry.text("alias"), extra=hold(entry.rest(("alias",))))
    found: dict[str, Named[Interface]] = {}
    for name, (_, node) in section.node.entries.items():
        if name in keys.TOPOLOGY or (isinstance(node, Scalar) and node.null):
            continue
        if name not in names:
            hint = section.report.close(name, names) or "add it to devices, or take it out here"
            section.name_problem(name, f"no device is called {name!r}", hint, warning=True)
            continue
        if (device := section.section(name)) is not None:
            found.setdefault(names[name], Named()).update(read_interfaces(device, names[name]))
    return Topology(interfaces=found, links=Named(links))


def complete(topology: Topology, own: Mapping[str, Mapping[str, Interface]]) -> Topology:
    """With the interfaces that stand at the devices themselves, and the links that only interfaces name.

    Where an interface names a link by its alias, the link's name takes its place.
    """
    names = {link.alias: link.name for link in topology.links.values() if link.alias is not None}
    links = Named(topology.links)
    found: dict[str, Named[Interface]] = {}
    for source in (own, topology.interfaces):
        for device, interfaces in source.items():
            for name, interface in interfaces.items():
                link = interface.link
                if link is not None and not dict.__contains__(links, link):
                    if link in names:
                        interface = dataclasses.replace(interface, link=names[link])
                    else:
                        links[link] = Link(name=link)
                found.setdefault(device, Named())[name] = interface
    return Topology(interfaces=found, links=links)


def read_interfaces(section: Section, device: str) -> dict[str, Interface]:
    """The `interfaces` of one device."""
    interfaces = section.section("interfaces")
    if interfaces is None:
        return {}
    return {
        name: _interface(name, device, entry)
        for name, entry in interfaces.sections("an interface", keys.INTERFACE)
    }


def _interface(name: str, device: str, section: Section) -> Interface:
    section.unused("class")
    section.misspelled(keys.INTERFACE)
    return Interface(
        name=name,
        device=device,
        type=section.text("type"),
        link=section.text("link"),
        alias=section.text("alias"),
        ipv4=_first(section, "ipv4"),
        ipv6=_first(section, "ipv6"),
        # what does not fit into one text is kept as it was
        extra=hold(
            section.rest([key for key in _INTERFACE if isinstance(section.get(key), (Scalar, type(None)))])
        ),
    )


def _first(section: Section, name: str) -> str | None:
    node = section.get(name)
    if isinstance(node, Items):
        return next(
            (item.text.strip() for item in node.values if isinstance(item, Scalar) and not item.null), None
        )
    return section.text(name)
