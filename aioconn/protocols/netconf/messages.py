# SPDX-License-Identifier: Apache-2.0
"""Messages of NETCONF (RFC 6241, RFC 5277): those that we send, as bytes, and those that come, understood. No I/O."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final, NamedTuple
from xml.sax.saxutils import escape

from aioconn.protocols.netconf import envelope, xml
from aioconn.protocols.netconf.capabilities import Capabilities
from aioconn.protocols.netconf.values import Notification, Reply

NOTIFICATION_NS = "urn:ietf:params:xml:ns:netconf:notification:1.0"
HEAD_LIMIT = 16_384
"""Bytes within which a message must show what it is."""

_DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>'
_HEAD = re.compile(
    rb"(?:\xef\xbb\xbf)?(?:[ \t\r\n]++|<\?.*?\?>|<!--.*?-->)*+"
    rb"<(?:[^\s<>/:!?]++:)?(?P<root>[^\s<>/:!?]++)(?P<attributes>(?:[^>\"'/]++|/(?!>)|\"[^\"]*+\"|'[^']*+')*+)"
    rb"(?:(?P<empty>/>)|>(?:[ \t\r\n]++|<!--.*?-->)*+<(?:[^\s<>/:!?]++:)?(?P<child>[^\s<>/:!?]++)[\s/>])",
    re.DOTALL,
)
_MESSAGE_ID = re.compile(rb"\smessage-id\s*=\s*(?:\"([^\"]*)\"|'([^']*)')")
_NUMBER = re.compile(rb"<session-id>([0-9]{1,10})</session-id>")
_FAMILIAR = 128 * 1024  # bytes of a hello that is worth being remembered
_FIELDS = ("error-type", "error-tag", "error-severity", "error-app-tag", "error-path", "error-message")


class BadMessage(ValueError):
    """It is no message that a server may send."""


# ------------------------------------------------------------------ to the server


@functools.lru_cache(maxsize=8)
def hello(capabilities: tuple[str, ...]) -> bytes:
    """What each side says first, always in the old framing."""
    announced = "".join(f"<capability>{escape(uri)}</capability>" for uri in capabilities)
    text = f'{_DECLARATION}<hello xmlns="{xml.BASE}"><capabilities>{announced}</capabilities></hello>'
    return text.encode()


def rpc(operation: str, message_id: str) -> bytes:
    """A call; `operation` is XML in NETCONF's namespace."""
    return f'{_DECLARATION}<rpc xmlns="{xml.BASE}" message-id="{message_id}">{operation}</rpc>'.encode()


# ------------------------------------------------------------------ from the server


# what is made of every message is a tuple: a frozen dataclass takes three times as long
class Hello(NamedTuple):
    session_id: int
    capabilities: Capabilities


class RpcReply(NamedTuple):
    """An answer, or what stands for it. `message_id` is None where the server gave none.

    `root` is the `<rpc-reply>`; or, with `text`, the one element that stands in it, a document of its own. That is in
    `fresh` as well, for the first who asks for it.
    """

    message_id: str | None
    document: bytes
    root: xml.Element
    text: str | None = None
    fresh: list[xml.Element] | None = None


Message = Hello | RpcReply | Notification


def read(document: bytes) -> Message:
    """What a server sent. Raises `BadMessage`."""
    document = document.strip(b" \t\r\n")
    if (reply := _plain_reply(document)) is not None:
        return reply
    if document.endswith(b"hello>") and (hello := _familiar_hello(document)) is not None:
        return hello
    try:
        root = xml.parse(document)
    except xml.BadXml as error:
        raise BadMessage(f"no XML: {error}") from None
    name = xml.local_name(root)
    if name == "rpc-reply" and xml.is_base(root, name):
        return RpcReply(message_id=root.get("message-id"), document=document, root=root)
    if name == "notification" and xml.namespace_of(root) in (NOTIFICATION_NS, ""):
        return _notification(root)
    if name == "hello" and xml.is_base(root, name):
        return _hello(root)
    raise BadMessage(f"a message of the kind {str(root.tag)[:80]!r}")


def _plain_reply(document: bytes) -> RpcReply | None:
    """An answer that is one element in an ordinary envelope; what is wrong with it, the parser tells of the whole."""
    content = envelope.opened(document)
    if content is None:
        return None
    try:
        root = xml.parse(content.element)
    except xml.BadXml:
        return None
    text = content.element.decode()
    return RpcReply(message_id=content.message_id, document=document, root=root, text=text, fresh=[root])


def _familiar_hello(document: bytes) -> Hello | None:
    """A hello as others have said it before, but for its number: so do all devices of a kind. What they announce, often
    hundreds of capabilities, is read and kept once."""
    found = _NUMBER.search(document) if len(document) <= _FAMILIAR else None
    if found is None:
        return None
    capabilities = _announced(document[: found.start(1)], document[found.end(1) :])
    return None if capabilities is None else _numbered(found[1].decode(), capabilities)


