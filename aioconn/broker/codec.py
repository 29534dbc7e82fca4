# SPDX-License-Identifier: Apache-2.0
"""How Python values become MessagePack and back, without losing what they are.

MessagePack knows None, bool, int, float, str, bytes, arrays and maps. The first six go as they are, lists as arrays and
dicts whose keys are all `str` as maps. Everything else is a map of one entry whose key is an integer, the value's tag;
`tag` says what it means. An int beyond 64 bits and a text with lone surrogates, which MessagePack cannot hold, have
tags as well, but nobody looks for them before the encoder has stumbled over one: values without them are many.

Which types there are is not said here: `values` and `failures` add theirs with `teach`. Whatever a peer sends, nothing
is imported, looked up or called by a name of its choice, and each byte of it is looked at a bounded number of times.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Collection, Mapping
from typing import Any, TypeAlias

import msgspec

from aioconn.errors import AioconnError, BadFrame, CannotCross

DEPTH = 64
"""How deep values may be nested in each other."""

PLAIN = frozenset({type(None), bool, int, float, str, bytes})

Packer: TypeAlias = Callable[[Any, int], Any]
"""A value and the depth it is at -> what MessagePack can hold. Raises `CannotCross`."""

Unpacker: TypeAlias = Callable[[Any, int], Any]
"""What stood beneath the tag and its depth -> the value. Raises anything where that is not what it should be."""

PAIRS, INTEGER, TEXT = 1, 2, 3

_exact: dict[type, Packer] = {}
_inherited: dict[type, Packer] = {}
_unpackers: dict[int, Unpacker] = {}
_learners: list[Callable[[type], bool]] = []
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder().decode


class Malformed(ValueError):
    """What came is not what a packer of ours makes."""


class Unknown(Exception):
    """What came is sound, but of a class that this process does not know. The argument is its name."""


def teach(kind: type, packer: Packer, *, subclasses: bool = False) -> None:
    """Let values of `kind` cross; those of its subclasses too, as `kind`, if said so."""
    _exact[kind] = packer
    if subclasses:
        _inherited[kind] = packer


def tag(number: int, unpacker: Unpacker) -> None:
    """What stands beneath this tag is for `unpacker`."""
    assert number not in _unpackers, f"tag {number} is taken"
    _unpackers[number] = unpacker


# ---------------------------------------------------------------------- packing


def pack(value: Any, depth: int = 0) -> Any:
    """What MessagePack can hold of `value`. Raises `CannotCross`, whose text leaves the place to the caller."""
    kind = type(value)
    if kind in PLAIN:
        return value
    if depth > DEPTH:
        raise CannotCross(f"is nested more than {DEPTH} deep, which cannot go to another process")
    packer = _exact.get(kind) or _packer_of(value, kind)
    return packer(value, depth + 1)


def pack_items(items: Collection[Any], depth: int) -> Any:
    """An array of packed items; the very list that was given if there is nothing to do."""
    if type(items) is list and PLAIN.issuperset(map(type, items)):
        return items
    return [item if type(item) in PLAIN else pack(item, depth) for item in items]


def _pack_dict(items: Mapping[Any, Any], depth: int) -> Any:
    if not {str}.issuperset(map(type, items)):
        return {PAIRS: [pack(part, depth) for pair in items.items() for part in pair]}
    if type(items) is dict and PLAIN.issuperset(map(type, items.values())):
        return items
    return {key: item if type(item) in PLAIN else pack(item, depth) for key, item in items.items()}


def _packer_of(value: Any, kind: type) -> Packer:
    """For a type that nobody taught: by what it inherits from."""
    if any(learn(kind) for learn in _learners):
        return _exact[kind]
    if not issubclass(kind, enum.Enum):  # an enum that is also a str or an int would lose what it is
        for base in kind.__mro__:
            if (packer := _inherited.get(base)) is not None:
                return packer
        if isinstance(value, Mapping):
            return _pack_dict
    raise CannotCross(f"is {article(kind)}, which cannot go to another process", hint=_advice(value))


def on_unknown(learn: Callable[[type], bool]) -> None:
    """Ask `learn` before a type is given up: it may `teach` one that is known by its name only so far."""
    _learners.append(learn)


def _advice(value: Any) -> str | None:
    if (
        isinstance(value, enum.Enum)
        or hasattr(value, "__dataclass_fields__")
        or hasattr(value, "__struct_fields__")
    ):
        return "aioconn.broker.values.register() lets its class cross"
    return "make a list of it first" if hasattr(value, "__iter__") else None


def type_name(kind: type) -> str:
    """The name of a type for people."""
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def article(kind: type) -> str:
    """The type in a sentence: `a generator`, `an object`."""
    name = type_name(kind)
    return f"{'an' if name[0] in 'aeiouAEIOU' else 'a'} {name}"


# ---------------------------------------------------------------------- unpacking


def unpack(raw: Any, depth: int = 0) -> Any:
    """The value that was packed. Raises `Unknown` or, if nobody packed this, anything at all."""
    kind = type(raw)
    if kind in PLAIN:
        return raw
    if depth > 3 * DEPTH:  # one level of a value is two of arrays and maps, here and there
        raise Malformed("nested too deeply")
    depth += 1
    if kind is list:
        return unpack_items(raw, depth)
    if kind is not dict:
        raise Malformed("neither a value nor a tag")
    if len(raw) == 1:
        [(key, item)] = raw.items()
        if type(key) is int:
            return _unpackers[key](item, depth)
    if not {str}.issuperset(map(type, raw)):
        raise Malformed("a key that is no text")
    if PLAIN.issuperset(map(type, raw.values())):
        return raw
    return {key: item if type(item) in PLAIN else unpack(item, depth) for key, item in raw.items()}


def unpack_items(raw: Any, depth: int, count: int | None = None) -> list[Any]:
    """The values of an array, of `count` if that is given."""
    if type(raw) is not list or (count is not None and len(raw) != count):
        raise Malformed("not the array that should be here")
    if PLAIN.issuperset(map(type, raw)):
        return raw
    return [item if type(item) in PLAIN else unpack(item, depth) for item in raw]


def unpack_one(raw: Any, depth: int, *kinds: type) -> Any:
    """A value of one of these types and no other."""
    value = raw if type(raw) in PLAIN else unpack(raw, depth)
    if not isinstance(value, kinds):
        raise Malformed("a value of another type")
    return value


def demand(value: Any, *kinds: type) -> Any:
    """`value`, if it is of one of these types."""
    if not isinstance(value, kinds):
        raise Malformed("a value of another type")
    return value


def _unpack_pairs(raw: Any, depth: int) -> dict[Any, Any]:
    items = unpack_items(raw, depth)
    return dict(zip(items[::2], items[1::2], strict=True))


# ---------------------------------------------------------------------- bytes


def encode(packed: Any) -> bytes:
    """The bytes of something packed."""
    try:
        return _encode(packed)
    except (OverflowError, UnicodeEncodeError):
        return _encode(_tamed(packed))


def _tamed(packed: Any) -> Any:
    """The same with tags for what MessagePack cannot hold."""
    kind = type(packed)
    if kind is int:
        if -(2**63) <= packed < 2**64:
            return packed
        return {INTEGER: packed.to_bytes(packed.bit_length() // 8 + 1, "little", signed=True)}
    if kind is str:
        return packed if _encodable(packed) else {TEXT: packed.encode("utf-8", "surrogatepass")}
    if kind is list:
        return [_tamed(item) for item in packed]
    if kind is dict:
        if all(type(key) is int or _encodable(key) for key in packed):
            return {key: _tamed(item) for key, item in packed.items()}
        return {PAIRS: [_tamed(part) for pair in packed.items() for part in pair]}
    return packed


def _encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def count(data: bytes, limit: int) -> int:
    """How many values are in these bytes, those inside others too; it stops counting above `limit`.

    Nothing is made of them. Bytes that are no MessagePack give some number, and fail when they are decoded.
    """
    found, at, end = 0, 0, len(data)
    while at < end and found <= limit:
        opcode = data[at]
        at += 1
        found += 1
        skipped, counted = _LAYOUT[opcode]
        if counted:
            if opcode < 0xDC:  # not an array or a map, whose parts come by themselves
                skipped += int.from_bytes(data[at : at + counted], "big")
            at += counted
        at += skipped
    return found


def _layout() -> list[tuple[int, int]]:
    """By first byte: how many bytes follow that are no value of their own, and how many say how many more do."""
    fixed = {0xCA: 4, 0xCB: 8, **{0xCC + power: 1 << power for power in range(4)}}
    fixed |= {0xD0 + power: 1 << power for power in range(4)}
    fixed |= {0xD4 + power: 1 + (1 << power) for power in range(5)}
    lengths = {0xC4: 1, 0xC5: 2, 0xC6: 4, 0xC7: 1, 0xC8: 2, 0xC9: 4, 0xD9: 1, 0xDA: 2, 0xDB: 4}
    lengths |= {0xDC: 2, 0xDD: 4, 0xDE: 2, 0xDF: 4}
    fixed |= {0xC7: 1, 0xC8: 1, 0xC9: 1}
    fixed |= {0xA0 + size: size for size in range(32)}
    return [(fixed.get(opcode, 0), lengths.get(opcode, 0)) for opcode in range(256)]


_LAYOUT = _layout()


def decode(data: bytes | bytearray | memoryview, unpacked: Callable[[Any], Any] = unpack) -> Any:
    """The value in these bytes. Raises `BadFrame`, or `CannotCross` for a class that is not known in this process."""
    try:
        return unpacked(_decode(data))
    except Unknown as error:
        raise CannotCross(
            f"a value of {error} came from another process, and that is not known in this one",
            hint="aioconn.broker.values.register() it in both",
        ) from None
    except Exception as error:  # whatever a builder says to arguments of a peer's choice
        raise BadFrame(f"what another process sent is no value of ours ({type(error).__name__})") from None


def reason(error: Exception) -> AioconnError:
    """Why a value could not be packed, as an error of ours; without the place, which the caller knows."""
    if isinstance(error, AioconnError):
        return error
    if isinstance(error, RecursionError):
        return CannotCross("is nested too deeply to go to another process")
    return CannotCross(f"cannot go to another process ({type(error).__name__} while it was read)")


teach(list, pack_items, subclasses=True)
teach(dict, _pack_dict, subclasses=True)
teach(str, lambda text, _: str.__str__(text), subclasses=True)
teach(int, lambda number, _: int.__int__(number), subclasses=True)
teach(float, lambda number, _: float.__float__(number), subclasses=True)
for _kind in (bytes, bytearray, memoryview):
    teach(_kind, lambda data, _: memoryview(data).tobytes(), subclasses=_kind is not memoryview)
tag(PAIRS, _unpack_pairs)
tag(INTEGER, lambda raw, _: int.from_bytes(demand(raw, bytes), "little", signed=True))
tag(TEXT, lambda raw, _: demand(raw, bytes).decode("utf-8", "surrogatepass"))
