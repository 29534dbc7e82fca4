# SPDX-License-Identifier: Apache-2.0
"""Tasks that begin at once are tasks like others."""

from __future__ import annotations

import asyncio
import contextvars
import sys
from typing import Any

import pytest

from aioconn.home.loop import begin, begins_at_once
from tests.home.conftest import ENOUGH, Factory

word: contextvars.ContextVar[str] = contextvars.ContextVar("word", default="none")


class Run:
    """Calls something in a callback of a loop."""

    def __init__(self, factory: Factory) -> None:
        self.loop = factory()

    def __call__(self, step: Any) -> Any:
        async def main() -> Any:
            done = self.loop.create_future()

            def call() -> None:
                try:
                    done.set_result(step())
                except BaseException as error:
                    done.set_exception(error)

            self.loop.call_soon(call)
            async with asyncio.timeout(ENOUGH):
                return await (await done)

        try:
            return self.loop.run_until_complete(main())
        finally:
            self.loop.close()


@pytest.fixture
def run(factory: Factory) -> Run:
    return Run(factory)


def test_the_first_step_is_taken_at_once(run: Run):
    steps: list[int] = []

    async def work() -> str:
        steps.append(1)
        task = asyncio.current_task()
        assert task is not None
        async with asyncio.timeout(ENOUGH):
            await asyncio.sleep(0)
        assert asyncio.current_task() is task
        async with asyncio.TaskGroup() as group:
            group.create_task(asyncio.sleep(0))
        return task.get_name()

    def step() -> asyncio.Task[str]:
        task = begin(run.loop, work(), name="by name")
        assert len(steps) == begins_at_once(run.loop)
        assert asyncio.current_task() is None
        return task

    if sys.version_info >= (3, 12) or type(run.loop).__module__.startswith("asyncio"):
        assert begins_at_once(run.loop)
    assert run(step) == "by name"


def test_what_never_waits_is_done(run: Run):
    async def work() -> int:
        return 42

    def step() -> asyncio.Task[int]:
        task = begin(run.loop, work())
        assert task.done() == begins_at_once(run.loop)
        return task

    assert run(step) == 42


def test_errors_and_cancellation(run: Run):
    async def fail() -> None:
        raise LookupError

    async def wait() -> None:
        await asyncio.sleep(ENOUGH)

    async def both() -> None:
        with pytest.raises(LookupError):
            await begun[0]
        begun[1].cancel()
        with pytest.raises(asyncio.CancelledError):
            await begun[1]

    begun: list[asyncio.Task[None]] = []

    def step() -> asyncio.Task[None]:
        begun.append(begin(run.loop, fail()))
        begun.append(begin(run.loop, wait()))
        return run.loop.create_task(both())

    run(step)


def test_the_context_that_is_given_is_the_one_used(run: Run):
    context = contextvars.copy_context()

    async def work() -> None:
        word.set("inside")
        await asyncio.sleep(0)

    run(lambda: begin(run.loop, work(), context=context))
    assert context[word] == "inside"
    assert word.get() == "none"


def test_a_task_factory_makes_it(run: Run):
    made: list[str] = []

    def factory(loop: Any, work: Any, **keys: Any) -> asyncio.Task[Any]:
        made.append("task")
        return asyncio.Task(work, loop=loop, **keys)

    def step() -> asyncio.Task[None]:
        run.loop.set_task_factory(factory)
        assert not begins_at_once(run.loop)
        try:
            return begin(run.loop, asyncio.sleep(0))
        finally:
            run.loop.set_task_factory(None)

    run(step)
    assert made == ["task"]
