# SPDX-License-Identifier: Apache-2.0
"""Random storms over the `World`: one verb a step, an audit after each. A seed tells all of it."""

from __future__ import annotations

import random
import sys
import time
import unittest.mock
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tests.storm.clock import Stuck, run
from tests.storm.ledger import Violation
from tests.storm.world import Setup, World

USERS = 40
"""Users at once; beyond that time passes instead."""

EPISODE = 2_500
"""Steps after which the world ends, with everything closed, and another one begins."""

RUSH, QUIET, WINDY, WILD = "rush", "quiet", "windy", "wild"
"""Nobody leaves the line; nothing goes wrong; sessions end; everything."""


@dataclass(slots=True)
class Report:
    """What a storm did. `counts` are the world's."""

    seed: int
    steps: int = 0
    episodes: int = 0
    elapsed: float = 0.0
    virtual: float = 0.0
    counts: Counter[str] = field(default_factory=Counter)
    longest_wait: float = 0.0

    def __str__(self) -> str:
        rate = self.steps / self.elapsed if self.elapsed else 0.0
        lines = [
            f"seed {self.seed}: {self.steps:,} steps in {self.episodes} worlds, {rate:,.0f} steps/s,"
            f" {self.virtual / 3600:,.1f} hours of virtual time, longest wait {self.longest_wait:.1f} s"
        ]
        lines += [f"  {count:>12,} {word}" for word, count in sorted(self.counts.items())]
        return "\n".join(lines)


class StormFailed(AssertionError):
    """A world broke a rule. The message tells how to see it again."""


def storm(
    steps: int, seed: int, *, eager: bool = False, progress: Callable[[Report], None] | None = None
) -> Report:
    """Run worlds until there were that many steps. Raises `StormFailed`."""
    report = Report(seed=seed)
    begun = time.process_time()
    while report.steps < steps:
        episode = min(EPISODE, steps - report.steps)
        one_seed = seed * 1_000_003 + report.episodes
        try:
            run_episode(one_seed, episode, report, eager=eager and bool(report.episodes % 2))
        except (Violation, Stuck) as error:
            raise StormFailed(
                f"world {one_seed} after {report.steps} steps in all: {error}\n"
                f"again: python -m tests.storm --world {one_seed} --steps {episode}"
            ) from error
        report.elapsed = time.process_time() - begun
        if progress is not None:
            progress(report)
    return report


def run_episode(seed: int, steps: int, report: Report, *, eager: bool = False) -> None:
    """One world."""
    rng = random.Random(seed)
    setup = draw_setup(rng, seed)

    async def main() -> None:
        world = World(setup)
        started = world.loop.time()
        await world.open()
        driver = Driver(world, rng)
        await driver.drive(steps)
        await world.end()
        report.virtual += world.loop.time() - started
        report.counts += world.counts
        report.longest_wait = max(report.longest_wait, *world.ledger.longest.values(), 0.0)

    jitter, generator = random.Random(seed), random.Random

    def seeded(own: Any = None) -> random.Random:
        """Whoever draws his own lots draws them from the seed as well."""
        return generator(jitter.random() if own is None else own)

    try:
        with unittest.mock.patch.object(random, "Random", seeded):
            run(main, horizon=10 * 365 * 86_400.0, eager=eager and sys.version_info >= (3, 12))
    finally:
        report.episodes += 1
        report.steps += steps


