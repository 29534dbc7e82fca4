# SPDX-License-Identifier: Apache-2.0
"""aioconn's sessions, whose commands are cut."""

from __future__ import annotations

from typing import Any

import aioconn
from benchmarks.clients.cuts import LoopSession
from benchmarks.target import PASSWORD, USER, Target


class AioconnCuts(LoopSession):
    async def _open(self, target: Target) -> Any:
        url = f"ssh://{USER}@{target.host}:{target.port}"
        device = aioconn.device(url, os="iosxe", password=PASSWORD)
        session = await device.connect(host_key_policy="ignore")
        device.listeners.add(self._heard)
        return session

    def _heard(self, event: object) -> None:
        self.replaced += isinstance(event, aioconn.events.Opened)

    async def _run(self, session: Any, command: str, timeout: float) -> str:
        text: str = await session.execute(command, timeout=timeout)
        return text

    async def _close(self, session: Any) -> None:
        await session.close()
