# SPDX-License-Identifier: Apache-2.0
"""What goes wrong with a fleet, at a steady rate: each mishap befalls one device for a while, and passes."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable

from aioconn.lab import Faults
from aioconn.lab.proxy import Proxy
from aioconn.lab.weather import CLEAR, Ending, Weather, storm
from tests.soak.fleet import CONNECT_TIMEOUT, JUMP, Fleet, Target
from tests.soak.ledger import Ledger
from tests.soak.work import CLOSING, LOOKS, Shift

LONGEST = 3.0
ILL = 0.3  # the share of devices that may have something at a time

Mishap = Callable[[Target], None]


class Mishaps:
    """Draws what happens next, to whom, and for how long."""

    def __init__(self, fleet: Fleet, ledger: Ledger, shift: Shift, rng: random.Random) -> None:
        self._fleet = fleet
        self._ledger = ledger
        self._shift = shift
        self._rng = rng
        self._ill: dict[str, float] = {}
        self._deaf: set[str] = (
            set()
        )  # an end of a connection may have been lost on the way, and is never told
        self._tasks: set[asyncio.Task[None]] = set()
        self._on_the_device: list[Mishap] = [
            self.slow,
            self.in_pieces,
            self.looks_like_a_prompt,
            self.pages,
            self.hangs,
            self.banner,
            self.wrong_password,
            self.few_lines,
            self.no_lines,
            self.half_open,
            self.silent,
            self.reset_in_the_middle,
            self.slow_login,
            self.few_logins,
            self.killed,
            self.wraps,
            self.fewer_shells,
            self.resized,
            self.closed,
            self.jump_host_dies,
        ]
        self._on_the_way: list[Mishap] = [
            self.cut,
            self.refused,
            self.unplugged,
            self.far,
            self.stalls,
            self.narrow,
            self.ends,
            self.stormy,
        ]

    async def go_on(self, *, every: float) -> None:
        """One mishap after the other, `every` so many seconds, until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(every)
            now = loop.time()
            for name in [name for name, until in self._ill.items() if until <= now]:
                self.heal(name)
            well = [target for target in self._fleet.targets if target.name not in self._ill]
            if self._shift.resting or len(self._ill) >= ILL * len(self._fleet.targets) or not well:
                continue
            target = self._rng.choice(well)
            ways = self._on_the_device + (2 * self._on_the_way if target.proxy is not None else [])
            mishap = self._rng.choice(ways)
            self._ledger.faults[mishap.__name__.replace("_", " ")] += 1
            self._ill[target.name] = now + self._rng.uniform(0.2, LONGEST)
            mishap(target)

    def heal(self, name: str) -> None:
        """As if nothing had been."""
        self._ill.pop(name, None)
        target = next(target for target in self._fleet.targets if target.name == name)
        target.served.faults = Faults()
        if self._ledger.refusing.get(name) == float("inf"):  # those who are at it hear of it yet
            self._ledger.refusing[name] = time.monotonic() + CONNECT_TIMEOUT
        target.served.shells_per_link = target.served.personality.shells_per_link
        if (proxy := target.proxy) is not None:
            if name in self._deaf:
                self._deaf.discard(name)
                proxy.cut()
            proxy.draw = None
            proxy.to_client = proxy.to_server = CLEAR
            proxy.plug()
            proxy.listen()
        target.forgive()

    async def heal_all(self) -> None:
        for target in self._fleet.targets:
            self.heal(target.name)
        while self._tasks:
            await asyncio.wait(self._tasks)

    def _play(self, target: Target, faults: Faults) -> None:
        target.served.faults = faults

    def _refuse(self, target: Target, faults: Faults) -> None:
        """Whoever was there has to log in again, and the device may say no."""
        self._play(target, faults)
        self._ledger.refusing[target.name] = float("inf")
        target.served.kill_sessions()

    def _later(self, target: Target, kind: str, work: Callable[[], object], limit: float) -> None:
        """Something that a user does to his own side."""

        async def do() -> None:
            with self._ledger.call(kind, target.name, limit):
                await work()  # type: ignore[misc]

        task = asyncio.get_running_loop().create_task(do())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # ------------------------------------------------------------------ on the device

    def slow(self, target: Target) -> None:
        self._play(target, Faults(latency=self._rng.uniform(0.01, 0.5), jitter=self._rng.uniform(0, 0.2)))

    def in_pieces(self, target: Target) -> None:
        self._play(target, Faults(byte_at_a_time=self._rng.randint(1, 9), byte_interval=0.0005))

    def looks_like_a_prompt(self, target: Target) -> None:
        if target.sure:
            look = self._rng.choice(LOOKS)
            pause = self._rng.choice((0.0, 0.05, 0.3))
            self._play(target, Faults(lookalike=look, lookalike_every=2, lookalike_pause=pause))

    def pages(self, target: Target) -> None:
        self._play(target, Faults(paging=self._rng.randint(4, 20)))

    def hangs(self, target: Target) -> None:
        self._play(target, Faults(hang_on="."))

    def banner(self, target: Target) -> None:
        """Of another device, with prompts in it; whoever was there has to log in again."""
        self._play(target, Faults(banner="\n*** r1# or r1> are not for you\nother#\n\n"))
        target.served.kill_sessions(reset=self._rng.random() < 0.5)

    def wrong_password(self, target: Target) -> None:
        self._refuse(target, Faults(wrong_password=True))

    def few_lines(self, target: Target) -> None:
        refusal = self._rng.choice(("channel", "text"))
        self._play(target, Faults(vty_limit=self._rng.randint(2, 3), vty_refusal=refusal))
        target.served.kill_sessions()

    def no_lines(self, target: Target) -> None:
        self._play(target, Faults(vty_limit=0, vty_refusal=self._rng.choice(("channel", "text"))))
        target.served.kill_sessions()

    def half_open(self, target: Target) -> None:
        self._play(target, Faults(half_open=True))
        target.served.kill_sessions()

    def silent(self, target: Target) -> None:
        self._play(target, Faults(silent=True))
        target.served.kill_sessions()

    def reset_in_the_middle(self, target: Target) -> None:
        self._play(target, Faults(reset_after=self._rng.randint(1, 5000)))

    def slow_login(self, target: Target) -> None:
        self._play(target, Faults(slow_login=self._rng.uniform(0.1, 2.0)))
        target.served.kill_sessions()

    def few_logins(self, target: Target) -> None:
        """Over SSH a device of the lab says so as it says that the password is wrong."""
        self._refuse(target, Faults(logins_per_minute=self._rng.randint(1, 5)))

    def killed(self, target: Target) -> None:
        target.served.kill_sessions(reset=self._rng.random() < 0.5)

    def wraps(self, target: Target) -> None:
        self._play(target, Faults(wrap=self._rng.randint(70, 100)))

    def fewer_shells(self, target: Target) -> None:
        target.served.shells_per_link = 1
        target.served.kill_sessions()

    def jump_host_dies(self, target: Target) -> None:
        self._fleet.lab[JUMP].cut()

    # ------------------------------------------------------------------ on our side

    def resized(self, target: Target) -> None:
        alias = self._rng.choice(list(target.pools))
        pool = target.device.connections.get(alias)
        if pool is not None:
            pool.resize(self._rng.randint(1, 4))  # type: ignore[union-attr]

    def closed(self, target: Target) -> None:
        alias = self._rng.choice((*target.pools, "default"))
        pool = target.device.connections.get(alias)
        if pool is None:
            return
        if alias == "default":
            self._later(target, "disconnect", pool.close, CLOSING)
        else:
            grace = self._rng.choice((0.01, 0.5, 2.0))
            self._later(target, "drain", lambda: pool.drain(grace), grace + CLOSING)  # type: ignore[union-attr]

    # ------------------------------------------------------------------ on the way

    def _proxy(self, target: Target) -> Proxy:
        assert target.proxy is not None
        return target.proxy

    def _weather(self, target: Target, weather: Weather) -> None:
        proxy = self._proxy(target)
        if self._rng.random() < 0.5:
            proxy.to_client = weather
        else:
            proxy.to_server = weather

    def cut(self, target: Target) -> None:
        self._proxy(target).cut(reset=self._rng.random() < 0.5)

    def refused(self, target: Target) -> None:
        self._proxy(target).refuse()
        self._proxy(target).cut()

    def unplugged(self, target: Target) -> None:
        self._proxy(target).unplug()
        self._deaf.add(target.name)

    def far(self, target: Target) -> None:
        self._weather(target, Weather(delay=self._rng.uniform(0.01, 0.3), jitter=self._rng.uniform(0, 0.1)))

    def stalls(self, target: Target) -> None:
        self._weather(target, Weather(stall=self._rng.uniform(0.1, LONGEST)))

    def narrow(self, target: Target) -> None:
        self._weather(target, Weather(rate=self._rng.uniform(2000, 50000)))

    def ends(self, target: Target) -> None:
        self._weather(target, Weather(end=self._rng.choice(list(Ending))))
        self._deaf.add(target.name)

    def stormy(self, target: Target) -> None:
        self._proxy(target).draw = storm(chance=0.7)
        self._proxy(target).cut()
        self._deaf.add(target.name)
