# SPDX-License-Identifier: Apache-2.0
"""One device of a fan-out: what it has answered so far survives a failure in the middle."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from aioconn.errors import AioconnError
from aioconn.fanout import Reachable
from aioconn.results import Output, Result


class Visit:
    """Stands for its device in `fan_out`, runs the commands one by one, and keeps each output."""

    __slots__ = ("_on_start", "device", "outputs")

    def __init__(self, device: Reachable, on_start: Callable[[str], None]) -> None:
        self.device = device
        self.outputs: list[Output] = []
        self._on_start = on_start

    @property
    def name(self) -> str:
        return self.device.name

    def is_connected(self, alias: str | None = None) -> bool:
        return self.device.is_connected(alias)

    async def connect(self, *, via: str | None = None, timeout: float | None = None) -> Any:
        self._on_start(self.name)
        return await self.device.connect(via=via, timeout=timeout)

    async def disconnect(self, alias: str | None = None) -> None:
        await self.device.disconnect(alias)

    async def execute(self, command: Sequence[str], *, timeout: float | None = None) -> list[Output]:
        """The commands in order, within `timeout` seconds for all; the first that fails ends it."""
        end = None if timeout is None else time.monotonic() + timeout
        for line in command:
            # rounded, for it may stand in an error
            left = None if end is None else max(round(end - time.monotonic(), 2), 0.01)
            self.outputs.append(await self.device.execute(line, timeout=left))
        return self.outputs


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What is to be shown of a device: its outputs, up to the error if there is one. Seconds."""

    device: str
    elapsed: float
    outputs: tuple[Output, ...] = ()
    error: BaseException | None = None

    @classmethod
    def of(cls, visit: Visit, result: Result[Any]) -> Report:
        return cls(
            device=result.device, elapsed=result.elapsed, outputs=tuple(visit.outputs), error=result.error
        )

    @property
    def ok(self) -> bool:
        return self.error is None

    def as_json(self) -> dict[str, Any]:
        """The object of `--json`; its keys are documented and stay."""
        return {
            "device": self.device,
            "ok": self.ok,
            "elapsed": round(self.elapsed, 4),
            "outputs": [
                {"command": output.command, "output": str(output), "elapsed": round(output.elapsed, 4)}
                for output in self.outputs
            ],
            "error": None if self.error is None else _error_as_json(self.error),
        }


def _error_as_json(error: BaseException) -> dict[str, Any]:
    if not isinstance(error, AioconnError):
        return {"type": type(error).__name__, "message": str(error), "phase": None, "path": None}
    message = error.message + (f" -> {error.hint}" if error.hint else "")
    phase = str(error.phase) if error.phase else None
    return {"type": type(error).__name__, "message": message, "phase": phase, "path": error.path}
