# SPDX-License-Identifier: Apache-2.0
"""The JSON Schema (draft 07) of testbed files, for editors: they complete what `keys` lists, and check what is there.

It refuses nothing that the reader takes without a word. Where the reader only warns, the schema may complain.
"""

from __future__ import annotations

import dataclasses
import inspect
import re
import types
import typing
from collections.abc import Iterator, Mapping
from typing import Any

from aioconn.credentials import Secret
from aioconn.errors import AioconnError
from aioconn.platforms.loader import known_platforms
from aioconn.protocols.registry import class_for, protocols
from aioconn.request import BaseOptions
from aioconn.testbed import keys
from aioconn.testbed.equivalents import FOREIGN
from aioconn.testbed.keys import Key, Keys, Kind

DRAFT = "http://json-schema.org/draft-07/schema#"

Schema = dict[str, Any]

_MARKUP = r"%[A-Z]*\{"
_SWITCH = "yes|no|on|off|true|false"


def _shape(*kinds: str, text: str | None = None, **more: Any) -> Schema:
    """What is of one of these types, or nothing; or a text like `text`, or with markup.

    There is no anyOf where it can be helped: each keyword minds values of its own type alone, and editors then mark the
    very value that is wrong.
    """
    pattern = _MARKUP if text is None else f"{text}|{_MARKUP}"
    return {"type": [*kinds, "string", "null"], "pattern": pattern, **more}


_TEXT: Schema = {"type": ["string", "number", "boolean", "null"]}
_INTEGER = r"^\s*[-+]?[0-9]+\s*$"

# What stands behind a key of each kind, by the names that the schema refers to.
_SHAPES: Mapping[str, Schema] = {
    "text": _TEXT,
    "texts": {"type": [*_TEXT["type"], "array"], "items": _TEXT},
    "integer": _shape("integer", text=_INTEGER),
    "number": _shape("integer", text=r"^\s*0*[1-9][0-9]*\s*$", minimum=1),
    "seconds": _shape("number", text=r"^\s*[0-9.]+\s*$", exclusiveMinimum=0),
    "decimal": _shape("number", text=r"^\s*[-+0-9.eE]+\s*$"),
    "port": _shape("integer", text=r"^\s*(?:-p\s*)?[0-9]{1,5}\s*$", minimum=1, maximum=65535),
    "switch": _shape("boolean", text=f"^(?:{_SWITCH}|{_SWITCH.upper()}|{_SWITCH.title()})$"),
    "mapping": _shape("object"),
    "free": {},
}

_TABLES: Mapping[str, Keys] = {
    "credential": keys.CREDENTIAL,
    "connection": keys.CONNECTION,
    "defaults": keys.DEFAULTS,
    "hop": keys.HOP,
    "tunnel": keys.TUNNEL,
    "server": keys.SERVER,
    "device": keys.DEVICE,
    "testbed": keys.TESTBED,
    "interface": keys.INTERFACE,
    "interfaces": keys.INTERFACES,
    "link": keys.LINK,
    "wrapper": keys.WRAPPER,
}


# A connection without an address of its own: what the proxy runs gets there.
_THROUGH_A_COMMAND: Schema = {
    "required": ["proxy"],
    "properties": {
        "proxy": {
            "type": ["object", "array"],
            "required": ["command"],
            "contains": {"type": "object", "required": ["command"]},
        }
    },
}


def schema() -> Schema:
    """Made anew each time. Options of protocols are in it as far as what they need is installed."""
    definitions: Schema = {name: dict(shape) for name, shape in _SHAPES.items()}
    definitions |= {name: _table(table) for name, table in _TABLES.items()}
    spoken = _spoken()
    definitions |= {options.__name__: {"properties": _options(options)} for options in spoken}
    definitions["connection"] |= {
        "anyOf": [*({"required": [name]} for name in keys.TARGETS), _THROUGH_A_COMMAND],
        "allOf": list(_by_protocol(spoken)),
    }
    definitions["defaults"]["patternProperties"] = {f"^({'|'.join(sorted(FOREIGN))})$": True}
    definitions["defaults"]["additionalProperties"] = False  # the reader calls all others unknown
    device = definitions["device"]["properties"]
    device["connections"] = _connections()
    device["os"]["examples"] = [platform.name for platform in known_platforms()]
    top = _table(keys.TOP)
    top["type"] = "object"
    top["properties"]["devices"] |= {"type": ["object", "string"], "minProperties": 1}
    top["properties"]["topology"] = {
        "description": keys.TOP["topology"].about,
        **_shape(
            "object",
            properties={name: _value(key) for name, key in keys.TOPOLOGY.items()},
            additionalProperties=_reference("interfaces"),
        ),
    }
    return {
        "$schema": DRAFT,
        "title": "aioconn testbed",
        "description": "Network devices, and how to reach them.",
        **top,
        "anyOf": [{"required": ["devices"]}, {"required": ["extends"]}],
        "definitions": definitions,
    }


