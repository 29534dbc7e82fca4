# SPDX-License-Identifier: Apache-2.0
"""YAML text to a tree, without recursion and with limits.

It is built from the parser's events: the C composer crashes the interpreter on deep nesting, and resolving
scalars (`0123` -> 83) loses what was written. What aliases would expand to is counted, and limited.
"""

from __future__ import annotations

import re
from typing import Any, NoReturn

import yaml

from aioconn.testbed.pieces import looks_like_markup
from aioconn.testbed.report import Report
from aioconn.testbed.tree import (
    DEPTH_LIMIT,
    EXPANSION_LIMIT,
    KEY_LIMIT,
    NODE_LIMIT,
    Fatal,
    Items,
    Node,
    Scalar,
    Table,
    join_key,
)

try:
    from yaml import CSafeLoader as _Loader
except ImportError:  # PyYAML without libyaml: the same events, ten times slower
    from yaml import SafeLoader as _Loader  # type: ignore[assignment]

_SCALAR, _TABLE, _ITEMS = yaml.ScalarEvent, yaml.MappingStartEvent, yaml.SequenceStartEvent
_CORE = "tag:yaml.org,2002:"
_TEXT_TAGS = frozenset((_CORE + "str", "!"))
_KNOWN_TAGS = _TEXT_TAGS | {_CORE + name for name in ("int", "float", "bool", "null", "map", "seq")}


class _Frame:
    """A list or mapping that is being read: how much it holds, counted with its aliases expanded."""

    __slots__ = ("anchor", "height", "key", "merged", "node", "size")

    def __init__(self, node: Items | Table, anchor: str | None) -> None:
        self.node = node
        self.anchor = anchor
        self.key: Scalar | None = None
        self.merged: list[Table] = []
        self.size = 1
        self.height = 1


