# SPDX-License-Identifier: Apache-2.0
"""The floor of commands that end early: asyncssh, an interrupt, and the prompt that follows it.

It proves nothing: right only on a device that heeds the interrupt, prints nothing that looks like its prompt, and had
not answered yet.
"""

from __future__ import annotations

import asyncio
from typing import Any

from benchmarks.clients.asyncssh_ import BareSsh, Session
from benchmarks.clients.cuts import CutClient, CutSession, LoopSession
from benchmarks.target import Target


class InterruptedSsh(CutClient):
    name = "asyncssh.interrupt"
    offers = frozenset({"timeouts", "cancels"})
    packages = ("asyncssh",)
    floor = True
    only = frozenset({"cancel"})

    def cut_session(self, needs: str, target: Target) -> CutSession:
        return _Cut(target, cancels=needs == "cancels")


class _Cut(LoopSession):
    _interrupted = False

    async def _open(self, target: Target) -> Session:
        return await BareSsh().open(target)

    async def _run(self, session: Any, command: str, timeout: float) -> str:
        if self._interrupted:
            await session.prompts(1)
            self._interrupted = False
        try:
            async with asyncio.timeout(timeout):
                answer = await BareSsh().run(session, command)
        except BaseException:
            session.write(b"\x03")
            self._interrupted = True
            raise
        return "\n".join(answer.decode().splitlines()[1:-1])  # without the echo and the prompt

    async def _close(self, session: Any) -> None:
        await BareSsh().close(session)
