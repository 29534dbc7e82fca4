# SPDX-License-Identifier: Apache-2.0
"""Who may open a session to a device, and when: its budget, what its paths have suffered, and the order of connects."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable, Collection
from typing import Any, Protocol

from aioconn import collector
from aioconn.admission.breaker import Breaker
from aioconn.admission.connect_gate import ConnectGate
from aioconn.admission.limits import Budget
from aioconn.admission.line import Claim
from aioconn.connection import BaseConnection, State
from aioconn.errors import AioconnError, CircuitOpen, HostUnreachable, SessionClosed, ShellRefused
from aioconn.events import CircuitOpened, LimitLearned, Listeners
from aioconn.exclusive import ConfigureOrder, Exclusivity
from aioconn.home import call_at_home
from aioconn.links import Links
from aioconn.policy import DOUBTED_FOR, LEARNED_FOR, Limits
from aioconn.protocols.sharing import would_share

Connection = BaseConnection[Any]


class Needs(Protocol):
    """What an admission asks of the manager."""

    def relieve(self) -> None:
        """Somebody waits for a place: give up idle sessions for him, where that helps."""
        ...

    def path_changed(self, path: str) -> None:
        """The path may be tried again, or may not."""
        ...

    def device_gone(self, connection: Connection, error: BaseException) -> None:
        """All sessions but this one are lost."""
        ...

    async def jump(self, connection: Connection) -> Any:
        """The link through which the connection's path goes, or None."""
        ...

    @property
    def connect_gate(self) -> ConnectGate | None:
        """Bounds how many connections of the whole testbed are opened at once."""
        ...

    @property
    def loop(self) -> asyncio.AbstractEventLoop | None:
        """The home loop; None until something connects."""
        ...


