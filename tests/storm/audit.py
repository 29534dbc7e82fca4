# SPDX-License-Identifier: Apache-2.0
"""What must hold of a `World` after every step. Most of it may be untrue for a turn of the loop or two, not for longer.

The device knows which sessions there are, the ledger who waits; pools, budget and breaker say what they believe.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

from aioconn.policy import CLOSE_TIMEOUT, CONNECT_TIMEOUT, PERMANENT_FOR, SETTLE_TIMEOUT
from tests.storm.clock import stack
from tests.storm.ledger import SLACK, Violation

if TYPE_CHECKING:
    from tests.storm.crowd import User
    from tests.storm.device import FakeConnection, Line
    from tests.storm.world import World

SOLO = "solo"
CONNECT_BOUND = CONNECT_TIMEOUT + 1.0
CLOSE_BOUND = CLOSE_TIMEOUT + 1.0
RECOVERY_BOUND = SETTLE_TIMEOUT + 1.0
STARVING = 12.0
"""Seconds: a turn, what users hold at most, a single connection beside them, and a goodbye and a login for each."""

SLOWEST_CONNECT = 5.0
REFUSALS = 40


class Audit:
    """Called after every step; raises `Violation`."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.fake = world.fake
        self.budget = world.manager._admission.budget  # `statistics()` costs too much for each step
        self.wrong_since: dict[str, int] = {}
        self.starving_since: dict[str, float] = {}
        self.attempts_seen = 0
        self.in_vain: deque[float] = deque(maxlen=20)  # attempts of pools since the path worked
        self.failures = self.failed_tick = 0
        self.failed_at = 0.0
        self.tried: dict[FakeConnection, int] = {}  # who tries, after how many failures
        self.fake.on_attempt = self.attempt

    def check(self) -> None:
        world = self.world
        now, tick = world.loop.time(), world.loop.ticks
        try:
            world.ledger.check(now, tick)
        except Violation as error:
            raise world.violation(str(error)) from None
        self._places(tick)
        self._logins(now, tick)
        for name, pool in world.pools.items():
            self._pool(name, pool, now, tick)
            self._share(name, pool, now)
        self._claims(tick)
        self._bounds(now)
        failures = max(world.manager.breaker(pool.via).failures for pool in world.pools.values())
        if failures != self.failures:
            self.failures, self.failed_tick, self.failed_at = failures, tick, now
        refusals = self.fake.refusal_times
        if len(refusals) > REFUSALS and now - refusals[-REFUSALS] < 60.0:
            raise world.violation(f"{REFUSALS} sessions were refused within a minute: nothing is learned")

    def _lasts(self, wrong: bool, what: str, tick: int, turns: int = SLACK) -> bool:
        """Whether something has been wrong for longer than it takes to tell everybody."""
        if not wrong:
            self.wrong_since.pop(what, None)
            return False
        return tick - self.wrong_since.setdefault(what, tick) > turns

    # ------------------------------------------------------------------ the device's places and logins

    def _places(self, tick: int) -> None:
        """The device's live sessions == places taken."""
        fake, most, used = self.fake, self.world.setup.max_sessions, self.budget.used
        if most is not None and max(used, len(fake.lines)) > most:
            raise self.world.violation(f"{used} places taken, {len(fake.lines)} sessions live")
        real = len(fake.lines) + len(fake.ghosts) + len(fake.openings)
        # places may wait for the outcome of an attempt that is under way
        unequal = used != real and not (used > real and fake.attempting)
        if self._lasts(unequal, "places", tick, 2 * SLACK):
            raise self.world.violation(
                f"{used} places taken, and the device has {len(fake.lines)} sessions,"
                f" {len(fake.ghosts)} that it ended and {len(fake.openings)} on their way"
            )

    def _logins(self, now: float, tick: int) -> None:
        """In no minute more attempts than allowed, nor logins on the device but for the way there; and no fewer when
        somebody waits."""
        rate, fake = self.world.setup.logins_per_minute, self.fake
        if rate is None:
            return
        attempts = fake.attempt_times
        if fake.attempts != self.attempts_seen:
            self.attempts_seen = fake.attempts
            for times, minute in ((attempts, 60.0), (fake.login_times, 60.0 - SLOWEST_CONNECT)):
                if len(times) > rate and times[-1] - times[-1 - rate] < minute - 1e-6:
                    raise self.world.violation(f"{rate + 1} logins in {times[-1] - times[-1 - rate]:.1f} s")
        left = len(attempts) < rate or attempts[-rate] < now - 60.0 - SLOWEST_CONNECT
        if self._lasts(left and self._bears_more() and now > self.world.bad_until, "logins", tick):
            raise self.world.violation(f"{self.budget.waiting} wait for a login, which is free")

    def _bears_more(self) -> bool:
        """Somebody waits, and the device has a place."""
        most = self.world.setup.max_sessions
        if not self.budget.waiting or (most is not None and self.budget.used >= most):
            return False
        return self.world.manager.statistics()["learned_sessions"] is None

    def _claims(self, tick: int) -> None:
        """No place of the device is asked for when nobody waits for a session; none is free when somebody asks."""
        world, asked = self.world, self.budget.waiting
        wanted = (
            world.ledger.waiting
            or world.closings
            or any(user.verb in ("connect", "greedy") for user in world.users)
        )
        useless = bool(asked) and not wanted
        # an opening that the device has refused asks again, whoever waits
        if self._lasts(useless, "useless", tick) and world.manager.statistics()["learned_sessions"] is None:
            raise world.violation(f"{asked} places are asked for, and nobody waits")
        free = bool(asked) and world.setup.logins_per_minute is None and self._bears_more()
        if self._lasts(free, "free", tick):
            raise world.violation(f"{asked} places are asked for, and the device has one")

    # ------------------------------------------------------------------ the pools

    def _pool(self, name: str, pool: Any, now: float, tick: int) -> None:
        """Nobody waits for what is idle, or could be opened; there are no more than the size."""
        waits = bool(self.world.ledger.lines.get(name))
        if not waits and pool.idle_since is None:
            self.wrong_since.pop(name, None)
            return
        numbers = pool.statistics()
        wrong = "" if name in self.world.unsettled else self._wrong(name, pool, numbers, now)
        if self._lasts(bool(wrong), name, tick):
            raise self.world.violation(f"{name}: {wrong}")

    def _wrong(self, name: str, pool: Any, numbers: dict[str, Any], now: float) -> str:
        waiting, idle, opening, size = (numbers[part] for part in ("waiting", "idle", "opening", "size"))
        if idle and numbers["open"] > size:
            return f"{numbers['open']} sessions are open, {idle} of them idle, and its size is {size}"
        recovering = sum(connection.alias == name for connection in self.fake.recoveries)
        checks = max(numbers["settling"] - recovering, 0)
        if idle and waiting > checks:
            return f"{waiting} wait while {idle} are idle"
        attempting = any(connection.alias == name for connection in self.fake.attempting)
        if numbers["open"] + opening <= size:
            self.world.shrunk.discard(name)
        elif opening and name not in self.world.shrunk:
            return f"{numbers['open']} are open, {opening} are being opened, and its size is {size}"
        if opening and not attempting and not self.budget.waiting:
            return f"{opening} are to be opened, and nobody does it"
        lacking = min(waiting - opening - checks, size - numbers["open"] - opening - numbers["closing"])
        if lacking > 0 and self._may_open(pool, opening, now):
            return f"{waiting} wait, {opening} sessions are being opened and {lacking} more could be"
        return ""

    def _may_open(self, pool: Any, opening: int, now: float) -> bool:
        """Whether nothing keeps the pool from opening one more. While a path fails, it is tried once at a time."""
        world = self.world
        if world.fake.weather.unready or now <= world.unready_until:
            return False
        breaker = world.manager.breaker(pool.via)
        if not opening:
            return breaker.due(now) == 0.0
        works = not breaker.retry_at or self.fake.succeeded_at > self.failed_at
        return works and now > world.bad_until and not self.budget.waiting

    def _share(self, name: str, pool: Any, now: float) -> None:
        """Nobody waits for long in a pool that has nothing, or two less than another one."""
        world = self.world
        waits = bool(world.ledger.lines.get(name)) and not world.unsettled
        unlikely = now <= world.bad_until or world.setup.logins_per_minute is not None
        if not waits or unlikely or any(user.long for user in world.users):
            self.starving_since.pop(name, None)
            return
        held = dict.fromkeys(world.pools, 0)
        for line in self.fake.lines:
            if line.connection.alias in held:
                held[line.connection.alias] += 1
        mine = held[name]
        fair = not held or mine >= pool.size or (mine and mine + 2 > max(held.values()))
        if fair:
            self.starving_since.pop(name, None)
            return
        # a login between two looks, which may be far apart, ends it as well
        since = max(self.starving_since.setdefault(name, now), self.fake.last_login.get(name, 0.0))
        if now - since > STARVING:
            raise world.violation(
                f"for {STARVING} s callers have waited and sessions were held like this: {held}"
            )

    def attempt(self, connection: FakeConnection) -> None:
        """A path that fails is tried by pools once at a time, ever less often, and not where only a person helps."""
        world, fake, now = self.world, self.fake, self.world.loop.time()
        if connection.alias not in world.pools or connection.alias in world.unsettled:
            return  # somebody asks for it in so many words
        breaker = world.manager.breaker(connection.via)
        if not breaker.retry_at:
            self.in_vain.clear()
            return
        if breaker.failures != self.failures or world.loop.ticks - self.failed_tick <= SLACK:
            return  # it failed just now, when this attempt had been let through
        if now < breaker.retry_at - 1e-6:
            world.note(f"{connection} tries {breaker.retry_at - now:.3f} s before its time, {breaker}")
        if fake.rejected_at > fake.succeeded_at and now - fake.rejected_at < PERMANENT_FOR - 1.0:
            world.note(f"{connection} tries {now - fake.rejected_at:.1f} s after a wrong password")
        others = [other for other in fake.attempting if self.tried.get(other) == breaker.failures]
        if others:
            world.note(f"{connection} tries while {others} are trying, {breaker}")
        self.tried = {other: count for other, count in self.tried.items() if other in fake.attempting}
        self.tried[connection] = breaker.failures
        self.in_vain.append(now)
        if len(self.in_vain) == self.in_vain.maxlen and now - self.in_vain[0] < 60.0:
            world.note(f"{len(self.in_vain)} attempts within a minute, and the path fails")

    def closed(self, name: str, begun: float, timeout: float, *, cancelled: bool) -> None:
        """A pool has been closed: soon after its last session came back, and nothing of it is left."""
        world, now = self.world, self.world.loop.time()
        held = any(user.lease is not None and user.target == name for user in world.users)
        back = begun + timeout if held else max(begun, world.last_back.get(name, 0.0))
        bound = min(back, begun + timeout) + (
            1.0 if begun > world.bad_until else RECOVERY_BOUND + CLOSE_BOUND
        )
        if now > bound:
            world.note(
                f"the close of {name} took {now - begun:.2f} s, and all was back after {back - begun:.2f} s"
            )
        if cancelled and now > world.closing_cancelled[name] + 1e-6:
            late = now - world.closing_cancelled[name]
            world.note(f"the close of {name} was cancelled, and ended {late:.2f} s after that")
        left = [connection for connection in self.fake.attempting if connection.alias == name]
        left += [line.connection for line in self.fake.lines if line.connection.alias == name]
        if left:
            world.note(f"{name} is closed, and has {left}")

    # ------------------------------------------------------------------ what users get

    def fit(self, user: User, line: Line) -> None:
        """Nobody is given what is gone or known to be dead, what is too old, or was idle for long and not checked."""
        world, now = self.world, self.world.loop.time()
        if line.left and not line.known_dead:
            world.note(f"{user.name} was given {line}, which was given up")
        if line.known_dead and world.loop.ticks - line.known_dead > 1:
            turns = world.loop.ticks - line.known_dead
            world.note(f"{user.name} was given {line}, whose end was heard {turns} turns ago")
        if now - line.opened > world.lifetime + 1e-6:
            world.note(f"{user.name} was given {line}, which is {now - line.opened:.2f} s old")
        if now - line.idle_since > world.check_after + 1e-6:
            world.note(f"{user.name} was given {line}, idle for {now - line.idle_since:.2f} s, unchecked")

    def _bounds(self, now: float) -> None:
        """What takes time takes no more than it may; a cancel takes none."""
        for what, begun, bound in (
            ("recovery", self.fake.recoveries, RECOVERY_BOUND),
            ("opening", self.fake.attempting, CONNECT_BOUND),
            ("goodbye", self.fake.goodbyes, CLOSE_BOUND),
        ):
            for connection, since in begun.items():
                if now - since > bound:
                    raise self.world.violation(f"the {what} of {connection} goes on for {now - since:.1f} s")
        for user in self.world.users:
            # a polite close may take its time
            allowed = CLOSE_BOUND if user.target == SOLO else 1e-6
            if user.cancelled_at is not None and now - user.cancelled_at > allowed:
                where = stack(user.task) if user.task is not None else ""
                raise self.world.violation(f"{user.name} was cancelled and goes on\n{where}")
