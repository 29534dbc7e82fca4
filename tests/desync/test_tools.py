# SPDX-License-Identifier: Apache-2.0
"""The clock, the gates and the cuts that the proof is made with."""

from __future__ import annotations

import asyncio
import os
import socket
import time
from collections.abc import Coroutine
from typing import Any, cast

import pytest

from aioconn.errors import CommandTimeout
from tests.desync.clock import JumpingLoop
from tests.desync.cuts import WAYS, Cut
from tests.desync.driver import is_cut_off
from tests.desync.tap import Gate, Tap


def run(main: Coroutine[Any, Any, Any]) -> Any:
    with asyncio.Runner(loop_factory=JumpingLoop) as runner:
        return runner.run(main)


def test_silences_cost_nothing() -> None:
    async def main() -> float:
        await asyncio.sleep(7200)
        return asyncio.get_running_loop().time()

    began = time.monotonic()
    assert run(main()) == pytest.approx(7200)
    assert time.monotonic() - began < 60


def test_what_is_under_way_arrives_before_time_goes_on() -> None:
    async def main() -> list[float]:
        loop = asyncio.get_running_loop()
        near, far = socket.socketpair()
        arrived = []
        with near, far:
            near.setblocking(False)
            far.setblocking(False)
            for _ in range(200):
                reading = asyncio.ensure_future(loop.sock_recv(near, 10))
                loop.call_later(0.001, far.send, b"x")
                assert await reading == b"x"
                arrived.append(loop.time())
                await asyncio.sleep(1)
        return [at % 1 for at in arrived]

    assert run(main())[:2] == pytest.approx([0.001, 0.002])


def test_in_real_time_a_thread_is_waited_for() -> None:
    async def main() -> bool:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, JumpingLoop)
        with loop.in_real_time():
            async with asyncio.timeout(30):
                await loop.run_in_executor(None, time.sleep, 0.02)
        return loop.time() < 30

    assert run(main())


def test_a_thread_of_the_executor_is_waited_for() -> None:
    async def main() -> bool:
        async with asyncio.timeout(30):
            await asyncio.to_thread(time.sleep, 0.02)
        began = asyncio.get_running_loop().time()
        await asyncio.sleep(7200)
        return began < 30

    began = time.monotonic()
    assert run(main())
    assert time.monotonic() - began < 60  # silences cost nothing again


@pytest.mark.clock("jumping")
@pytest.mark.skipif(os.environ.get("AIOCONN_CLOCK") == "real", reason="no clock jumps here")
async def test_marked_as_jumping() -> None:
    assert isinstance(asyncio.get_running_loop(), JumpingLoop)


@pytest.mark.clock("jumping")
class TestInAModuleOfSuch:
    @pytest.mark.clock("real")
    async def test_marked_as_real(self) -> None:
        assert not isinstance(asyncio.get_running_loop(), JumpingLoop)


# ---------------------------------------------------------------------- gates


@pytest.mark.parametrize("count", range(1, 8))
@pytest.mark.parametrize(("turns", "delay"), [(0, 0.0), (1, 0.0), (3, 0.0), (0, 0.5), (2, 0.5)])
def test_a_gate_fires_at_its_byte_and_lets_nothing_overtake(count: int, turns: int, delay: float) -> None:
    async def main() -> None:
        passed = bytearray()
        gate = Gate(passed.extend)
        seen: list[bytes] = []
        gate.put(b"ab")
        gate.arm(count, lambda: seen.append(bytes(passed)), turns=turns, delay=delay)
        gate.put(b"cdef")
        gate.put(b"ghi")
        assert seen == [b"abcdefghi"[: 2 + count]]
        if turns or delay:
            assert bytes(passed) == seen[0]
        gate.put(b"j")
        await asyncio.sleep(1)
        assert bytes(passed) == b"abcdefghij"
        assert gate.passed == 10

    run(main())


def test_a_gate_that_is_disarmed_does_nothing() -> None:
    passed = bytearray()
    gate = Gate(passed.extend)
    gate.arm(1, lambda: pytest.fail("fired"), turns=0, delay=0.0)
    gate.disarm()
    gate.put(b"abc")
    assert passed == b"abc"


# ---------------------------------------------------------------------- cuts


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("answers", [False, True])
def test_a_cut_hits_what_is_under_way_and_nothing_else(way: str, answers: bool) -> None:
    ended: list[BaseException] = []

    async def ask(timeout: float | None) -> str:
        try:
            async with asyncio.timeout(timeout):
                await asyncio.sleep(0 if answers else 60)
        except TimeoutError:
            raise CommandTimeout("late") from None
        except BaseException as error:
            ended.append(error)
            raise
        return "answer"

    async def main() -> tuple[bool, Any]:
        cut = Cut(way=way, place="time", amount=1.0, again=2)
        hit = await cut.through(ask, cast(Tap, None))
        await asyncio.sleep(0)  # nothing of it is left to strike here
        return hit

    assert run(main()) == ((False, "answer") if answers else (True, None))
    assert len(ended) == (not answers and way != "timeout")


# ---------------------------------------------------------------------- judgement


@pytest.mark.parametrize(
    ("answer", "is_its_own"),
    [
        ("a", True),
        ("a\nr1#", True),
        ("a\nr1#\n\nr1# ", True),
        ("a\nr1#\nb\nr1#", True),
        ("", False),
        ("r1#", False),
        ("r1#\na", False),
        ("a\nb", False),
        ("a\nr1#\nb\nc", False),
        ("x", False),
    ],
)
def test_an_answer_that_ends_early_is_the_beginning_of_its_own(answer: str, is_its_own: bool) -> None:
    assert is_cut_off(answer, "a\nr1#\nb\nr1#", "r1#") is is_its_own
