# SPDX-License-Identifier: Apache-2.0
"""What a client has to offer to be measured with further sessions on one link."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence

from benchmarks.clients.base import Client, Hook
from benchmarks.meter import Meter
from benchmarks.target import Target


class LinkClient(Client):
    """It offers `links`."""

    @abstractmethod
    def further(
        self, target: Target, count: int, command: str, new: Meter, further: Meter, look: Hook
    ) -> Sequence[int]:
        """Open `count` sessions with a connection each, then as many on one connection, `look` before and after those;
        the length of what each of them answers to `command`."""
