# SPDX-License-Identifier: Apache-2.0
"""Data of simulated devices as XML documents, and back, for RESTCONF."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from lxml import etree

from aioconn.lab.data import DataError
from aioconn.lab.models import IANA

if TYPE_CHECKING:
    from aioconn.lab.data import DataStore
    from aioconn.lab.models import Node

RESTCONF = "urn:ietf:params:xml:ns:yang:ietf-restconf"


def text_of(value: Any, node: Node) -> str:
    """The document of one resource; of a list with several entries, that of the first."""
    if isinstance(value, list):
        value = value[0]
    return etree.tostring(_element(node, value, None), encoding="unicode")


def _element(node: Node, value: Any, parent: etree._Element | None) -> etree._Element:
    tag = f"{{{node.namespace}}}{node.name}"
    namespaces: Any = {None: node.namespace}
    if node.type == "identityref":
        namespaces[IANA.prefix] = IANA.namespace
    if parent is None:
        element = etree.Element(tag, nsmap=namespaces)
    else:
        element = etree.SubElement(parent, tag, nsmap=namespaces)
    if not isinstance(value, Mapping):
        text = str(value).lower() if isinstance(value, bool) else str(value)
        element.text = f"{IANA.prefix}:{text.rpartition(':')[2]}" if node.type == "identityref" else text
        return element
    for child in node.children.values():
        below = value.get(node.member(child))
        for item in below if isinstance(below, list) else [] if below is None else [below]:
            _element(child, item, element)
    return element


def document_of(data: bytes, store: DataStore, node: Node | None) -> dict[str, Any]:
    """What a document says, as JSON has it (RFC 7951). `node` is what it is about, if that is known."""
    parser = etree.XMLParser(resolve_entities=False, no_network=True)
    try:
        root = etree.fromstring(data, parser)
    except (etree.XMLSyntaxError, ValueError):
        raise DataError("malformed-message", "", "this is no XML") from None
    local = str(root.tag).rpartition("}")[2]
    if local == "input":
        return {"input": {str(child.tag).rpartition("}")[2]: child.text for child in root.iterchildren("*")}}
    if node is None:
        node = next((one for one in _all(store) if f"{{{one.namespace}}}{one.name}" == root.tag), None)
    if node is None or node.name != local:
        raise DataError("unknown-element", "/" + local, f"{local!r} is not known here")
    return {node.qualified: _value(root, node)}


def _all(store: DataStore) -> list[Node]:
    found: list[Node] = []
    waiting = list(store.top())
    while waiting:
        node = waiting.pop(0)
        found.append(node)
        waiting += node.children.values()
    return found


def _value(element: etree._Element, node: Node) -> Any:
    if not node.children:
        try:
            return node.from_text((element.text or "").strip())
        except ValueError as error:
            raise DataError("invalid-value", "/" + node.qualified, str(error)) from None
    value: dict[str, Any] = {}
    for child in element.iterchildren("*"):
        name = str(child.tag).rpartition("}")[2]
        below = node.find(name)
        if below is None:
            raise DataError("unknown-element", "/" + node.qualified, f"{name!r} is not known here")
        found = _value(child, below)
        if below.kind in ("list", "leaf-list"):
            value.setdefault(node.member(below), []).append(found)
        else:
            value[node.member(below)] = found
    return value


def errors_of(fields: Mapping[str, str]) -> str:
    """An errors resource with one error."""
    default: Any = {None: RESTCONF}
    root = etree.Element(f"{{{RESTCONF}}}errors", nsmap=default)
    error = etree.SubElement(root, f"{{{RESTCONF}}}error")
    for name, text in fields.items():
        if text:
            etree.SubElement(error, f"{{{RESTCONF}}}{name}").text = text
    return etree.tostring(root, encoding="unicode")
