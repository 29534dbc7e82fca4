# SPDX-License-Identifier: Apache-2.0
"""A simulated device's data as XML, filters on it, and edits that are written in XML (RFC 6241)."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any, TypeAlias

from lxml import etree

from aioconn.lab.data import DataError, DataStore, Edit, Step
from aioconn.lab.models import IANA, Module, Node

BASE = "urn:ietf:params:xml:ns:netconf:base:1.0"
OPERATION = f"{{{BASE}}}operation"
OPERATIONS = ("merge", "replace", "create", "delete", "remove", "none")

Element: TypeAlias = "etree._Element"


# ------------------------------------------------------------------ data as XML


def render(store: DataStore, values: dict[str, Any] | None) -> list[Element]:
    """What `read()` gives for everything, as elements."""
    found = []
    for node in store.top():
        value = (values or {}).get(node.qualified)
        if value is not None:
            default: Any = {None: node.namespace}  # the stubs of lxml differ on what a default namespace is
            root = etree.Element(f"{{{node.namespace}}}{node.name}", nsmap=default)
            _fill(root, node, value)
            found.append(root)
    return found


def _fill(element: Element, node: Node, value: Any) -> None:
    if node.kind in ("leaf", "leaf-list"):
        text = str(value).lower() if isinstance(value, bool) else str(value)
        if node.type == "identityref":
            text = f"{IANA.prefix}:{text.rpartition(':')[2]}"
        element.text = text
        return
    for child in node.children.values():
        below = value.get(node.member(child))
        if below is None:
            continue
        for item in below if isinstance(below, list) else [below]:
            namespaces: Any = {None: child.namespace}
            if child.type == "identityref":
                namespaces[IANA.prefix] = IANA.namespace
            _fill(
                etree.SubElement(element, f"{{{child.namespace}}}{child.name}", nsmap=namespaces), child, item
            )


# ------------------------------------------------------------------ filters


def filtered(roots: list[Element], filter: Element | None) -> list[Element]:
    """The parts that a `<filter>` selects; all if there is none. Raises `DataError`."""
    if filter is None:
        return roots
    if filter.get("type", "subtree") == "xpath":
        return _by_xpath(roots, filter)
    wanted = children(filter)
    found = []
    for root in roots:
        for one in wanted:
            if _matches(root, one) and (part := _subtree(root, one)) is not None:
                found.append(part)
                break
    return found


def _subtree(data: Element, wanted: Element) -> Element | None:
    """RFC 6241, section 6.2: one node of the filter, on an element of its name."""
    below = children(wanted)
    if not below:
        text = (wanted.text or "").strip()
        return copy.deepcopy(data) if not text or (data.text or "").strip() == text else None
    contents = [one for one in below if not children(one) and (one.text or "").strip()]
    for one in contents:
        if not any(_matches(child, one) and _same(child, one) for child in data):
            return None
    others = [one for one in below if one not in contents]
    if not others:
        return copy.deepcopy(data)
    namespaces: Any = data.nsmap
    part = etree.Element(data.tag, nsmap=namespaces)
    for child in data:
        if any(_matches(child, one) for one in contents):
            part.append(copy.deepcopy(child))
            continue
        for one in others:
            if _matches(child, one) and (found := _subtree(child, one)) is not None:
                part.append(found)
                break
    return part if len(part) > len(contents) else None


def _by_xpath(roots: list[Element], filter: Element) -> list[Element]:
    everything = etree.Element("data")
    everything.extend(copy.deepcopy(root) for root in roots)
    namespaces = {prefix: uri for prefix, uri in filter.nsmap.items() if prefix}
    path = filter.get("select", "")
    try:
        found = etree.XPath(
            path.replace("/", "/data/", 1) if path.startswith("/") else path, namespaces=namespaces
        )(etree.ElementTree(everything))
    except etree.XPathError as error:
        raise DataError("invalid-value", path, f"the XPath is not understood: {error}") from None
    if not isinstance(found, list):
        raise DataError("invalid-value", path, "the XPath selects no nodes")
    kept: set[Element] = set()
    for node in found:
        if etree.iselement(node):
            kept.update(node.iter())
            kept.update(node.iterancestors())
    for element in list(everything.iter()):
        parent = element.getparent()
        if parent is not None and element not in kept:
            parent.remove(element)
    return list(everything)


def children(element: Element) -> list[Element]:
    """Its elements, without comments."""
    return [child for child in element if not callable(child.tag)]


def _matches(data: Element, wanted: Element) -> bool:
    """The same name; one without a namespace stands for any."""
    tag = str(wanted.tag)
    return data.tag == tag or (not tag.startswith("{") and str(data.tag).endswith("}" + tag))


def _same(data: Element, wanted: Element) -> bool:
    return (data.text or "").strip().rpartition(":")[2] == (wanted.text or "").strip().rpartition(":")[2]


# ------------------------------------------------------------------ edits


def edits_of(store: DataStore, config: Element, default: str = "merge") -> list[Edit]:
    """What an `<edit-config>` with this `<config>` does. Raises `DataError`."""
    edits: list[Edit] = []
    for element in children(config):
        node = next((one for one in store.top() if _is(element, one)), None)
        if node is None:
            raise DataError("unknown-element", "/", f"no module has {element.tag} at the top")
        _edit(element, node, (), node.qualified, default, edits)
    return edits


def value_of(store: DataStore, config: Element) -> dict[str, Any]:
    """A whole configuration in XML as the value of everything (RFC 7951). Raises `DataError`."""
    value: dict[str, Any] = {}
    for element in children(config):
        node = next((one for one in store.top() if _is(element, one)), None)
        if node is None:
            raise DataError("unknown-element", "/", f"no module has {element.tag} at the top")
        value[node.qualified] = _value(element, node)
    return value


def _edit(
    element: Element, node: Node, above: tuple[Step, ...], name: str, operation: str, edits: list[Edit]
) -> None:
    operation = element.get(OPERATION, element.get("operation", operation))
    if operation not in OPERATIONS:
        raise DataError("bad-attribute", _path(above), f"there is no operation {operation!r}")
    keys: dict[str, str] = {}
    for key in node.keys if node.kind == "list" else ():
        found = next((child for child in children(element) if _local(child) == key), None)
        if found is None:
            raise DataError("missing-element", _path(above) + "/" + name, f"the key {key!r} is missing")
        keys[key] = (found.text or "").strip()
    path = (*above, Step(name, keys) if keys else Step(name))
    if operation in ("delete", "remove"):
        edits.append(Edit(operation=operation, path=path))  # type: ignore[arg-type]  # just told
    elif operation == "none" or any(_says_operation(child) for child in children(element)):
        if operation not in ("none", "merge"):
            edits.append(Edit(operation=operation, path=path, value=dict(keys)))  # type: ignore[arg-type]
        for child in children(element):
            below = _child_node(node, child, path)
            if below.name not in keys:
                _edit(child, below, path, node.member(below), operation, edits)
    else:
        edits.append(Edit(operation=operation, path=path, value=_value(element, node)))  # type: ignore[arg-type]


def _says_operation(element: Element) -> bool:
    return any(one.get(OPERATION) or one.get("operation") for one in element.iter())


def _value(element: Element, node: Node) -> Any:
    if node.kind in ("leaf", "leaf-list"):
        try:
            return node.from_text((element.text or "").strip())
        except ValueError as error:
            raise DataError("invalid-value", "/" + node.qualified, str(error)) from None
    value: dict[str, Any] = {}
    for child in children(element):
        below = _child_node(node, child, ())
        found = _value(child, below)
        if below.kind in ("list", "leaf-list"):
            value.setdefault(node.member(below), []).append(found)
        else:
            value[node.member(below)] = found
    return value


def _child_node(node: Node, element: Element, path: Sequence[Step]) -> Node:
    child = node.children.get(_local(element))
    if child is None or not _is(element, child):
        raise DataError(
            "unknown-element", _path(path) or "/" + node.qualified, f"{element.tag} is not known here"
        )
    return child


def _is(element: Element, node: Node) -> bool:
    return element.tag == f"{{{node.namespace}}}{node.name}"


def _local(element: Element) -> str:
    return str(element.tag).rpartition("}")[2]


def _path(path: Sequence[Step]) -> str:
    return "".join(f"/{step.name}" for step in path)


# ------------------------------------------------------------------ schemas


def yang(module: Module, top: Sequence[Node]) -> str:
    """The module as text: what of it these devices know."""
    lines = [f"module {module.name} {{", f'  namespace "{module.namespace}";', f"  prefix {module.prefix};"]
    lines.append(f"  revision {module.revision};")
    for node in top:
        if node.module is module:
            _statement(node, "  ", lines)
    return "\n".join([*lines, "}", ""])


def _statement(node: Node, indent: str, lines: list[str]) -> None:
    lines.append(f"{indent}{node.kind} {node.name} {{")
    if node.type:
        lines.append(f"{indent}  type {node.type};")
    if node.keys:
        lines.append(f'{indent}  key "{" ".join(node.keys)}";')
    if not node.config:
        lines.append(f"{indent}  config false;")
    for child in node.children.values():
        if child.module is node.module:
            _statement(child, indent + "  ", lines)
    lines.append(f"{indent}}}")
