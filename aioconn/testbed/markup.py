# SPDX-License-Identifier: Apache-2.0
"""Values with markup, and data with such values in it: filled in when they are taken out, not while loading."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, overload

from aioconn.credentials import Secret
from aioconn.errors import MissingValue
from aioconn.testbed.pieces import Piece, Pieces, pieces_of, split
from aioconn.testbed.pieces import kinds as kinds
from aioconn.testbed.tree import Scalar


@dataclass(frozen=True, slots=True, kw_only=True)
class Markup:
    """A text with markup, the key it belongs to and where that stands. `pieces` if it has been split already."""

    text: str = field(repr=False)
    key: str
    origin: str = ""
    secret: bool = False
    pieces: Pieces | None = field(default=None, repr=False)

    @classmethod
    def of(cls, node: Scalar, key: str, *, secret: bool = False) -> Markup:
        return cls(text=node.text, key=key, origin=node.origin, secret=secret, pieces=pieces_of(node))

    def resolve(self) -> str:
        """The text with everything filled in. May block on a terminal. Raises `MissingValue`."""
        return "".join(map(self._text, self._split()))

    def value(self) -> Any:
        """The same; but a markup that stands alone may give more than a text (`%CLI{}`, `%CALLABLE{}`)."""
        pieces = self._split()
        if len(pieces) == 1 and isinstance(piece := pieces[0], Piece):
            found = piece.value(self)
            return found.reveal() if isinstance(found, Secret) else found
        return self.resolve()

    def missing(self, what: str, hint: str | None = None, **details: Any) -> MissingValue:
        """The error that says which value is not to be had, and why."""
        place = f"{self.origin}: {self.key}" if self.origin else self.key
        return MissingValue(f"{place}: {what}", hint=hint, key=self.key, origin=self.origin, **details)

    def _split(self) -> Pieces:
        return (split(self.text) or (self.text,)) if self.pieces is None else self.pieces

    def _text(self, piece: str | Piece | Secret) -> str:
        if isinstance(piece, str):
            return piece
        return piece.text(self) if isinstance(piece, Piece) else piece.reveal()


class Deferred(Secret):
    """A value with markup that is no secret: who needs it calls `reveal()` or `value()`; `hold()` does."""

    __slots__ = ("_markup",)

    def __init__(self, markup: Markup) -> None:
        super().__init__(markup.resolve)
        self._markup = markup

    def value(self) -> Any:
        """See `Markup.value`."""
        return self._markup.value()


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
    return value.value() if isinstance(value, Deferred) else hold(value)


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
