# SPDX-License-Identifier: Apache-2.0
"""What a client has to offer to be measured at reading a testbed file: `file`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

from benchmarks.clients.base import Client


class FileClient(Client, ABC):
    def server(self, needs: str) -> str:
        return ""

    @abstractmethod
    def read(self, path: str) -> Any:
        """All of the file at `path`."""

    @abstractmethod
    def devices(self, found: Any) -> list[str]:
        """The names of the devices in what was read."""
