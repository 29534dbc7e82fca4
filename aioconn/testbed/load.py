# SPDX-License-Identifier: Apache-2.0
"""A testbed from a file, a text or a mapping, with every problem of it reported at once."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Collection, Mapping
from pathlib import PurePath
from typing import Any

from aioconn.collector import paused
from aioconn.credentials import Credentials
from aioconn.errors import TestbedError
from aioconn.testbed import keys
from aioconn.testbed.devices import DeviceReader, PlatformLookup
from aioconn.testbed.expansion import Expansion
from aioconn.testbed.extends import Extends
from aioconn.testbed.inventories.recognition import read_path
from aioconn.testbed.logins import read_layers
from aioconn.testbed.markup import hold
from aioconn.testbed.model import DeviceSpec, Interface, TestbedSpec, Topology
from aioconn.testbed.pieces import Callables
from aioconn.testbed.references import device_names, resolve_proxies
from aioconn.testbed.report import Report, close, in_order
from aioconn.testbed.section import Section, describe, glued
from aioconn.testbed.servers import as_jump_host, read_servers
from aioconn.testbed.source import read_mapping, read_text
from aioconn.testbed.tree import Document, Items, Table
from aioconn.testbed.wiring import complete, read_topology
from aioconn.testbed.wrappers import read_wrappers

# What is read, and not kept in `extra`.
_READ = frozenset(keys.TESTBED) - {"class"}


def load_spec(
    source: str | os.PathLike[str] | Mapping[str, Any],
    *,
    name: str | None = None,
    format: str | None = None,
    platforms: PlatformLookup | None = None,
    callables: Callables = (),
) -> TestbedSpec:
    """Read a testbed: the path of a YAML file, YAML text (with a line break or `devices:`) or a mapping; or the path
    of an inventory of Nornir or Ansible. `format` ("testbed", "nornir", "ansible") says which, where it does not show.

    Raises one `TestbedError` with all the problems, warnings last; mere warnings are in the result. `name` is
    the testbed's name if the file gives none. `platforms(os, platform)` tells whether an `os` is known: it
    raises `UnknownPlatform` or returns None if not. Nothing is asked, and `%ENV{}` is only looked up in keys
    that give the testbed its shape (`os`, `class`, `proxy`, ...). `callables` are the functions that `%CALLABLE{}` may
    call: dotted paths of functions, modules or packages; True allows them all, for a file that is trusted like code.
    """
    with paused():
        return _load(source, name, format, platforms or _known_platform, callables)


def _load(
    source: str | os.PathLike[str] | Mapping[str, Any],
    name: str | None,
    format: str | None,
    platforms: PlatformLookup,
    callables: Callables,
) -> TestbedSpec:
    report = Report()
    document, where = _read(source, format)
    report.take(document.problems)
    tree = document.tree
    marked = document.marked
    if tree is not None and "extends" in tree.entries:
        extends = Extends(report)
        tree = extends.merge(tree, where)
        marked = marked or extends.marked
    if tree is not None and marked:
        tree = Expansion(tree, report, callables).expand()
    spec = None
    if tree is not None:
        spec = _testbed(Section(tree, "", report), name, where, platforms)
    problems = in_order(report.problems)
    if spec is None or any(not problem.warning for problem in problems):
        raise TestbedError(problems)
    return dataclasses.replace(spec, warnings=tuple(problems))


def _read(source: str | os.PathLike[str] | Mapping[str, Any], format: str | None) -> tuple[Document, str]:
    """The document, and the path of its file ("" if there is none)."""
    if isinstance(source, Mapping):
        return read_mapping(source), ""
    if isinstance(source, str) and ("\n" in source or "devices:" in source):
        return read_text(source), ""
    return read_path(source, format), os.fspath(source)


def _known_platform(name: str, platform: str | None) -> str:
    """What aioconn has. Imported here: the platforms are files that have to be found and read."""
    from aioconn.platforms.loader import load_platform, platform_name

    return platform_name(name, platform) or load_platform(name).name


def _testbed(root: Section, name: str | None, where: str, platforms: PlatformLookup) -> TestbedSpec:
    root.misspelled(keys.TOP)
    if "credentials" in root.node.entries:
        root.name_problem("credentials", "not used here", "move them to testbed.credentials", warning=True)
    testbed = root.section("testbed") or Section(Table("", None, None), "testbed", root.report)
    testbed.misspelled(keys.TESTBED)
    testbed.unused("class")
    shared, older = read_layers(testbed, {})
    servers = read_servers(testbed, {**older, **shared})
    devices, topology, gateways = _devices(root, DeviceReader(shared, older, platforms), servers)
    return TestbedSpec(
        name=testbed.text("name") or name or _name_of(where) or "testbed",
        alias=testbed.text("alias"),
        devices=devices,
        credentials=Credentials(shared, older, origin="testbed.credentials"),
        topology=topology,
        custom=testbed.free("custom"),
        servers={name: server for name, (server, _) in servers.items()},
        gateways={name: as_jump_host(*servers[name]) for name in sorted(gateways)},
        network=testbed.value("network", {}),
        extra=hold({**root.rest(keys.TOP), **testbed.rest(_READ)}),
        wrappers=read_wrappers(testbed),
        source=where,
    )


def _name_of(where: str) -> str:
    """`CONFIG.lab.yaml` -> `lab`, as pyATS names a testbed after its file."""
    name = PurePath(where).name.removeprefix("CONFIG.")
    return (
        name.removesuffix(".yaml").removesuffix(".yml")
        if name.endswith((".yaml", ".yml"))
        else PurePath(name).stem
    )


def _devices(
    root: Section, reader: DeviceReader, servers: Collection[str]
) -> tuple[dict[str, DeviceSpec], Topology, set[str]]:
    """The devices, what joins them, and the servers that some of them are reached through."""
    section = _devices_section(root)
    if section is None:
        return {}, Topology(), set()
    devices = {name: reader.read(name, entry) for name, entry in section.sections("a device", keys.DEVICE)}
    names = device_names(section, devices)
    devices, gateways = resolve_proxies(section, devices, names, servers)
    own = {name: device.interfaces for name, device in devices.items() if device.interfaces}
    described = root.section("topology")
    if described is None and not own:
        return devices, Topology(), gateways
    topology = complete(read_topology(described, names) if described is not None else Topology(), own)
    interfaces: Mapping[str, Mapping[str, Interface]] = topology.interfaces
    for name in interfaces:
        devices[name] = dataclasses.replace(devices[name], interfaces=interfaces[name])
    return devices, topology, gateways


def _devices_section(root: Section) -> Section | None:
    if "devices" not in root.node.entries:
        root.report.add(root.node, "devices", "the key devices is missing", _where_devices_are(root))
        return None
    node = root.get("devices")
    if isinstance(node, Table) and node.entries:
        return root.section("devices")
    if node is None or isinstance(node, Table):
        root.name_problem(
            "devices", "there is no device in it", "write devices: {NAME: {os: ..., connections: ...}}"
        )
    else:
        hint = "write NAME: instead of - name: NAME" if isinstance(node, Items) else glued(node)
        root.problem(
            "devices", f"expected a mapping from names to devices, found {describe(node, 'devices')}", hint
        )
    return None


def _where_devices_are(root: Section) -> str:
    """What the writer may have meant who left out `devices`."""
    for name, (_, node) in root.node.entries.items():
        if isinstance(node, Table) and "devices" in node.entries:
            return f"there is one under {name}: take back its indentation"
    hints = (close(name, ("devices",)) for name in root.node.entries)
    return next(filter(None, hints), "a testbed lists its devices there")
