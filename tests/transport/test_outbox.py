# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import asyncio
from typing import Any

import pytest

from aioconn.transport.outbox import Outbox

pytestmark = pytest.mark.clock("jumping")


class Wire:
    """A transport that remembers."""

    def __init__(self) -> None:
        self.said: list[bytes | str] = []
        self.broken: Exception | None = None

    def write(self, data: bytes) -> None:
        if self.broken is not None:
            raise self.broken
        self.said.append(data)

    def abort(self) -> None:
        self.said.append("aborted")

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return {"peername": "there"}.get(name, default)


@pytest.fixture
async def wire() -> Wire:
    return Wire()


@pytest.fixture
async def outbox(wire: Wire) -> Outbox:
    return Outbox(asyncio.get_running_loop(), wire)


async def test_a_packet_leaves_at_once(outbox: Outbox, wire: Wire) -> None:
    outbox.write(b"a")
    assert wire.said == [b"a"]
    outbox.write(b"b")
    assert wire.said == [b"a", b"b"]


async def test_what_is_written_in_one_turn_is_gathered(outbox: Outbox, wire: Wire) -> None:
    outbox.gathers = True
    outbox.write(b"a")
    outbox.write(b"b")
    assert wire.said == []
    await asyncio.sleep(0)
    assert wire.said == [b"ab"]
    outbox.write(b"c")
    await asyncio.sleep(0)
    assert wire.said == [b"ab", b"c"]


@pytest.mark.parametrize("gathers", [False, True])
async def test_what_is_held_leaves_in_one_piece_and_in_order(
    outbox: Outbox, wire: Wire, gathers: bool
) -> None:
    outbox.gathers = gathers
    outbox.write(b"a")
    outbox.holding = True
    outbox.write(b"b")
    outbox.write(b"c")
    outbox.flush()
    assert wire.said == ([b"abc"] if gathers else [b"a", b"bc"])
    outbox.holding = True
    outbox.flush()
    outbox.write(b"d")  # nothing is held for ever
    await asyncio.sleep(0)
    assert wire.said[-1] == b"d"


async def test_the_reason_leaves_before_the_end(outbox: Outbox, wire: Wire) -> None:
    outbox.holding = True
    outbox.write(b"goodbye")
    outbox.abort()
    await asyncio.sleep(0)
    assert wire.said == [b"goodbye", "aborted"]


@pytest.mark.parametrize("error", [BrokenPipeError("closing"), RuntimeError("the handler is closed")])
async def test_a_channel_that_is_closing_takes_no_more(outbox: Outbox, wire: Wire, error: Exception) -> None:
    wire.broken = error
    outbox.write(b"a")
    await asyncio.sleep(0)  # nobody hears of it but its session, in time
    wire.broken = None
    outbox.write(b"b")
    await asyncio.sleep(0)
    assert wire.said == [b"b"]
    assert (outbox.get_extra_info("peername"), outbox.get_extra_info("socket")) == ("there", None)
