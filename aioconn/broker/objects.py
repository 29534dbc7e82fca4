# SPDX-License-Identifier: Apache-2.0
"""The classes whose values cross by name: dataclasses, structs and enums.

A class is known to both sides under one name, by `register` or because it is one of ours. What a peer names is looked
for among the registered ones and nowhere else.
"""

from __future__ import annotations

import dataclasses
import enum
import importlib
import sys
from typing import Any, TypeVar

import msgspec

from aioconn.broker import codec
from aioconn.errors import Phase, Problem, UsageError

T = TypeVar("T", bound=type)

MEMBER, OBJECT = 4, 5

_OURS = {
    "Interface": "aioconn.testbed.model",
    "Limits": "aioconn.policy",
    "Link": "aioconn.testbed.model",
    "State": "aioconn.connection.skeleton",
    "Expected": "aioconn.protocols.cli",
    "Ping": "aioconn.protocols.operations",
    "Reloaded": "aioconn.protocols.reloading",
    "Statement": "aioconn.protocols.statements",
    "Notification": "aioconn.protocols.netconf.values",
    "Reply": "aioconn.protocols.netconf.values",
    "Response": "aioconn.protocols.rest.response",
    "Topology": "aioconn.testbed.model",
    "Typed": "aioconn.protocols.snmp.values",
    "VarBind": "aioconn.protocols.snmp.values",
    "Change": "aioconn.protocols.gnmi.results",
    "GnmiCapabilities": "aioconn.protocols.gnmi.results",
    "GnmiModel": "aioconn.protocols.gnmi.results",
    "SetResult": "aioconn.protocols.gnmi.results",
    "Subscription": "aioconn.protocols.gnmi.requests",
    "Update": "aioconn.protocols.gnmi.results",
}
"""Classes of ours by the module that has them. It is loaded when the first value of one comes, no sooner."""

_classes: dict[str, type] = {}
_names: dict[type, str] = {}


def name_of(kind: type) -> str:
    """The name of a class on the wire, unless it was registered under another one."""
    module = (
        "__main__" if kind.__module__ == "__mp_main__" else kind.__module__
    )  # multiprocessing's word for it
    return f"{module}:{kind.__qualname__}"


def enrol(cls: type, name: str) -> None:
    """Let instances of a dataclass, struct or enum cross under this name."""
    if issubclass(cls, enum.Enum):
        codec.teach(cls, _pack_flag if issubclass(cls, enum.Flag) else _pack_member)
    elif dataclasses.is_dataclass(cls) or issubclass(cls, msgspec.Struct) or _is_text(cls):
        codec.teach(cls, _pack_object)
    else:
        raise UsageError(
            f"{codec.article(cls)} cannot be registered: it is no dataclass, struct, enum or exception",
            hint="cross what it holds, and build it on the other side",
        )
    known = _classes.get(name)
    if known is not None and known is not cls and name_of(known) != name_of(cls):
        raise UsageError(f"another class is registered as {name!r} already: {codec.article(known)}")
    _classes[name] = cls  # a module that was reloaded has the same class anew
    _names[cls] = name


def _is_text(cls: type) -> bool:
    """Whether it is a text of ours with fields, as `Reply` is: made of `text` and what its slots hold."""
    return issubclass(cls, str) and cls.__qualname__ in _OURS


def fields_of(value: Any) -> dict[str, Any]:
    """What makes up a registered value, by name: what its constructor takes."""
    if isinstance(value, msgspec.Struct):
        return {name: getattr(value, name) for name in value.__struct_fields__}
    if isinstance(value, str):
        slots: tuple[str, ...] = getattr(type(value), "__slots__")  # noqa: B009  str itself has none
        fields = {name: getattr(value, name) for name in slots if not name.startswith("_")}
        return {"text": str.__str__(value), **fields}
    return {field.name: getattr(value, field.name) for field in dataclasses.fields(value) if field.init}


def _pack_object(value: Any, depth: int) -> Any:
    fields = {name: codec.pack(item, depth) for name, item in fields_of(value).items()}
    return {OBJECT: [_names[type(value)], fields]}


def _unpack_object(raw: Any, depth: int) -> Any:
    name, fields = codec.unpack_items(raw, depth, 2)
    cls = _class(codec.demand(name, str))
    try:
        return cls(**fields)
    except Exception:
        raise codec.Unknown(f"{name[:200]} with these fields") from None


def _pack_member(value: enum.Enum, _: int) -> Any:
    return {MEMBER: [_names[type(value)], value.name]}


def _pack_flag(value: enum.Flag, depth: int) -> Any:
    # several bits at once have no name
    return {MEMBER: [_names[type(value)], codec.pack(value.value, depth)]}


def _unpack_member(raw: Any, depth: int) -> Any:
    name, member = codec.unpack_items(raw, depth, 2)
    cls = _class(codec.demand(name, str))
    if not issubclass(cls, enum.Enum):
        raise codec.Malformed("no enum")
    try:
        return cls(member) if issubclass(cls, enum.Flag) else cls.__members__[member]
    except Exception:
        raise codec.Unknown(f"{name[:200]} with this member") from None


def _class(name: str) -> type:
    if (cls := _classes.get(name)) is not None:
        return cls
    if (module := _OURS.get(name)) is not None:
        enrol(getattr(importlib.import_module(module), name), name)
        return _classes[name]
    raise codec.Unknown(name[:200])


def _late(kind: type) -> bool:
    """Whether it is a class of ours whose first value this is; from here on it is known."""
    name = kind.__qualname__
    if name not in _OURS or getattr(sys.modules.get(_OURS[name]), name, None) is not kind:
        return False
    enrol(kind, name)
    return True


codec.on_unknown(_late)
codec.tag(MEMBER, _unpack_member)
codec.tag(OBJECT, _unpack_object)
enrol(Phase, "Phase")
enrol(Problem, "Problem")
