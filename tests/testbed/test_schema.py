# SPDX-License-Identifier: Apache-2.0
"""The schema says what the reader knows: no key more, none less, and no good file is refused by it."""

from __future__ import annotations

import dataclasses
import functools
import json
import re
import typing
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from aioconn.options import convert
from aioconn.protocols.registry import class_for
from aioconn.testbed import keys
from aioconn.testbed.builder import Builder
from aioconn.testbed.keys import Key, Keys, Kind
from aioconn.testbed.load import load_spec
from aioconn.testbed.schema import DRAFT, schema
from aioconn.testbed.source import read_text
from aioconn.testbed.tree import Items, Node, Scalar, Table
from aioconn.testbed.values import interpret

HERE = Path(__file__).parent
DOCUMENTS = sorted((HERE.parents[1] / "docs").glob("*.md"))


@functools.cache
def validator() -> Any:
    jsonschema.Draft7Validator.check_schema(schema())
    return jsonschema.Draft7Validator(schema())


def plain(node: Node) -> Any:
    """A tree as an editor sees it: YAML 1.2, where `yes` is a text, and a date as well."""
    if isinstance(node, Table):
        return {name: plain(value) for name, (_, value) in node.entries.items()}
    if isinstance(node, Items):
        return [plain(value) for value in node.values]
    assert isinstance(node, Scalar)
    value = interpret(node.text) if node.plain else node.text
    return node.text if isinstance(value, bool) and node.text.lower() not in ("true", "false") else value


def complaints(text: str) -> list[str]:
    tree = read_text(text).tree
    assert tree is not None
    errors: list[jsonschema.ValidationError] = list(validator().iter_errors(plain(tree)))
    return [f"{'.'.join(map(str, error.absolute_path))}: {error.message}"[:300] for error in errors]


# ---------------------------------------------------------------------------------------------------------------------
# A file with every key of the tables

SAMPLES: Mapping[Kind, Any] = {
    Kind.TEXT: "x",
    Kind.TEXTS: ["x", "y"],
    Kind.INTEGER: -1,
    Kind.NUMBER: 3,
    Kind.SECONDS: 1.5,
    Kind.PORT: 2222,
    Kind.SWITCH: True,
    Kind.FREE: [1, {"a": "b"}],
    Kind.MAPPING: {"a": "b"},
}
# Names that have to be those of something, and what is looked at more closely than its kind says.
PARTICULAR: Mapping[str, Any] = {
    "via": ["cli"],
    "fallback": "cli",
    "connections": ["cli"],
    "fallback_credentials": ["one"],
    "login_creds": ["one"],
    "os": "iosxe",
    "class": "package.module.Class",
    "protocol": "ssh",
    "ssh_options": "-p 2222",
    "proxy": [{"device": "jump", "command": "ssh x"}],
    "sshtunnel": {"host": "jump", "tunnel_ip": "192.0.2.1", "tunnel_port": 2222},
    "wrappers": [
        "package.module.Class",
        {"class": "package.module.Class", "arguments": {"a": 1}, "order": 1},
    ],
}
READ_BEFORE = frozenset({"extends"})  # it is gone when the rest is read


def sample(name: str, key: Key) -> Any:
    if name in PARTICULAR:
        return PARTICULAR[name]
    if key.kind in SAMPLES:
        return key.common[0] if key.common else SAMPLES[key.kind]
    assert key.below is not None
    below = filled(key.below)
    return {Kind.TABLE: below, Kind.TABLES: {"one": below}, Kind.ENTRIES: ["x", below]}[key.kind]


def filled(table: Keys) -> dict[str, Any]:
    return {name: sample(name, key) for name, key in table.items()}


def every_key() -> dict[str, Any]:
    whole = {name: sample(name, key) for name, key in keys.TOP.items() if name not in READ_BEFORE}
    device = filled(keys.DEVICE)
    device["connections"] = {"defaults": filled(keys.DEFAULTS), "cli": filled(keys.CONNECTION)}
    whole["devices"] = {"r1": device, "jump": {"connections": {"cli": {"ip": "192.0.2.1"}}}}
    whole["topology"] = {**filled(keys.TOPOLOGY), "r1": filled(keys.INTERFACES)}
    return whole