def _table(table: Keys) -> Schema:
    return _shape("object", properties={name: _value(key) for name, key in table.items()})


def _value(key: Key) -> Schema:
    # A reference stands alone in what holds it: draft 07 ignores what stands beside one.
    offered = {"examples": list(key.common)} if key.common else {}
    return {"description": key.about, **offered, **_behind(key)}


def _behind(key: Key) -> Schema:
    if key.below is None:
        return {"allOf": [_reference(key.kind.name.lower())]}
    below = _reference(next(name for name, table in _TABLES.items() if table is key.below))
    if key.kind is Kind.TABLE:
        return {"allOf": [below]}
    if key.kind is Kind.TABLES:
        return _shape("object", additionalProperties=below)
    entry = {"if": {"type": "object"}, "then": below, "else": {"type": ["string", "number"]}}
    return {
        "if": {"type": "array"},
        "then": {"items": entry},
        "else": {"if": {"type": "null"}, "else": entry},
    }


def _reference(name: str) -> Schema:
    return {"$ref": f"#/definitions/{name}"}


def _connections() -> Schema:
    """Ways to the device, and what else stands among them."""
    others = {"credentials": _value(keys.DEVICE["credentials"]), "service_attributes": {}, "clean": {}}
    defaults = {"description": "What connect() does unless it is told.", "allOf": [_reference("defaults")]}
    return {
        "description": keys.DEVICE["connections"].about,
        **_shape(
            "object",
            properties={"defaults": defaults, **others},
            additionalProperties={"type": ["object", "string"], "allOf": [_reference("connection")]},
        ),
    }


# ---------------------------------------------------------------------------------------------------------------------
# Options of connection classes, which stand among the keys of a connection or in its `arguments`.


def _spoken() -> dict[type[BaseOptions], list[str]]:
    """Each set of options, with the protocols whose classes take it."""
    spoken: dict[type[BaseOptions], list[str]] = {}
    for protocol in protocols():
        try:
            options = class_for(None, protocol, device="", path="").options_type
        except AioconnError:  # an extra that is not installed, a package of somebody else that is broken
            continue
        spoken.setdefault(options, []).append(protocol)
    return spoken


def _by_protocol(spoken: Mapping[type[BaseOptions], list[str]]) -> Iterator[Schema]:
    """The options that come with each protocol. Who names a class knows best what that takes."""
    for options, names in spoken.items():
        pattern = "|".join(sorted(names + [name.upper() for name in names]))
        told: Schema = {
            "properties": {"protocol": {"pattern": rf"^\s*(?:{pattern})(?:\s|$)"}},
            "not": {"required": ["class"]},
        }
        if "ssh" not in names:  # which is taken where nothing is said
            told["required"] = ["protocol"]
        offered = _reference(options.__name__)
        below = {"properties": {"arguments": offered, "settings": offered}}
        yield {"if": told, "then": {"allOf": [offered, below]}}


def _options(options: type[BaseOptions]) -> Schema:
    hints = typing.get_type_hints(options)
    names = [field.name for field in dataclasses.fields(options) if field.name not in keys.CONNECTION]
    return {name: {**_described(options, name), **_typed(hints[name])} for name in names}


def _described(options: type[BaseOptions], name: str) -> Schema:
    """The sentences about an option, from the docstring of the class that has it first."""
    owner = next(base for base in reversed(options.__mro__) if name in inspect.get_annotations(base))
    sentences = re.split(r"(?<=[.;:])\s+", " ".join((owner.__doc__ or "").split()))
    told = " ".join(sentence for sentence in sentences if re.search(rf"`{name}[`=:]", sentence))
    return {"description": told} if told else {}


def _typed(hint: Any) -> Schema:
    """What `aioconn.options.convert` takes for a field of this type."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        shapes = [_typed(member) for member in arguments if member is not types.NoneType]
        return shapes[0] if len(shapes) == 1 else {"anyOf": shapes}
    if origin is typing.Literal:
        words = "|".join(map(re.escape, map(str, arguments)))
        return {**_shape(text=f"^(?:{words})$"), "examples": list(arguments)}
    if origin is tuple:
        one = _typed(arguments[0])
        return {"if": {"type": "array"}, "then": {"items": one}, "else": one}
    return {"allOf": [_reference(_PLAIN[hint])]} if hint in _PLAIN else {}


_PLAIN = {bool: "switch", int: "integer", float: "decimal", str: "text", Secret: "text"}
