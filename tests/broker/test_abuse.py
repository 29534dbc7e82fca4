# SPDX-License-Identifier: Apache-2.0
"""Whoever is let in, or not, and does what he likes: the broker goes on, and others do not notice."""

from __future__ import annotations

import contextlib
import random
import resource
import socket
import sys
import time
from typing import Any

import pytest

from aioconn.broker.frames import (
    MAX_FRAME,
    Call,
    Cancel,
    Frame,
    Inbox,
    Leave,
    Next,
    Target,
    Value,
    encode,
)
from aioconn.broker.handshake import Guest
from tests.broker.caller import Wire
from tests.broker.conftest import Shared
from tests.lab_thread import LabThread

FOR_A_WHILE = pytest.mark.parametrize(
    "seconds", [pytest.param(0.3, id="short"), pytest.param(5.0, id="long", marks=pytest.mark.processes)]
)
"""Seconds for which random bytes are sent."""

MEMORY = 64 * 1024 * 1024
"""By which this process may grow meanwhile, whatever it is sent."""


def peak() -> int:
    """Bytes that this process has had at once so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def wants(shared: Shared, dice: random.Random) -> Any:
    """A frame that may come: sensible, or not quite."""
    targets = [
        shared.target(),
        shared.target("r1"),
        shared.target("r1", "default"),
        Target("entered", dice.randrange(4)),
        Target("device", dice.randrange(9)),
        Target("broker"),
    ]
    names = [
        "execute",
        "name",
        "acquire",
        "exclusive",
        "transaction",
        "stream",
        "repr",
        "statistics",
        "_x",
        "get",
    ]
    return dice.choice(
        [
            Cancel(),
            Next(dice.randrange(4)),
            Leave(dice.randrange(4)),
            *[
                Call(
                    dice.choice(["call", "ask", "iterate", "enter"]),
                    dice.choice(targets),
                    dice.choice(names),
                    dice.choice([(), ("show clock",), (None,), ({},)]),
                    dice.choice([{}, {"timeout": 0.05}, {"nonsense": 1}]),
                )
                for _ in range(6)
            ],
        ]
    )


def damage(data: bytes, dice: random.Random) -> bytes:
    """The same, not quite."""
    if dice.random() < 0.5:
        return data
    changed = bytearray(data)
    for _ in range(dice.randrange(1, 4)):
        how = dice.randrange(3)
        place = dice.randrange(len(changed))
        if how == 0:
            changed[place] ^= 1 << dice.randrange(8)
        elif how == 1:
            changed[place:place] = dice.randbytes(dice.randrange(1, 9))
        elif len(changed) > 5:
            del changed[place]
    return bytes(changed)


@FOR_A_WHILE
@pytest.mark.parametrize("seed", [1, 2])
def test_nonsense_for_a_while(shared: Shared, seed: int, seconds: float) -> None:
    """From somebody who knows the token; a neighbour works on meanwhile, and all is as before when it is over."""
    dice = random.Random(seed)
    good = shared.connect("r1", pool_size=2)
    pool = shared.target("r1", "default")
    before, sent, until = peak(), 0, time.monotonic() + seconds
    while time.monotonic() < until or sent <= 20:
        with Wire(shared.address, shared.target("r1")) as bad:
            bad.sock.settimeout(0.02)
            with contextlib.suppress(OSError):
                for _ in range(dice.randrange(1, 30)):
                    bad.sock.sendall(damage(encode(wants(shared, dice)), dice))
                    sent += 1
                    if dice.random() < 0.7:
                        bad.sock.recv(65536)
        assert good.call("execute", "show clock", timeout=20).command == "show clock"
    assert peak() - before < MEMORY
    assert LabThread.wait_for(lambda: shared.broker.wires == 1)
    assert good.enter("exclusive", timeout=20) is None
    good.leave()
    assert LabThread.wait_for(lambda: good.ask("statistics", on=pool)["busy"] == 0)


@FOR_A_WHILE
def test_nonsense_at_the_door_for_a_while(shared: Shared, seconds: float) -> None:
    dice = random.Random(3)
    good = shared.connect("r1")
    before, until = peak(), time.monotonic() + seconds
    hello = encode(Guest(shared.address.token, shared.target("r1")).hello())
    while time.monotonic() < until:
        with socket.socket(socket.AF_UNIX) as sock:
            sock.settimeout(0.02)
            sock.connect(shared.address.path)
            with contextlib.suppress(OSError):
                sock.sendall(dice.choice([damage(hello, dice), dice.randbytes(dice.randrange(1, 9000))]))
                sock.recv(4096)
                sock.sendall(dice.randbytes(dice.randrange(1, 100)))
    assert peak() - before < MEMORY
    assert good.call("execute", "show clock", timeout=20)
    assert shared.wire(shared.target("r1")).ask("name") == "r1"


@pytest.mark.parametrize(
    "data",
    [
        (MAX_FRAME + 1).to_bytes(4, "big"),
        b"\xff\xff\xff\xff",
        b"\x00\x00\x00\x00",
        b"\x00\x00\x00\x01\xc1",
        encode(Value(1)),
        b"\x93" * 1000,
        b"\x12\x34\x56\x78" + b"\xff" * 1000,
    ],
    ids=["a byte too long", "four gigabytes", "empty", "never used", "not for us", "deep", "long"],
)
def test_garbage_after_the_handshake(shared: Shared, data: bytes, caplog: pytest.LogCaptureFixture) -> None:
    """The one is thrown out, which is told once; the other does not notice."""
    good = shared.connect("r1")
    for _ in range(2):
        with Wire(shared.address, shared.target("r1")) as bad:
            assert bad.ask("name") == "r1"
            bad.sock.sendall(data)
            assert bad.ends()
    assert LabThread.wait_for(lambda: sum(shared.broker.refused.values()) == 2)
    assert len(caplog.records) == 1
    assert good.call("execute", "show clock")


def test_the_end_of_a_frame_that_never_comes(shared: Shared) -> None:
    """A long one is announced, and takes no more memory than has come of it."""
    before = peak()
    wires = [shared.wire(shared.target("r1")) for _ in range(16)]
    for wire in wires:
        wire.sock.sendall(MAX_FRAME.to_bytes(4, "big") + b"x" * 1000)
    assert shared.connect("r2").call("execute", "show clock")
    assert peak() - before < MEMORY


def test_a_wire_answers_in_frames_that_are_whole(shared: Shared) -> None:
    """Byte by byte, as it may come."""
    wire = shared.connect("r1")
    inbox = Inbox("client")
    got: list[Frame] = []
    for byte in encode(Call("ask", shared.target("r1"), "name")):
        wire.sock.sendall(bytes([byte]))
    while not got:
        got += list(inbox.feed(wire.sock.recv(1)))
    assert got == [Value("r1")]
