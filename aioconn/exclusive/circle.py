# SPDX-License-Identifier: Apache-2.0
"""Tasks and threads that wait for each other, each for what another one keeps: found when the circle closes.

Only who keeps something can be part of one: who waits inside a block of his own, which he cannot leave meanwhile.
Nobody else is noted down. What he waits for may belong to another loop, hence the lock: whoever is noted stays in his
blocks for as long as somebody has it, so what is found then is certain.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager

from aioconn.caller import Caller, here
from aioconn.errors import Deadlock
from aioconn.exclusive.hold import Hold, holds_of_any
from aioconn.home.descriptors import in_child

_inside: dict[Hold, Wait] = {}
"""What is waited for inside of a hold, by who took it."""
_lock = (
    threading.RLock()
)  # the garbage collector may come at any point, and throw away a coroutine that waits

_KEEPS_NOTHING = contextlib.nullcontext()


def waiting(
    device: str, asked: Hold | None, ahead: Callable[[], Sequence[Hold]]
) -> AbstractContextManager[None]:
    """A block in which the running code waits for `asked`, or for a call to be let in.

    `ahead` gives the holds that must end before that, and none once it is no longer waited for; it is called from any
    thread. Entering raises Deadlock where none of them could ever end, because their holders wait for who asks.
    """
    if not (around := holds_of_any()):
        return _KEEPS_NOTHING
    asker = here() if asked is None else asked.caller
    kept = [hold for hold in around if hold.caller.is_same(asker)]
    if not kept:
        return _KEEPS_NOTHING
    return Wait(device, "call" if asked is None else asked.kind, asker, kept, ahead)


class Wait:
    """One who waits inside of what he keeps: a task or a thread, and nobody that was merely started there."""

    __slots__ = ("_ahead", "_asker", "_device", "_kept", "_kind")

    def __init__(
        self, device: str, kind: str, asker: Caller, kept: Sequence[Hold], ahead: Callable[[], Sequence[Hold]]
    ) -> None:
        self._device = device
        self._kind = kind
        self._asker = asker
        self._kept = kept
        self._ahead = ahead

    def __enter__(self) -> None:
        with _lock:
            if circle := self._circle():
                raise Deadlock(
                    "these wait for each other: " + "; ".join(wait._told(hold) for wait, hold in circle),
                    device=self._device,
                    hint="take devices in the same order everywhere",
                )
            for hold in self._kept:
                _inside[hold] = self

    def __exit__(self, *_: object) -> None:
        with _lock:
            for hold in self._kept:
                if _inside.get(hold) is self:
                    del _inside[hold]

    def _circle(self) -> list[tuple[Wait, Hold]]:
        """Who they are, each with what the one before him waits for; nobody if there is no circle."""
        seen: set[Wait] = set()
        ways: list[tuple[Wait, list[tuple[Wait, Hold]]]] = [(self, [])]
        for wait, way in ways:  # which grow meanwhile
            for hold in wait._ahead():
                if hold in self._kept:
                    return [(self, hold), *way]
                other = _inside.get(hold)
                if other is not None and other not in seen and other._lasts:
                    seen.add(other)
                    ways.append((other, [*way, (other, hold)]))
        return []

    @property
    def _lasts(self) -> bool:
        """Not if it is a task that was cancelled elsewhere, of which nobody has heard here so far."""
        cancelling = getattr(self._asker.itself, "cancelling", None)
        return cancelling is None or not cancelling()

    def _told(self, hold: Hold) -> str:
        return (
            f"{self._asker.name} took {hold.keeper.device} ({hold.kind}) at {hold.place} and asks for {self._device}"
            f" ({self._kind}) at {self._asker.place}"
        )


def _begin_anew() -> None:
    """In a forked child: nobody of those who waited is there, and perhaps not the one who had the lock either."""
    global _lock
    _lock = threading.RLock()
    _inside.clear()


in_child(_begin_anew)
