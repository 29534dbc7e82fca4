# SPDX-License-Identifier: Apache-2.0
"""Bytes in, bytes out: what every transport is to the layers above.

Opening is a coroutine of each transport's own module. What it returns is a `Stream`; what arrives goes synchronously
to the `Receiver` that was handed in, so that a prompt is found in the very callback that brought it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from aioconn.errors import Phase


class Receiver(Protocol):
    """Who takes what a stream brings. Both are called in the event loop and must not block or raise."""

    def data_received(self, data: bytes, /) -> None:
        """Some bytes, split anywhere; after negotiation and decryption, before any decoding."""

    def connection_lost(self, error: Exception | None, /) -> None:
        """The stream has ended; called exactly once, also after `close` and `abort`. None: an orderly end."""


class Stream(ABC):
    """One conversation with a device."""

    @abstractmethod
    def write(self, data: bytes) -> None:
        """Queue bytes for sending; never blocks. Silently nothing once the stream has ended."""

    @abstractmethod
    def pause_reading(self) -> None:
        """Let the peer's window fill up; `data_received` is (soon) no longer called."""

    @abstractmethod
    def resume_reading(self) -> None:
        """Undo `pause_reading`."""

    @abstractmethod
    async def close(self) -> None:
        """End it politely and free everything. Bounded in time; when cancelled it aborts and still frees."""

    @abstractmethod
    def abort(self) -> None:
        """End it now, without a goodbye. A plain function, so that no cancellation can stop it."""


class Progress:
    """Where an opening stands; transports move `phase` on, whoever set the deadline reads it when it passes."""

    __slots__ = ("_phase", "on_phase")

    def __init__(self, on_phase: Callable[[Phase], None] | None = None) -> None:
        self._phase = Phase.RESOLVE
        self.on_phase = on_phase

    @property
    def phase(self) -> Phase:
        return self._phase

    @phase.setter
    def phase(self, phase: Phase) -> None:
        self._phase = phase
        if self.on_phase is not None:
            self.on_phase(phase)


@dataclass(frozen=True, slots=True, kw_only=True)
class Terminal:
    """The window that we claim to be: wide enough that nothing wraps, high enough that little is paged."""

    term: str = "vt100"
    columns: int = 500
    rows: int = 1000
