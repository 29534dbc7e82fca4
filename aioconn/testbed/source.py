# SPDX-License-Identifier: Apache-2.0
"""Where a testbed comes from: a file, YAML text or Python data, each read into the same tree."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Any, NoReturn

from aioconn.errors import Problem
from aioconn.testbed.builder import Builder
from aioconn.testbed.tree import (
    DEPTH_LIMIT,
    EXPANSION_LIMIT,
    KEY_LIMIT,
    Document,
    Fatal,
    Items,
    Node,
    Scalar,
    Table,
    join_key,
)

SIZE_LIMIT = 64 * 1024 * 1024  # bytes of one file
# References and the like, which have to be put in their places; %ENV{} and %ASK{} have not.
_MARKED = re.compile(r"%(?:INCLUDE|INTF|CALLABLE|EXTEND_LIST|)\{")


def read_file(path: str | os.PathLike[str]) -> Document:
    """Read a YAML file of at most 64 MiB. Whatever is wrong comes back as problems."""
    text = _text_of(path)
    return text if isinstance(text, Document) else read_text(text, os.fspath(path))


def read_part(path: str) -> tuple[Node | None, list[Problem]]:
    """What a file that is a part of another one holds, be it a mapping, a list or a single value."""
    text = _text_of(path)
    if isinstance(text, Document):
        return None, text.problems
    builder = Builder(text.removeprefix("\ufeff"), path)
    try:
        return builder.build(), builder.report.problems
    except Fatal:
        return None, builder.report.problems


def _text_of(path: str | os.PathLike[str]) -> str | Document:
    """What stands in a file, or a document that says why that is not known."""
    name = os.fspath(path)
    try:
        with open(name, "rb") as file:
            data = file.read(SIZE_LIMIT + 1)
    except FileNotFoundError:
        return _broken(f"no such file: {name!r}")
    except IsADirectoryError:
        return _broken("this is a directory, not a testbed file", source=name)
    except (OSError, ValueError) as error:  # ValueError: a NUL or a surrogate in the name
        reason = error.strerror if isinstance(error, OSError) and error.strerror else "not a file name"
        return _broken(f"cannot read {name[:200]!r}: {reason}")
    if len(data) > SIZE_LIMIT:
        return _too_large(name)
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        return _broken("this is not UTF-8 text", source=name, line=line, hint="save the file as UTF-8")


def read_text(text: str, file: str = "<text>") -> Document:
    """Parse YAML text."""
    if len(text) > SIZE_LIMIT:
        return _too_large(file)
    builder = Builder(text.removeprefix("\ufeff"), file)
    try:
        root = builder.build()
    except Fatal:
        return Document(None, builder.report.problems)
    if isinstance(root, Table):
        return Document(root, builder.report.problems, marked=_MARKED.search(text) is not None)
    if root is None or (isinstance(root, Scalar) and root.null):
        builder.problem(None, "there is nothing in it", "a testbed needs at least `devices:`")
    else:
        found = "a list" if isinstance(root, Items) else "a single text"
        builder.problem(root, f"a testbed is a mapping with the key devices, this is {found}")
    return Document(None, builder.report.problems)


def read_mapping(data: Mapping[Any, Any], file: str = "") -> Document:
    """The same tree from Python data: texts stay texts, numbers numbers, other objects stay as they are."""
    problems: list[Problem] = []
    count = 0
    marked = False

    def refuse(message: str, key: str) -> NoReturn:
        problems.append(Problem(message=message, key=key, source=file))
        raise Fatal

    def convert(value: Any, key: str, depth: int) -> Node:
        nonlocal count, marked
        count += 1
        if depth > DEPTH_LIMIT or count > EXPANSION_LIMIT:
            what = "nested too deep" if depth > DEPTH_LIMIT else "too large"
            refuse(f"this is {what}; does it contain itself?", key)
        if isinstance(value, Mapping):
            table = Table(file, None, None)
            for name, item in value.items():
                text = str(name)
                if len(text) > KEY_LIMIT:
                    refuse(f"a key of more than {KEY_LIMIT:,} characters: this is no testbed", key)
                marked = marked or text.startswith("%")
                table.entries[text] = (
                    Scalar(file, None, None, text),
                    convert(item, join_key(key, text), depth + 1),
                )
            return table
        if isinstance(value, (list, tuple, set, frozenset)):
            items = [convert(item, f"{key}[{index}]", depth + 1) for index, item in enumerate(value)]
            return Items(file, None, None, items)
        if value is None:
            return Scalar(file, None, None, "")
        if isinstance(value, str):
            marked = marked or ("%" in value and _MARKED.search(value) is not None)
            return Scalar(file, None, None, value, plain=False)
        try:
            return Scalar(file, None, None, str(value), raw=value)
        except ValueError:  # Python writes no number of more than 4,300 digits
            refuse("a number of too many digits", key)

    try:
        tree = convert(data, "", 0)
    except Fatal:
        return Document(None, problems)
    assert isinstance(tree, Table)
    return Document(tree, problems, marked)


def _broken(message: str, **where: Any) -> Document:
    return Document(None, [Problem(message=message, **where)])


def _too_large(file: str) -> Document:
    return _broken(f"more than {SIZE_LIMIT // 2**20} MiB: this is no testbed", source=file)
