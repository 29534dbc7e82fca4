# SPDX-License-Identifier: Apache-2.0
"""A server's session that answers requests in order, some of them after a while."""

from __future__ import annotations

import asyncio
import random
from abc import abstractmethod
from collections import deque
from typing import Generic, TypeVar

from benchmarks.target import DELAY

R = TypeVar("R")

_delays = random.Random(1)


class Answering(asyncio.Protocol, Generic[R]):
    """`requests` takes the complete ones off `received`; each is answered when those before it have been."""

    transport: asyncio.Transport

    def __init__(self) -> None:
        self.received = bytearray()
        self._waiting: deque[R] = deque()
        self._timer: asyncio.TimerHandle | None = None

    @abstractmethod
    def requests(self) -> list[R]: ...

    @abstractmethod
    def takes_time(self, request: R) -> bool: ...

    @abstractmethod
    def answer(self, request: R) -> bytes: ...

    def interrupted(self, request: R) -> bytes:
        """What is said when `request` is not to be waited for any longer."""
        return b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.received += data
        self._waiting += self.requests()
        if self._timer is None:
            self._go_on()

    def connection_lost(self, exc: Exception | None) -> None:
        self._waiting.clear()
        if self._timer is not None:
            self._timer.cancel()

    def interrupt(self) -> None:
        """Answer the request that takes its time, now."""
        if self._timer is not None:
            self._timer.cancel()
            self._finish(self.interrupted(self._waiting.popleft()))

    def _go_on(self) -> None:
        while self._waiting:
            if self.takes_time(self._waiting[0]):
                loop = asyncio.get_running_loop()
                self._timer = loop.call_later(_delays.random() * DELAY, self._in_time)
                return
            self.transport.write(self.answer(self._waiting.popleft()))

    def _in_time(self) -> None:
        self._finish(self.answer(self._waiting.popleft()))

    def _finish(self, said: bytes) -> None:
        self._timer = None
        self.transport.write(said)
        self._go_on()