class Admission:
    """One device's. Plain functions decide, the coroutines wait for what they decide; in the home loop only."""

    def __init__(self, device: str, limits: Limits, needs: Needs, listeners: Listeners) -> None:
        self._device = device
        self._needs = needs
        self._listeners = listeners
        self.budget = Budget(limits)
        self.exclusivity = Exclusivity(device)
        self._configures: ConfigureOrder | None = None
        self.links = Links(device, on_room=self._reconsider)
        self._breakers: dict[str, Breaker] = {}
        self._trying: set[Connection] = set()
        self._outcomes: dict[str, list[asyncio.Future[None]]] = {}
        self._paid: set[Connection] = set()  # admitted with a login that has not been made yet
        self._refused: set[Connection] = set()  # had its turn, and the device would not have it
        self._in_gate: dict[Connection, ConnectGate] = {}
        self._timer: asyncio.TimerHandle | None = None

    @property
    def home(self) -> asyncio.AbstractEventLoop | None:
        """The loop that the device lives on now."""
        return self._needs.loop

    @property
    def configures(self) -> ConfigureOrder:
        """The order of those who configure the device; made when somebody does, for most devices are only read."""
        if self._configures is None:
            self._configures = ConfigureOrder(self._device)
        return self._configures

    @property
    def whole(self) -> Exclusivity:
        """Who may work on the device now."""
        return self.exclusivity

    @property
    def rivals(self) -> Collection[object]:
        """Who waits for a place on the device."""
        return self.budget.waiters

    # ------------------------------------------------------------------ places

    def claim(self, connection: Connection, granted: Callable[[], None]) -> None:
        """Ask for a place; `granted` is called once, now or later. `withdraw` or `leave` ends it."""

        def needs_login() -> bool:
            return not would_share(self.links, connection)

        def told() -> None:
            collector.live(1)
            if self.budget.logs_in(connection):
                self._paid.add(connection)
            granted()

        claim = Claim(holder=connection, group=connection.alias, login=needs_login, granted=told)
        if not self.budget.ask(claim, self._now(), first=connection in self._refused):
            self._needs.relieve()
        self._watch()

    def withdraw(self, connection: Connection) -> None:
        """Wait no longer, or give back what was granted."""
        self._forget(connection)
        self.budget.withdraw(connection, self._now())
        self._after_leaving()

    def leaving(self, connection: Connection) -> None:
        """The session is being closed; `leave` follows. A call that waits to open it again looks at it once more."""
        self.budget.leaving(connection)
        self._tell(connection.via)

    def leave(self, connection: Connection) -> None:
        """The session is gone, or did not come about."""
        self._forget(connection)
        self.budget.give(connection, self._now())
        self._after_leaving()

    def _forget(self, connection: Connection) -> None:
        if self.budget.holds(connection):
            collector.live(-1)
        self._paid.discard(connection)
        self.opened(connection)
        if connection in self._trying:
            self._trying.discard(connection)
            self.breaker(connection.via).release(connection)
            self._changed(connection.via)

    def _after_leaving(self) -> None:
        if self.budget.waiting:
            self._needs.relieve()
        self._watch()

    async def jump(self, connection: Connection) -> Any:
        """The link through which the connection's path goes, or None."""
        return await self._needs.jump(connection)

    def yielding(self, connection: Connection) -> None:
        """The session is being given up for another group."""
        self.budget.yielding(connection)

    def _reconsider(self) -> None:
        """A link came up, or went: those who wait may need no login now."""
        if self.budget.waiting:
            self.budget.reconsider(self._now())
            self._watch()

    async def admit(self, connection: Connection) -> None:
        """Wait until the device can bear one more session; no deadline here. A cancel leaves nothing taken."""
        loop = asyncio.get_running_loop()
        try:
            if not self.budget.holds(connection):
                granted = loop.create_future()
                self.claim(connection, functools.partial(_done, granted))
                await granted
            if connection in self._paid:
                await self._pass_gate(connection)
        except BaseException:
            self.withdraw(connection)
            raise
        if connection not in self._trying:  # somebody asked for it in so many words
            self._trying.add(connection)
            self.breaker(connection.via).attempt(connection, loop.time(), force=True)

    async def admit_login(self, connection: Connection) -> None:
        """Before a login: at once for who was admitted with one, else when the device can bear one more."""
        if connection in self._paid:
            self._paid.discard(connection)
            return
        if not self.budget.holds(connection):
            raise SessionClosed("closed while it was being opened", device=self._device, path=connection.via)
        future = asyncio.get_running_loop().create_future()
        claim = Claim(
            holder=connection,
            group=connection.alias,
            login=lambda: True,
            granted=functools.partial(_done, future),
        )
        self.budget.ask_login(claim, self._now())
        self._watch()
        await future
        await self._pass_gate(connection)

    async def _pass_gate(self, connection: Connection) -> None:
        if (gate := self._needs.connect_gate) is not None:
            await gate.enter(connection)
            self._in_gate[connection] = gate

    def opened(self, connection: Connection) -> None:
        """The work of its opening is done."""
        if (gate := self._in_gate.pop(connection, None)) is not None:
            gate.leave(connection)

    def admitted(self, connection: Connection) -> bool:
        """Whether it waits for the device itself; else it waits for a place, or for one more login."""
        return self.budget.holds(connection) and not self.budget.waits(connection)

    def crowd(self) -> str:
        return self.budget.crowd()

    def crowded(self, connection: Connection, error: BaseException) -> bool:
        """A refusal while sessions of ours are open is a limit that nobody had told us of."""
        if isinstance(
            error, HostUnreachable
        ):  # as IOS does without a free line; so does a daemon that is restarted
            others = [
                one for one in self.budget.holders if one is not connection and one.via == connection.via
            ]
            if not any(one.connected for one in others):
                return False
            memory = DOUBTED_FOR
        elif isinstance(error, ShellRefused):
            memory = LEARNED_FOR
        else:
            return False
        if not self.budget.refused(connection, self._now(), memory=memory):
            return False
        self._refused.add(connection)
        self.leave(connection)
        if self._listeners:
            self._listeners.emit(
                LimitLearned(
                    device=self._device,
                    alias=connection.alias,
                    path=connection.via,
                    sessions=self.budget.learned,
                )
            )
        return True

    def yields(self, connection: Connection, *, wanted: bool) -> bool:
        """Whether a session that is free now should be given up for another group; it is to be closed then."""
        budget, now = self.budget, self._now()
        taker = budget.turn_over(connection, now) if wanted else budget.hungry(now, connection.alias)
        if taker is None:
            return False
        budget.yielding(connection)
        return True

    # ------------------------------------------------------------------ attempts

    def breaker(self, path: str) -> Breaker:
        """What the attempts on a path have come to."""
        if (found := self._breakers.get(path)) is None:
            told = functools.partial(self._reset, path)
            found = self._breakers[path] = Breaker(on_reset=told)
        return found

    def _reset(self, path: str) -> None:
        """Somebody has put the path right; he may call from anywhere."""
        call_at_home(self._needs.loop, self._changed, path)

    def _changed(self, path: str) -> None:
        self._tell(path)
        self._needs.path_changed(path)

    def _tell(self, path: str) -> None:
        for future in self._outcomes.pop(path, ()):
            _done(future)

    def attempted(self, connection: Connection, error: BaseException | None) -> None:
        """An attempt to open has ended, well or not."""
        now, path = self._now(), connection.via
        self._refused.discard(connection)
        self._trying.discard(connection)
        breaker = self.breaker(path)
        if error is None:
            self.budget.confirmed(connection, now)
            self._watch()
            breaker.succeeded(connection, now)
        elif (wait := breaker.failed(connection, error, now)) and self._listeners:
            self._listeners.emit(
                CircuitOpened(
                    device=self._device,
                    alias=connection.alias,
                    path=path,
                    error=error,
                    failures=breaker.failures,
                    retry_in=wait,
                )
            )
        self._changed(path)

    def lost(self, connection: Connection, error: BaseException, lived: float) -> None:
        """The other side ended a session `lived` seconds after it was opened."""
        if self.breaker(connection.via).lost(self._now(), error, lived=lived):
            self._changed(connection.via)

    def device_gone(self, connection: Connection, error: BaseException) -> None:
        """The device ends everything that it has open."""
        self._needs.device_gone(connection, error)
        self.links.abort()

    def device_back(self) -> None:
        """It can be reached again: what it was not reached for meanwhile is forgotten."""
        for breaker in list(self._breakers.values()):
            breaker.reset()

    def attempt(self, connection: Connection) -> bool:
        """Begin an attempt, if the path may be tried now."""
        if not self.breaker(connection.via).attempt(connection, self._now()):
            return False
        self._trying.add(connection)
        return True

    async def await_attempt(self, connection: Connection, until: float) -> None:
        """Wait until the path may be tried, or the connection is closed, which the caller looks at.

        Raises CircuitOpen at once if the path may not be tried before `until` (loop time).
        """
        loop, path = asyncio.get_running_loop(), connection.via
        breaker = self.breaker(path)
        while connection.state is not State.CLOSED and not self.attempt(connection):
            due = breaker.due(now := loop.time())
            if due is not None and now + due > until:
                raise breaker.refusal(self._device, path, now)
            outcome = loop.create_future()  # of an attempt of somebody else, or time
            self._outcomes.setdefault(path, []).append(outcome)
            timer = loop.call_later(due, _done, outcome) if due is not None else None
            try:
                await outcome
            finally:
                outcome.cancel()
                if timer is not None:
                    timer.cancel()

    def retry(self, connection: Connection) -> tuple[float, Callable[[], AioconnError]]:
        """The loop time from which the path may be tried again, and the error for who cannot wait that long."""
        breaker, path = self.breaker(connection.via), connection.via

        def refusal() -> CircuitOpen:
            return breaker.refusal(self._device, path, self._now())

        return breaker.retry_at, refusal

    def tries_again(self, connection: Connection, error: BaseException, until: float) -> bool:
        """Whether, after an attempt that ended with `error`, another one is due before `until` (loop time)."""
        breaker = self.breaker(connection.via)
        return 0.0 < breaker.retry_at < until

    # ------------------------------------------------------------------ time

    def _now(self) -> float:
        return asyncio.get_running_loop().time()

    def _watch(self) -> None:
        """Come back when time alone changes what the budget may grant."""
        if self._timer is None and not self.budget.waiting:
            return
        loop = asyncio.get_running_loop()
        at = self.budget.next_change(loop.time()) if self.budget.waiting else None
        if self._timer is not None:
            if self._timer.when() == at:
                return
            self._timer.cancel()
            self._timer = None
        if at is not None:
            self._timer = loop.call_at(at, self._advance)

    def _advance(self) -> None:
        self._timer = None
        self.budget.advance(self._now())
        self._after_leaving()


def _done(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
