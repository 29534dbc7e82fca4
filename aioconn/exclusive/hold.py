# SPDX-License-Identifier: Apache-2.0
"""Something kept for a while, and the code that is inside of it.

A hold is written into the context of whoever holds it. Calls that are made there, also by tasks started inside, are
*inside* and pass, as long as the hold lasts; a task that outlives it is outside again.
"""

from __future__ import annotations

from contextvars import ContextVar
from typing import Protocol

from aioconn.caller import Caller

# The holds inside which the running code is, outermost first. Some may be over: `live` decides.
_inside: ContextVar[tuple[Hold, ...]] = ContextVar("aioconn holds", default=())


class Keeper(Protocol):
    """What a hold needs of the `Exclusivity` that has granted it."""

    @property
    def device(self) -> str: ...

    def now(self) -> float: ...

    def end(self, hold: Hold, /) -> None: ...


class Hold:
    """Something kept for a while: who keeps it, since when, and the line where he asked for it.

    Granted by an `Exclusivity`, its keeper. Whoever gets one marks his context, and in the end unmarks it and releases
    the hold. `live`: granted, and not released. `since`: when it was granted; while it is waited for, when it was
    asked for.
    """

    __slots__ = ("keeper", "live", "since")

    keeper: Keeper
    kind: str
    exclusive: bool
    live: bool
    since: float

    @property
    def caller(self) -> Caller:
        raise NotImplementedError

    def give_to(self, caller: Caller) -> None:
        """From now on it is his."""
        raise NotImplementedError

    @property
    def place(self) -> str:
        """Where it was asked for: `file.py:12 in function`."""
        return self.caller.place

    @property
    def age(self) -> float:
        """Seconds since it was granted, or asked for."""
        return self.keeper.now() - self.since

    @property
    def inside(self) -> bool:
        """Whether the running code is inside this hold, and it still lasts."""
        return self.live and self in _inside.get()

    def mark(self) -> None:
        """Put the running code inside this hold: this context, and tasks that are started from it.

        Called in the task or thread that holds it, in whatever loop that is.
        """
        around = _inside.get()
        if around and (around[0].live or len(around) > 1):
            _inside.set((*[hold for hold in around if hold.live], self))
        else:
            _inside.set((self,))

    def unmark(self) -> None:
        """Put the running code outside again. Does no harm where it never was inside, or in another order."""
        around = _inside.get()
        alone = len(around) == 1 and around[0] is self
        _inside.set(() if alone else tuple([hold for hold in around if hold is not self and hold.live]))

    def disown(self) -> None:
        """Keep it for what the holder left behind: from now on he waits for it like any other."""
        self.give_to(self.caller.gone())

    def release(self) -> None:
        """Give it back; those who wait for it have it with that. Safe to call again."""
        if self.live:
            self.keeper.end(self)

    def __repr__(self) -> str:
        state = "live" if self.live else "not live"
        return f"<Hold {self.kind} of {self.keeper.device} {state}, {self.caller.name} at {self.place}>"


class Stay(Hold):
    """A hold that the `Exclusivity` makes itself."""

    __slots__ = ("_caller", "exclusive", "kind")

    def __init__(self, keeper: Keeper, kind: str, exclusive: bool, caller: Caller) -> None:
        self.keeper = keeper
        self._caller = caller
        self.kind = kind
        self.exclusive = exclusive
        self.live = False
        self.since = 0.0

    @property
    def caller(self) -> Caller:
        return self._caller

    def give_to(self, caller: Caller) -> None:
        self._caller = caller


def holds_around(keeper: Keeper) -> list[Hold]:
    """The holds of this keeper that the running code is inside of, the outermost first."""
    return [hold for hold in _inside.get() if hold.live and hold.keeper is keeper]


def holds_of_any() -> list[Hold]:
    """The same of all keepers."""
    return [hold for hold in _inside.get() if hold.live]
