# SPDX-License-Identifier: Apache-2.0
"""Edits of a data store, carried out on the facts of one configuration."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from aioconn.lab import models
from aioconn.lab.models import Node
from aioconn.lab.places import ROOT, DataError, Place, Step, exists, locate, top, top_by_name
from aioconn.lab.settings import Settings, interface_type

Operation = Literal["merge", "replace", "create", "delete", "remove"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit:
    """One change. `value` is that of the node at `path` (RFC 7951), without the node's own name."""

    operation: Operation
    path: tuple[Step, ...]
    value: Any = None


class Editor:
    """Carries edits out on the facts of one configuration."""

    def __init__(self, said: Settings) -> None:
        self.settings = said

    def apply(self, edit: Edit) -> None:
        place = locate(edit.path)
        operation = edit.operation
        if not place.node.config:
            raise DataError("operation-not-supported", place.text, "this is state, no configuration")
        if place.node is not ROOT and operation in ("create", "delete"):
            there = exists(place, self.settings) and self._is_said(place)
            if operation == "create" and there:
                raise DataError("data-exists", place.text, "there is one already")
            if operation == "delete" and not there:
                raise DataError("data-missing", place.text, "there is none")
        if operation in ("delete", "remove"):
            self._remove(place)
            return
        if edit.value is None:
            raise DataError("missing-element", place.text, "a value is missing")
        self._reach(edit.path)
        self._write(place, edit.value, replace=operation == "replace")

    def _reach(self, path: Sequence[Step]) -> None:
        """Have the list entries that lead to a place."""
        for length in range(1, len(path) + 1):
            place = locate(path[:length])
            if place.entry:
                self._insert(place)

    def _insert(self, place: Place) -> None:
        try:
            key = place.node.children[place.node.keys[0]]
            key.check(place.keys[place.node.fact])
            self.settings.insert(place.node.fact, place.keys)
        except ValueError as error:
            raise DataError("invalid-value", place.text, str(error)) from None

    def _write(self, place: Place, value: Any, *, replace: bool) -> None:
        node = place.node
        if node.kind == "leaf":
            self._put(place, value)
        elif node.kind == "list" and not place.entry:
            self._write_list(place, value, replace=replace)
        else:
            self._write_object(place, value, replace=replace)

    def _write_object(self, place: Place, value: Any, *, replace: bool) -> None:
        node = place.node
        if not isinstance(value, Mapping):
            raise DataError("invalid-value", place.text, "an object is expected")
        if node is ROOT:
            given = [(top_by_name(name), below) for name, below in value.items()]
            for node in models.TOP if replace else ():
                if node.config and all(node.name != other.name for other, _ in given):
                    self._remove(top(node))  # the other model's view of what is given stays
            for node, below in given:
                self._child(top(node), below, replace=replace)
            return
        children: dict[str, tuple[Node, Any]] = {}
        for name, below in value.items():
            child = node.find(name)
            if child is None:
                raise DataError("unknown-element", place.text, f"{name!r} is not known here")
            children[child.name] = child, below
        if replace:
            for child in node.children.values():
                if child.config and child.name not in children and child.name not in node.keys:
                    self._remove(place.child(child))
        for child, below in children.values():
            self._child(place.child(child), below, replace=replace)

    def _child(self, place: Place, value: Any, *, replace: bool) -> None:
        if not place.node.config:
            raise DataError("operation-not-supported", place.text, "this is state, no configuration")
        self._write(place, value, replace=replace)

    def _write_list(self, place: Place, value: Any, *, replace: bool) -> None:
        node = place.node
        entries = [value] if isinstance(value, Mapping) else value
        if not isinstance(entries, Sequence) or isinstance(entries, str):
            raise DataError("invalid-value", place.text, "a list is expected")
        key = node.keys[0]
        given: dict[str, Mapping[str, Any]] = {}
        for each in entries:
            if not isinstance(each, Mapping):
                raise DataError("invalid-value", place.text, "an object is expected")
            name = each.get(key, each.get(f"{node.module.name}:{key}"))
            if not isinstance(name, str):
                raise DataError("missing-element", place.text, f"the key {key!r} is missing")
            if name in given:
                raise DataError("bad-element", place.text, f"{name!r} is there twice")
            given[name] = each
        if replace:
            for known in self.settings.entries(node.fact, place.keys):
                if known not in given:
                    self._remove(place.at(known))
        for name, each in given.items():
            entry = place.at(name)
            self._insert(entry)
            self._write_object(entry, each, replace=replace)

    def _put(self, place: Place, value: Any) -> None:
        node = place.node
        try:
            plain = node.check(value)
            if node.fact in place.keys:
                if plain != place.keys[node.fact]:
                    raise ValueError(f"{value!r} is not the key of this entry")
            elif node.fact == "type":
                wanted = interface_type(place.keys["interface"])
                if plain != wanted:
                    raise ValueError(f"an interface of this name is of the type {wanted}")
            else:
                self.settings.put(node.fact, place.keys, plain)
        except ValueError as error:
            raise DataError("invalid-value", place.text, str(error)) from None

    def _remove(self, place: Place) -> None:
        node = place.node
        if place.entry:
            if exists(place, self.settings):
                self.settings.remove(node.fact, place.keys)
            return
        if node.kind == "list":
            for key in self.settings.entries(node.fact, place.keys):
                self.settings.remove(node.fact, {**place.keys, node.fact: key})
            return
        if node.kind == "leaf":
            if node.fact not in place.keys and node.fact != "type" and exists(place, self.settings):
                try:
                    self.settings.put(node.fact, place.keys, None)
                except ValueError as error:
                    raise DataError("operation-failed", place.text, str(error)) from None
            return
        for child in models.TOP if node is ROOT else node.children.values():
            if child.config:
                self._remove(top(child) if node is ROOT else place.child(child))

    def _is_said(self, place: Place) -> bool:
        """Whether the configuration says anything of a place."""
        node, keys = place.node, place.keys
        if place.entry or node.fact in keys or node.fact == "type":
            return True
        if node.kind == "list":
            return bool(self.settings.entries(node.fact, keys))
        if node.kind == "leaf":
            return self.settings.get(node.fact, keys) is not None
        return any(child.config and self._is_said(place.child(child)) for child in node.children.values())
