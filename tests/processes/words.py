# SPDX-License-Identifier: Apache-2.0
"""Questions to which every device has answers of its own, so that each answer shows what was asked, and of whom."""

from __future__ import annotations

import random
import zlib
from typing import Any

WORDS = 300


def command(number: int) -> str:
    return f"show w{number:03d}"


def answer(device: str, number: int) -> str:
    """As aioconn gives it."""
    text = f"{device} w{number:03d}"
    return f"{text} {zlib.crc32(text.encode()):08x}"


def commands(device: str) -> dict[str, str]:
    """For the lab: all of them with their outputs."""
    return {command(number): answer(device, number) + "\n" for number in range(WORDS)}


def wrong(device: Any, rng: random.Random, *, name: str = "", timeout: float = 20.0) -> str | None:
    """Ask a device, or a session of it, something; what is wrong with its answer, if anything is."""
    name = name or device.name
    numbers = [rng.randrange(WORDS) for _ in range(rng.choice((1, 1, 1, 2, 3)))]
    asked = [command(number) for number in numbers]
    right = [answer(name, number) for number in numbers]
    heard = (
        [device.execute(asked[0], timeout=timeout)]
        if len(asked) == 1
        else device.execute(asked, timeout=timeout)
    )
    return None if heard == right else f"{name} was asked {asked} and said {heard}"
