# SPDX-License-Identifier: Apache-2.0
"""XML that comes from devices and users, read without the parts of XML that do harm; and XML made of plain values.

There is no DTD in NETCONF (RFC 6241, section 3): a document with one is refused before it is parsed, and with it every
entity that is not one of the five. libxml2's own limits (depth of 256, text of 10 MB) hold for documents of less than
`ORDINARY` bytes; larger ones are parsed without them, because a device may have a large configuration: how large is
limited by whoever collects it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, TypeAlias
from xml.sax.saxutils import escape, quoteattr

from aioconn.errors import MissingDependency

try:
    from lxml import etree
except ImportError as error:  # pragma: no cover
    raise MissingDependency("NETCONF needs lxml", hint="pip install 'aioconn[netconf]'") from error

Element: TypeAlias = "etree._Element"
Xml: TypeAlias = "str | bytes | Mapping[str, Any] | etree._Element"
"""XML as users give it: text with one or several elements, an element of lxml, or a mapping (see `from_mapping`)."""

ORDINARY = 8_000_000
BASE = "urn:ietf:params:xml:ns:netconf:base:1.0"

_PROLOG = re.compile(rb"(?:\xef\xbb\xbf)?(?:[ \t\r\n]++|<\?.*?\?>|<!--.*?-->)*+", re.DOTALL)
_DECLARATION = re.compile(r"\s*<\?xml\b[^>]*\?>")
_NAME = re.compile(r"(?:[A-Za-z_][\w.-]*:)?[A-Za-z_][\w.-]*")
# what XML 1.0 cannot hold, escaped or not (section 2.2)
_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")


class BadXml(ValueError):
    """It is not well-formed, or has a DTD."""


def parse(document: bytes) -> Element:
    """The root of a document in UTF-8. Raises `BadXml`."""
    if b"!" in document and b"<!DOCTYPE" in document:  # the last look is for texts that only speak of one
        prolog = _PROLOG.match(document)
        if prolog is not None and document.startswith(b"<!DOCTYPE", prolog.end()):
            raise BadXml("it has a DTD, which NETCONF does not allow")
    try:
        root = etree.fromstring(document, _PARSERS[len(document) >= ORDINARY])
    except (etree.XMLSyntaxError, ValueError) as error:
        raise BadXml(str(error)) from None
    if root is None or root.getroottree().docinfo.internalDTD is not None:
        raise BadXml("it has a DTD, which NETCONF does not allow")
    return root


def _parser(*, huge: bool) -> etree.XMLParser:
    return etree.XMLParser(
        encoding="utf-8", resolve_entities=False, no_network=True, load_dtd=False, huge_tree=huge
    )


# threads take turns at one; nothing of a document stays in it
_PARSERS = {huge: _parser(huge=huge) for huge in (False, True)}


def text_of(element: Element) -> str:
    """An element as text, with the namespaces that it needs."""
    return etree.tostring(element, encoding="unicode", with_tail=False)


def local_name(element: Element) -> str:
    """The name without namespace; empty for comments and processing instructions."""
    tag: object = element.tag  # a function where it is a comment
    return tag.rpartition("}")[2] if isinstance(tag, str) else ""


def namespace_of(element: Element) -> str:
    tag: object = element.tag
    return tag[1:].partition("}")[0] if isinstance(tag, str) and tag.startswith("{") else ""


def is_base(element: Element, name: str) -> bool:
    """Whether it is NETCONF's element of this name; servers that forget the namespace are understood."""
    tag = element.tag
    return tag == f"{{{BASE}}}{name}" or tag == name


def children(element: Element) -> list[Element]:
    """Its elements, without comments and processing instructions."""
    return [child for child in element if local_name(child)]


def elements(xml: Xml) -> list[Element]:
    """What a user gave, as elements. Raises `BadXml`, also where a text would end the element that it is put into."""
    if isinstance(xml, Mapping):
        xml = from_mapping(xml)
    elif etree.iselement(xml):
        return [xml]
    if isinstance(xml, bytes):
        try:
            xml = xml.decode()
        except UnicodeDecodeError as error:
            raise BadXml(f"it is not UTF-8: {error}") from None
    if not isinstance(xml, str):
        raise BadXml(f"{type(xml).__name__} is no XML: give text, a mapping, or an element of lxml")
    check_text(xml)
    declaration = _DECLARATION.match(xml)
    text = xml[declaration.end() :] if declaration is not None else xml
    wrapper = parse(f"<w>{text}</w>".encode())
    if (wrapper.text or "").strip() or any((child.tail or "").strip() for child in wrapper):
        raise BadXml("there is text beside its elements")
    return children(wrapper)


def enclosed(found: list[Element]) -> str:
    """Elements as text to be put into a message. One without a namespace stays without: the message's is not its
    own."""
    texts = []
    for element in found:
        text = text_of(element)
        if not namespace_of(element):
            name = str(element.tag)
            text = f'<{name} xmlns=""{text[1 + len(name) :]}'
        texts.append(text)
    return "".join(texts)


def from_mapping(mapping: Mapping[str, Any]) -> str:
    """XML of plain values: `{"interfaces": {"@xmlns": "urn:...", "interface": [{"name": "Lo0"}, {"name": "Lo1"}]}}`.

    A key with @ is an attribute, "#text" the text beside attributes; a list repeats its element, None and an empty
    mapping are an element without content. Raises `BadXml` for what is no name.
    """
    return "".join(_element(name, value) for name, value in mapping.items())


def _element(name: str, value: Any) -> str:
    if isinstance(value, (list, tuple)):
        return "".join(_element(name, item) for item in value)
    check_name(str(name))
    if not isinstance(value, Mapping):
        text = plain(value)
        return f"<{name}>{text}</{name}>" if text else f"<{name}/>"
    attributes, content = "", ""
    for key, item in value.items():
        if key.startswith("@"):
            attributes += f" {check_name(key[1:])}={quoteattr(check_text(str(item)))}"
        elif key == "#text":
            content += plain(item)
        else:
            content += _element(key, item)
    return f"<{name}{attributes}>{content}</{name}>" if content else f"<{name}{attributes}/>"


def plain(value: Any) -> str:
    """A value as the text of an element."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return escape(check_text(str(value)))


def check_name(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise BadXml(f"{name!r} is no name of an element")
    return name


def check_text(text: str) -> str:
    if (found := _FORBIDDEN.search(text)) is not None:
        raise BadXml(f"the character {found.group()!r} cannot be in XML")
    return text