class Asked(dict[str, Any]):
    """The entries of a mapping, which remember the names that somebody wanted to know of."""

    def __init__(self, entries: Mapping[str, Any], names: set[str]) -> None:
        super().__init__(entries)
        self.names = names

    def get(self, name: str, default: Any = None) -> Any:
        self.names.add(name)
        return super().get(name, default)

    def __getitem__(self, name: str) -> Any:
        self.names.add(name)
        return super().__getitem__(name)

    def __contains__(self, name: object) -> bool:
        self.names.add(str(name))
        return super().__contains__(name)


def tables(tree: Table) -> Iterator[tuple[Table, Keys]]:
    """The mappings of the file that have a table of keys."""
    yield from below(tree, keys.TOP)
    topology = tree.entries["topology"][1]
    assert isinstance(topology, Table)
    for name, key in keys.TOPOLOGY.items():
        yield from entries(topology.entries[name][1], key)


def below(node: Node, table: Keys) -> Iterator[tuple[Table, Keys]]:
    if isinstance(node, Table):
        yield node, table
        for name, key in table.items():
            if name in node.entries:
                yield from entries(node.entries[name][1], key)


def entries(node: Node, key: Key) -> Iterator[tuple[Table, Keys]]:
    """What stands behind `key`."""
    if isinstance(node, Items):
        for item in node.values:
            yield from entries(item, key)
    elif key.below is not None and key.kind is Kind.TABLES:
        assert isinstance(node, Table)
        for name, (_, entry) in node.entries.items():
            defaults = key.below is keys.CONNECTION and name == "defaults"
            if name not in keys.TOPOLOGY:
                yield from below(entry, keys.DEFAULTS if defaults else key.below)
    elif key.below is not None:
        yield from below(node, key.below)


def test_the_reader_knows_each_key_of_the_tables_and_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: dict[str, set[str]] = {}
    build = Builder.build

    def remembering(self: Builder) -> Node | None:
        root = build(self)
        assert isinstance(root, Table)
        for table, known in list(tables(root)):
            table.entries = Asked(table.entries, asked.setdefault(name_of(known), set()))
        return root

    monkeypatch.setattr(Builder, "build", remembering)
    spec = load_spec(json.dumps(every_key(), indent=1))
    assert not [warning for warning in spec.warnings if "unknown key" in warning.message]
    known = {name: set(getattr(keys, name)) for name in asked}
    assert asked.keys() >= {"TOP", "TESTBED", "DEVICE", "DEFAULTS", "CONNECTION", "CREDENTIAL", "INTERFACE"}
    assert {name: left for name in known if (left := known[name] - asked[name])} == KEPT
    assert {name: more for name in known if (more := asked[name] - known[name] - NOT_KEYS[name])} == {}


# Not asked for: what is kept for others as it is, and spellings whose other one was there.
KEPT = {
    "CONNECTION": {"host"},
    "CREDENTIAL": {"private_key", "enable_password", "community", "auth_password", "priv_password"},
    "DEVICE": {"power", "hardware", "management", "clean"},
    "TUNNEL": {"tunnel_ip", "tunnel_port"},
}
# Asked for, and no keys: what people write in their place.
NOT_KEYS: Mapping[str, set[str]] = defaultdict(set, TOP={"credentials"})


def name_of(table: Keys) -> str:
    return next(name for name, value in vars(keys).items() if value is table)


def test_a_file_with_every_key_is_valid() -> None:
    assert complaints(json.dumps(every_key())) == []


def test_each_key_has_a_sentence() -> None:
    def check(shape: Any, path: str) -> None:
        for name, value in shape.get("properties", {}).items():
            if "properties" not in path:
                assert value.get("description", "").endswith((".", "...")), (path, name)

    whole = schema()
    check(whole, "top")
    for name in ("testbed", "device", "connection", "defaults", "credential", "interface", "link"):
        check(whole["definitions"][name], name)
    assert (
        "sends a line that changes nothing"
        in whole["definitions"]["CliOptions"]["properties"]["confirm"]["description"]
    )


def test_it_is_json_of_draft_7() -> None:
    assert json.loads(json.dumps(schema())) == schema()
    assert schema()["$schema"] == DRAFT


# ---------------------------------------------------------------------------------------------------------------------
# Good files and bad ones


def examples() -> Iterator[Any]:
    for document in DOCUMENTS:
        blocks = re.findall(r"```yaml\n(.*?)```", document.read_text(), re.DOTALL)
        for number, text in enumerate(
            block for block in blocks if re.search(r"^devices:", block, re.MULTILINE)
        ):
            yield pytest.param(text, id=f"{document.stem}-{number}")
    for path in sorted(HERE.glob("good/**/*.yaml")):
        yield pytest.param(path.read_text(), id=path.stem)


