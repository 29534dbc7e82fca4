# SPDX-License-Identifier: Apache-2.0
"""Values, paths and notifications: from messages to plain ones, and back."""

from __future__ import annotations

import functools
import json
from collections.abc import Sequence
from typing import Any, Literal, get_args

from aioconn.errors import BadReply, NotCapable, UsageError, Where
from aioconn.protocols.gnmi import messages
from aioconn.protocols.gnmi.messages import Message
from aioconn.protocols.gnmi.paths import Element, GnmiPath
from aioconn.protocols.gnmi.results import GnmiCapabilities, GnmiModel, Update

Encoding = Literal["json", "bytes", "proto", "ascii", "json_ietf"]
ENCODINGS: tuple[Encoding, ...] = get_args(Encoding)
PREFERRED: tuple[Encoding, ...] = ("json_ietf", "json", "proto", "ascii")

KNOWN, LONGEST_KNOWN = 16384, 512
"""How many paths are kept as texts, and up to how many bytes of one."""

DEEPEST = 64
"""Levels of lists in lists that are taken in one value."""


def path_message(path: GnmiPath, *, target: str = "") -> Message:
    elements = [messages.PathElem(name=name, key=dict(keys)) for name, keys in path.elements]
    return messages.Path(origin=path.origin, elem=elements, target=target)


def path_of(message: Message) -> GnmiPath:
    """The path of a message; the elements of version 0.3, which were texts, are taken too."""
    elements = [Element(each.name, tuple(sorted(each.key.items()))) for each in message.elem]
    if not elements:
        elements = [Element(name) for name in message.element if name]
    return GnmiPath(origin=message.origin, elements=tuple(elements))


def value_message(value: Any, encoding: Encoding) -> Message:
    """A value to set. Raises `UsageError` if the encoding has no way to say it."""
    if encoding in ("json", "json_ietf"):
        try:
            text = json.dumps(value, allow_nan=False, separators=(",", ":"), ensure_ascii=False).encode()
        except (TypeError, ValueError, RecursionError) as error:
            raise UsageError(f"a value is no JSON: {error}") from None
        return messages.TypedValue(**{f"{encoding}_val": text})
    if encoding == "ascii":
        if not isinstance(value, str):
            raise UsageError(f"the encoding ascii takes texts, not {type(value).__name__}")
        return messages.TypedValue(ascii_val=value)
    if encoding == "bytes":
        if not isinstance(value, bytes):
            raise UsageError(f"the encoding bytes takes bytes, not {type(value).__name__}")
        return messages.TypedValue(bytes_val=value)
    return _scalar(value)


def _scalar(value: Any) -> Message:
    if isinstance(value, bool):
        return messages.TypedValue(bool_val=value)
    if isinstance(value, int) and -(2**63) <= value < 2**64:
        return messages.TypedValue(int_val=value) if value < 2**63 else messages.TypedValue(uint_val=value)
    if isinstance(value, float):
        return messages.TypedValue(double_val=value)
    if isinstance(value, str):
        return messages.TypedValue(string_val=value)
    if isinstance(value, bytes):
        return messages.TypedValue(bytes_val=value)
    if isinstance(value, (list, tuple)) and not any(isinstance(each, (list, tuple)) for each in value):
        made = messages.TypedValue()
        made.leaflist_val.SetInParent()
        made.leaflist_val.element.extend(_scalar(each) for each in value)
        return made
    raise UsageError(f"the encoding proto takes single values and lists of them, not {type(value).__name__}")


def plain(value: Message, where: Where, depth: int = 0) -> Any:
    """A value as Python has it. Raises `BadReply` for JSON that is none."""
    kind = value.WhichOneof("one")
    if kind is None:
        return None
    held = getattr(value, kind)
    if kind in ("json_val", "json_ietf_val"):
        return _json(held, where)
    if kind == "leaflist_val":
        if depth >= DEEPEST:
            raise BadReply(f"a value of more than {DEEPEST} levels", **where)
        return [plain(each, where, depth + 1) for each in held.element]
    if kind == "decimal_val":
        return held.digits / 10 ** min(held.precision, 300)
    if kind == "any_val":
        return bytes(held.value)
    return held


def _json(text: bytes, where: Where) -> Any:
    try:
        return json.loads(text) if text else None
    except (ValueError, RecursionError) as error:
        raise BadReply(f"a value is no JSON: {error}", **where, seen=repr(text[:200])) from None


def updates_of(notification: Message, where: Where) -> list[Update]:
    """What a notification says, one update for each path: what is deleted first, as it is meant."""
    prefix = notification.prefix.SerializeToString()
    stamp, atomic, target = notification.timestamp, notification.atomic, notification.prefix.target
    deleted = [
        Update(path=_text(prefix, each), timestamp=stamp, deleted=True, atomic=atomic, target=target)
        for each in notification.delete
    ]
    return deleted + [
        Update(
            path=_text(prefix, each.path),
            value=_value_of(each, where),
            timestamp=stamp,
            atomic=atomic,
            duplicates=each.duplicates,
            target=target,
        )
        for each in notification.update
    ]


def _text(prefix: bytes, path: Message) -> str:
    """The text of a path below a prefix. What is streamed comes from the same paths again and again."""
    packed = path.SerializeToString()
    return (_known if len(prefix) + len(packed) <= LONGEST_KNOWN else _known.__wrapped__)(prefix, packed)


@functools.lru_cache(maxsize=KNOWN)
def _known(prefix: bytes, path: bytes) -> str:
    return str(path_of(messages.Path.FromString(path)).below(path_of(messages.Path.FromString(prefix))))


def _value_of(update: Message, where: Where) -> Any:
    if not update.HasField("value") or update.HasField("val"):
        return plain(update.val, where)
    old = update.value  # version 0.3
    if messages.name("Encoding", old.type) in ("json", "json_ietf"):
        return _json(old.value, where)
    return bytes(old.value)


def capabilities_of(message: Message) -> GnmiCapabilities:
    return GnmiCapabilities(
        version=message.gNMI_version,
        encodings=tuple(messages.name("Encoding", each) for each in message.supported_encodings),
        models=tuple(
            GnmiModel(name=each.name, organization=each.organization, version=each.version)
            for each in message.supported_models
        ),
    )


def choose_encoding(wanted: Encoding | None, known: Sequence[str], where: Where) -> Encoding:
    """The encoding that is wanted, else the best of those that the target has told, if any.

    Raises `UsageError` for what is none, and `NotCapable` for one that the target does not have.
    """
    if wanted is None:
        for each in PREFERRED:
            if known.count(each):
                return each
        return PREFERRED[0]
    if wanted not in ENCODINGS:
        raise UsageError(f"encoding: {wanted!r} is none of {', '.join(ENCODINGS)}")
    if known and wanted not in known:
        what = f"the target has no encoding {wanted}, but {', '.join(known)}"
        raise NotCapable(what, **where, capability=wanted)
    return wanted
