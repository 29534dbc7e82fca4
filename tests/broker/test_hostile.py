# SPDX-License-Identifier: Apache-2.0
"""Whatever bytes come: a frame of ours or `BadFrame`, at a cost that the bytes account for."""

from __future__ import annotations

import random
import resource
import sys
from collections.abc import Iterator

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aioconn.broker import messages, values
from aioconn.broker.frames import Frame, Inbox, InboxKind, Target, encode
from aioconn.errors import BadFrame
from tests.broker.samples import ERRORS, SAMPLES
from tests.broker.test_frames import ALL
from tests.examples import examples

TARGET = Target("connection", 3, "vty_1")

FRAMES: list[tuple[InboxKind, bytes]] = [
    (kind, encode(frame)[4:]) for kind, frames in ALL.items() for frame in frames
]

ERROR_BODIES = [*(values.dump(error) for error in ERRORS), values.dump(ExceptionGroup("several", ERRORS))]
VALUE_BODIES = [*(values.dump(value) for value in SAMPLES), *ERROR_BODIES]
CALL_BODIES = [
    *(values.dump(["timeout", value, 30.0]) for value in SAMPLES),
    values.dump(["timeout,reply", "show version", 30.0, {"x": "y"}]),
]

OPCODES = bytes([0x80, 0x81, 0x8F, 0x90, 0x91, 0x9F, 0xA0, 0xC0, 0xC1, *range(0xC2, 0xE0), 0xFF, 0x00, 0x7F])


def framed(body: bytes) -> bytes:
    return len(body).to_bytes(4, "big") + body


def mutated(data: bytes, dice: random.Random) -> bytes:
    """A few bytes changed, lost, added, doubled or brought from elsewhere."""
    text = bytearray(data)
    for _ in range(dice.choice((1, 1, 1, 2, 4))):
        at = dice.randrange(len(text) + 1)
        match dice.randrange(7):
            case 0 if at < len(text):
                text[at] ^= 1 << dice.randrange(8)
            case 1 if at < len(text):
                text[at] = dice.choice(OPCODES)
            case 2:
                del text[at : at + dice.randrange(1, 9)]
            case 3:
                text[at:at] = dice.randbytes(dice.randrange(1, 9))
            case 4:
                text[at:at] = text[at : at + dice.randrange(1, 99)]
            case 5:
                other = dice.choice(VALUE_BODIES)
                begin = dice.randrange(len(other))
                text[at : at + dice.randrange(9)] = other[begin : begin + dice.randrange(1, 40)]
            case _:
                text[at:at] = dice.choice((b"\xdd", b"\xdf", b"\xc6", b"\xdb", b"\xc9")) + dice.randbytes(4)
    return bytes(text)


def spoilt(dice: random.Random) -> tuple[InboxKind, bytes]:
    """A frame with something wrong in it, or in the value that it carries; its length is right."""
    if dice.random() < 0.25:
        kind, body = dice.choice(FRAMES)
        return kind, framed(mutated(body, dice))
    wire: msgspec.Struct
    kind = "client"
    match dice.randrange(3):
        case 0:
            kind, body = "server", mutated(dice.choice(CALL_BODIES), dice)
            wire = messages.CallBody("call", TARGET, "execute", body)
        case 1:
            wire = messages.FailureBody(mutated(dice.choice(ERROR_BODIES), dice))
        case _:
            wire = messages.ValueBody(mutated(dice.choice(VALUE_BODIES), dice))
    return kind, framed(msgspec.msgpack.encode(wire))


def received(kind: InboxKind, pieces: Iterator[bytes]) -> list[Frame] | None:
    """The frames, or None if the sender was told off."""
    inbox = Inbox(kind)
    frames: list[Frame] = []
    try:
        for piece in pieces:
            frames += inbox.feed(piece)
    except BadFrame:
        return None
    for frame in frames:
        repr(frame)
    return frames


@examples(300)
@given(st.sampled_from(list(ALL)), st.lists(st.binary(max_size=60), max_size=5))
def test_any_bytes(kind: InboxKind, pieces: list[bytes]) -> None:
    received(kind, iter(pieces))
    received(kind, iter([framed(b"".join(pieces))]))


@examples(300)
@given(st.binary(max_size=100))
def test_any_bytes_as_a_value(body: bytes) -> None:
    received("client", iter([framed(msgspec.msgpack.encode(messages.ValueBody(body)))]))


@examples(400)
@given(st.randoms(use_true_random=False), st.integers(0, 200))
def test_frames_with_something_wrong_in_any_two_pieces(dice: random.Random, cut: int) -> None:
    kind, data = spoilt(dice)
    whole = received(kind, iter([data]))
    parted = received(kind, iter([data[:cut], data[cut:]]))
    assert repr(whole) == repr(parted) or "object at 0x" in repr(whole)


def run(count: int, seed: int) -> tuple[int, int]:
    """How many were taken, how many refused."""
    dice = random.Random(seed)
    taken = refused = 0
    for number in range(count):
        kind, data = spoilt(dice)
        try:
            frames = received(kind, iter([data]))
        except BaseException as error:
            raise AssertionError(f"frame {number} of seed {seed}: {data.hex()}") from error
        if frames is None:
            refused += 1
        else:
            taken += 1
    return taken, refused


def test_ten_thousand_frames_with_something_wrong() -> None:
    taken, refused = run(10_000, seed=1)
    assert taken > 500  # else nothing but the first check was tested
    assert refused > 5_000


@pytest.mark.processes
@pytest.mark.timeout(1800)
def test_a_million_frames_with_something_wrong() -> None:
    seed = random.SystemRandom().randrange(2**32)
    run(20_000, seed=2)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    taken, refused = run(1_000_000, seed)
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * (
        1 if sys.platform == "darwin" else 1024
    )
    assert grown < 64 * 1024 * 1024, f"seed {seed}"
    assert taken > 50_000
    assert refused > 500_000
