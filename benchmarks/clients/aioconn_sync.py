# SPDX-License-Identifier: Apache-2.0
"""aioconn's synchronous side, in threads and in child processes."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from benchmarks.clients.aioconn_ import Aioconn
from benchmarks.clients.calls import ANSWER, COMMAND, Call, CallClient, Work
from benchmarks.clients.children import Begin, ChildrenClient
from benchmarks.clients.scripts import ScriptClient
from benchmarks.meter import Meter
from benchmarks.target import Target

_TIMEOUT = 600.0


class AioconnSync(CallClient, ChildrenClient, ScriptClient):
    name = "aioconn.sync"
    offers = frozenset(
        {"immediate", "waiting", "service", "shell", "answers", "remote shell", "script", "function"}
    )
    packages = ("aioconn",)

    def server(self, needs: str) -> str:
        return "ssh" if needs in ("shell", "remote shell", "script", "function") else ""

    # ------------------------------------------------------------------ in threads

    @contextmanager
    def coroutine(self, function: Work) -> Iterator[Call]:
        """Below the facade, what all its calls go through."""
        from aioconn.home import homes
        from aioconn.home.bridge import call_from_thread

        lease = homes.shared()
        try:
            yield functools.partial(call_from_thread, lease.loop, function)
        finally:
            lease.release()

    @contextmanager
    def service(self) -> Iterator[Call]:
        with _silent() as device:
            yield functools.partial(device["default"].say, len(ANSWER))

    @contextmanager
    def shell(self, target: Target, sessions: int) -> Iterator[Call]:
        with _connected(target, sessions) as device:
            yield functools.partial(device.execute, COMMAND)

    # ------------------------------------------------------------------ in children

    @contextmanager
    def answers(self, size: int) -> Iterator[Begin]:
        with _silent() as device:
            yield lambda: functools.partial(device["default"].say, size)

    @contextmanager
    def remote_shell(self, target: Target, command: str, sessions: int) -> Iterator[Begin]:
        with _connected(target, sessions) as device:
            yield lambda: functools.partial(device.execute, command)

    # ------------------------------------------------------------------ on many devices

    def fan_out(
        self, targets: Sequence[Target], commands: Sequence[str], limit: int, meter: Meter
    ) -> list[int]:
        return self._fan_out(targets, list(commands), limit, meter)

    def visit_all(
        self, targets: Sequence[Target], commands: Sequence[str], limit: int, meter: Meter
    ) -> list[int]:
        def work(device: Any) -> list[str]:
            return [device.execute(command, timeout=_TIMEOUT) for command in commands]

        return self._fan_out(targets, work, limit, meter)

    def _fan_out(
        self,
        targets: Sequence[Target],
        work: list[str] | Callable[[Any], list[str]],
        limit: int,
        meter: Meter,
    ) -> list[int]:
        from aioconn import sync

        testbed = _testbed(targets)
        sizes: list[int] = []
        for _ in sync.fan_out([testbed[targets[0].name]], work, timeout=_TIMEOUT):
            pass
        with meter:
            for result in sync.fan_out(testbed, work, limit=limit, timeout=_TIMEOUT):
                if result.error is not None:
                    raise result.error
                sizes.append(sum(map(len, result.value or [])))
        return sizes


def _testbed(targets: Sequence[Target]) -> Any:
    from aioconn import sync

    return sync.load(Aioconn().mapping(targets))


@contextmanager
def _silent() -> Iterator[Any]:
    from aioconn import sync
    from benchmarks.clients.silent import KEYS

    with sync.Device("r1", **KEYS) as device:
        device.connect()
        yield device


@contextmanager
def _connected(target: Target, sessions: int) -> Iterator[Any]:
    with _testbed([target]) as testbed:
        device = testbed[target.name]
        device.connect(**({"pool_size": sessions} if sessions > 1 else {}))
        yield device
