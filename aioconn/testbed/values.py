# SPDX-License-Identifier: Apache-2.0
"""What a value of the tree is as plain Python data.

Unquoted `true`, `yes`, `on` (and their opposites), integers, hexadecimals and floats become what they say, as
PyYAML reads them. What YAML 1.1 would change beyond recognition stays text: `0123`, `10:30:00`, `2024-01-01`.
"""

from __future__ import annotations

import re
from typing import Any

from aioconn.credentials import Secret
from aioconn.testbed.markup import Deferred, Markup
from aioconn.testbed.pieces import pieces_of
from aioconn.testbed.tree import Items, Node, Scalar, Table, join_key

_WORDS = {
    spelling: meaning
    for word, meaning in {
        "true": True,
        "yes": True,
        "on": True,
        "false": False,
        "no": False,
        "off": False,
    }.items()
    for spelling in (word, word.capitalize(), word.upper())
}
_INTEGER = re.compile(r"[-+]?(?:0|[1-9][0-9]{0,17})")
_HEXADECIMAL = re.compile(r"[-+]?0x[0-9a-fA-F]{1,16}")
_FLOAT = re.compile(r"[-+]?(?:[0-9]+\.[0-9]*|\.[0-9]+)(?:[eE][-+][0-9]+)?")
_SECRET = re.compile(
    r"(?i)pass(?!ive)|secret|credential|token|communit|^(?:pw|pwd|pin|http_proxy)$"
    r"|(?<!host)(?<!host_)(?<!public)(?<!public_)key$"  # known to everybody: host keys, public keys
)


def is_secret(name: str) -> bool:
    """Whether a key of this name holds something that must not be shown."""
    return _SECRET.search(name) is not None


def has_markup(node: Scalar) -> bool:
    """Whether something in the text is still to be filled in."""
    return "%" in node.text and bool(pieces_of(node))


def interpret(text: str) -> Any:
    """An unquoted scalar by the rules above."""
    if text in _WORDS:
        return _WORDS[text]
    if text in ("", "~", "null", "Null", "NULL"):
        return None
    if _INTEGER.fullmatch(text):
        return int(text)
    if _HEXADECIMAL.fullmatch(text):
        return int(text, 16)
    if _FLOAT.fullmatch(text):
        return float(text)
    return text


def written(node: Node, key: str) -> str | Secret | None:
    """A scalar as the text that was written, `Deferred` if it has markup; None if it is no single value."""
    if not isinstance(node, Scalar):
        return None
    if isinstance(node.raw, Secret):
        return node.raw
    return Deferred(Markup.of(node, key)) if has_markup(node) else node.text


def secret(node: Node, key: str) -> Secret | None:
    """A scalar as a `Secret`, exactly as written; None if it is no single value, or nothing at all."""
    if not isinstance(node, Scalar) or (node.plain and not node.text and node.raw is None):
        return None
    if isinstance(node.raw, Secret):
        return node.raw
    if has_markup(node):
        return Secret(Markup.of(node, key, secret=True).resolve)
    return Secret(node.text)


def plain(node: Node, key: str) -> Any:
    """Free data: lists, dicts, texts, numbers; a scalar with markup is `Deferred`."""
    return _convert(node, key, hide=False)


def option(node: Node, key: str, name: str) -> Any:
    """The same, but what `name` or a key below it says is secret becomes a `Secret`."""
    if is_secret(name) and isinstance(node, Scalar) and not node.null:
        return secret(node, key)
    return _convert(node, key, hide=True)


def _convert(node: Node, key: str, *, hide: bool) -> Any:
    if isinstance(node, Scalar):
        if node.raw is not None:
            return node.raw
        if has_markup(node):
            return Deferred(Markup.of(node, key))
        return interpret(node.text) if node.plain else node.text
    if isinstance(node, Items):
        return [_convert(item, f"{key}[{index}]", hide=hide) for index, item in enumerate(node.values)]
    assert isinstance(node, Table)
    if hide:
        return {name: option(item, join_key(key, name), name) for name, (_, item) in node.entries.items()}
    return {name: _convert(item, join_key(key, name), hide=False) for name, (_, item) in node.entries.items()}
