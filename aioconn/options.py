# SPDX-License-Identifier: Apache-2.0
"""Options of connection classes: dataclasses whose fields are checked where they come from text.

A class declares a frozen dataclass; `build()` fills it from a path's keys, its `arguments` and `settings`, and the
caller's keyword arguments (later ones win), refusing unknown names with the nearest known one and values of the
wrong type with what was expected.
"""

from __future__ import annotations

import dataclasses
import functools
import types
import typing
import weakref
from collections.abc import Hashable, Mapping
from typing import Any, TypeVar

from aioconn.credentials import Secret
from aioconn.errors import InvalidOption, nearest
from aioconn.path import Path

T = TypeVar("T")


def build(
    options_type: type[T],
    path: Path,
    arguments: Mapping[str, Any],
    *,
    device: str,
    known_elsewhere: frozenset[str] = frozenset(),
) -> T:
    """The options of one connection. Raises `InvalidOption` listing every problem at once.

    Foreign keys of the path itself are ignored (another tool may own them), and so are settings in capitals, which
    are unicon's. `known_elsewhere` are names in `arguments` that are not the class's business.
    """
    hints = _hints(options_type)  # type: ignore[arg-type]  # mypy sees no hash on a type variable's type
    values: dict[str, Any] = {}
    problems: list[str] = []
    sources = (
        ("", path.options, False),
        ("settings.", {k: v for k, v in path.settings.items() if not k.isupper()}, True),
        ("arguments.", path.arguments, True),
        ("", arguments, True),
    )
    for prefix, source, strict in sources:
        for name, value in source.items():
            if name in hints:
                try:
                    values[name] = convert(value, hints[name])
                except ValueError as error:
                    problems.append(f"{prefix}{name}: {error}")
            elif strict and name not in known_elsewhere:
                problems.append(f"{prefix}{name}: unknown option, {nearest(name, hints)}")
    if not problems:
        try:
            return _share(options_type, values)
        except ValueError as error:
            problems.append(str(error))
    raise InvalidOption("; ".join(problems), device=device, path=path.name, hint=path.origin or None)


_PLAIN = (str, int, float, type(None))
_made: weakref.WeakValueDictionary[Hashable, Any] = weakref.WeakValueDictionary()


def _share(options_type: type[T], values: dict[str, Any]) -> T:
    """The options with these values: one object for all connections that have the same, for it takes 1.7 KiB.

    Only of plain values: a secret would be asked for, and a function may keep the connection that keeps the options.
    """
    if not all(map(_is_plain, values.values())):
        return options_type(**values)
    key = (options_type, *((name, type(value), value) for name, value in sorted(values.items())))
    found: T | None = _made.get(key)
    if found is None:
        found = _made[key] = options_type(**values)
    return found


def _is_plain(value: Any) -> bool:
    return isinstance(value, _PLAIN) or (isinstance(value, tuple) and all(map(_is_plain, value)))


@functools.cache
def _hints(options_type: type[Any]) -> dict[str, Any]:
    hints = typing.get_type_hints(options_type)
    return {field.name: hints[field.name] for field in dataclasses.fields(options_type)}


def convert(value: Any, hint: Any) -> Any:
    """`value` as the type `hint` wants it, from what YAML or a caller gives. Raises ValueError in plain words.

    Texts become numbers where they say one; a single value becomes a tuple of one; nothing becomes a text by chance.
    """
    origin = typing.get_origin(hint)
    if origin in (typing.Union, types.UnionType):
        return _convert_union(value, typing.get_args(hint))
    if origin is typing.Literal:
        allowed = typing.get_args(hint)
        if value in allowed:
            return value
        raise ValueError(f"{value!r} is none of {', '.join(map(repr, allowed))}")
    if origin is tuple:
        items = value if isinstance(value, (list, tuple)) else [value]
        return tuple(convert(item, typing.get_args(hint)[0]) for item in items)
    if origin is not None and isinstance(value, (dict, Mapping)):
        return value
    if hint is Any:
        return value
    return _convert_plain(value, hint)


def _convert_union(value: Any, members: tuple[Any, ...]) -> Any:
    if value is None and type(None) in members:
        return None
    reasons = []
    for member in members:
        if member is type(None):
            continue
        try:
            return convert(value, member)
        except ValueError as error:
            reasons.append(str(error))
    raise ValueError(reasons[0] if reasons else f"{value!r} is not understood")


_WORDS = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}


def _convert_plain(value: Any, hint: Any) -> Any:
    if isinstance(value, Secret) and hint is str:
        return value.reveal()
    if isinstance(value, Secret) and hint in (bool, int, float):  # deferred: `timeout: "%ENV{SLOW}"`
        try:
            return _convert_plain(value.reveal(), hint)
        except ValueError:
            raise ValueError(f"{value!r} is not a {hint.__name__}") from None
    if hint is Secret and isinstance(value, str):
        return Secret(value)
    if hint is bool:
        if isinstance(value, bool):
            return value
        if isinstance(value, str) and value.lower() in _WORDS:
            return _WORDS[value.lower()]
        raise ValueError(f"{value!r} is not true or false")
    if hint is int and isinstance(value, float) and not value.is_integer():
        raise ValueError(f"{value!r} is not a whole number")
    if hint in (int, float) and not isinstance(value, bool) and isinstance(value, (int, float, str)):
        try:
            return hint(value)
        except ValueError:
            raise ValueError(f"{value!r} is not a number") from None
    if isinstance(hint, type) and isinstance(value, hint) and not isinstance(value, bool):
        return value
    name = getattr(hint, "__name__", str(hint))
    raise ValueError(f"{value!r} is not a {name}")
