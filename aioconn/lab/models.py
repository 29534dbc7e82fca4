# SPDX-License-Identifier: Apache-2.0
"""The YANG models that simulated devices know: small parts of the IETF's and of OpenConfig's.

Names and types are those of RFC 8343 (interfaces), RFC 8344 (their addresses), RFC 7317 (system) and of the OpenConfig
modules of the same subjects. Each leaf names the `fact` it shows, so that two models are two views of one thing.
"""

from __future__ import annotations

import dataclasses
import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Kind = Literal["container", "list", "leaf", "leaf-list"]

INTEGERS = {
    "uint8": (0, 2**8 - 1),
    "uint16": (0, 2**16 - 1),
    "uint32": (0, 2**32 - 1),
    "int32": (-(2**31), 2**31 - 1),
    "uint64": (0, 2**64 - 1),
}
NO_TEXT = re.compile(r"[\x00-\x1f\x7f]")
HOSTNAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Module:
    """A YANG module."""

    name: str
    namespace: str
    prefix: str
    revision: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A data node of a model. `children` are found by their names without a module.

    `type` is the built-in type, or what of it matters here: `string`, `boolean`, `uint64`, `enumeration`,
    `identityref`, `date-and-time`, `ipv4-address`, `domain-name`. `low` and `high` bound integers, `allowed` are the
    names of an enumeration or an identity.
    """

    name: str
    kind: Kind
    module: Module
    type: str = ""
    keys: tuple[str, ...] = ()
    config: bool = True
    fact: str = ""
    low: int | None = None
    high: int | None = None
    allowed: tuple[str, ...] = ()
    children: Mapping[str, Node] = field(default_factory=dict)

    @property
    def namespace(self) -> str:
        return self.module.namespace

    @property
    def qualified(self) -> str:
        """`module:name`, as RFC 7951 writes it."""
        return f"{self.module.name}:{self.name}"

    def member(self, child: Node) -> str:
        """The name of a child in a JSON object of this node: with its module only where that changes."""
        return child.name if child.module is self.module else child.qualified

    def find(self, name: str) -> Node | None:
        """A child by `name` or `module:name`."""
        module, _, local = name.rpartition(":")
        child = self.children.get(local)
        return child if child is not None and module in ("", child.module.name) else None

    def check(self, value: Any) -> Any:
        """A leaf's JSON value as it is kept. Raises ValueError in plain words if the type does not allow it."""
        if self.type == "boolean":
            if not isinstance(value, bool):
                raise ValueError(f"{value!r} is not true or false")
            return value
        if self.type in INTEGERS:
            return self._check_integer(value)
        if not isinstance(value, str):
            raise ValueError(f"{value!r} is no text")
        if self.type in ("identityref", "enumeration"):
            local = value.rpartition(":")[2] if self.type == "identityref" else value
            if local not in self.allowed:
                raise ValueError(f"{value!r} is none of {', '.join(self.allowed)}")
            return local
        if found := NO_TEXT.search(value):
            raise ValueError(f"{found[0]!r} cannot stand in a line of configuration")
        if value.strip() != value or not value:
            raise ValueError(f"{value!r} begins or ends with a space, or is empty")
        if self.type == "domain-name" and not HOSTNAME.fullmatch(value):
            raise ValueError(f"{value!r} is no host name")
        if self.type == "ipv4-address":
            return str(ipaddress.IPv4Address(value))
        return value

    def _check_integer(self, value: Any) -> int:
        if isinstance(value, str) and self.type == "uint64" and value.isdecimal() and len(value) <= 20:
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int):
            raise ValueError(f"{value!r} is no number")
        low, high = INTEGERS[self.type]
        low, high = low if self.low is None else self.low, high if self.high is None else self.high
        if not low <= value <= high:
            raise ValueError(f"{value} is not between {low} and {high}")
        return value

    def show(self, value: Any) -> Any:
        """A leaf's value as RFC 7951 writes it: integers of 64 bits are texts, identities have their module."""
        if self.type == "uint64":
            return str(value)
        if self.type == "identityref":
            return f"{IANA.name}:{value}"
        return value

    def from_text(self, text: str) -> Any:
        """The JSON value that a text (of XML, of a URL, of a command line) means. Raises ValueError."""
        if self.type == "boolean":
            if text not in ("true", "false"):
                raise ValueError(f"{text!r} is not true or false")
            return text == "true"
        if self.type in INTEGERS and self.type != "uint64":
            if not re.fullmatch(r"-?[0-9]{1,20}", text):
                raise ValueError(f"{text!r} is no number")
            return int(text)
        return text


def _module(name: str, namespace: str, prefix: str, revision: str) -> Module:
    return Module(name=name, namespace=namespace, prefix=prefix, revision=revision)


_IETF = "urn:ietf:params:xml:ns:yang:"
IETF_INTERFACES = _module("ietf-interfaces", _IETF + "ietf-interfaces", "if", "2018-02-20")
IETF_IP = _module("ietf-ip", _IETF + "ietf-ip", "ip", "2018-02-22")
IETF_SYSTEM = _module("ietf-system", _IETF + "ietf-system", "sys", "2014-08-06")
IANA = _module("iana-if-type", _IETF + "iana-if-type", "ianaift", "2017-01-19")
OC_INTERFACES = _module(
    "openconfig-interfaces", "http://openconfig.net/yang/interfaces", "oc-if", "2021-04-06"
)
OC_SYSTEM = _module("openconfig-system", "http://openconfig.net/yang/system", "oc-sys", "2022-12-19")

