# SPDX-License-Identifier: Apache-2.0
"""What a client has to offer to be measured with commands that end early."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from typing import Any

from benchmarks.clients.base import Client
from benchmarks.target import Target

WAIT = 6.0
"""Seconds that a command which is not cut gets: many times what the slowest device takes."""


class CutShort(Exception):
    """The command ended early, as it was meant to."""


class CutSession(ABC):
    """One session, used by one thread. `replaced` counts those that the client has opened anew by itself."""

    replaced = 0

    @abstractmethod
    def ask(self, command: str, limit: float | None) -> str:
        """The device's answer. Raises CutShort if the end of `limit` seconds was the command's."""

    @abstractmethod
    def close(self) -> None: ...


class CutClient(Client):
    """It offers `timeouts` (its own), `cancels` (of the task that runs the command), `timeouts, prompt` (its own, when
    it is told what the prompt is), or some of them.
    """

    @abstractmethod
    def cut_session(self, needs: str, target: Target) -> CutSession: ...


class LoopSession(CutSession):
    """The session of a client with coroutines, in a loop of its thread's."""

    def __init__(self, target: Target, *, cancels: bool) -> None:
        self._cancels = cancels
        self._runner = asyncio.Runner()
        self._session = self._runner.run(self._open(target))

    @abstractmethod
    async def _open(self, target: Target) -> Any: ...

    @abstractmethod
    async def _run(self, session: Any, command: str, timeout: float) -> str: ...

    @abstractmethod
    async def _close(self, session: Any) -> None: ...

    def _is_timeout(self, error: Exception) -> bool:
        return isinstance(error, TimeoutError)

    def ask(self, command: str, limit: float | None) -> str:
        if limit is not None and self._cancels:
            return self._runner.run(self._cancel(command, limit))
        return self._runner.run(self._ask(command, limit))

    async def _cancel(self, command: str, limit: float) -> str:
        task = asyncio.ensure_future(self._run(self._session, command, WAIT))
        done, _ = await asyncio.wait({task}, timeout=limit)
        if done:
            return task.result()
        task.cancel()
        await asyncio.wait({task}, timeout=WAIT)
        raise CutShort

    async def _ask(self, command: str, limit: float | None) -> str:
        try:
            async with asyncio.timeout(2 * WAIT):  # for one that does not keep its own
                return await self._run(self._session, command, limit or WAIT)
        except Exception as error:
            if limit is not None and self._is_timeout(error):
                raise CutShort from None
            raise

    def close(self) -> None:
        try:
            self._runner.run(asyncio.wait_for(self._close(self._session), WAIT))
        finally:
            self._runner.close()