def draw_setup(rng: random.Random, seed: int) -> Setup:
    """Sizes and limits: pools that compete for their places, pools that do not, one alone."""
    mood = rng.choice([RUSH, QUIET, WINDY, WINDY, WILD, WILD])
    most: int | None
    if mood == RUSH:  # more callers than sessions, more sessions than places: who gets what?
        sizes = rng.choice([(2, 2), (4, 3), (1, 1), (3, 3, 1)])
        most = rng.choice([max(sizes), max(2, sum(sizes) - 1), 1])
    else:
        sizes = rng.choice([(3, 2), (2, 2), (1, 1), (4, 3), (1,), (3,), (5, 5, 2)])
        most = rng.choice([None, sum(sizes) + 1, max(sizes), max(2, sum(sizes) - 1), 1])
    return Setup(
        mood=mood,
        sizes=sizes,
        max_sessions=most,
        logins_per_minute=rng.choice([None, None, None, 60, 12]) if mood != RUSH else None,
        pool_timeout=rng.choice([30.0, 30.0, 5.0, 120.0]) if mood != RUSH else 120.0,
        options=rng.choice(
            [
                (),
                (("check_after", 1.0),),
                (("lifetime", 2.0), ("idle_timeout", 1.0)),
                (("lifetime", 20.0), ("idle_timeout", 5.0)),
                (("check_after", 0.5), ("lifetime", 60.0)),
            ]
        ),
        seed=seed,
    )


