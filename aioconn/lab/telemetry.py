# SPDX-License-Identifier: Apache-2.0
"""A device's data by the paths of gNMI: what they name, its leaves, and values in each encoding."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from aioconn.lab.data import DataStore, Edit, Operation, Step
from aioconn.lab.models import Node
from aioconn.lab.places import DataError
from aioconn.protocols.gnmi import messages
from aioconn.protocols.gnmi.messages import Message
from aioconn.protocols.gnmi.paths import Element, GnmiPath
from aioconn.protocols.gnmi.values import Encoding, value_message

ENCODINGS: tuple[Encoding, ...] = ("json", "json_ietf", "proto", "ascii")
CONFIG: Mapping[str, bool | None] = {"all": None, "config": True, "state": False, "operational": False}

Elements = tuple[Element, ...]


class Found(NamedTuple):
    """A node that a path names: the elements that lead there, its steps in the store, what it is."""

    elements: Elements
    steps: tuple[Step, ...]
    node: Node | None  # None: everything
    entry: bool = False


def find(store: DataStore, path: GnmiPath) -> list[Found]:
    """The nodes that a path names, with `*` and left out keys resolved. Raises `DataError` if the models have none."""
    found = [Found((), (), None)]
    for element in path.elements:
        found = [below for each in found for below in _below(store, each, element, path.origin)]
    return found


def _below(store: DataStore, at: Found, element: Element, origin: str) -> Iterator[Found]:
    if element.name == "...":
        raise DataError("operation-not-supported", "/", "this target does not know ...")
    children = _children(store, at.node, element.name, origin)
    if not children and element.name != "*":
        raise DataError("unknown-element", "/".join(each.name for each in at.elements), element.name)
    for node, name in children:
        keys = dict(element.keys)
        unknown = keys.keys() - set(node.keys)
        if unknown:
            raise DataError("unknown-attribute", element.name, f"{min(unknown)!r} is no key")
        if node.kind != "list":
            step = Step(name)
            yield Found(
                (*at.elements, Element(element.name if len(children) == 1 else node.name)),
                (*at.steps, step),
                node,
            )
            continue
        (key,) = node.keys
        wanted = keys.get(key, "*")
        names = [wanted] if wanted != "*" else _entries(store, (*at.steps, Step(name)), key)
        for each in names:
            shown = Element(element.name if element.name != "*" else node.name, ((key, each),))
            yield Found((*at.elements, shown), (*at.steps, Step(name, {key: each})), node, entry=True)


def _children(store: DataStore, node: Node | None, name: str, origin: str) -> list[tuple[Node, str]]:
    """Nodes of that name, each with its name in the store. At the top OpenConfig's are meant unless others are said."""
    if node is None:
        tops = [top for top in store.top() if _is_meant(top, name, origin)]
        return [(top, top.qualified) for top in tops]
    if name == "*":
        return [(child, child.qualified) for child in node.children.values()]
    child = node.find(name)
    return [(child, child.qualified)] if child is not None else []


def _is_meant(top: Node, name: str, origin: str) -> bool:
    module, _, local = name.rpartition(":")
    module = module or (origin if origin not in ("", "openconfig") else "")
    if local not in ("*", top.name):
        return False
    return top.module.name == module if module else top.module.name.startswith("openconfig-")


def _entries(store: DataStore, steps: tuple[Step, ...], key: str) -> list[str]:
    return [each[key] for each in store.read(steps) or ()]


def leaves(found: Found, value: Any) -> Iterator[tuple[Elements, Node, Any]]:
    """The leaves of a value that was read at a node, each with the elements that lead there."""
    yield from _leaves(found.elements, found.node, value, found.entry)


def _leaves(at: Elements, node: Node | None, value: Any, entry: bool) -> Iterator[tuple[Elements, Node, Any]]:
    if node is None:
        return
    if node.kind in ("leaf", "leaf-list"):
        yield at, node, value
    elif node.kind == "list" and not entry:
        for each in value:
            keys = tuple((key, str(each[key])) for key in node.keys)
            yield from _leaves((*at[:-1], Element(at[-1].name, keys)), node, each, True)
    else:
        for name, below in value.items():
            child = node.find(name)
            if child is not None:
                yield from _leaves((*at, Element(child.name)), child, below, False)


def read(store: DataStore, found: Found, config: bool | None) -> Any:
    """What is at a node; at the top what OpenConfig's models have."""
    value = store.read(found.steps, config=config)
    if found.node is None:
        return {name: below for name, below in value.items() if name.startswith("openconfig-")}
    return value


def tops(store: DataStore, config: bool | None) -> Iterator[Found]:
    """What stands for a path without elements where leaves are wanted."""
    for top in store.top():
        if top.module.name.startswith("openconfig-") and store.read((Step(top.qualified),), config=config):
            yield Found((Element(top.name),), (Step(top.qualified),), top)


def leaf_message(node: Node, value: Any, encoding: Encoding) -> Message:
    """A leaf's value as a message."""
    if encoding == "json_ietf":
        return value_message(value, encoding)
    number = int(value) if node.type == "uint64" else value
    if encoding == "json":
        return value_message(_local(number), encoding)
    if encoding == "ascii":
        return value_message(value if isinstance(value, str) else json.dumps(value), encoding)
    if isinstance(number, int) and not isinstance(number, bool) and node.type.startswith("uint"):
        return messages.TypedValue(uint_val=number)
    return value_message(_local(number), "proto")


def tree_message(found: Found, value: Any, encoding: Encoding) -> Message:
    """The value of a node as one JSON text. Without RFC 7951 names have no modules, and long numbers are numbers."""
    if encoding == "json_ietf":
        return value_message(value, encoding)
    return value_message(_plain(found.node, value, found.entry), "json")


def _plain(node: Node | None, value: Any, entry: bool) -> Any:
    if isinstance(value, dict):
        out = {}
        for name, below in value.items():
            child = node.find(name) if node is not None else None
            out[name.rpartition(":")[2]] = _plain(child, below, False)
        return out
    if isinstance(value, list):
        return [_plain(node, each, True) for each in value]
    return _local(int(value) if node is not None and node.type == "uint64" else value)


def _local(value: Any) -> Any:
    """An identity without its module."""
    return value.partition(":")[2] if isinstance(value, str) and value.startswith("iana-if-type:") else value


def edit(store: DataStore, operation: Operation, path: GnmiPath, value: Any = None) -> Iterator[Edit]:
    """The edits that one path of a set means."""
    for found in find(store, path):
        if not found.steps:
            raise DataError("operation-not-supported", "/", "name what is to be set")
        node = found.node
        if isinstance(value, str) and node is not None and node.kind == "leaf" and node.type == "boolean":
            value = node.from_text(value)
        yield Edit(operation=operation, path=found.steps, value=value)
