# SPDX-License-Identifier: Apache-2.0
"""The variables that a simulated device has for SNMP: its data store as SNMPv2-MIB, IF-MIB and IP-MIB see it."""

from __future__ import annotations

import bisect
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from aioconn.lab.edits import Edit
from aioconn.lab.places import DataError, Step
from aioconn.protocols.snmp import ber, names
from aioconn.protocols.snmp.pdu import STATUSES, Bind
from aioconn.protocols.snmp.values import Settable, Typed, encoded

if TYPE_CHECKING:
    from aioconn.lab.device import LabDevice

FRESH = 5.0
"""Seconds for which counters stand still, as those of many agents do. What is configured shows at once."""

Value = bytes | Callable[[], bytes]
"""The element of a value, or what makes it when it is asked for."""

_OBJECT_IDS = {
    "cisco": "1.3.6.1.4.1.9.1.2862",
    "arista": "1.3.6.1.4.1.30065.1.3011",
    "juniper": "1.3.6.1.4.1.2636.1.1.1.2.108",
}
_ANY_OBJECT_ID = "1.3.6.1.4.1.8072.3.2.10"
_IF_TYPES = {
    "ethernetCsmacd": 6,
    "softwareLoopback": 24,
    "l3ipvlan": 136,
    "ieee8023adLag": 161,
    "tunnel": 131,
}
_UP, _DOWN, _OTHER = 1, 2, 1
_GAUGE = 2**32 - 1

_SYSTEM = {"sysContact": "contact", "sysName": "hostname", "sysLocation": "location"}
_COUNTERS = {
    "ifInOctets": "in-octets",
    "ifInUcastPkts": "in-unicast-pkts",
    "ifInDiscards": "in-discards",
    "ifInErrors": "in-errors",
    "ifOutOctets": "out-octets",
    "ifOutUcastPkts": "out-unicast-pkts",
    "ifOutDiscards": "out-discards",
    "ifOutErrors": "out-errors",
    "ifHCInOctets": "in-octets",
    "ifHCInUcastPkts": "in-unicast-pkts",
    "ifHCOutOctets": "out-octets",
    "ifHCOutUcastPkts": "out-unicast-pkts",
}