class Driver:
    """Draws verbs and how long to wait, and does them."""

    def __init__(self, world: World, rng: random.Random) -> None:
        self.world = world
        self.rng = rng
        self.mood = world.setup.mood
        shares = {
            self.borrow: 30,
            self.execute: 24,
            self.enter: 2,
            self.solo: 3,
            self.chat: 2,
            self.greedy: 1,
            **({} if self.mood == RUSH else {self.cancel: 14, self.cancel_in_grant: 6}),
            self.idle: 12,
            self.close: 0.3,
            self.close_and_cancel: 0.2,
            self.cancel_closing: 0.2,
            **({self.kill: 2, self.resize: 2} if self.mood in (WINDY, WILD) else {self.resize: 1}),
            **({self.weather: 2, self.kill_all: 0.2} if self.mood == WILD else {}),
        }
        self.verbs: list[Callable[[], None]] = list(shares)
        self.weights = [sum(list(shares.values())[: index + 1]) for index in range(len(shares))]
        self.short_holds = 1.0 if self.mood == RUSH else 0.995
        self.bad_weather = 0
        self.clearing = 0.03

    async def drive(self, steps: int) -> None:
        world, rng, verbs, weights = self.world, self.rng, self.verbs, self.weights
        choices, chance = rng.choices, rng.random
        for step in range(steps):
            if self.bad_weather and chance() < self.clearing:
                self.bad_weather = 0
                world.clear()
                world.log("fair weather")
            if len(world.users) < USERS:
                (verb,) = choices(verbs, cum_weights=weights)
                verb()
            elif self.mood != RUSH:
                self.cancel()
            draw = chance()
            if draw < 0.12:
                pass  # more of it in the same turn
            elif draw < 0.55:
                await world.tick()
            elif draw < 0.97:
                await world.wait(chance() * 0.06)
            elif draw < 0.995:
                await world.wait(chance() * 3)
            elif draw < 0.9995 or world.users:
                await world.wait(chance() * 40)
            else:
                await world.wait(chance() * 4_000)
            world.audit()
            if step % 1_000 == 999 and self.mood != RUSH:
                await self.lull()

    async def lull(self) -> None:
        """Now and then everything may come to rest: what is stuck then is stuck for good."""
        world = self.world
        if not self.bad_weather:
            await world.wait(200.0)
            world.audit()
            if world.users or world.ledger.waiting:
                raise world.violation(f"after 200 s of rest there are still {[u.name for u in world.users]}")

    # ------------------------------------------------------------------ verbs

    def pool(self) -> str:
        return self.rng.choice(self.world.names)

    def timeout(self) -> float | None:
        if self.mood == RUSH:
            return None
        return self.rng.choice([None, None, None, 0.001, 0.05, 0.05, 1.0, 8.0])

    def some_user(self) -> Any:
        users = self.world.users
        if not users:
            return None
        index = self.rng.randrange(len(users))
        for position, user in enumerate(users):
            if position == index:
                return user
        return None

    def borrow(self) -> None:
        rng, pool, timeout = self.rng, self.pool(), self.timeout()
        hold = rng.choice([0.0, 0.0, 0.02, 0.02, 0.1, 1.5]) if rng.random() < self.short_holds else 30.0
        words = rng.choice([0, 1, 1, 2])
        user = self.world.users.borrow(
            pool, hold=hold, words=words, timeout=timeout, manual=rng.random() < 0.3
        )
        self.world.log(f"{user.name}: hold {hold}, {words} words, timeout {timeout}")

    def execute(self) -> None:
        timeout = self.timeout()
        user = self.world.users.execute(self.pool(), timeout=timeout)
        self.world.log(f"{user.name}: timeout {timeout}")

    def enter(self) -> None:
        self.world.log(self.world.users.enter(self.pool(), hold=self.rng.choice([0.0, 0.05])).name)

    def solo(self) -> None:
        if not any(user.verb == "connect" for user in self.world.users):
            self.world.log(self.world.users.solo(stay=self.rng.choice([0.0, 0.1, 2.0])).name)

    def cancel(self) -> None:
        if (user := self.some_user()) is not None:
            way = self.rng.choice(["once", "once", "twice", "again"])
            self.world.log(f"cancel {user.name} {way}")
            self.world.users.cancel(user, twice=way == "twice", again=way == "again")

    def cancel_in_grant(self) -> None:
        kill = self.mood in (WINDY, WILD) and self.rng.random() < 0.2
        if (victim := self.world.users.cancel_in_grant(self.pool(), kill=kill)) is not None:
            self.world.log(f"cancel {victim.name} as it is granted{', and kill' if kill else ''}")

    def idle(self) -> None:
        """Nothing but time."""

    def kill(self) -> None:
        heard = self.rng.random() < 0.85
        self.world.log(f"kill, {'heard' if heard else 'unheard'}")
        self.world.kill(self.rng.randrange(8), heard=heard)

    def kill_all(self) -> None:
        self.world.log("kill all")
        self.world.kill_all()

    def resize(self) -> None:
        pool, size = self.pool(), self.rng.choice([1, 2, 3, 4, 6])
        self.world.log(f"resize {pool} to {size}")
        self.world.resize(pool, size)

    def close(self) -> None:
        pool = self.pool()
        if self.rng.random() < 0.5:
            self.world.log(f"close {pool}")
            self.world.close(pool)
        else:
            self.world.log(f"drain {pool}")
            self.world.drain(pool, self.rng.choice([0.01, 0.5, 5.0]))

    def chat(self) -> None:
        self.world.log(self.world.users.chat().name)

    def greedy(self) -> None:
        self.world.log(self.world.users.greedy(self.pool()).name)

    def close_and_cancel(self) -> None:
        pool, turns = self.pool(), self.rng.randrange(2, 7)
        self.world.log(f"close {pool}, and cancel that {turns} turns later")
        self.world.close_and_cancel(pool, turns)

    def cancel_closing(self) -> None:
        self.world.log("cancel a close")
        self.world.cancel_closing()

    def weather(self) -> None:
        kinds: list[tuple[str, dict[str, Any], float]] = [
            ("unready", {"unready": True}, 130.0),
            ("down", {"down": True}, 130.0),
            ("silent", {"silent": True}, 200.0),
            ("slow to connect", {"connect": 3.0}, 130.0),
            ("logins lost", {"lost_logins": 0.6}, 130.0),
            ("few lines", {"vty_limit": 1}, 700.0),
            ("wrong password", {"wrong_password": True}, 1_000.0),
            ("failing recoveries", {"failed_recovery": 0.7}, 60.0),
            ("hung recoveries", {"hung_recovery": 0.7}, 60.0),
            ("hung goodbyes", {"hung_goodbye": 0.7}, 60.0),
            ("failing checks", {"failed_check": 0.7}, 60.0),
        ]
        rng = self.rng
        name, changes, lasting = rng.choice(kinds)
        self.bad_weather += 1
        self.clearing = rng.choice([0.03, 0.03, 0.004])
        self.world.log(f"weather: {name}")
        self.world.turn(lasting=lasting, **changes)