MODULES = (IETF_INTERFACES, IETF_IP, IETF_SYSTEM, IANA, OC_INTERFACES, OC_SYSTEM)

TYPES = ("ethernetCsmacd", "softwareLoopback", "ieee8023adLag", "l3ipvlan", "tunnel", "other")

_LATER = _module("", "", "", "")  # until a node is put into a module


def _leaf(
    name: str,
    type: str,
    fact: str = "",
    *,
    config: bool = True,
    low: int | None = None,
    high: int | None = None,
    allowed: tuple[str, ...] = (),
) -> Node:
    return Node(
        name=name,
        kind="leaf",
        module=_LATER,
        type=type,
        config=config,
        fact=fact or name,
        low=low,
        high=high,
        allowed=allowed,
    )


def _state(name: str, type: str, fact: str = "", *, allowed: tuple[str, ...] = ()) -> Node:
    return _leaf(name, type, fact, config=False, allowed=allowed)


def _container(name: str, *children: Node, config: bool = True) -> Node:
    return Node(
        name=name,
        kind="container",
        module=_LATER,
        config=config,
        children={child.name: child for child in children},
    )


def _list(name: str, key: str, fact: str, *children: Node) -> Node:
    below = {child.name: child for child in children}
    return Node(name=name, kind="list", module=_LATER, keys=(key,), fact=fact, children=below)


def _inside(module: Module, node: Node, *, config: bool = True) -> Node:
    """`node` and all below it in `module`, except what is in one already; below state all is state."""
    config = config and node.config
    below = {name: _inside(module, child, config=config) for name, child in node.children.items()}
    own = node.module if node.module is not _LATER else module
    return dataclasses.replace(node, module=own, config=config, children=below)


def _counters(*more: Node) -> tuple[Node, ...]:
    what = ("octets", "unicast-pkts", "errors", "discards")
    names = [f"{way}-{name}" for way in ("in", "out") for name in what]
    ietf = {"in-errors", "in-discards", "out-errors", "out-discards"} if more else set[str]()
    return (*more, *(_state(name, "uint32" if name in ietf else "uint64") for name in names))


_NAME = _leaf("name", "string", "interface")
_DESCRIPTION = _leaf("description", "string")
_TYPE = _leaf("type", "identityref", allowed=TYPES)
_ENABLED = _leaf("enabled", "boolean")
_MTU = _leaf("mtu", "uint16", low=68)
_HOSTNAME = _leaf("hostname", "domain-name")

_IPV4 = _inside(
    IETF_IP,
    _container(
        "ipv4",
        _list(
            "address",
            "ip",
            "address",
            _leaf("ip", "ipv4-address", "address"),
            _leaf("prefix-length", "uint8", high=32),
        ),
    ),
)

TOP = (
    _inside(
        IETF_INTERFACES,
        _container(
            "interfaces",
            _list(
                "interface",
                "name",
                "interface",
                _NAME,
                _DESCRIPTION,
                _TYPE,
                _ENABLED,
                _state("admin-status", "enumeration", allowed=("up", "down", "testing")),
                _state("oper-status", "enumeration", allowed=("up", "down", "testing", "unknown", "dormant")),
                _state("last-change", "date-and-time", "boot-datetime"),
                _state("if-index", "int32"),
                _state("phys-address", "string"),
                _state("speed", "uint64"),
                _container(
                    "statistics",
                    *_counters(_state("discontinuity-time", "date-and-time", "boot-datetime")),
                    config=False,
                ),
                _IPV4,
            ),
        ),
    ),
    _inside(
        IETF_SYSTEM,
        _container("system", _leaf("contact", "string"), _HOSTNAME, _leaf("location", "string")),
    ),
    _inside(
        IETF_SYSTEM,
        _container(
            "system-state",
            _container(
                "platform",
                _state("os-name", "string"),
                _state("os-version", "string"),
                _state("machine", "string"),
            ),
            _container(
                "clock",
                _state("current-datetime", "date-and-time"),
                _state("boot-datetime", "date-and-time"),
            ),
            config=False,
        ),
    ),
    _inside(
        OC_INTERFACES,
        _container(
            "interfaces",
            _list(
                "interface",
                "name",
                "interface",
                _NAME,
                _container("config", _NAME, _TYPE, _MTU, _DESCRIPTION, _ENABLED),
                _container(
                    "state",
                    _NAME,
                    _TYPE,
                    _MTU,
                    _DESCRIPTION,
                    _ENABLED,
                    _state("ifindex", "uint32", "if-index"),
                    _state("admin-status", "enumeration", "ADMIN-STATUS", allowed=("UP", "DOWN", "TESTING")),
                    _state("oper-status", "enumeration", "OPER-STATUS", allowed=("UP", "DOWN", "TESTING")),
                    _state("last-change", "uint64", "boot-time"),
                    _container("counters", *_counters()),
                    config=False,
                ),
            ),
        ),
    ),
    _inside(
        OC_SYSTEM,
        _container(
            "system",
            _container("config", _HOSTNAME),
            _container(
                "state",
                _HOSTNAME,
                _state("current-datetime", "date-and-time"),
                _state("boot-time", "uint64"),
                config=False,
            ),
        ),
    ),
)