class Mib:
    """The variables of one device, in their order. `extra` are further ones, by OID, for tests to add."""

    def __init__(self, device: LabDevice) -> None:
        self.device = device
        self.extra: dict[str, Settable] = {}
        self.began = time.monotonic()
        self._values: dict[bytes, Value] = {}
        self._order: list[bytes] = []
        self._places: dict[bytes, int] = {}
        self._interfaces: dict[int, str] = {}
        self._made = (-1, -1, -FRESH)

    def get(self, oid: bytes) -> bytes | None:
        """The element of a variable's value; None if there is none."""
        self._refresh()
        value = self._values.get(oid)
        return value if value is None or isinstance(value, bytes) else value()

    def has_object(self, oid: bytes) -> bool:
        """Whether the device has other instances of what this is an instance of."""
        self._refresh()
        parent = oid[:-1]
        return any(known.startswith(parent) for known in self._values)

    def after(self, oid: bytes) -> bytes | None:
        """The variable that follows; None after the last."""
        self._refresh()
        place = self._places.get(oid)  # a walk goes from one to the next
        at = bisect.bisect_right(self._order, ber.arcs(oid), key=ber.arcs) if place is None else place + 1
        return self._order[at] if at < len(self._order) else None

    def uptime(self) -> int:
        """Hundredths of a second."""
        return int((time.monotonic() - self.began) * 100)

    # ------------------------------------------------------------------ writing

    def set(self, binds: Sequence[Bind]) -> tuple[int, int]:
        """Write all or nothing: error-status and error-index."""
        self._refresh()
        edits: list[Edit] = []
        for index, (oid, tag, content) in enumerate(binds, 1):
            outcome = self._edit(oid, tag, content)
            if isinstance(outcome, str):
                return STATUSES.index(outcome), index
            edits.append(outcome)
        try:
            self.device.data.edit(edits)
        except DataError as error:
            status = "wrongValue" if error.tag in ("invalid-value", "missing-element") else "commitFailed"
            return STATUSES.index(status), 1
        return 0, 0

    def _edit(self, oid: bytes, tag: int, content: bytes) -> Edit | str:
        """What a variable to write changes, or why it cannot be."""
        name, _, instance = names.name(ber.dotted(oid)).partition(".")
        if name in _SYSTEM and instance == "0":
            if tag != ber.OCTETS:
                return "wrongType"
            return _said(
                (Step("ietf-system:system"), Step(_SYSTEM[name])), content.decode("utf-8", "replace")
            )
        if name in ("ifAlias", "ifAdminStatus") and instance.isdigit() and int(instance) in self._interfaces:
            path = (
                Step("ietf-interfaces:interfaces"),
                Step("interface", {"name": self._interfaces[int(instance)]}),
                Step("description" if name == "ifAlias" else "enabled"),
            )
            if tag != (ber.OCTETS if name == "ifAlias" else ber.INTEGER):
                return "wrongType"
            if name == "ifAlias":
                return _said(path, content.decode("utf-8", "replace"))
            status = ber.signed(content)
            if status not in (_UP, _DOWN):
                return "wrongValue"
            return Edit(operation="merge", path=path, value=status == _UP)
        return "notWritable" if oid in self._values else "noCreation"

    # ------------------------------------------------------------------ what there is

    def _refresh(self) -> None:
        version, extra, at = self._made
        now = time.monotonic()
        if version == self.device.data.version and extra == len(self.extra) and now - at < FRESH:
            return
        self._made = (self.device.data.version, len(self.extra), now)
        self._interfaces = {}
        values: dict[bytes, Value] = {}
        for name, value in self._variables():
            oid = names.resolve(name)
            values[oid] = value if callable(value) else encoded(oid, value, name)
        self._values = values
        self._order = sorted(values, key=ber.arcs)
        self._places = {oid: place for place, oid in enumerate(self._order)}

    def _variables(self) -> Iterator[tuple[str, Settable | Callable[[], bytes]]]:
        yield from self._system()
        found = self._read("ietf-interfaces:interfaces").get("interface", [])
        yield "ifNumber.0", len(found)
        for interface in found:
            self._interfaces[interface["if-index"]] = interface["name"]
            for name, value in self._interface(interface):
                yield f"{name}.{interface['if-index']}", value
            for entry in interface.get("ietf-ip:ipv4", {}).get("address", []):
                address = entry["ip"]
                yield f"ipAdEntAddr.{address}", address
                yield f"ipAdEntIfIndex.{address}", interface["if-index"]
                yield f"ipAdEntNetMask.{address}", _mask(entry.get("prefix-length", 32))
        yield from self.extra.items()

    def _read(self, name: str) -> Mapping[str, Any]:
        found: Mapping[str, Any] = self.device.data.read((Step(name),)) or {}
        return found

    def _system(self) -> Iterator[tuple[str, Settable | Callable[[], bytes]]]:
        said = self._read("ietf-system:system")
        platform = self._read("ietf-system:system-state").get("platform", {})
        personality = self.device.personality
        words = [personality.title, *(platform.get(key, "") for key in ("machine", "os-version"))]
        yield "sysDescr.0", ", ".join(filter(None, words))
        maker = personality.name.split("_")[0]
        yield "sysObjectID.0", Typed("ObjectIdentifier", _OBJECT_IDS.get(maker, _ANY_OBJECT_ID))
        yield "sysUpTime.0", lambda: ber.integer(self.uptime() % 2**32, 0x43)
        yield "sysServices.0", 78
        for name, leaf in _SYSTEM.items():
            yield f"{name}.0", said.get(leaf, self.device.host if leaf == "hostname" else "")

    def _interface(self, it: Mapping[str, Any]) -> Iterator[tuple[str, Settable]]:
        speed = int(it.get("speed", 0))
        statistics = it.get("statistics", {})
        yield "ifIndex", it["if-index"]
        yield "ifDescr", it["name"]
        yield "ifType", _IF_TYPES.get(it.get("type", "").rpartition(":")[2], _OTHER)
        yield "ifMtu", it.get("mtu", 1500)
        yield "ifSpeed", min(speed, _GAUGE)
        yield "ifPhysAddress", bytes.fromhex(it.get("phys-address", "").replace(":", ""))
        yield "ifAdminStatus", _UP if it.get("admin-status") == "up" else _DOWN
        yield "ifOperStatus", _UP if it.get("oper-status") == "up" else _DOWN
        yield "ifLastChange", self._ticks(it.get("last-change"))
        for name, leaf in _COUNTERS.items():
            bits = 64 if "HC" in name else 32
            yield name, int(statistics.get(leaf, 0)) % 2**bits
        yield "ifName", it["name"]
        yield "ifHighSpeed", speed // 1_000_000
        yield "ifAlias", it.get("description", "")

    def _ticks(self, moment: str | None) -> int:
        """The uptime at a date, as far as it was up then."""
        if moment is None:
            return 0
        ago = time.time() - datetime.fromisoformat(moment).timestamp()
        return max(0, self.uptime() - int(ago * 100))


def _said(path: tuple[Step, ...], text: str) -> Edit:
    return Edit(operation="merge", path=path, value=text) if text else Edit(operation="remove", path=path)


def _mask(length: int) -> str:
    return ".".join(str(byte) for byte in (2**32 - 2 ** (32 - length)).to_bytes(4, "big"))
