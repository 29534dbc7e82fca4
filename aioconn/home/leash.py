# SPDX-License-Identifier: Apache-2.0
"""What ends the waiting of a thread from outside."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from contextvars import ContextVar, Token
from typing import Protocol


class Led(Protocol):
    """What a leash ends."""

    def cut(self) -> object: ...


class Traveller(Led, Protocol):
    """What waits for its home."""

    def hear(self, step: Callable[[], object]) -> None: ...


class Leash:
    """Ends from outside what a thread has under way: `with leash:` in the thread, `leash.cut(reason)` in another.

    The call under way is cancelled and raises `reason`, at the latest after two seconds; later ones raise it at
    once. Blocks are left and iterations closed all the same.
    """

    __slots__ = ("_tokens", "_visits", "reason")

    def __init__(self) -> None:
        self.reason: BaseException | None = None  # why it was cut
        self._visits: set[Led] = set()
        self._tokens: list[Token[Leash | None]] = []

    def __enter__(self) -> Leash:
        self._tokens.append(current.set(self))
        return self

    def __exit__(self, *_: object) -> None:
        current.reset(self._tokens.pop())

    def cut(self, reason: BaseException) -> None:
        """From any thread; waits for nothing. Only the first time counts."""
        if self.reason is None:
            self.reason = reason
            for visit in self._visits.copy():
                visit.cut()

    def lead(self, visit: Traveller, step: Callable[[], object]) -> None:
        """Let a visit travel; raise the reason once it is cut."""
        self._visits.add(visit)  # before looking: if it is cut after that look, this one is found
        try:
            if self.reason is None:
                visit.hear(step)
            if self.reason is not None:
                raise self.reason
        finally:
            self._visits.discard(visit)

    @staticmethod
    def of_this_thread() -> Leash | None:
        """The one that the running thread is on."""
        return current.get()

    @contextlib.contextmanager
    def calling(self, cut: Callable[[], object]) -> Iterator[None]:
        """In the block the thread waits for something that is no visit: `cut()` ends that, from whatever thread. Raises
        the reason if the leash is cut already; whether it was cut meanwhile is to be asked after the block."""
        led = _Led(cut)
        self._visits.add(led)
        try:
            if self.reason is not None:
                raise self.reason
            yield
        finally:
            self._visits.discard(led)


class _Led:
    __slots__ = ("_cut",)

    def __init__(self, cut: Callable[[], object]) -> None:
        self._cut = cut

    def cut(self) -> object:
        return self._cut()


current: ContextVar[Leash | None] = ContextVar("aioconn leash", default=None)
