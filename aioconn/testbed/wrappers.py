# SPDX-License-Identifier: Apache-2.0
"""The service wrappers that a testbed, a device or one of its connections names."""

from __future__ import annotations

import re
from collections.abc import Iterator

from aioconn.declaration import Declaration
from aioconn.testbed.keys import WRAPPER
from aioconn.testbed.markup import hold
from aioconn.testbed.section import Section, describe
from aioconn.testbed.tree import Items, Node, Scalar, Table

_PLACE = re.compile(r"[^\W\d]\w*(?:\.[^\W\d]\w*)*[.:][^\W\d]\w*(?:\.[^\W\d]\w*)*")
_ORDER = re.compile(r"[-+]?[0-9]{1,9}")


def read_wrappers(section: Section) -> tuple[Declaration, ...]:
    """What stands behind `wrappers`: a dotted path, a mapping with `class`, `arguments` and `order`, or several."""
    node = section.get("wrappers")
    if node is None:
        return ()
    key = section.path("wrappers")
    entries = [(node, key)]
    if isinstance(node, Items):
        entries = [(item, f"{key}[{index}]") for index, item in enumerate(node.values)]
    return tuple(found for item, where in entries for found in _read(item, where, section))


def _read(node: Node, key: str, section: Section) -> Iterator[Declaration]:
    if isinstance(node, Scalar) and not node.null:
        # Read as `class` of a mapping, so that what is said of it is the same.
        short = Table(node.file, node.line, node.column, {"class": (node, node)})
        entry = Section(short, key, section.report)
    elif isinstance(node, Table):
        entry = Section(node, key, section.report)
    else:
        what = f"expected the dotted path of a wrapper, found {describe(node, 'wrappers')}"
        section.report.add(node, key, what, "write package.module.Class, or {class: ..., arguments: {...}}")
        return
    for name in entry.node.entries:
        if name not in WRAPPER:
            entry.name_problem(name, "unknown key", section.report.nearest(name, WRAPPER))
    place = entry.text("class")
    if place is None:
        if "class" not in entry:
            entry.add("a wrapper needs a class", "write class: package.module.Class")
        return
    if _PLACE.fullmatch(place) is None:
        entry.problem("class", f"expected a dotted path, found {place!r}", "write package.module.Class")
        return
    order = entry.text("order")
    if order is not None and _ORDER.fullmatch(order) is None:
        entry.problem("order", f"expected a whole number, found {order!r}")
        return
    arguments = entry.section("arguments")
    yield Declaration(
        place=place,
        arguments=hold({} if arguments is None else arguments.options()),
        order=None if order is None else int(order),
        origin=node.origin,
        key=key,
    )