class Builder:
    def __init__(self, text: str, file: str) -> None:
        self.text = text
        self.file = file
        self.report = Report()
        self.frames: list[_Frame] = []
        self.anchors: dict[str, tuple[Node, int, int]] = {}  # name -> node, expanded size, height
        self.expanded = 0

    def build(self) -> Node | None:
        """The root of the only document; None if there is none. Raises `Fatal` after a fatal problem."""
        try:
            return self._events()
        except yaml.MarkedYAMLError as error:
            self._syntax(error)
        except yaml.reader.ReaderError as error:
            self._characters(error.position)
        except UnicodeEncodeError as error:
            self._characters(error.start)
        except (yaml.YAMLError, ValueError, OverflowError):
            self.problem(None, "this is not valid YAML")
        raise Fatal

    def _events(self) -> Node | None:
        root: Node | None = None
        node: Node
        size, height = 1, 0  # of `node`
        file, frames, put = self.file, self.frames, self._put
        take = _Loader(self.text).get_event
        mark: Any = None
        for _ in range(NODE_LIMIT):  # hundreds of thousands of times, hence the local names
            event: Any = take()
            kind = type(event)
            mark = event.start_mark
            if kind is _SCALAR:
                node = scalar = Scalar(file, mark.line + 1, mark.column + 1, event.value, event.implicit[0])
                size, height = 1, 0
                if "%" in scalar.text and looks_like_markup(scalar.text):
                    self._nearly_markup(scalar)
                if event.tag is not None:
                    self._tagged(scalar, event.tag)
                if event.anchor is not None:
                    self._anchored(scalar, event.anchor)
            elif kind is _TABLE or kind is _ITEMS:
                made = Table if kind is _TABLE else Items
                self._start(made(file, mark.line + 1, mark.column + 1), event)
                continue
            elif kind is yaml.MappingEndEvent or kind is yaml.SequenceEndEvent:
                frame = frames.pop()
                node, size, height = self._finish(frame), frame.size, frame.height
            elif kind is yaml.AliasEvent:
                node, size, height = self._alias(event)
            elif kind is yaml.StreamEndEvent:
                return root
            elif kind is yaml.DocumentStartEvent and root is not None:
                self._fatal(
                    mark, "a second document begins here", "a testbed is one document: drop the --- line"
                )
            else:
                continue
            if frames:
                put(node, size, height)
            else:
                root = node
        return self._fatal(mark, f"more than {NODE_LIMIT:,} values: this is no testbed")

    def _start(self, node: Items | Table, event: Any) -> None:
        if event.tag is not None and event.tag not in _KNOWN_TAGS:
            self._unknown_tag(node)
        if len(self.frames) >= DEPTH_LIMIT:
            self.problem(node, f"nested more than {DEPTH_LIMIT} levels deep: this is no testbed")
            raise Fatal
        frame = _Frame(node, event.anchor)
        self.frames.append(frame)
        if event.anchor is not None:
            self.anchors[event.anchor] = (
                node,
                0,
                0,
            )  # 0: not finished; an alias to it now is one into itself

    def _finish(self, frame: _Frame) -> Node:
        node = frame.node
        if frame.merged and isinstance(node, Table):
            own = node.entries
            node.entries = {}
            for table in reversed(
                frame.merged
            ):  # the first of a list wins, and what is written here over all
                node.entries.update(table.entries)
            node.entries.update(own)
        if frame.anchor is not None:
            self.anchors[frame.anchor] = (node, frame.size, frame.height)
        return node

    def _alias(self, event: Any) -> tuple[Node, int, int]:
        mark = event.start_mark
        if event.anchor not in self.anchors:  # its name is not shown: it may be a password that begins with *
            self._fatal(
                mark,
                "an alias (*name) to an anchor (&name) that is not there",
                "quote a text that starts with *",
            )
        node, size, height = self.anchors[event.anchor]
        if size == 0:
            self._fatal(mark, "an alias to something that it is itself a part of")
        self.expanded += size
        if self.expanded > EXPANSION_LIMIT or len(self.frames) + height > DEPTH_LIMIT:
            self._fatal(
                mark, f"aliases expand to more than {EXPANSION_LIMIT:,} values or {DEPTH_LIMIT} levels"
            )
        return node, size, height

    def _put(self, node: Node, size: int, height: int) -> None:
        """`node` is complete: the next key, value or item of the innermost list or mapping."""
        frame = self.frames[-1]
        frame.size += size
        if height >= frame.height:
            frame.height = height + 1
        holder = frame.node
        if isinstance(holder, Items):
            holder.values.append(node)
        elif frame.key is None:
            if not isinstance(node, Scalar):
                self.problem(
                    node,
                    "a key must be a text",
                    "quote the value if it starts with { or [ (templates are not filled in)",
                )
                raise Fatal
            if len(node.text) > KEY_LIMIT:
                self.problem(node, f"a key of more than {KEY_LIMIT:,} characters: this is no testbed")
                raise Fatal
            frame.key = node
        else:
            key, frame.key = frame.key, None
            if key.text == "<<" and key.plain:
                self._merge(frame, node)
                return
            if key.text in holder.entries:
                first = holder.entries[key.text][0].line
                self.problem(
                    key,
                    f"this key stands twice, first in line {first}; the last one counts",
                    path=key.text,
                    warning=True,
                )
            holder.entries[key.text] = (key, node)

    def _merge(self, frame: _Frame, node: Node) -> None:
        tables = node.values if isinstance(node, Items) else [node]
        for table in tables:
            if isinstance(table, Table):
                frame.merged.append(table)
            else:
                self.problem(node, "<< takes a mapping or a list of mappings", path="<<")
                return

    def _tagged(self, scalar: Scalar, tag: str) -> None:
        if tag not in _KNOWN_TAGS:
            self._unknown_tag(scalar)
        scalar.plain = tag not in _TEXT_TAGS

    def _anchored(self, scalar: Scalar, anchor: str) -> None:
        if scalar.plain and not scalar.text:
            self.problem(
                scalar, "this is an anchor (&name) with nothing behind it", "quote a text that starts with &"
            )
        self.anchors[anchor] = (scalar, 1, 0)

    def _nearly_markup(self, scalar: Scalar) -> None:
        self.problem(
            scalar,
            "this looks like markup, and is taken as it stands",
            "markup is %ENV{NAME}, %ENV{NAME, default}, %ASK{prompt}, %ENC{...} or %{key.of.another}",
            warning=True,
        )

    def _unknown_tag(self, node: Node) -> None:  # nor is a tag shown: it may be a password that begins with !
        self.problem(node, "a tag (!name) that means nothing here", "quote a text that starts with !")

    def problem(
        self,
        node: Node | None,
        message: str,
        hint: str | None = None,
        *,
        path: str = "",
        warning: bool = False,
    ) -> None:
        """Note what is wrong; the key path comes from where the parser stands, with `path` below it."""
        where = node if node is not None else Node(self.file, None, None)
        self.report.add(where, self._path(path), message, hint, warning=warning)

    def _path(self, last: str) -> str:
        path = ""
        for frame in self.frames:
            if isinstance(frame.node, Items):
                path += f"[{len(frame.node.values)}]"
            elif frame.key is not None:
                path = join_key(path, frame.key.text)
        return join_key(path, last) if last else path

    def _fatal(self, mark: Any, message: str, hint: str | None = None) -> NoReturn:
        self.problem(Node(self.file, mark.line + 1, mark.column + 1), message, hint)
        raise Fatal

    def _characters(self, position: int) -> None:
        """A character that YAML does not allow. libyaml does not say where: search ourselves."""
        found = _FORBIDDEN.search(self.text)
        at = found.start() if found else position
        line = self.text.count("\n", 0, at) + 1
        column = at - (self.text.rfind("\n", 0, at) + 1) + 1
        self.problem(
            Node(self.file, line, column), "a character that YAML does not allow: is this a binary file?"
        )

    def _syntax(self, error: yaml.MarkedYAMLError) -> None:
        """The parser's complaint in words for a stranger, never with the file's text."""
        mark = error.problem_mark or error.context_mark
        complaint = str(error.problem)
        line, column = (mark.line, mark.column) if mark is not None else (0, 0)
        rows = self.text.splitlines()
        row = rows[line] if line < len(rows) else ""
        message: str
        hint: str | None
        if "\t" in row[: len(row) - len(row.lstrip(" \t-"))]:
            column = row.index("\t")
            message, hint = "a tab in the indentation", "YAML takes spaces only"
        else:
            unknown: tuple[str, str | None] = ("this is not valid YAML", None)
            message, hint = next((words for pattern, words in _COMPLAINTS if pattern in complaint), unknown)
            if hint == _ALIGN and row[:column].rstrip().endswith(("'", '"')):
                message, hint = "text after a closing quote", "put all of it into the quotes"
            if message.startswith("a `:`") and 0 < line <= len(rows) and _GLUED.match(rows[line - 1]):
                hint = "put a blank behind the colon of the line above"
            begun = error.context_mark  # where the bracket or the quote is; the mark is where it was missed
            if begun is not None and (
                message.startswith(("a quote", "no colon"))
                or (message.startswith("a bracket") and begun.line != line)
            ):
                line, column = begun.line, begun.column
        self.problem(Node(self.file, line + 1, column + 1), message, hint)


