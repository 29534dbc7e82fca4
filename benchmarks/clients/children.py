# SPDX-License-Identifier: Apache-2.0
"""What a client has to offer to be measured in child processes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import AbstractContextManager

from benchmarks.clients.base import Client
from benchmarks.target import Target

Call = Callable[[], str]
Begin = Callable[[], Call]


class ChildrenClient(Client, ABC):
    """A parent that answers its children. It offers `answers` and `remote shell`, or one of them.

    What it gives is called in each child after the fork, and makes there what the child calls.
    """

    def server(self, needs: str) -> str:
        return "ssh" if needs == "remote shell" else ""

    @abstractmethod
    def answers(self, size: int) -> AbstractContextManager[Begin]:
        """Children are told `size` characters."""

    def remote_shell(self, target: Target, command: str, sessions: int) -> AbstractContextManager[Begin]:
        """Children have the device run `command`, on one of the parent's sessions."""
        raise NotImplementedError
