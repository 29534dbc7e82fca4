# SPDX-License-Identifier: Apache-2.0
"""`%ENV{}` and `%ASK{}` in values: looked up or asked when the value is needed, not while loading."""

from __future__ import annotations

import getpass
import os
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, overload

from aioconn.credentials import Secret
from aioconn.errors import MissingValue

_MARKUP = re.compile(r"%(ENV|ASK|ENC|CLI|CALLABLE|INCLUDE|INTF|)\{([^{}]*)\}")
SUPPORTED = frozenset(("ENV", "ASK"))


def kinds(text: str) -> list[str]:
    """The kinds of markup in `text`: `ENV`, `ASK`, ...; `""` is `%{...}`, a reference. Empty: plain text."""
    return [match[1] for match in _MARKUP.finditer(text)] if "%" in text else []


@dataclass(frozen=True, slots=True, kw_only=True)
class Markup:
    """A text with markup, the key it belongs to and where that stands."""

    text: str = field(repr=False)
    key: str
    origin: str = ""
    secret: bool = False

    def resolve(self) -> str:
        """The text with everything filled in. May block on a terminal. Raises `MissingValue`."""
        return _MARKUP.sub(self._replace, self.text)

    def _replace(self, match: re.Match[str]) -> str:
        kind, body = match.groups()
        if kind == "ENV":
            return self._variable(body)
        if kind == "ASK":
            return self._answer(body)
        raise self._missing(f"%{kind}{{}} is not supported yet", "use %ENV{NAME} for now")

    def _variable(self, body: str) -> str:
        name, comma, default = (part.strip() for part in body.partition(","))
        value = os.environ.get(name)
        if value is not None:
            return value
        if comma:
            return default
        raise self._missing(
            f"the environment variable {name!r} is not set",
            f"export {name}=..., or write %ENV{{{name}, a default}}",
            variable=name,
        )

    def _answer(self, prompt: str) -> str:
        prompt = prompt.strip() or self.key
        if not sys.stdin or not sys.stdin.isatty():
            raise self._missing(
                f"this is to be asked ({prompt!r}), and there is no terminal", "use %ENV{NAME} here"
            )
        try:
            if self.secret:
                return getpass.getpass(f"{prompt}: ")
            sys.stderr.write(f"{prompt}: ")
            sys.stderr.flush()
            if line := sys.stdin.readline():
                return line.rstrip("\r\n")
        except EOFError:
            pass
        raise self._missing(f"this was asked ({prompt!r}) and not answered")

    def _missing(self, what: str, hint: str | None = None, **details: Any) -> MissingValue:
        place = f"{self.origin}: {self.key}" if self.origin else self.key
        return MissingValue(f"{place}: {what}", hint=hint, key=self.key, origin=self.origin, **details)


class Deferred(Secret):
    """A value with markup that is no secret: who needs it calls `reveal()`; `hold()` does."""

    __slots__ = ()


def hold(value: Any) -> Any:
    """Plain data as it is given out: a container with a `Deferred` in it becomes one that resolves."""
    if isinstance(value, dict) and _deferred(value):
        return DeferredMapping(value)
    if isinstance(value, list) and _deferred(value):
        return DeferredList(value)
    return value


def _deferred(value: Any) -> bool:
    if isinstance(value, Deferred):
        return True
    if isinstance(value, (dict, list)):
        return any(map(_deferred, value.values() if isinstance(value, dict) else value))
    return False


def _give(value: Any) -> Any:
    return value.reveal() if isinstance(value, Deferred) else hold(value)


class DeferredMapping(Mapping[str, Any]):
    """A mapping with markup in some values: each is resolved when it is taken out."""

    __slots__ = ("_data",)

    def __init__(self, data: Mapping[str, Any]) -> None:
        self._data = data

    def __getitem__(self, name: str) -> Any:
        return _give(self._data[name])

    def __contains__(self, name: object) -> bool:
        return name in self._data  # without taking it out

    def __iter__(self) -> Iterator[str]:
        return iter(self._data)

    def __len__(self) -> int:
        return len(self._data)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {', '.join(map(str, self._data))}>"


class DeferredList(Sequence[Any]):
    """The same for a list."""

    __slots__ = ("_data",)

    def __init__(self, data: Sequence[Any]) -> None:
        self._data = data

    @overload
    def __getitem__(self, index: int) -> Any: ...

    @overload
    def __getitem__(self, index: slice) -> list[Any]: ...

    def __getitem__(self, index: int | slice) -> Any:
        if isinstance(index, slice):
            return [_give(value) for value in self._data[index]]
        return _give(self._data[index])

    def __len__(self) -> int:
        return len(self._data)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {len(self)}>"