_FORBIDDEN = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_GLUED = re.compile(r"[ -]*[A-Za-z_]+:[^\s:]+\s*$")
_ALIGN = "align it with its siblings"
_QUOTE = "put the value in quotes"
_COMPLAINTS: tuple[tuple[str, tuple[str, str | None]], ...] = (
    (
        "mapping values are not allowed",
        (
            "a `:` that cannot be here: a second one, or the line above has none, or wrong indentation",
            "put the value in quotes if the colon is a part of it",
        ),
    ),
    ("expected ':'", ("no colon after this key", "write `key: value`")),
    ("cannot start any token", ("a value cannot start with this character", _QUOTE)),
    ("unexpected end of stream", ("a quote that is never closed", None)),
    (
        "unknown escape",
        ("an unknown backslash sequence", "use 'single quotes', where a backslash is a backslash"),
    ),
    ("expected ',' or", ("a bracket that is never closed, or a comma is missing", None)),
    (
        "did not find expected key",
        ("wrong indentation", _ALIGN),
    ),
    (
        "expected <block end>",
        ("wrong indentation", _ALIGN),
    ),
    ("did not find expected '-'", ("wrong indentation in or after a list", _ALIGN)),
    ("document start", ("indented less than the first key", _ALIGN)),
    ("tag handle", ("a tag (!name) that means nothing here", "quote a text that starts with !")),
    ("tab character", ("a tab in the indentation", "YAML takes spaces only")),
    ("incompatible YAML", ("a %YAML version that is not known", "drop the line")),
    ("node content", ("something is missing before this", None)),
)
