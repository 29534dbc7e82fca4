# SPDX-License-Identifier: Apache-2.0
"""What RESTCONF servers send: errors, the place of their API, and what is wrapped around data."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from aioconn.errors import MissingDependency

try:
    from lxml import etree
except ImportError as error:
    raise MissingDependency(f"RESTCONF needs lxml: {error}", hint="pip install 'aioconn[rest]'") from error

RESTCONF = "urn:ietf:params:xml:ns:yang:ietf-restconf"
LARGEST = 1024 * 1024  # bytes of a document of errors or of host-meta
MOST_ERRORS = 100

JSON = "application/yang-data+json"
XML = "application/yang-data+xml"

_FIELDS = ("error-type", "error-tag", "error-app-tag", "error-path", "error-message", "error-info")


def element(data: bytes) -> etree._Element | None:
    """The root of an XML document, None for what is none. Entities are not resolved, nothing is fetched."""
    if len(data) > LARGEST:
        return None
    parser = etree.XMLParser(resolve_entities=False, no_network=True, huge_tree=False, load_dtd=False)
    try:
        return etree.fromstring(data, parser)
    except (etree.XMLSyntaxError, ValueError):
        return None


def decoded(data: bytes) -> Any:
    """A JSON document, None for what is none."""
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        return None


def errors(data: bytes, content_type: str) -> list[dict[str, Any]]:
    """The errors of an errors resource (RFC 8040, section 7.1), in JSON or XML; empty if it is none.

    The keys are those of the RFC without `error-`: type, tag, app_tag, path, message, info.
    """
    if not data or len(data) > LARGEST:
        return []
    found = _xml_errors(data) if "xml" in content_type else _json_errors(data)
    if not found and "xml" not in content_type and "json" not in content_type:
        found = _xml_errors(data)
    return found[:MOST_ERRORS]


def _json_errors(data: bytes) -> list[dict[str, Any]]:
    document = decoded(data)
    if not isinstance(document, Mapping):
        return []
    whole = document.get("ietf-restconf:errors", document.get("errors"))
    entries = whole.get("error") if isinstance(whole, Mapping) else None
    if isinstance(entries, Mapping):
        entries = [entries]
    if not isinstance(entries, list):
        return []
    return [_error(entry) for entry in entries if isinstance(entry, Mapping)]


def _xml_errors(data: bytes) -> list[dict[str, Any]]:
    root = element(data)
    if root is None or _local(root) != "errors":
        return []
    found = []
    for entry in root.iterchildren("*"):
        if _local(entry) != "error":
            continue
        fields: dict[str, Any] = {}
        for child in entry.iterchildren("*"):
            name = _local(child)
            fields[name] = (
                etree.tostring(child, encoding="unicode")
                if len(child) and name == "error-info"
                else (child.text or "").strip()
            )
        found.append(_error(fields))
    return found


def _error(fields: Mapping[str, Any]) -> dict[str, Any]:
    error: dict[str, Any] = {}
    for name in _FIELDS:
        if (value := fields.get(name)) is not None:
            plain = name == "error-info" or isinstance(value, str)
            error[name.removeprefix("error-").replace("-", "_")] = value if plain else json.dumps(value)
    return error


def root_of(data: bytes, content_type: str) -> str | None:
    """Where the API is, by a document of host-meta (RFC 8040, section 3.1; RFC 6415), XRD or JSON."""
    if "json" in content_type:
        document = decoded(data)
        links = document.get("links") if isinstance(document, Mapping) else None
        entries = [link for link in links if isinstance(link, Mapping)] if isinstance(links, list) else []
        places = [link.get("href") for link in entries if link.get("rel") == "restconf"]
    else:
        tree = element(data)
        if tree is None:
            return None
        places = [
            link.get("href")
            for link in tree.iter("*")
            if _local(link) == "Link" and link.get("rel") == "restconf"
        ]
    return next((place for place in places if isinstance(place, str) and place), None)


def _local(node: etree._Element) -> str:
    return str(node.tag).rpartition("}")[2]


def wrapped(member: str, value: Any, *, entry: bool) -> Any:
    """`value` as the document of a resource: named, a list's entry in a list of one; as it is if it is one already."""
    local = member.rpartition(":")[2]
    if isinstance(value, Mapping) and len(value) == 1 and next(iter(value)) in (member, local):
        return {member: next(iter(value.values()))}
    if entry and not isinstance(value, list):
        value = [value]
    return {member: value}


def unwrapped(document: Any) -> Any:
    """The value of a document with one member."""
    if isinstance(document, Mapping) and len(document) == 1:
        return next(iter(document.values()))
    return document
