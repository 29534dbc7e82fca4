# SPDX-License-Identifier: Apache-2.0
"""The same world under Hypothesis, which finds short ways into trouble and makes them shorter."""

from __future__ import annotations

import asyncio
import random
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from tests.storm.clock import VirtualLoop
from tests.storm.crowd import User
from tests.storm.world import Setup, World

POOLS = st.integers(0, 1)
HOLDS = st.sampled_from([0.0, 0.02, 1.0])
TIMEOUTS = st.sampled_from([None, 0.001, 0.05, 5.0])
INDEX = st.integers(0, 7)
AT_ONCE = 12


class PoolMachine(RuleBasedStateMachine):
    """Its rules are the verbs of the `World`; its invariant is the audit."""

    world: World

    def __init__(self) -> None:
        super().__init__()
        self.loop = VirtualLoop(horizon=10 * 365 * 86_400.0)
        self.state = random.getstate()
        self.open = False

    @initialize(
        sizes=st.sampled_from([(2, 2), (1, 1), (3, 1)]),
        most=st.sampled_from([None, 1, 2, 3]),
        rate=st.sampled_from([None, None, 60]),
        pool_timeout=st.sampled_from([5.0, 30.0]),
        check_after=st.sampled_from([0.5, 30.0]),
    )
    def begin(
        self,
        sizes: tuple[int, ...],
        most: int | None,
        rate: int | None,
        pool_timeout: float,
        check_after: float,
    ) -> None:
        setup = Setup(
            sizes=sizes,
            max_sessions=most,
            logins_per_minute=rate,
            pool_timeout=pool_timeout,
            options=(("check_after", check_after),),
        )

        async def begin() -> None:
            self.world = World(setup)
            await self.world.open()

        self.run(begin())
        self.open = True

    def run(self, work: Any) -> None:
        self.loop.run_until_complete(work)

    def act(self, verb: Any, *args: Any, **keys: Any) -> None:
        """A verb, and a turn of the loop."""

        async def act() -> None:
            verb(*args, **keys)
            await asyncio.sleep(0)

        self.run(act())

    def pool(self, number: int) -> str:
        return self.world.names[number % len(self.world.names)]

    def user(self, index: int) -> User:
        users = list(self.world.users)
        return users[index % len(users)]

    # ------------------------------------------------------------------ users
    # A rule that makes no sense now does nothing: which rules there are must not depend on how tasks happened to end.

    @rule(pool=POOLS, hold=HOLDS, words=st.integers(0, 2), timeout=TIMEOUTS, manual=st.booleans())
    def borrow(self, pool: int, hold: float, words: int, timeout: float | None, manual: bool) -> None:
        if len(self.world.users) >= AT_ONCE:
            return
        self.act(
            self.world.users.borrow, self.pool(pool), hold=hold, words=words, timeout=timeout, manual=manual
        )

    @rule(pool=POOLS, timeout=TIMEOUTS)
    def execute(self, pool: int, timeout: float | None) -> None:
        if len(self.world.users) >= AT_ONCE:
            return
        self.act(self.world.users.execute, self.pool(pool), timeout=timeout)

    @rule(pool=POOLS, hold=HOLDS)
    def leave_in_another_mode(self, pool: int, hold: float) -> None:
        if len(self.world.users) >= AT_ONCE:
            return
        self.act(self.world.users.enter, self.pool(pool), hold=hold)

    @rule(stay=HOLDS)
    def solo(self, stay: float) -> None:
        if any(user.verb == "connect" for user in self.world.users):
            return
        self.act(self.world.users.solo, stay=stay)

    @rule(index=INDEX, twice=st.booleans(), again=st.booleans())
    def cancel(self, index: int, twice: bool, again: bool) -> None:
        if not self.world.users:
            return
        self.act(self.world.users.cancel, self.user(index), twice=twice, again=again)

    @rule(pool=POOLS, kill=st.booleans())
    def cancel_in_grant(self, pool: int, kill: bool) -> None:
        self.act(self.world.users.cancel_in_grant, self.pool(pool), kill=kill)

    # ------------------------------------------------------------------ the device and the pools

    @rule(index=INDEX, heard=st.booleans())
    def kill(self, index: int, heard: bool) -> None:
        self.act(self.world.kill, index, heard=heard)

    @rule(
        change=st.sampled_from(
            [
                ("unready", True, 130.0),
                ("down", True, 130.0),
                ("silent", True, 200.0),
                ("wrong_password", True, 1_000.0),
                ("vty_limit", 1, 700.0),
                ("lost_logins", 0.6, 130.0),
                ("failed_recovery", 0.7, 60.0),
                ("hung_recovery", 0.7, 60.0),
                ("hung_goodbye", 0.7, 60.0),
                ("failed_check", 0.7, 60.0),
            ]
        )
    )
    def bad_weather(self, change: tuple[str, Any, float]) -> None:
        name, value, lasting = change
        self.act(self.world.turn, lasting=lasting, **{name: value})

    @rule()
    def fair_weather(self) -> None:
        self.act(self.world.clear)

    @rule(pool=POOLS, size=st.integers(1, 4))
    def resize(self, pool: int, size: int) -> None:
        self.act(self.world.resize, self.pool(pool), size)

    @rule(pool=POOLS)
    def close_and_reopen(self, pool: int) -> None:
        self.act(self.world.close, self.pool(pool))

    @rule(pool=POOLS, timeout=st.sampled_from([0.01, 5.0]))
    def drain_and_reopen(self, pool: int, timeout: float) -> None:
        self.act(self.world.drain, self.pool(pool), timeout)

    @rule()
    def chat(self) -> None:
        if len(self.world.users) >= AT_ONCE:
            return
        self.act(self.world.users.chat)

    @rule(pool=POOLS)
    def take_two(self, pool: int) -> None:
        if len(self.world.users) >= AT_ONCE:
            return
        self.act(self.world.users.greedy, self.pool(pool))

    @rule(pool=POOLS, turns=st.integers(2, 6))
    def close_and_cancel(self, pool: int, turns: int) -> None:
        self.act(self.world.close_and_cancel, self.pool(pool), turns)

    @rule()
    def cancel_a_close(self) -> None:
        self.act(self.world.cancel_closing)

    # ------------------------------------------------------------------ time

    @rule(seconds=st.sampled_from([0.005, 0.015, 0.04, 0.3, 3.0, 40.0, 600.0]))
    def wait(self, seconds: float) -> None:
        self.run(self.world.wait(seconds))

    @rule(turns=st.integers(1, 4))
    def tick(self, turns: int) -> None:
        self.run(self.world.tick(turns))

    # ------------------------------------------------------------------ what must hold

    @invariant()
    def audit(self) -> None:
        if self.open:

            async def audit() -> None:
                self.world.audit()

            self.run(audit())

    def teardown(self) -> None:
        try:
            if self.open:
                self.run(self.world.end())
        finally:
            for task in asyncio.all_tasks(self.loop):
                task.cancel()
            self.loop.set_exception_handler(lambda loop, context: None)
            self.loop.run_until_complete(asyncio.sleep(100))
            self.loop.close()
