# SPDX-License-Identifier: Apache-2.0
"""A testbed's tree as YAML. Every value is written so that it reads the same to us and to pyATS."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import yaml

from aioconn.testbed.pieces import pieces_of
from aioconn.testbed.tree import Items, Node, Scalar, Table
from aioconn.testbed.values import interpret, is_secret

_CORE = "tag:yaml.org,2002:"
_TEXTS = frozenset(  # in a testbed these are texts, whatever they look like: `0123` is no number
    ("username", "password", "key", "passphrase", "name", "os", "ip", "host", "proxy", "protocol", "scheme")
)


def to_yaml(tree: Table) -> str:
    """The text of a file. Nodes that hosts share are written out at each."""
    node = _node(tree, ())
    text: str = yaml.serialize(node, Dumper=_Dumper, allow_unicode=True, width=1000)
    return text


def plain_secrets(tree: Table) -> Iterator[tuple[str, Scalar, Callable[[str], None]]]:
    """Each secret of a credential that stands there for all to read: its key path, its node, and how to replace it.

    A node that several credentials share comes once for each of them.
    """
    for key, credentials in _credentials(tree):
        for name, (_, login) in credentials.entries.items():
            if not isinstance(login, Table):
                continue
            for field, (place, node) in login.entries.items():
                if not is_secret(field) or field in ("key", "private_key") or not isinstance(node, Scalar):
                    continue
                if node.text and not pieces_of(node):
                    yield f"{key}.{name}.{field}", node, _replacing(login, field, place, node)


def _replacing(login: Table, field: str, place: Scalar, node: Scalar) -> Callable[[str], None]:
    def replace(text: str) -> None:
        login.entries[field] = (place, Scalar(node.file, node.line, node.column, text, plain=False))

    return replace


def _credentials(tree: Table) -> Iterator[tuple[str, Table]]:
    testbed = _at(tree, "testbed")
    if isinstance(testbed, Table) and isinstance(found := _at(testbed, "credentials"), Table):
        yield "testbed.credentials", found
    devices = _at(tree, "devices")
    for name, (_, device) in devices.entries.items() if isinstance(devices, Table) else ():
        if not isinstance(device, Table):
            continue
        if isinstance(found := _at(device, "credentials"), Table):
            yield f"devices.{name}.credentials", found
        paths = _at(device, "connections")
        for path, (_, connection) in paths.entries.items() if isinstance(paths, Table) else ():
            if isinstance(connection, Table) and isinstance(found := _at(connection, "credentials"), Table):
                yield f"devices.{name}.connections.{path}.credentials", found


def _at(table: Table, name: str) -> Node | None:
    return table.entries[name][1] if name in table.entries else None


class _Dumper(yaml.SafeDumper):
    """Indents lists below their keys."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)


def _node(node: Node, way: tuple[str, ...]) -> yaml.Node:
    """`way` are the keys that lead to the node, as far as they are needed to tell what it is."""
    if isinstance(node, Table):
        pairs = [(_text(key), _node(value, _below(way, key))) for key, (_, value) in node.entries.items()]
        return yaml.MappingNode(_CORE + "map", pairs, flow_style=not pairs)
    if isinstance(node, Items):
        values = [_node(value, way) for value in node.values]
        flow = all(isinstance(value, yaml.ScalarNode) for value in values)
        return yaml.SequenceNode(_CORE + "seq", values, flow_style=flow)
    assert isinstance(node, Scalar)
    if not node.plain or (way[2:3] != ("custom",) and way[-1:] and way[-1] in _TEXTS):
        return _text(node.text)
    value = interpret(node.text) if node.raw is None else node.raw
    written = node.text if node.raw is None else _number(node.raw)
    if value is None:
        return yaml.ScalarNode(_CORE + "null", "null")
    if isinstance(value, bool):
        return yaml.ScalarNode(_CORE + "bool", "true" if value else "false")
    if isinstance(value, int):
        return yaml.ScalarNode(_CORE + "int", written)
    if isinstance(value, float):
        return yaml.ScalarNode(_CORE + "float", written)
    return _text(node.text)


def _below(way: tuple[str, ...], key: str) -> tuple[str, ...]:
    return (*way[:3], key)


def _number(value: Any) -> str:
    """A number as YAML knows it: a float has a point."""
    shown = repr(value)
    return shown if not isinstance(value, float) or "." in shown else shown.replace("e", ".0e")


def _text(text: str) -> yaml.ScalarNode:
    """Quoted where another reader would take it for something else; markup always, as people know it."""
    style = '"' if "%" in text or not text.isprintable() else None
    return yaml.ScalarNode(_CORE + "str", text, style=style)
