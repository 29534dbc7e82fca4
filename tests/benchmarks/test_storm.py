# SPDX-License-Identifier: Apache-2.0
"""The storm of cancellations notices what a pool can do wrong. The pools here do each of it on purpose."""

from __future__ import annotations

import asyncio
from typing import Any, ClassVar

import pytest

from benchmarks.clients.pool import Pool, PoolClient, Work
from benchmarks.target import Target
from benchmarks.workloads import storm
from benchmarks.workloads.base import Case, Metrics


class Sound(Pool):
    """Nothing wrong: what the others spoil. `patience`: limits of the storm that would be waited out in vain."""

    patience: ClassVar[dict[str, float]] = {}

    def __init__(self, size: int) -> None:
        self.free = asyncio.Semaphore(size)

    async def open(self) -> None: ...

    async def turn(self, work: Work) -> None:
        async with self.free:
            await work()

    async def ask(self, word: str) -> str:
        async with self.free:
            await asyncio.sleep(0.001)
            return word

    async def close(self) -> None: ...


class Forgetful(Sound):
    """Whoever is cancelled while he holds a session never gives it back."""

    patience: ClassVar = {"_STALL": 0.1, "_GRACE": 0.03}

    async def ask(self, word: str) -> str:
        await self.free.acquire()
        await asyncio.sleep(0.001)
        self.free.release()
        return word


class Stuck(Sound):
    """The first cancellation of a holder ends it all."""

    patience: ClassVar = {"_STALL": 0.3}
    stuck = False

    async def ask(self, word: str) -> str:
        if self.stuck:
            await asyncio.get_running_loop().create_future()
        try:
            return await super().ask(word)
        except asyncio.CancelledError:
            self.stuck = True
            raise


class Deaf(Sound):
    """It does not let itself be cancelled."""

    async def ask(self, word: str) -> str:
        asking = asyncio.ensure_future(super().ask(word))
        while not asking.done():
            try:
                await asyncio.wait({asking})
            except asyncio.CancelledError:
                pass
        return asking.result()


class OutOfStep(Sound):
    """It answers what was asked before."""

    before = "nothing"

    async def ask(self, word: str) -> str:
        said = await super().ask(word)
        said, self.before = self.before, said
        return said


class Faulty(Sound):
    """Every seventh answer gets lost."""

    answers = 0

    async def ask(self, word: str) -> str:
        said = await super().ask(word)
        self.answers += 1
        if self.answers % 7 == 0:
            raise ConnectionError("no more")
        return said


def weathered(kind: type[Sound], monkeypatch: pytest.MonkeyPatch, way: str = "cancelled") -> Metrics:
    class Client(PoolClient):
        name = "planted"
        offers = frozenset({"asking"})

        def pool(self, size: int, target: Target | None, *, idle: bool = False) -> Pool:
            return kind(size)

    for limit, seconds in kind.patience.items():
        monkeypatch.setattr(storm, limit, seconds)
    amounts: dict[str, Any] = {
        "way": ("cancelled", "cancelled twice", "timed out").index(way),
        "cancels": 150,
    }
    case = Case(title="", needs="asking", amounts=amounts)
    found = storm.Storm().run(Client(), case, [])
    assert found["cancels"] >= 150
    return found


WRONGS = {"lost", "deadlocks", "wrong", "swallowed", "failed"}


@pytest.mark.parametrize("way", ["cancelled", "cancelled twice", "timed out"])
def test_a_sound_pool_has_nothing_wrong(way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    found = weathered(Sound, monkeypatch, way)
    assert {wrong: found[wrong] for wrong in WRONGS} == dict.fromkeys(WRONGS, 0)
    assert found["served"] > 0


@pytest.mark.parametrize(
    ("kind", "wrong"),
    [
        (Forgetful, "lost"),
        (Stuck, "deadlocks"),
        (Deaf, "swallowed"),
        (OutOfStep, "wrong"),
        (Faulty, "failed"),
    ],
)
def test_what_is_wrong_is_counted(kind: type[Sound], wrong: str, monkeypatch: pytest.MonkeyPatch) -> None:
    found = weathered(kind, monkeypatch)
    assert found[wrong] > 0
    assert found["lost_share"] == pytest.approx(found["lost"] / found["cancels"] * 10_000)
    if kind is Forgetful:  # with every session lost nobody is served
        found["deadlocks"] = 0
    assert {other: found[other] for other in WRONGS - {wrong}} == dict.fromkeys(WRONGS - {wrong}, 0)