@pytest.mark.parametrize("text", list(examples()))
def test_good_files_are_read_and_are_valid(text: str) -> None:
    assert [str(warning) for warning in load_spec(text).warnings] == []
    assert complaints(text) == []


CLI = "devices: {r1: {connections: {cli: {%s}}}}"
PATH = "devices.r1.connections.cli"


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("testbed: {name: lab}", ""),
        ("devices: {}", "devices"),
        ("devices: [r1]", "devices"),
        ("devices:", "devices"),
        ("devices: {r1: [iosxe]}", "devices.r1"),
        ("devices: {r1: {os: [iosxe]}}", "devices.r1.os"),
        ("devices: {r1: {connections: [ssh]}}", "devices.r1.connections"),
        ("devices: {r1: {connections: {cli: }}}", PATH),
        (CLI % "protocol: ssh", PATH),
        (CLI % "ip: h, port: 70000", f"{PATH}.port"),
        (CLI % "ip: h, port: ssh", f"{PATH}.port"),
        (CLI % "ip: h, credentials: [a, b]", f"{PATH}.credentials"),
        (CLI % "ip: h, proxy: [{device: [a]}]", f"{PATH}.proxy.0.device"),
        (CLI % "ip: h, legacy: perhaps", f"{PATH}.legacy"),
        (CLI % "ip: h, host_key_policy: none", f"{PATH}.host_key_policy"),
        (CLI % "ip: h, protocol: snmp, retries: often", f"{PATH}.retries"),
        (CLI % "ip: h, arguments: {timeout: long}", f"{PATH}.arguments.timeout"),
        ("devices: {r1: {connections: {defaults: {max_session: 4}}}}", "devices.r1.connections.defaults"),
        (
            "devices: {r1: {connections: {defaults: {max_sessions: 0}}}}",
            "devices.r1.connections.defaults.max_sessions",
        ),
        ("devices: {r1: }\ntopology: {r1: {interfaces: [Gi1]}}", "topology.r1.interfaces"),
        ("devices: {r1: }\ntestbed: {credentials: {default: cisco}}", "testbed.credentials.default"),
        ("devices: {r1: }\ntestbed: {name: [a]}", "testbed.name"),
    ],
)
def test_bad_files_are_not_valid(text: str, place: str) -> None:
    found = complaints(text)
    assert [complaint.partition(":")[0] for complaint in found] == [place]


@pytest.mark.parametrize(
    "text",
    [
        CLI % "ip: h, protocol: gnmi, legacy: perhaps",  # no option of gNMI: somebody else's key
        CLI % "ip: h, class: my.Class, timeout: long",  # the class knows what it takes
        CLI % "ip: h, port: '%ENV{PORT}', timeout: '%ENV{SLOW, 30}'",
        CLI % "ip: h, legacy: yes, port: '22'",
        CLI % "command: [ssh, h]",
        "extends: base.yaml",
        "devices: {r1: {connections: {cli: {ip: h}}, mine: {a: [1]}}}\nelsewhere: [1]",
    ],
)
def test_what_the_reader_takes_is_valid(text: str) -> None:
    assert complaints(text) == []


VALUES: tuple[Any, ...] = (True, 3, 1.5, "yes", "12", "x", "ignore", "1.2", "udp", ["a", "b"], {"a": "b"})


@pytest.mark.parametrize("protocol", ["ssh", "snmp", "https", "restconf", "netconf", "gnmi"])
def test_options_are_described_as_they_are_taken(protocol: str) -> None:
    """What `convert` takes for a field, the schema takes as well."""
    options: Any = class_for(None, protocol, device="", path="").options_type
    whole = schema()
    described = whole["definitions"][options.__name__]["properties"]
    assert described
    for name, hint in hints(options).items():
        if name in described:
            resolver = jsonschema.Draft7Validator({**described[name], "definitions": whole["definitions"]})
            for value in VALUES:
                if taken(value, hint):
                    assert resolver.is_valid(value), (name, value)


def hints(options: Any) -> dict[str, Any]:
    found = typing.get_type_hints(options)
    return {field.name: found[field.name] for field in dataclasses.fields(options)}


def taken(value: Any, hint: Any) -> bool:
    try:
        convert(value, hint)
    except ValueError:
        return False
    return True
