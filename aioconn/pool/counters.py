# SPDX-License-Identifier: Apache-2.0
"""What is counted in a pool."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Counters:
    """What has happened since the pool was made; times in seconds."""

    acquired: int = 0
    waited: int = 0
    wait_seconds: float = 0.0
    longest_wait: float = 0.0
    timeouts: int = 0
    cancelled: int = 0
    opened: int = 0
    open_failed: int = 0
    settled: int = 0
    replaced: int = 0
    lost: int = 0
