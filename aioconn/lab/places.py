# SPDX-License-Identifier: Apache-2.0
"""Paths into the models: steps, and the places that they lead to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

from aioconn.lab import models
from aioconn.lab.models import Module, Node
from aioconn.lab.settings import Settings

NO_KEYS: Mapping[str, str] = MappingProxyType({})
ROOT = Node(name="", kind="container", module=Module(name="", namespace="", prefix="", revision=""))


class Step(NamedTuple):
    """One step of a path: a name, with its module where one is needed, and the keys of a list's entry."""

    name: str
    keys: Mapping[str, str] = NO_KEYS


class DataError(Exception):
    """An edit or a path that the device refuses. `tag` is an error-tag of RFC 6241."""

    def __init__(self, tag: str, path: str, message: str) -> None:
        super().__init__(tag, path, message)
        self.tag = tag
        self.path = path
        self.message = message

    def __str__(self) -> str:
        return f"{self.tag} at {self.path}: {self.message}"


class Place(NamedTuple):
    """A node of the models with the keys that lead to it. `entry`: of a list, one entry."""

    node: Node
    keys: Mapping[str, str]
    text: str
    entry: bool = False

    def child(self, node: Node) -> Place:
        return Place(node, self.keys, f"{self.text}/{self.node.member(node)}")

    def at(self, key: str) -> Place:
        """An entry of this list."""
        text = f"{self.text}[{self.node.keys[0]}='{key}']"
        return Place(self.node, {**self.keys, self.node.fact: key}, text, entry=True)


def top(node: Node) -> Place:
    return Place(node, {}, "/" + node.qualified)


def top_by_name(name: str) -> Node:
    module, _, local = name.rpartition(":")
    found = [node for node in models.TOP if node.name == local and module in ("", node.module.name)]
    if not found:
        raise DataError("unknown-element", "/", f"no module has {name!r} at the top")
    if len(found) > 1:
        raise DataError("unknown-element", "/", f"write one of {', '.join(node.qualified for node in found)}")
    return found[0]


def locate(path: Sequence[Step], *, keys: bool = True) -> Place:
    """The place that a path names. Raises `DataError` if the models have none. `keys`: look at the keys of lists."""
    place = Place(ROOT, {}, "")
    for step in path:
        if place.node is ROOT:
            place = top(top_by_name(step.name))
        elif place.node.kind == "list" and not place.entry and keys:
            raise DataError("missing-element", place.text, f"the key {place.node.keys[0]!r} is missing")
        else:
            child = place.node.find(step.name)
            if child is None:
                raise DataError("unknown-element", place.text, f"{step.name!r} is not known here")
            place = place.child(child)
        if step.keys and keys:
            place = _entry(place, step.keys)
    return place if path else Place(ROOT, {}, "/")


def _entry(place: Place, keys: Mapping[str, str]) -> Place:
    wanted = place.node.keys
    given = {name.rpartition(":")[2]: value for name, value in keys.items()}
    for name in given:
        if name not in wanted:
            raise DataError("unknown-attribute", place.text, f"{name!r} is no key here")
    missing = [name for name in wanted if name not in given]
    if missing:
        raise DataError("missing-attribute", place.text, f"the key {missing[0]!r} is missing")
    return place.at(given[wanted[0]])


def exists(place: Place, said: Settings) -> bool:
    """Whether the list entries that lead to a place are there."""
    keys: dict[str, str] = {}
    for fact, key in place.keys.items():
        if key not in said.entries(fact, keys):
            return False
        keys[fact] = key
    return True
