# SPDX-License-Identifier: Apache-2.0
"""`%{ref}`, `%INCLUDE{}`, `%INTF{}` and `%EXTEND_LIST{}`: put in their places before a testbed is read.

What they stand for is in the file, or in another one: nobody is asked, and no variable looked up. A reference to a
value that is still to be asked for carries its question along, and both get the one answer. Trees are not changed:
what has something to be put in place is made anew, everything else is shared.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import NamedTuple

from aioconn.credentials import Secret
from aioconn.testbed import keys
from aioconn.testbed.markup import Markup
from aioconn.testbed.pieces import Callables, Piece, pieces_of, refused
from aioconn.testbed.report import Report
from aioconn.testbed.source import read_mapping, read_part
from aioconn.testbed.tree import (
    DEPTH_LIMIT,
    EXPANSION_LIMIT,
    Items,
    Node,
    Scalar,
    Table,
    extended_list,
    join_key,
    joined,
)
from aioconn.testbed.values import is_secret

_RECURSION = (
    DEPTH_LIMIT + 50
)  # levels that are under work at a time: of the tree, and of references in references
_STEPS = 50  # of a reference
_LONGEST = (
    1 << 20
)  # characters of one text with references in it, and of all such together sixteen times as many
_PIECES = 10_000  # of one text


class _Place(NamedTuple):
    """Where the work stands: the names on the way from the root."""

    above: _Place | None
    name: str

    @property
    def names(self) -> list[str]:
        found: list[str] = []
        place: _Place | None = self
        while place is not None:
            found.append(place.name)
            place = place.above
        return found[::-1]

    @property
    def key(self) -> str:
        key = ""
        for name in self.names:
            key = key + name if name.startswith("[") else join_key(key, name)
        return key


class _Unresolved(Exception):
    """There is nothing to put in place; why, for the reader of the file."""


class _NoDevice(_Unresolved):
    """It depends on the device that it stands in, and it stands in none."""


class Expansion:
    """Puts everything in place. `callables`: the functions that may be called, see `Piece`."""

    def __init__(self, root: Table, report: Report, callables: Callables = ()) -> None:
        self._root = root
        self._report = report
        self._callables = callables
        self._made: dict[tuple[int, str], Node] = {}
        self._sizes: dict[int, tuple[Node, int, int]] = {}  # with the node, whose identity it is
        self._following: list[tuple[int, str]] = []  # values that are being put in place
        self._files: list[str] = []  # that are being included
        self._added = 0
        self._room = 16 * _LONGEST
        self._level = 0

    def expand(self) -> Table:
        """The root with everything in place; what cannot be is reported, and left as it is written."""
        made = self._expand(self._root, None, "")
        assert isinstance(made, Table)
        return made

    def _expand(self, node: Node, place: _Place | None, device: str) -> Node:
        """`device` is the one that `self` means there; "" if none is."""
        if isinstance(node, Scalar) and "%" not in node.text:
            return node
        known = (id(node), device)
        if (made := self._made.get(known)) is not None:
            return made
        self._level += 1
        try:
            if self._level > _RECURSION:
                self._problem(node, place, f"nested more than {_RECURSION} levels deep by references")
                return node
            if isinstance(node, Table):
                made = self._table(node, place, device)
            elif isinstance(node, Items):
                values = [
                    self._expand(item, _Place(place, f"[{index}]"), device)
                    for index, item in enumerate(node.values)
                ]
                same = all(map(_is, values, node.values))
                made = node if same else Items(node.file, node.line, node.column, values)
            else:
                assert isinstance(node, Scalar)
                made = self._scalar(node, place, device)
        finally:
            self._level -= 1
        self._made[known] = made
        return made

    def _table(self, node: Table, place: _Place | None, device: str) -> Node:
        entries: dict[str, tuple[Scalar, Node]] = {}
        changed = False
        on_top = place is not None and place.above is None and place.name in ("devices", "topology")
        for name, (key, value) in node.entries.items():
            made = self._expand(value, _Place(place, name), name if on_top else device)
            if on_top and isinstance(made, Scalar):
                made = self._described(made, _Place(place, name))
            if (listed := extended_list(name)) is not None:
                name = listed
                made = joined(entries[name][1] if name in entries else None, made)
                changed = True
            elif made is not value:
                changed = True
            entries[name] = (key, made)
        return Table(node.file, node.line, node.column, entries) if changed else node

    def _scalar(self, node: Scalar, place: _Place | None, device: str) -> Node:
        pieces = pieces_of(node)
        if not any(
            isinstance(piece, Piece) and piece.kind not in ("ENV", "ASK", "ENC", "CLI") for piece in pieces
        ):
            return node
        mark = (id(node), device)
        if mark in self._following:
            self._problem(node, place, "this refers to itself, in a circle")
            return node
        self._following.append(mark)
        try:
            if len(pieces) == 1 and isinstance(piece := pieces[0], Piece):
                return self._inserted(self._whole(node, piece, place, device), node, place)
            parts = [part for piece in pieces for part in self._parts(node, piece, place, device)]
            made = _composed(node, parts)
            length = sum(len(part) for part in parts if isinstance(part, str))
            self._room -= length
            if length > _LONGEST or len(parts) > _PIECES or self._room < 0:
                raise _Unresolved("references make a text that is longer than any that a testbed needs")
            return made
        except _Unresolved as error:
            if isinstance(error, _NoDevice) and place is not None and place.names[0] not in keys.TOP:
                return node  # a template, which an anchor brings to the devices
            hidden = place is not None and any(map(is_secret, place.names))
            self._problem(node, place, "a markup that stands for nothing" if hidden else str(error))
            # so that nothing else is found wrong with it
            return (
                Scalar(node.file, node.line, node.column, "")
                if len(pieces) == 1
                else _composed(node, [node.text])
            )
        finally:
            self._following.pop()

    def _whole(self, node: Scalar, piece: Piece, place: _Place | None, device: str) -> Node:
        """What takes the place of a value that is nothing but one markup."""
        if piece.kind == "":
            return self._referred(piece.body, device)
        if piece.kind == "INCLUDE":
            return self._included(node, piece, place, device)
        if piece.kind == "EXTEND_LIST":
            made: Node | None = None
            for body in piece.body.split(","):
                made = joined(made, self._referred(body, device))
            return made if made is not None else node
        return _composed(node, list(self._parts(node, piece, place, device)))

    def _parts(
        self, node: Scalar, piece: str | Piece | Secret, place: _Place | None, device: str
    ) -> Iterator[str | Piece | Secret]:
        """What takes the place of a markup that is a part of a text."""
        if not isinstance(piece, Piece) or piece.kind in ("ENV", "ASK", "ENC", "CLI"):
            yield piece
        elif piece.kind == "CALLABLE":
            piece.callables = self._callables
            yield piece
        elif piece.kind == "INTF":
            yield self._interface(node, piece.body.strip(), place, device)
        elif piece.kind == "":
            found = self._referred(piece.body, device, single=True)
            if not isinstance(found, Scalar):
                raise _Unresolved(f"%{{{piece.body}}} is no single value, and cannot be a part of a text")
            if isinstance(found.raw, Secret):
                yield found.raw
            else:
                yield from pieces_of(found) or (found.text,)
        else:
            raise _Unresolved(f"{piece} cannot be a part of a text")

    # ------------------------------------------------------------------ %{a.b.c}, %{self.x}, %{a.keys()}

    def _referred(self, body: str, device: str, *, single: bool = False) -> Node:
        """What a reference refers to, with everything in place. `single`: it must be no list or mapping."""
        text = body.strip()
        wants_keys = text.endswith(".keys()")
        names = (text[: -len(".keys()")] if wants_keys else text).split(".")
        inside, place = "", None
        found: Node = self._root
        if names[0] == "self":
            if not device:
                raise _NoDevice(f"%{{{body}}}: `self` is the device that it stands in, and here is none")
            found, inside, place = self._device(device)
        found, inside, place = self._walk(body, names[inside != "" :], found, inside, place)
        if names == ["self"] and not wants_keys:
            return Scalar("", None, None, device, plain=False)
        if wants_keys and isinstance(found, Table):
            listed: list[Node] = [
                Scalar(key.file, key.line, key.column, name, plain=False)
                for name, (key, _) in found.entries.items()
            ]
            return Items(found.file, found.line, found.column, listed)
        if wants_keys:
            raise _Unresolved(f"%{{{body}}}: there are no keys, for it is no mapping")
        if single and not isinstance(found, Scalar):
            raise _Unresolved(f"%{{{body}}} is no single value, and cannot be a part of a text")
        return self._expand(found, place, inside)

    def _device(self, name: str) -> tuple[Node, str, _Place]:
        devices = self._root.entries["devices"][1] if "devices" in self._root.entries else None
        if not isinstance(devices, Table) or name not in devices.entries:
            raise _Unresolved(f"no device is called {name!r}")
        return devices.entries[name][1], name, _Place(_Place(None, "devices"), name)

    def _walk(
        self, body: str, names: list[str], node: Node, device: str, place: _Place | None
    ) -> tuple[Node, str, _Place | None]:
        """The value at the end of `names`, as written; the device that it belongs to, and its place."""
        if len(names) > _STEPS:
            raise _Unresolved("a reference of more steps than any testbed has levels")
        index = 0
        while index < len(names):
            if isinstance(node, Scalar):
                node = self._expand(node, place, device)
            if isinstance(node, Items) and names[index].isdigit() and int(names[index]) < len(node.values):
                place = _Place(place, f"[{int(names[index])}]")
                node = node.values[int(names[index])]
                index += 1
                continue
            # a name may have dots in it
            ends = range(len(names), index, -1) if isinstance(node, Table) else ()
            for end in ends:
                name = ".".join(names[index:end]).strip()
                if isinstance(node, Table) and name in node.entries:
                    if place is not None and place.above is None and place.name in ("devices", "topology"):
                        device = name
                    place = _Place(place, name)
                    node = node.entries[name][1]
                    index = end
                    break
            else:
                raise _Unresolved(f"%{{{body}}} refers to nothing: there is no {names[index]!r}")
        return node, device, place

    def _interface(self, node: Scalar, wanted: str, place: _Place | None, device: str) -> str:
        """The name of the interface that `device` calls `wanted`; the markup itself if there is none, as in pyATS."""
        if not device:
            raise _NoDevice("%INTF{} means an interface of the device that it stands in, and here is none")
        alias = _text(_entry(_entry(_entry(self._root, "devices"), device), "alias"))
        for owner in (device, alias):
            for above in ("topology", "devices"):
                interfaces = _entry(_entry(_entry(self._root, above), owner), "interfaces")
                if not isinstance(interfaces, Table):
                    continue
                for name, (_, value) in interfaces.entries.items():
                    if wanted in (name, _text(_entry(value, "alias"))):
                        return name
        message = f"%INTF{{{wanted}}}: {device!r} has no interface with this alias; it stays as it is written"
        self._problem(node, place, message, warning=True)
        return f"%INTF{{{wanted}}}"

    # ------------------------------------------------------------------ %INCLUDE{file}, %CALLABLE{function}

    def _included(self, node: Scalar, piece: Piece, place: _Place | None, device: str) -> Node:
        name = os.path.expanduser(piece.body.strip())
        path = os.path.join(os.path.dirname(node.file) if os.path.exists(node.file) else "", name)
        real = os.path.realpath(path) if "\0" not in path else path
        if real in self._files or len(self._files) > DEPTH_LIMIT:
            raise _Unresolved(f"{path!r} is included by what it includes")
        part, problems = read_part(path)
        if part is None and (not problems or problems[0].line is None):
            raise _Unresolved(problems[0].message if problems else f"there is nothing in {path!r}")
        self._report.take(problems)
        if part is None:
            return Scalar(node.file, node.line, node.column, "")
        self._files.append(real)
        self._sizes[id(part)] = (part, *self._measured(part)[1:])  # kept, for its parts are known by identity
        try:
            return self._expand(part, place, device)
        finally:
            self._files.pop()

    def _described(self, node: Scalar, place: _Place) -> Node:
        """A device or its interfaces from a function: it gives the testbed its shape, and is called now."""
        pieces = pieces_of(node)
        if len(pieces) != 1 or not isinstance(piece := pieces[0], Piece) or piece.kind != "CALLABLE":
            return node
        if not piece.allowed:
            what, hint = refused(piece.callee)
            self._report.add(node, place.key, what, hint)
            return Table(node.file, node.line, node.column)
        from aioconn.errors import AioconnError

        try:
            value = Markup.of(node, place.key).value()
        except AioconnError as error:
            self._report.add(node, place.key, error.message, error.hint)
            return Table(node.file, node.line, node.column)
        document = read_mapping({"it": value}, node.file)
        self._report.take(document.problems)
        made = document.tree.entries["it"][1] if document.tree is not None else node
        return self._expand(made, place, place.name)

    # ------------------------------------------------------------------ limits, and what is wrong

    def _inserted(self, made: Node, node: Scalar, place: _Place | None) -> Node:
        """`made`, if there is still room for it in the place of `node`."""
        _, size, height = self._measured(made)
        self._added += size
        depth = len(place.names) if place is not None else 0
        if self._added > EXPANSION_LIMIT or depth + height > DEPTH_LIMIT:
            self._problem(
                node,
                place,
                f"references expand to more than {EXPANSION_LIMIT:,} values or {DEPTH_LIMIT} levels",
            )
            return Scalar(node.file, node.line, node.column, "")
        return made

    def _measured(self, node: Node) -> tuple[Node, int, int]:
        """How many values are in it, and how deep it is, with what it shares counted each time."""
        if isinstance(node, Scalar):
            return node, 1, 0
        if (known := self._sizes.get(id(node))) is not None:
            return known
        below = (
            [value for _, value in node.entries.values()] if isinstance(node, Table) else _items(node).values
        )
        sizes = [self._measured(value)[1:] for value in below]
        found = (
            node,
            1 + sum(size for size, _ in sizes),
            1 + max((height for _, height in sizes), default=0),
        )
        self._sizes[id(node)] = found
        return found

    def _problem(self, node: Node, place: _Place | None, message: str, *, warning: bool = False) -> None:
        self._report.add(node, place.key if place is not None else "", message, warning=warning)


def _composed(node: Scalar, parts: list[str | Piece | Secret]) -> Scalar:
    """The value of `node` with its parts in place."""
    text = node.text
    if all(isinstance(part, str) for part in parts):
        text, parts = "".join(map(str, parts)), []
    return Scalar(node.file, node.line, node.column, text, plain=False, pieces=tuple(parts))


def _is(one: object, other: object) -> bool:
    return one is other


def _items(node: Node) -> Items:
    assert isinstance(node, Items)
    return node


def _entry(node: Node | None, name: str | None) -> Node | None:
    found = node.entries.get(name) if isinstance(node, Table) and name is not None else None
    return None if found is None else found[1]


def _text(node: Node | None) -> str | None:
    return node.text if isinstance(node, Scalar) and not node.null else None
