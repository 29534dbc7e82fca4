# SPDX-License-Identifier: Apache-2.0
"""Exclusive work, configures and streams of one device at the same time: nobody waits for who waits for him."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
from collections.abc import Coroutine
from typing import Any

LINES = ["interface Loopback0"]


def outside(work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
    """A task that is inside of nothing, as one that was started elsewhere."""
    return asyncio.create_task(work, context=contextvars.Context())


async def test_exclusive_work_configures_while_somebody_else_waits_to_configure(pair: Any):
    device, _ = await pair("ssh")
    pool = await device.connect(alias="pool", pool_size=2)
    async with device.exclusive():
        waiting = outside(pool.configure(LINES, timeout=20))
        while not device.manager.statistics()["exclusive"]["waiting"]:
            await asyncio.sleep(0)
        await pool.configure(LINES, timeout=5)
    await waiting


async def test_who_holds_a_session_configures_over_another_pool_past_those_who_wait_for_his(pair: Any):
    device, _ = await pair("ssh")
    one = await device.connect(alias="one", pool_size=1)
    other = await device.connect(alias="other", pool_size=1)
    async with one.acquire():
        waiting = outside(one.configure(LINES, timeout=20))
        while not one.statistics()["waiting"]:
            await asyncio.sleep(0)
        await other.configure(LINES, timeout=5)
    await waiting


async def test_who_reads_a_stream_may_call_while_exclusive_work_waits_for_its_end(pair: Any):
    device, _ = await pair("ssh")
    streaming, other = await device.connect(alias="streaming"), await device.connect(alias="other")

    async def alone() -> None:
        async with device.exclusive(timeout=20):
            pass

    waiting = None
    async with contextlib.aclosing(streaming.stream("show version")) as pieces:
        async for _piece in pieces:
            if waiting is None:
                waiting = outside(alone())
                while not device.manager.statistics()["exclusive"]["waiting"]:
                    await asyncio.sleep(0)
            await other.execute("show clock", timeout=5)
    assert waiting is not None
    await waiting
