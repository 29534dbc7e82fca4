# SPDX-License-Identifier: Apache-2.0
"""What a client has to offer to be measured as scripts without an event loop use it, on many devices at once."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence

from benchmarks.clients.base import Client
from benchmarks.meter import Meter
from benchmarks.target import Target


class ScriptClient(Client):
    """It offers `script` (commands for each device), `function` (work for each device) or both."""

    @abstractmethod
    def fan_out(
        self, targets: Sequence[Target], commands: Sequence[str], limit: int, meter: Meter
    ) -> list[int]:
        """Connect, run, close, on `limit` devices at once: how much each device answered."""

    @abstractmethod
    def visit_all(
        self, targets: Sequence[Target], commands: Sequence[str], limit: int, meter: Meter
    ) -> list[int]:
        """The same, by a function of the script that is given a device."""
