# SPDX-License-Identifier: Apache-2.0
"""Who may work on a device at this moment: everybody together, or one alone.

A call of a service is a shared *entry*. A session kept for several calls is a shared *hold*. Exclusive work is a hold
as well, one that waits until all entries and holds have gone, and keeps others out until it is released.

Whoever waits is served in the order of arrival, whatever he waits for: exclusive work waits for those before it, and
those after it wait for it, so neither can starve the other. What comes free is handed over directly: nobody who comes
in between can take it, and a waiter who is cancelled after it was handed to him hands it on.

Calls that are made inside a hold, also by tasks started there, pass; see `Hold`.

Everything of one `Exclusivity` happens in one event loop, its device's home loop, so there are no locks against
threads. `Hold.mark()` and `Hold.unmark()` alone belong into the caller's task or thread, which may be in another loop:
they read and write nothing but the caller's own context.
"""

from __future__ import annotations

import asyncio
import functools
import itertools
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from aioconn.caller import Caller, here
from aioconn.errors import Deadlock, UsageError
from aioconn.exclusive.circle import waiting
from aioconn.exclusive.hold import Hold, Stay, holds_around
from aioconn.home import running_loop

# How many holders a text names before it only counts them.
_NAMED = 3


class Exclusivity:
    """Shared and exclusive access to one device; first come, first served. Used in the device's home loop only.

    The coroutines wait without a limit: the caller sets the deadline. Cancelled, they leave nothing behind. They raise
    Deadlock where the caller keeps other devices, and those he waits for wait for him; see `circle`.
    """

    __slots__ = (
        "_clock",
        "_entries",
        "_free",
        "_longest",
        "_owners",
        "_shared",
        "_waiters",
        "device",
        "on_idle",
    )

    def __init__(self, device: str, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.device = device
        self._clock = clock
        self._entries = 0
        self._shared: dict[Hold, None] = {}
        self._owners: dict[Hold, None] = {}  # one, and those taken inside it
        # Ordered, and left in constant time by who gives up. None waits for an entry. The number: since when.
        self._waiters: OrderedDict[asyncio.Future[None], tuple[Hold | None, float]] = OrderedDict()
        self._free = True  # nobody works or waits exclusively: what the way of every call looks at
        self._longest = 0.0
        self.on_idle: Callable[[], None] | None = None
        """Called once, when nobody works or waits any more; whoever sets it looks at `idle` first."""

    # ------------------------------------------------------------------ calls

    def try_enter(self) -> bool:
        """Begin a call if that is possible now; `leave()` ends it. False: wait with `enter()`."""
        if self._free or self.inside:
            self._entries += 1
            return True
        return False

    async def enter(self) -> None:
        """Begin a call, after those who came before; `leave()` ends it."""
        if not self.try_enter():
            await self._wait(None)

    def leave(self) -> None:
        """End a call that was let in."""
        if not self._entries:
            raise UsageError("left more often than entered", device=self.device)
        self._entries -= 1
        if not self._entries:
            if self._waiters:
                self._hand_on()
            elif self.on_idle is not None:
                self._tell_if_idle()

    # ------------------------------------------------------------------ holds

    def try_hold(self, kind: str, *, caller: Caller | None = None) -> Hold | None:
        """A shared hold if that is possible now, else None. `kind` is a word for texts: lease, transaction."""
        if self._free or self.inside:
            hold = Stay(self, kind, False, here() if caller is None else caller)
            self._grant(hold)
            return hold
        return None

    async def hold(self, kind: str, *, caller: Caller | None = None) -> Hold:
        """A shared hold, after those who came before."""
        if caller is None:
            caller = here()
        if (hold := self.try_hold(kind, caller=caller)) is None:
            hold = Stay(self, kind, False, caller)
            await self._wait(hold)
        return hold

    def try_share(self, hold: Hold, now: float) -> bool:
        """The same with a hold that the caller has made, to which he gives the time by his own clock."""
        if self._free or self.inside:
            self._shared[hold] = None
            hold.live = True
            hold.since = now
            return True
        return False

    def unshare(self, hold: Hold) -> None:
        """`end` for such a one."""
        hold.live = False
        del self._shared[hold]
        if not self._free:
            self._hand_on()
        if self.on_idle is not None:
            self._tell_if_idle()

    async def share(self, hold: Hold) -> None:
        """Wait for that, after those who came before."""
        await self._wait(hold)

    def end(self, hold: Hold) -> None:
        """A hold that is live is given back; `Hold.release` is for one that may not be."""
        if not hold.exclusive:
            self.unshare(hold)
            return
        hold.live = False
        del self._owners[hold]
        self._hand_on()
        if self.on_idle is not None:
            self._tell_if_idle()

    def try_take(self, kind: str = "exclusive", *, caller: Caller | None = None) -> Hold | None:
        """An exclusive hold if that is possible now, else None."""
        if self._may_be_alone():
            hold = Stay(self, kind, True, here() if caller is None else caller)
            self._grant(hold)
            return hold
        return None

    async def take(self, kind: str = "exclusive", *, caller: Caller | None = None) -> Hold:
        """An exclusive hold, after those who came before have gone; inside another one, at once.

        Raises Deadlock if the task (or thread) that asks is inside a shared hold of its own: it would wait for itself.
        """
        if caller is None:
            caller = here()
        if (hold := self.try_take(kind, caller=caller)) is None:
            hold = Stay(self, kind, True, caller)
            self._refuse_to_wait_for_itself(hold)
            await self._wait(hold)
        return hold

    # ------------------------------------------------------------------ what goes on

    def now(self) -> float:
        """Seconds, on the clock by which holds have their `since`."""
        return self._clock()

    @property
    def inside(self) -> bool:
        """Whether the running code is inside a hold of this device that still lasts."""
        return bool(holds_around(self))

    @property
    def waiting(self) -> int:
        return len(self._waiters)

    @property
    def idle(self) -> bool:
        """Whether nobody works, keeps anything or waits."""
        return not (self._entries or self._shared or self._owners or self._waiters)

    def blockers(self) -> str:
        """Whom the running code would wait for, in one line, for errors."""
        around = holds_around(self)
        parts = [
            f"{_told(hold)}, taken at {hold.place}" + (", of which this is a part" if hold in around else "")
            for hold in itertools.islice(itertools.chain(self._owners, self._shared), _NAMED)
        ]
        if (more := len(self._owners) + len(self._shared) - _NAMED) > 0:
            parts.append(f"{more} more")
        if self._entries:
            parts.append(f"{self._entries} call{'s' * (self._entries > 1)} under way")
        if not self._owners and (first := self._first_to_be_alone()) is not None:
            parts.append(f"{_told(first)} waiting for that, asked for at {first.place}")
        if self._waiters:
            parts.append(f"{len(self._waiters)} waiting")
        return "; ".join(parts) or "nobody"

    def _first_to_be_alone(self) -> Hold | None:
        """The exclusive hold that is next, if one is waited for."""
        for hold, _ in self._waiters.values():
            if hold is not None and hold.exclusive:
                return hold
        return None

    def statistics(self) -> dict[str, Any]:
        """Plain numbers. `longest_wait`: seconds, of all so far and of those who wait now."""
        longest = self._longest
        if waiters := list(self._waiters.values()):  # in one step: other threads ask for this as well
            longest = max(longest, self.now() - waiters[0][1])
        return {
            "shared": self._entries + len(self._shared),
            "exclusive": len(self._owners),
            "waiting": len(self._waiters),
            "longest_wait": longest,
        }

    def __repr__(self) -> str:
        numbers = self.statistics()
        return (
            f"<Exclusivity {self.device} {numbers['shared']} shared, {numbers['exclusive']} exclusive, "
            f"{numbers['waiting']} waiting>"
        )

    # ------------------------------------------------------------------ changes of state: plain functions, all of them

    def _may_be_alone(self) -> bool:
        if self._owners:
            return any(hold.exclusive for hold in holds_around(self))
        return not (self._entries or self._shared)  # as long as nobody is there, nobody waits either

    def _refuse_to_wait_for_itself(self, asked: Hold) -> None:
        """A task that waits cannot give back what it holds itself. Of one that was merely started inside a hold, nobody
        knows whether the holder waits for it: it waits like any other, for the end of the hold or its own deadline."""
        for hold in [*self._owners, *holds_around(self)]:
            if hold.caller.is_same(asked.caller):
                raise Deadlock(
                    f"{asked.caller.name} would wait for itself: it asks for {asked.kind} at {asked.place}, "
                    f"inside the {hold.kind} that it took at {hold.place}",
                    device=self.device,
                    hint="take what is exclusive first, or end the other before",
                )

    async def _wait(self, hold: Hold | None) -> None:
        future = asyncio.get_running_loop().create_future()
        since = self.now()
        if hold is not None:
            hold.since = since
        self._waiters[future] = hold, since
        self._free = False
        try:
            with waiting(self.device, hold, functools.partial(self._ahead, future, hold)):
                await future
        except BaseException:
            if future.done() and not future.cancelled():  # it had been handed over already
                self._take_back(hold)
            else:
                self._forget(future)
                self._hand_on()
                if self.on_idle is not None:
                    self._tell_if_idle()
            raise

    def _ahead(self, future: asyncio.Future[None], asked: Hold | None) -> list[Hold]:
        """The holds that keep somebody waiting; none if he waits no longer. From any thread: nothing changes here.

        Who merely stands behind one that waits to be alone is let in as soon as that one gives up.
        """
        if future.done() or future not in self._waiters:
            return []
        return [*self._owners, *self._shared] if asked is not None and asked.exclusive else [*self._owners]

    def _hand_on(self) -> None:
        """Let in whoever can be, in order."""
        waiters = self._waiters
        while waiters:
            future, (hold, _) = next(iter(waiters.items()))
            if not future.done():  # those who are cancelled, and not told yet, are passed over
                exclusive = hold is not None and hold.exclusive
                if self._owners or (exclusive and (self._entries or self._shared)):
                    break
                if hold is None:
                    self._entries += 1
                else:
                    self._grant(hold)
                self._forget(future)
                self._tell(future, hold)
            else:
                self._forget(future)
        self._free = not self._owners and not waiters

    def _tell(self, future: asyncio.Future[None], hold: Hold | None) -> None:
        """Wake whoever was let in. He may wait at the loop that the device lived on before: it can be disconnected,
        and asked for again, while somebody keeps it and others wait."""
        loop = future.get_loop()
        if loop is running_loop():
            future.set_result(None)
            return

        def tell() -> None:
            if not future.done():
                future.set_result(None)
            else:  # cancelled meanwhile
                self._take_back(hold)

        try:
            loop.call_soon_threadsafe(tell)
        except RuntimeError:  # closed: nobody waits there any more
            self._take_back(hold)

    def _take_back(self, hold: Hold | None) -> None:
        self.leave() if hold is None else hold.release()

    def _grant(self, hold: Hold) -> None:
        hold.live = True
        hold.since = self.now()
        if hold.exclusive:
            self._owners[hold] = None
            self._free = False
        else:
            self._shared[hold] = None

    def _tell_if_idle(self) -> None:
        if self.idle:
            on_idle, self.on_idle = self.on_idle, None
            if on_idle is not None:
                on_idle()

    def _forget(self, future: asyncio.Future[None]) -> None:
        """Nobody waits for this any more."""
        waiter = self._waiters.pop(future, None)
        if waiter is not None:
            self._longest = max(self._longest, self.now() - waiter[1])


def _told(hold: Hold) -> str:
    return f"{hold.kind} since {hold.age:.1f} s by {hold.caller.name}"


class ConfigureOrder:
    """The order among those who configure one device: two places that are taken one at a time, first come first served.

    Whoever takes one has been let in before (`Exclusivity`), or exclusive work would wait for who waits for it. Who has
    no session yet takes `queue` before he waits for one; with the session in hand, everybody takes `lock`. Who is
    inside a hold of the device has a session, or may have one, and leaves `queue` out. So nobody who holds a session
    waits for `queue`, and who holds `lock` waits for nobody: the order cannot end in a deadlock.
    """

    __slots__ = ("lock", "queue")

    def __init__(self, device: str, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.queue = Exclusivity(device, clock=clock)
        self.lock = Exclusivity(device, clock=clock)
