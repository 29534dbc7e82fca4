# SPDX-License-Identifier: Apache-2.0
"""Those who wait for a device at a loop that it has left meanwhile: closed there, and asked for again elsewhere."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

from aioconn.exclusive import Exclusivity
from tests.lab_thread import LabThread

ENOUGH = 10.0


class Elsewhere:
    """A thread with a loop, in debug mode, where one waits for what `ask` gives."""

    def __init__(self, ask: Any) -> None:
        self.loop: asyncio.AbstractEventLoop
        self.task: asyncio.Task[Any]
        self.got: list[Any] = []
        self._ask = ask
        self._begun = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._work(), debug=True), daemon=True)

    def __enter__(self) -> Elsewhere:
        self._thread.start()
        assert self._begun.wait(ENOUGH)
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.join(ENOUGH)
        assert not self._thread.is_alive()

    async def _work(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.task = asyncio.ensure_future(self._ask())
        self.loop.call_soon(self._begun.set)
        try:
            async with asyncio.timeout(ENOUGH):
                self.got.append(await self.task)
        except asyncio.CancelledError:
            self.got.append("cancelled")


@pytest.mark.parametrize("kind", ["enter", "hold", "take"])
async def test_who_waits_at_another_loop_is_woken_there(kind: str):
    exclusivity = Exclusivity("r1")
    first = await exclusivity.take()
    ask = exclusivity.enter if kind == "enter" else lambda: getattr(exclusivity, kind)("later")
    with Elsewhere(ask) as there:
        assert LabThread.wait_for(lambda: exclusivity.waiting == 1)
        first.release()
    assert there.got
    assert "cancelled" not in there.got
    exclusivity.leave() if kind == "enter" else there.got[0].release()
    assert repr(exclusivity) == "<Exclusivity r1 0 shared, 0 exclusive, 0 waiting>"


@pytest.mark.parametrize("kind", ["enter", "hold", "take"])
async def test_who_is_cancelled_before_he_hears_of_it_keeps_nothing(kind: str):
    exclusivity = Exclusivity("r1")
    first = await exclusivity.take()
    ask = exclusivity.enter if kind == "enter" else lambda: getattr(exclusivity, kind)("later")
    with Elsewhere(ask) as there:
        assert LabThread.wait_for(lambda: exclusivity.waiting == 1)
        halted, go_on = threading.Event(), threading.Event()

        def halt() -> None:
            halted.set()
            go_on.wait(ENOUGH)
            there.task.cancel()

        there.loop.call_soon_threadsafe(halt)
        assert halted.wait(ENOUGH)
        first.release()  # the word of it waits there, behind the cancellation
        go_on.set()
    assert there.got == ["cancelled"]
    assert (await asyncio.wait_for(exclusivity.take(), ENOUGH)).live


async def test_who_waits_at_a_loop_that_was_closed_is_passed_over():
    exclusivity = Exclusivity("r1")
    first = await exclusivity.take()
    runner = asyncio.new_event_loop()
    future = runner.create_future()
    waiting = exclusivity.hold("later")
    exclusivity._waiters[future] = None, 0.0
    runner.close()
    behind = asyncio.ensure_future(waiting)
    await asyncio.sleep(0)
    first.release()
    (await asyncio.wait_for(behind, ENOUGH)).release()
    assert repr(exclusivity) == "<Exclusivity r1 0 shared, 0 exclusive, 0 waiting>"
