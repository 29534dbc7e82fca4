# SPDX-License-Identifier: Apache-2.0
"""What a client has to offer to be measured in threads that have no event loop."""

from __future__ import annotations

import asyncio
import functools
from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from benchmarks.clients.base import Client
from benchmarks.target import Target

ANSWER = "x"
COMMAND = "show clock"

Call = Callable[[], str]
Work = Callable[[], Coroutine[Any, Any, str]]
Carry = Callable[[Work], str]


async def at_once() -> str:
    """A coroutine function that never waits."""
    return ANSWER


async def after_a_turn() -> str:
    """One that waits for the loop to come round once."""
    await asyncio.sleep(0)
    return ANSWER


class CallClient(Client, ABC):
    """Gives threads something to call; the work is done on a loop in another thread. It offers `immediate`, `waiting`,
    `service` and `shell`, or some of them.
    """

    def server(self, needs: str) -> str:
        return "ssh" if needs == "shell" else ""

    @abstractmethod
    def coroutine(self, function: Work) -> AbstractContextManager[Call]:
        """A plain function, for any thread, that runs `function`."""

    @abstractmethod
    def service(self) -> AbstractContextManager[Call]:
        """One that has a connection say ANSWER, a connection which asks no device."""

    @abstractmethod
    def shell(self, target: Target, sessions: int) -> AbstractContextManager[Call]:
        """One that has the device run COMMAND, on one of `sessions`; on a connection if that is one, else in a pool."""


class CarryingClient(CallClient):
    """Somebody else's way from a thread to a loop: what it carries there is aioconn's asynchronous side."""

    offers = frozenset({"immediate", "waiting", "service", "shell"})

    @abstractmethod
    def loop(self) -> AbstractContextManager[Carry]:
        """A loop in another thread, and how a coroutine function gets there."""

    @contextmanager
    def coroutine(self, function: Work) -> Iterator[Call]:
        with self.loop() as carry:
            yield functools.partial(carry, function)

    @contextmanager
    def service(self) -> Iterator[Call]:
        import aioconn
        from benchmarks.clients.silent import KEYS

        device = aioconn.Device("r1", **KEYS)

        with self._at_home(device) as carry:
            yield functools.partial(carry, functools.partial(device.default.say, len(ANSWER)))

    @contextmanager
    def shell(self, target: Target, sessions: int) -> Iterator[Call]:
        from benchmarks.clients.aioconn_ import Aioconn

        device = Aioconn().testbed([target])[target.name]
        with self._at_home(device, **({"pool_size": sessions} if sessions > 1 else {})) as carry:
            yield functools.partial(carry, functools.partial(device.execute, COMMAND))

    @contextmanager
    def _at_home(self, device: Any, **options: Any) -> Iterator[Carry]:
        """A loop, and the device connected there."""

        async def connect() -> str:
            return str(await device.connect(**options))

        async def leave() -> str:
            return str(await device.destroy_all())

        with self.loop() as carry:
            carry(connect)
            yield carry
            carry(leave)
