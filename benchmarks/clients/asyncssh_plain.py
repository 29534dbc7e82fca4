# SPDX-License-Identifier: Apache-2.0
"""asyncssh as people write it who read its manual: `connect` with its own defaults, a process, and its streams."""

from __future__ import annotations

from typing import Any

from benchmarks.clients.base import AsyncClient
from benchmarks.target import OPENING, PASSWORD, USER, Target


class PlainSsh(AsyncClient):
    name = "asyncssh.plain"
    offers = frozenset({"ssh"})
    packages = ("asyncssh",)
    megabytes = 1  # `readuntil` of its streams gives up at two

    def server(self, needs: str) -> str:
        return "ssh"

    async def open(self, target: Target) -> Any:
        import asyncssh

        connection = await asyncssh.connect(
            target.host, target.port, username=USER, password=PASSWORD, known_hosts=None
        )
        process = await connection.create_process(term_type="vt100")
        greeting = await process.stdout.readuntil("#")
        session = (connection, process, greeting.rpartition("\n")[2])
        for line in OPENING:
            await self.run(session, line)
        return session

    async def run(self, session: Any, command: str) -> str:
        _, process, prompt = session
        process.stdin.write(command + "\n")
        text: str = await process.stdout.readuntil(prompt)
        return text

    async def close(self, session: Any) -> None:
        connection, process, _ = session
        process.stdin.write("exit\n")
        await process.wait_closed()
        connection.close()
        await connection.wait_closed()
