# SPDX-License-Identifier: Apache-2.0
"""What a testbed says of a device, as values that the broker's codec carries, and back.

A tuple stands for what is none of the codec's types: its first item says for what. A secret that is deferred stays so:
it goes as a number, by which the worker asks for it when it is needed. Nothing is imported or called by a name that
arrives; what does not fit the classes below is refused.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

from aioconn.credentials import Credential, Credentials, Secret
from aioconn.declaration import Declaration
from aioconn.errors import BadFrame
from aioconn.path import Path
from aioconn.testbed.device import Device
from aioconn.testbed.model import ConnectionDefaults, DeviceSpec
from aioconn.testbed.topology import Interface, Named

_CLASSES: dict[str, type[Any]] = {
    cls.__name__: cls for cls in (ConnectionDefaults, Credential, Declaration, DeviceSpec, Interface, Path)
}
_FIELDS = {
    cls: tuple(field.name for field in dataclasses.fields(cls) if field.init) for cls in _CLASSES.values()
}
_PLAIN = frozenset({type(None), bool, int, float, str, bytes})
_EMPTY: tuple[Any, ...] = (None, "", (), {})


class Deferred:
    """The secrets that are not known yet, by number. Each is asked for once, whoever needs it."""

    def __init__(self) -> None:
        self._numbers: dict[int, int] = {}
        self._secrets: list[Secret] = []

    def number(self, secret: Secret) -> int:
        if (known := self._numbers.get(id(secret))) is None:
            known = self._numbers[id(secret)] = len(self._secrets)
            self._secrets.append(secret)  # which keeps its id taken
        return known

    def reveal(self, number: int) -> str:
        """Asks where it comes from: a variable, a person, a program. Raises `MissingValue`."""
        if not 0 <= number < len(self._secrets):
            raise BadFrame("a worker asked for a secret that it was not given")
        return self._secrets[number].reveal()


def of(device: Device) -> DeviceSpec:
    """All that the testbed and later calls say of the device; what its testbed says for all is among it."""
    spec = device.spec
    arguments = device.manager.defaults.arguments
    if arguments is not spec.defaults.arguments:
        spec = dataclasses.replace(spec, defaults=dataclasses.replace(spec.defaults, arguments=arguments))
    if (testbed := device.testbed) is not None and testbed.spec.wrappers:
        spec = dataclasses.replace(spec, wrappers=(*testbed.spec.wrappers, *spec.wrappers))
    return spec


def told(value: Any, deferred: Deferred) -> Any:
    """`value` as the codec takes it. What it does not know either is left for it to refuse."""
    kind = type(value)
    if kind in _PLAIN:
        return value
    if isinstance(value, Secret):
        known = value.known
        return Secret(known) if known is not None else ("secret", deferred.number(value))
    if (fields := _FIELDS.get(kind)) is not None:
        parts = ((name, getattr(value, name)) for name in fields)
        return (kind.__name__, {name: told(part, deferred) for name, part in parts if part not in _EMPTY})
    if kind is Credentials:
        layers, origin, chosen, user = value.parts
        return ("Credentials", [told(layer, deferred) for layer in layers], origin, list(chosen), user)
    if kind is Named:
        return ("Named", [told(part, deferred) for part in value.values()])
    if isinstance(value, Mapping):
        if all(type(key) is str for key in value):
            return {key: told(part, deferred) for key, part in value.items()}
        return ("pairs", [[told(key, deferred), told(part, deferred)] for key, part in value.items()])
    if kind is list:
        return [told(part, deferred) for part in value]
    if isinstance(value, tuple):
        return ("tuple", [told(part, deferred) for part in value])
    return value


def built(value: Any, ask: Callable[[int], str]) -> Any:
    """The value of which `told` made this. `ask` gives the text of a deferred secret by its number."""
    kind = type(value)
    if kind is dict:
        return {key: built(part, ask) for key, part in value.items()}
    if kind is list:
        return [built(part, ask) for part in value]
    if kind is not tuple:
        return value
    match value:
        case ("secret", int(number)):
            return Secret(lambda: ask(number))
        case ("tuple", list(parts)):
            return tuple(built(part, ask) for part in parts)
        case ("pairs", list(pairs)):
            return {built(key, ask): built(part, ask) for key, part in pairs}
        case ("Named", list(parts)):
            return Named({part.name: part for part in (built(part, ask) for part in parts)})
        case ("Credentials", list(layers), str(origin), list(chosen), user):
            found = Credentials(*(built(layer, ask) for layer in layers), origin=origin)
            return found.logging_in(chosen, user)
        case (str(name), dict(fields)) if (cls := _CLASSES.get(name)) is not None:
            return cls(**{field: built(part, ask) for field, part in fields.items()})
    raise BadFrame("what another process sent is no part of a testbed")
