# SPDX-License-Identifier: Apache-2.0
"""What is left in memory of a session that has ended, before the collector of garbage has been."""

from __future__ import annotations

import asyncio
import gc
from collections import Counter

import pytest

import aioconn
from aioconn.lab import Lab

_PARTS = ("connection", "deadline", "links", "path", "protocols", "request", "transport", "turn")
# asyncssh's connection refers to itself, and to the first; the lab has decoders as well
_NOT_MEANT = {"Client", "Connection", "Known", "Outbox", "_Log", "Decoder"}


def parts() -> Counter[str]:
    """The objects that sessions are made of."""
    kinds = Counter(type(one) for one in gc.get_objects())
    found = {kind.__name__: count for kind, count in kinds.items() if _is_part(str(kind.__module__))}
    return Counter({name: count for name, count in found.items() if name not in _NOT_MEANT})


def _is_part(module: str) -> bool:
    names = module.split(".")
    return names[0] == "aioconn" and len(names) > 1 and names[1] in _PARTS


@pytest.mark.parametrize("protocol", ["telnet", "ssh", "netconf"])
async def test_nothing_of_ours_needs_the_collector(lab: Lab, protocol: str) -> None:
    await lab.add("r1", protocols=(protocol,))
    async with aioconn.load(lab.testbed()) as testbed:
        device = testbed["r1"]

        async def visit() -> None:
            async with await device.connect() as session:
                await (session.get_config() if protocol == "netconf" else session.execute("show version"))
            await device.destroy_all()
            await asyncio.sleep(0.05)  # the lab's side has ended as well

        await visit()
        gc.collect()
        gc.disable()
        try:
            before = parts()
            await visit()
            assert not parts() - before
        finally:
            gc.enable()
