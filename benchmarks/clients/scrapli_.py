# SPDX-License-Identifier: Apache-2.0
"""scrapli 2, the asynchronous side: libscrapli with its SSH library (libssh2)."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from benchmarks.clients.base import AsyncClient
from benchmarks.clients.cuts import CutClient, CutSession, LoopSession
from benchmarks.target import PASSWORD, USER, Target

_TIMEOUT_NS = 600 * 10**9


class Scrapli(AsyncClient, CutClient):
    name = "scrapli"
    offers = frozenset({"ssh", "telnet", "timeouts", "cancels", "import"})
    packages = ("scrapli",)
    module = "scrapli"
    separate = True

    async def open(self, target: Target) -> Any:
        scrapli = import_module("scrapli")
        telnet = target.protocol == "telnet"
        session = scrapli.Cli(
            target.host,
            port=target.port,
            definition_file_or_name="cisco_iosxe",
            auth_options=scrapli.AuthOptions(username=USER, password=PASSWORD),
            transport_options=scrapli.TransportTelnetOptions() if telnet else scrapli.TransportSsh2Options(),
        )
        await session.open_async()
        return session

    async def run(self, session: Any, command: str) -> str:
        result = await session.send_input_async(command, operation_timeout_ns=_TIMEOUT_NS)
        text: str = result.result
        return text

    async def close(self, session: Any) -> None:
        await session.close_async()

    def cut_session(self, needs: str, target: Target) -> CutSession:
        return _Cut(target, cancels=needs == "cancels")


class _Cut(LoopSession):
    async def _open(self, target: Target) -> Any:
        return await Scrapli().open(target)

    async def _run(self, session: Any, command: str, timeout: float) -> str:
        result = await session.send_input_async(command, operation_timeout_ns=int(timeout * 1e9))
        text: str = result.result
        return text

    async def _close(self, session: Any) -> None:
        await Scrapli().close(session)

    def _is_timeout(self, error: Exception) -> bool:
        return "timeout" in f"{type(error).__name__} {error}".lower()
