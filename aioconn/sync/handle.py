# SPDX-License-Identifier: Apache-2.0
"""What all handles have in common: they stand for something that lives at a home loop, perhaps of another process."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from types import TracebackType
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar

from aioconn.errors import UsageError

if TYPE_CHECKING:
    from aioconn.broker.estate import Address
    from aioconn.sync.reach import Entered, Reach

V = TypeVar("V")


class Handle:
    """Stands for something. Equal to every handle of the same thing; small, and without a state of its own.

    It pickles, and works in forked children: in another process it asks the one that owns the thing.
    """

    __slots__ = ("__weakref__", "_at")

    _at: Reach

    def stand_for(self, reach: Reach) -> None:
        """Make it the handle of what is reached in this way."""
        self._at = reach

    @property
    def _reach(self) -> Reach:
        return self._at

    @property
    def local(self) -> Any:
        """The object of the asynchronous API that is meant, if it belongs to this process, else None."""
        return self._at.local

    def _block(
        self, name: str, args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> AbstractContextManager[None]:
        return Block(self._reach, name, args, kwargs, None)

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        return _restored, (self._at.address, self._at.ref)

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        if not isinstance(other, Handle) or type(self) is not type(other):
            return NotImplemented
        mine, its = self._at, other._at
        return mine.estate == its.estate and mine.target == its.target

    def __hash__(self) -> int:
        return hash((self._at.estate, self._at.target))

    def __repr__(self) -> str:
        thing = self._at.local
        return repr(thing) if thing is not None else f"<{self._at.words()}>"


class Handles(Mapping[str, V]):
    """Name -> handle. It changes with nothing, and pickles as handles do."""

    __slots__ = ("_handles",)

    def __init__(self, handles: Mapping[str, V]) -> None:
        self._handles = dict(handles)

    def __getitem__(self, name: str) -> V:
        return self._handles[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._handles)

    def __len__(self) -> int:
        return len(self._handles)

    def __repr__(self) -> str:
        return repr(self._handles)


def _restored(address: Address, ref: Any) -> Any:
    from aioconn.sync.finding import at

    return at(address, ref)


class Block(AbstractContextManager[V], Generic[V]):
    """`with` something that is entered and left where it lives. To be used once at a time."""

    __slots__ = ("_args", "_entered", "_kwargs", "_name", "_reach", "_value")

    def __init__(
        self, reach: Reach, name: str, args: tuple[Any, ...], kwargs: Mapping[str, Any], value: V
    ) -> None:
        self._reach = reach
        self._name = name
        self._args = args
        self._kwargs = kwargs
        self._value = value
        self._entered: Entered | None = None

    def __enter__(self) -> V:
        if self._entered is not None:
            raise UsageError(f"this {self._name}() is entered already", hint=f"call {self._name}() once more")
        self._entered = self._reach.enter(self._name, self._args, self._kwargs)
        return self._value

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool | None:
        entered, self._entered = self._entered, None
        return entered.leave(kind, error, trace) if entered is not None else None
