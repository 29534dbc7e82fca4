# SPDX-License-Identifier: Apache-2.0
"""What a testbed says of a device, as bytes, and back.

They are those of the broker's codec, with tags of our own for what is none of its types: one pass packs, and one
builds. A secret that is deferred stays so: it goes as a number, by which the worker asks for it when it is needed.
Nothing is imported or called by a name that arrives; what does not fit the classes below is refused.
"""

from __future__ import annotations

import dataclasses
import operator
from collections.abc import Callable, Mapping
from typing import Any

from aioconn.broker import codec, values
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
_PARTS = {cls: operator.attrgetter(*names) for cls, names in _FIELDS.items()}
_LEFT_OUT = frozenset({type(None), str, tuple, dict})  # where they are empty, as the field is then by itself

OBJECT, CREDENTIALS, NAMED, SECRET, DEFERRED, TUPLE = range(112, 118)  # the codec has none of these


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


def dump(spec: DeviceSpec, deferred: Deferred) -> bytes:
    """What goes to a worker. Raises `CannotCross` if it holds what cannot."""
    try:
        return codec.encode(_packed(spec, deferred))
    except Exception as error:
        raise values.located(error, None, "a value of its testbed") from None


def load(data: bytes, ask: Callable[[int], str]) -> DeviceSpec:
    """That of which `dump` made these bytes; `ask` gives the text of a deferred secret by its number. Raises as
    `values.load` does."""
    spec = codec.decode(data, lambda raw: _built(raw, ask))
    if not isinstance(spec, DeviceSpec):
        raise BadFrame("what another process sent is no device of a testbed")
    return spec


def _packed(value: Any, deferred: Deferred) -> Any:
    kind = type(value)
    if kind in codec.PLAIN:
        return value
    if (fields := _FIELDS.get(kind)) is not None:
        parts = {
            name: part if type(part) in codec.PLAIN else _packed(part, deferred)
            for name, part in zip(fields, _PARTS[kind](value), strict=True)
            if part or type(part) not in _LEFT_OUT
        }
        return {OBJECT: [kind.__name__, parts]}
    if isinstance(value, Secret):
        known = value.known
        return {SECRET: known} if known is not None else {DEFERRED: deferred.number(value)}
    if kind is Credentials:
        layers, origin, chosen, user = value.parts
        return {CREDENTIALS: [[_packed(layer, deferred) for layer in layers], origin, list(chosen), user]}
    if kind is Named:
        return {NAMED: [_packed(part, deferred) for part in value.values()]}
    if isinstance(value, Mapping):
        if all(type(key) is str for key in value):
            return {key: _packed(part, deferred) for key, part in value.items()}
        return {codec.PAIRS: [_packed(part, deferred) for pair in value.items() for part in pair]}
    if kind is list:
        return [_packed(part, deferred) for part in value]
    if isinstance(value, tuple):
        return {TUPLE: [_packed(part, deferred) for part in value]}
    return codec.pack(value)


def _built(raw: Any, ask: Callable[[int], str]) -> Any:
    kind = type(raw)
    if kind in codec.PLAIN:
        return raw
    if kind is list:
        return [_built(part, ask) for part in raw]
    if len(raw) == 1:
        [(tag, part)] = raw.items()
        if type(tag) is int:
            return _tagged(tag, part, ask)
    return {key: part if type(part) in codec.PLAIN else _built(part, ask) for key, part in raw.items()}


def _tagged(tag: int, part: Any, ask: Callable[[int], str]) -> Any:
    if tag == OBJECT:
        name, fields = part
        return _CLASSES[name](**_built(fields, ask))
    if tag == SECRET:
        return Secret(codec.demand(part, str))
    if tag == DEFERRED:
        number = codec.demand(part, int)
        return Secret(lambda: ask(number))
    if tag == CREDENTIALS:
        layers, origin, chosen, user = part
        found = Credentials(*[_built(layer, ask) for layer in layers], origin=origin)
        return found.logging_in(chosen, user)
    if tag == NAMED:
        return Named({one.name: one for one in [_built(one, ask) for one in part]})
    if tag == TUPLE:
        return tuple([_built(one, ask) for one in part])
    if tag == codec.PAIRS:
        items = [_built(one, ask) for one in part]
        return dict(zip(items[::2], items[1::2], strict=True))
    return codec.unpack({tag: part})
