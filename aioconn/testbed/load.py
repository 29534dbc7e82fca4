# SPDX-License-Identifier: Apache-2.0
"""A testbed from a file, a text or a mapping, with every problem of it reported at once."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping
from pathlib import PurePath
from typing import Any

from aioconn.credentials import Credential, Credentials
from aioconn.errors import TestbedError
from aioconn.testbed.devices import DeviceReader, PlatformLookup
from aioconn.testbed.extends import Extends
from aioconn.testbed.logins import read_logins
from aioconn.testbed.markup import hold
from aioconn.testbed.model import DeviceSpec, Interface, TestbedSpec, Topology
from aioconn.testbed.references import device_names, resolve_proxies
from aioconn.testbed.section import Report, Section, close, describe
from aioconn.testbed.source import read_file, read_mapping, read_text
from aioconn.testbed.tree import Document, Table
from aioconn.testbed.wiring import complete, read_topology

_TOP = ("testbed", "devices", "topology", "extends")
_TESTBED = ("name", "alias", "credentials", "tacacs", "passwords", "custom", "servers")


def load_spec(
    source: str | os.PathLike[str] | Mapping[str, Any],
    *,
    name: str | None = None,
    platforms: PlatformLookup | None = None,
) -> TestbedSpec:
    """Read a testbed: the path of a YAML file, YAML text (with a line break or `devices:`) or a mapping.

    Raises one `TestbedError` with all the problems, warnings last; mere warnings are in the result. `name` is
    the testbed's name if the file gives none. `platforms(os, platform)` tells whether an `os` is known: it
    raises `UnknownPlatform` or returns None if not. Nothing is asked, and `%ENV{}` is only looked up in keys
    that give the testbed its shape (`os`, `class`, `proxy`, ...).
    """
    report = Report()
    document, where = _read(source)
    report.problems += document.problems
    tree = document.tree
    if tree is not None and "extends" in tree.entries:
        tree = Extends(report).merge(tree, where)
    spec = None
    if tree is not None:
        spec = _testbed(Section(tree, "", report), name, where, platforms or _known_platform)
    problems = sorted(report.problems, key=lambda problem: problem.warning)
    if spec is None or any(not problem.warning for problem in problems):
        raise TestbedError(problems)
    return dataclasses.replace(spec, warnings=tuple(problems))


def _read(source: str | os.PathLike[str] | Mapping[str, Any]) -> tuple[Document, str]:
    """The document, and the path of its file ("" if there is none)."""
    if isinstance(source, Mapping):
        return read_mapping(source), ""
    if isinstance(source, str) and ("\n" in source or "devices:" in source):
        return read_text(source), ""
    return read_file(source), os.fspath(source)


def _known_platform(name: str, platform: str | None) -> str:
    """What aioconn has. Imported here: the platforms are files that have to be found and read."""
    from aioconn.platforms.loader import load_platform, platform_name

    return platform_name(name, platform) or load_platform(name).name


def _testbed(root: Section, name: str | None, where: str, platforms: PlatformLookup) -> TestbedSpec:
    root.misspelled(_TOP)
    if "credentials" in root.node.entries:
        root.name_problem("credentials", "not used here", "move them to testbed.credentials", warning=True)
    testbed = root.section("testbed") or Section(Table("", None, None), "testbed", root.report)
    testbed.misspelled(_TESTBED)
    shared = read_logins(testbed)
    devices, topology = _devices(root, shared, platforms)
    return TestbedSpec(
        name=testbed.text("name") or name or PurePath(where).stem or "testbed",
        alias=testbed.text("alias"),
        devices=devices,
        credentials=Credentials(shared, origin="testbed.credentials"),
        topology=topology,
        custom=testbed.free("custom"),
        servers=testbed.free("servers"),
        extra=hold({**root.rest(_TOP), **testbed.rest(_TESTBED)}),
        source=where,
    )


def _devices(
    root: Section, shared: Mapping[str, Credential], platforms: PlatformLookup
) -> tuple[dict[str, DeviceSpec], Topology]:
    section = _devices_section(root)
    if section is None:
        return {}, Topology()
    reader = DeviceReader(shared, platforms)
    devices = {name: reader.read(name, entry) for name, entry in section.sections("a device")}
    names = device_names(section, devices)
    devices = resolve_proxies(section, devices, names)
    own = {name: device.interfaces for name, device in devices.items() if device.interfaces}
    described = root.section("topology")
    if described is None and not own:
        return devices, Topology()
    topology = complete(read_topology(described, names) if described is not None else Topology(), own)
    interfaces: Mapping[str, Mapping[str, Interface]] = topology.interfaces
    for name in interfaces:
        devices[name] = dataclasses.replace(devices[name], interfaces=interfaces[name])
    return devices, topology


def _devices_section(root: Section) -> Section | None:
    if "devices" not in root.node.entries:
        hint = next((hint for name in root.node.entries if (hint := close(name, ("devices",)))), None)
        root.report.add(
            root.node, "devices", "the key devices is missing", hint or "a testbed lists its devices there"
        )
        return None
    node = root.get("devices")
    if isinstance(node, Table) and node.entries:
        return root.section("devices")
    if node is None or isinstance(node, Table):
        root.name_problem(
            "devices", "there is no device in it", "write devices: {NAME: {os: ..., connections: ...}}"
        )
    else:
        hint = "write NAME: instead of - name: NAME"
        root.problem(
            "devices", f"expected a mapping from names to devices, found {describe(node, 'devices')}", hint
        )
    return None
