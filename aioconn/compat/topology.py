# SPDX-License-Identifier: Apache-2.0
"""The device of aioconn that stands behind a device of pyATS: made from what that one says at the moment.

Nothing of pyATS is imported: its objects are taken for what they look like.
"""

from __future__ import annotations

import ipaddress
import keyword
import re
import threading
import weakref
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from aioconn.credentials import Secret
from aioconn.errors import TestbedError
from aioconn.sync import Device, load
from aioconn.testbed.model import DeviceSpec

_FACTS = ("alias", "os", "platform", "model", "type")
_HOPS = ("proxy", "sshtunnel")
# Said of sessions that another class was to open.
_NOT_OURS = frozenset(("class", "service_wrappers"))


def description(device: Any) -> dict[str, Any]:
    """What a device of pyATS says of itself, as aioconn reads it. Passwords are values that do not print themselves."""
    said = {name: value for name in _FACTS if (value := getattr(device, name, None))}
    return {
        **said,
        **_logins(device),
        "connections": {
            name: _path(path) if isinstance(path, Mapping) else _plain(path)
            for name, path in device.connections.items()
        },
    }


def _logins(device: Any) -> dict[str, Any]:
    """Its credentials; without any, what it says in the words that came before them, which pyATS keeps beside."""
    if credentials := _plain(dict(getattr(device, "credentials", None) or {})):
        return {"credentials": credentials}
    tacacs, passwords = (dict(getattr(device, name, None) or {}) for name in ("tacacs", "passwords"))
    hidden = {name: Secret(str(_plain(value))) for name, value in passwords.items()}
    return {name: value for name, value in (("tacacs", _plain(tacacs)), ("passwords", hidden)) if value}


def _path(path: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _plain(value) for name, value in path.items() if name not in _NOT_OURS}


def _plain(value: Any) -> Any:
    """The same in Python's own types, aioconn's `Secret` for what pyATS hides."""
    if isinstance(value, Mapping):
        # credentials list what they inherit as well when they are asked for a dict
        return {str(name): _plain(item) for name, item in dict(value).items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_plain(item) for item in value]
    if isinstance(hidden := getattr(value, "plaintext", None), str):
        return Secret(hidden)
    if isinstance(value, (ipaddress.IPv4Address, ipaddress.IPv6Address)):
        return str(value)
    return value


def _hops(description: Mapping[str, Any], names: Mapping[str, Any]) -> set[str]:
    """The devices that its paths go through."""
    paths = [path for path in description["connections"].values() if isinstance(path, Mapping)]
    return {text for path in paths for key in _HOPS for text in _texts(path.get(key)) if text in names}


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _texts(item)
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _texts(item)


@dataclass(slots=True)
class Counterpart:
    """A device of aioconn, what it was made from, and whose its aliases are.

    `spec` is what the device says of itself, at hand also in forked children.
    """

    device: Device
    spec: DeviceSpec
    made_from: Mapping[str, Any] = field(repr=False)
    _owners: weakref.WeakValueDictionary[str, Any] = field(
        default_factory=weakref.WeakValueDictionary, repr=False
    )

    def redacted(self, text: str, via: str | None) -> str:
        """The text without the secrets that are known of the device, and of this path."""
        path = self.spec.connections.get(via or "")
        known = self.spec.credentials if path is None else self.spec.credentials.under(path.credentials)
        return known.redact(text)

    def alias(self, wanted: str, owner: Any) -> str:
        """The alias of `owner`, who asked for `wanted`: that one if it may be one and no other has it."""
        base = re.sub(r"\W", "_", wanted)
        if not base.isidentifier() or keyword.iskeyword(base) or hasattr(type(self.device), base):
            base = f"pyats_{base}"
        name, number = base, 1
        while (known := self._owners.get(name)) is not None and known is not owner:
            number += 1
            name = f"{base}_{number}"
        self._owners[name] = owner
        return name


class Counterparts:
    """Those of the devices of one testbed of pyATS.

    Devices that reach others through the same jump hosts are devices of one testbed here too, so that a jump host is
    connected once for all of them. A device that was changed since gets another counterpart.
    """

    def __init__(self) -> None:
        self._made: dict[str, Counterpart] = {}
        self._lock = threading.Lock()

    def of(self, device: Any, testbed: Any) -> Counterpart:
        """The counterpart of a device. Raises `TestbedError` if aioconn cannot read what it says."""
        now = description(device)
        with self._lock:
            known = self._made.get(device.name)
            if known is None or known.made_from != now:
                known = self._make(device.name, now, testbed)
            return known

    def _make(self, name: str, now: Mapping[str, Any], testbed: Any) -> Counterpart:
        everybody: Mapping[str, Any] = testbed.devices if testbed is not None else {}
        servers: Mapping[str, Any] = getattr(testbed, "servers", None) or {}
        if name not in self._made and _hops(now, {**servers, **everybody}):
            together = self._connected(everybody, servers)
            try:
                self._enroll([one for one in together if one not in self._made], together, testbed)
            except TestbedError:
                pass  # another device is in the way: this one is tried without it
        known = self._made.get(name)
        if known is None or known.made_from != now:
            self._enroll([name], self._behind(name, now, everybody), testbed)
        return self._made[name]

    def _enroll(self, names: Iterable[str], devices: Mapping[str, Any], testbed: Any) -> None:
        servers = _plain(getattr(testbed, "servers", None) or {})
        about = {
            "name": str(getattr(testbed, "name", None) or "pyats"),
            **({"servers": servers} if servers else {}),
        }
        loaded = load({"testbed": about, "devices": devices})
        for name in names:
            self._made[name] = Counterpart(loaded[name], loaded[name].spec, devices[name])

    @staticmethod
    def _connected(everybody: Mapping[str, Any], servers: Mapping[str, Any]) -> dict[str, Any]:
        """All devices that go through others, or through servers of the testbed, and those others."""
        said = {name: description(device) for name, device in everybody.items()}
        hops = {name: _hops(one, {**servers, **said}) for name, one in said.items()}
        wanted = {name for name, through in hops.items() if through}.union(*hops.values())
        return {name: said[name] for name in said if name in wanted}

    @staticmethod
    def _behind(name: str, now: Mapping[str, Any], everybody: Mapping[str, Any]) -> dict[str, Any]:
        """A device, and those that it goes through."""
        found: dict[str, Any] = {name: now}
        todo = [now]
        while todo:
            for hop in sorted(_hops(todo.pop(), everybody) - set(found)):
                found[hop] = description(everybody[hop])
                todo.append(found[hop])
        return found


_testbeds: dict[int, Counterparts] = {}
_lock = threading.Lock()


def counterpart(device: Any) -> Counterpart:
    """What stands behind a device of pyATS; the same for as long as that one says the same."""
    testbed = getattr(device, "testbed", None)
    whose = device if testbed is None else testbed  # which need not be hashable, and goes some day
    with _lock:
        found = _testbeds.get(id(whose))
        if found is None:
            found = _testbeds[id(whose)] = Counterparts()
            weakref.finalize(whose, _testbeds.pop, id(whose), None).atexit = False
    return found.of(device, testbed)