@functools.lru_cache(maxsize=16)
def _announced(before: bytes, after: bytes) -> Capabilities | None:
    """What a hello announces that has its number between these; None if they are none, or unusual."""
    try:
        root = xml.parse(before + b"0" + after)
    except xml.BadXml:
        return None
    number, uris = _said(root)
    return Capabilities(uris) if number == "0" and xml.is_base(root, "hello") else None


def _hello(root: xml.Element) -> Hello:
    number, uris = _said(root)
    return _numbered(number, Capabilities(uris))


def _said(root: xml.Element) -> tuple[str, list[str]]:
    """The number and the URIs of a hello."""
    uris: list[str] = []
    number = ""
    for child in xml.children(root):
        if xml.local_name(child) == "capabilities":
            uris += [(one.text or "").strip() for one in xml.children(child)]
        elif xml.local_name(child) == "session-id":
            number = (child.text or "").strip()
    return number, [uri for uri in uris if uri]


def _numbered(number: str, capabilities: Capabilities) -> Hello:
    if not (number.isascii() and number.isdigit() and 0 < int(number[:11]) < 2**32):
        raise BadMessage(f"a hello with the session-id {number[:40]!r}")
    return Hello(session_id=int(number), capabilities=capabilities)


def _notification(root: xml.Element) -> Notification:
    moment, name = None, ""
    for child in xml.children(root):
        if xml.local_name(child) == "eventTime":
            try:
                moment = datetime.fromisoformat((child.text or "").strip())
            except ValueError:
                moment = None
        else:
            name = name or xml.local_name(child)
    return Notification(xml.text_of(root), name=name, event_time=moment)


class Head(NamedTuple):
    """What the beginning of a message tells: the name of its root, its message-id, the name of its first element."""

    root: str
    message_id: str | None
    child: str


UNKNOWN: Final = Head("", None, "")


def head(beginning: bytes) -> Head | None:
    """What a message is that has only begun to arrive; None if more is needed, `UNKNOWN` if that is no use."""
    found = _HEAD.match(beginning)
    if found is None:
        return UNKNOWN if len(beginning) > HEAD_LIMIT else None
    identity = _MESSAGE_ID.search(found["attributes"])
    text = None if identity is None else (identity[1] if identity[1] is not None else identity[2])
    return Head(
        found["root"].decode("utf-8", "replace"),
        None if text is None else text.decode("utf-8", "replace"),
        (found["child"] or b"").decode("utf-8", "replace"),
    )


# ------------------------------------------------------------------ what is in an answer


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """The rpc-errors of severity error, the first of which has the say (RFC 6241, section 4.3)."""

    errors: tuple[Mapping[str, str], ...]

    @property
    def message(self) -> str:
        """What the device says, in one line."""
        first = self.errors[0]
        text = " ".join(first["error_message"].split()) or first["error_tag"] or "no reason given"
        if first["error_tag"] and first["error_tag"] not in text:
            text += f" ({first['error_tag']})"
        if first["error_path"]:
            text += f" at {' '.join(first['error_path'].split())}"
        return text + (f", and {len(self.errors) - 1} more" if len(self.errors) > 1 else "")


def answer(reply: RpcReply, *, elapsed: float = 0.0) -> Reply | Refusal:
    """The value of an answer, or why there is none. Warnings do not make an error."""
    if reply.text is not None:
        return Reply(reply.text, message_id=reply.message_id or "", elapsed=elapsed, fresh=reply.fresh)
    found = list(_errors(reply.root))
    errors = tuple(fields for _, fields in found if fields["error_severity"] != "warning")
    if errors:
        return Refusal(errors=errors)
    warnings = {id(element): fields for element, fields in found}
    content = [element for element in xml.children(reply.root) if id(element) not in warnings]
    return Reply(
        "".join(map(xml.text_of, content)),
        message_id=reply.message_id or "",
        elapsed=elapsed,
        warnings=tuple(warnings.values()),
    )


def _errors(root: xml.Element) -> Iterable[tuple[xml.Element, Mapping[str, str]]]:
    """The rpc-errors of a reply; some servers put them into an element of results (Junos: commit-results)."""
    for element in xml.children(root):
        if xml.is_base(element, "rpc-error"):
            yield element, error_fields(element)
        elif xml.local_name(element).endswith("-results"):
            for inner in xml.children(element):
                if xml.local_name(inner) == "rpc-error":
                    yield inner, error_fields(inner)


def error_fields(element: xml.Element) -> dict[str, str]:
    """An rpc-error by the names of its parts, with _ for -; `info` is XML. What is not there is an empty text."""
    fields = {name.replace("-", "_"): "" for name in _FIELDS} | {"info": ""}
    for child in xml.children(element):
        name = xml.local_name(child)
        if name == "error-info":
            fields["info"] = "".join(map(xml.text_of, xml.children(child))) or (child.text or "").strip()
        elif name in _FIELDS:
            fields[name.replace("-", "_")] = "".join(child.itertext()).strip()  # type: ignore[arg-type]
    return fields
