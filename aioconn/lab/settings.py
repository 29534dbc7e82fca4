# SPDX-License-Identifier: Apache-2.0
"""What a configuration says, apart from how it is written: facts of the system, of its interfaces, their addresses.

A fact is a name with the keys of the lists around it: `description` with `{"interface": "Loopback0"}`. Two classes,
one for configurations of indented lines and one for nested statements, read and write the facts in place.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from aioconn.lab.config import ConfigTree
from aioconn.lab.hierarchy import Hierarchy
from aioconn.lab.personality import Personality

Keys = Mapping[str, str]

# The beginnings of names, as the systems spell them, and what they are by iana-if-type.
KINDS = (
    (("lo",), "softwareLoopback"),
    (("port-channel", "bundle-", "ae"), "ieee8023adLag"),
    (("vlan", "irb", "bvi"), "l3ipvlan"),
    (("tunnel", "gr-", "st0"), "tunnel"),
)
NAME = re.compile(r"[A-Za-z][A-Za-z0-9/.:_-]*")
MASKED = {"iosxe": "ip address", "ios": "ip address", "iosxr": "ipv4 address"}  # a mask, not a length


def interface_type(name: str) -> str:
    for starts, kind in KINDS:
        if name.lower().startswith(starts):
            return kind
    return "ethernetCsmacd"


class Settings(Protocol):
    """The facts of one configuration. Values are plain; None where nothing is said.

    `insert` and `put` raise ValueError, in plain words, for what such a device cannot have.
    """

    def entries(self, what: str, keys: Keys) -> Sequence[str]:
        """The keys of a list: `interface`, or `address` of an interface."""
        ...

    def insert(self, what: str, keys: Keys) -> None:
        """Have the entry that `keys` name; nothing happens if it is there."""
        ...

    def remove(self, what: str, keys: Keys) -> None: ...

    def get(self, fact: str, keys: Keys) -> Any: ...

    def put(self, fact: str, keys: Keys, value: Any) -> None:
        """Say something else; None: nothing more."""
        ...

    def text(self) -> str:
        """The whole configuration, to look for something in it."""
        ...


def settings(configuration: ConfigTree | Hierarchy, personality: Personality) -> Settings:
    """The facts of a configuration; what is changed is changed in it."""
    if isinstance(configuration, Hierarchy):
        return StatementSettings(configuration)
    return LineSettings(configuration, personality)


class LineSettings:
    """Facts in indented lines, as IOS-XE, IOS-XR, NX-OS, EOS and FRR write them."""

    __slots__ = ("_address", "_kinds", "_masked", "_tree")

    SYSTEM: Mapping[str, str] = {
        "hostname": "hostname",
        "contact": "snmp-server contact",
        "location": "snmp-server location",
    }

    def __init__(self, tree: ConfigTree, personality: Personality) -> None:
        self._tree = tree
        self._kinds = personality.interfaces
        self._masked = personality.os in MASKED
        self._address = MASKED.get(personality.os, "ip address")

    def entries(self, what: str, keys: Keys) -> Sequence[str]:
        if what == "interface":
            start = "interface "
            return [line[len(start) :] for line in self._tree.root if line.startswith(start)]
        lines = self._tree.root.get(f"interface {keys['interface']}", {})
        found = [line[len(self._address) + 1 :] for line in lines if line.startswith(self._address + " ")]
        return [address for text in found if (address := _written(text)[0])]

    def insert(self, what: str, keys: Keys) -> None:
        known = self.entries(what, keys)
        if keys[what] in known:
            return
        if what == "interface":
            self._check_name(keys[what])
            self._tree.section([f"interface {keys[what]}"])
        elif known:
            raise ValueError("an interface of this device has one IPv4 address")
        else:
            self.put("prefix-length", keys, 32)

    def remove(self, what: str, keys: Keys) -> None:
        if what == "interface":
            self._tree.apply((), f"no interface {keys[what]}")
        else:
            self._tree.put(_section(keys), self._address, None)

    def get(self, fact: str, keys: Keys) -> Any:
        if fact in self.SYSTEM:
            return self._tree.value(self.SYSTEM[fact])
        lines = self._tree.root.get(f"interface {keys['interface']}", {})
        if fact == "enabled":
            return "shutdown" not in lines
        start = self._address if fact == "prefix-length" else fact
        found = next((line[len(start) + 1 :] for line in lines if line.startswith(start + " ")), None)
        if found is None:
            return None
        if fact == "prefix-length":
            return _written(found)[1]
        return (int(found) if found.isdecimal() else None) if fact == "mtu" else found

    def put(self, fact: str, keys: Keys, value: Any) -> None:
        if fact in self.SYSTEM:
            self._tree.put((), self.SYSTEM[fact], value)
        elif fact == "enabled":
            self._tree.apply(_section(keys), "shutdown" if value is False else "no shutdown")
        elif fact == "prefix-length":
            address = keys["address"]
            if value is None:
                raise ValueError("an address has a prefix length")
            network = ipaddress.IPv4Interface(f"{address}/{value}")
            written = network.with_netmask.replace("/", " ") if self._masked else network.with_prefixlen
            self._tree.put(_section(keys), self._address, written)
        else:
            self._tree.put(_section(keys), fact, None if value is None else str(value))

    def text(self) -> str:
        return self._tree.render()

    def _check_name(self, name: str) -> None:
        if not NAME.fullmatch(name):
            raise ValueError(f"{name!r} is no name of an interface")
        if not self._kinds or name.startswith(self._kinds):
            return
        near = [kind for kind in self._kinds if name.lower().startswith(kind.lower())]
        raise ValueError(
            f"this device writes {near[0]}{name[len(near[0]) :]}"
            if near
            else f"no interface {name!r} here: they are {', '.join(self._kinds)}"
        )


class StatementSettings:
    """Facts in nested statements, as Junos keeps them. An address stands in unit 0."""

    __slots__ = ("_tree",)

    SYSTEM: Mapping[str, tuple[str, ...]] = {
        "hostname": ("system", "host-name"),
        "contact": ("snmp", "contact"),
        "location": ("snmp", "location"),
    }

    def __init__(self, tree: Hierarchy) -> None:
        self._tree = tree

    def entries(self, what: str, keys: Keys) -> Sequence[str]:
        if what == "interface":
            return list(self._tree.below("interfaces"))
        inet = self._tree.below("interfaces", keys["interface"], "unit 0", "family inet")
        found = [heading.removeprefix("address ") for heading in inet if heading.startswith("address ")]
        return [text.partition("/")[0] for text in found]

    def insert(self, what: str, keys: Keys) -> None:
        if keys[what] in self.entries(what, keys):
            return
        if what == "interface":
            if not NAME.fullmatch(keys[what]) or "." in keys[what]:
                raise ValueError(f"{keys[what]!r} is no name of an interface")
            self._set("interfaces", keys[what])
        else:
            self.put("prefix-length", keys, 32)

    def remove(self, what: str, keys: Keys) -> None:
        if what == "interface":
            self._tree.delete(["interfaces", keys[what]])
        elif (length := self.get("prefix-length", keys)) is not None:
            self._tree.delete([*_inet(keys), "address", f"{keys['address']}/{length}"])

    def get(self, fact: str, keys: Keys) -> Any:
        if fact in self.SYSTEM:
            return _unquoted(self._tree.value(*self.SYSTEM[fact]))
        if fact == "prefix-length":
            inet = self._tree.below("interfaces", keys["interface"], "unit 0", "family inet")
            start = f"address {keys['address']}/"
            found = next((heading for heading in inet if heading.startswith(start)), None)
            return int(found[len(start) :]) if found else None
        if fact == "enabled":
            return "disable" not in self._tree.below("interfaces", keys["interface"])
        value = _unquoted(self._tree.value("interfaces", keys["interface"], fact))
        return int(value) if fact == "mtu" and value is not None and value.isdecimal() else value

    def put(self, fact: str, keys: Keys, value: Any) -> None:
        if fact == "prefix-length":
            if value is None:
                raise ValueError("an address has a prefix length")
            self.remove("address", keys)
            self._set(*_inet(keys), "address", f"{keys['address']}/{value}")
            return
        if fact == "enabled":
            words = ["interfaces", keys["interface"], "disable"]
            if value is False:
                self._set(*words)
            else:
                self._tree.delete(words)
            return
        words = list(self.SYSTEM[fact]) if fact in self.SYSTEM else ["interfaces", keys["interface"], fact]
        if value is None:
            self._tree.delete(words)
        else:
            self._set(*words, _quoted(str(value)))

    def text(self) -> str:
        return self._tree.render([])

    def _set(self, *words: str) -> None:
        if self._tree.set(words) is not None:
            raise ValueError(f"this device has no statement {' '.join(words)!r}")


def _section(keys: Keys) -> list[str]:
    return [f"interface {keys['interface']}"]


def _inet(keys: Keys) -> list[str]:
    return ["interfaces", keys["interface"], "unit", "0", "family", "inet"]


def _written(text: str) -> tuple[str, int | None]:
    """`192.0.2.1/24` or `192.0.2.1 255.255.255.0`; an empty address for `dhcp` and the like."""
    try:
        found = ipaddress.IPv4Interface("/".join(text.split()[:2]))
    except ValueError:
        return "", None
    return str(found.ip), found.network.prefixlen


def _quoted(text: str) -> str:
    if '"' in text:
        raise ValueError("a quotation mark cannot stand in a statement")
    return text if re.fullmatch(r"[^\s{};#]+", text) else f'"{text}"'


def _unquoted(text: str | None) -> str | None:
    return text[1:-1] if text is not None and len(text) > 1 and text[0] == text[-1] == '"' else text
