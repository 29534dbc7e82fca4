# SPDX-License-Identifier: Apache-2.0
"""One device of a fan-out: what it has answered so far survives a failure in the middle."""

from __future__ import annotations

import contextlib
import dataclasses
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from aioconn.app.calls import Call, OwnServices, rendered, takes_commands, understand
from aioconn.errors import AioconnError, UnknownPath
from aioconn.results import Output, Result
from aioconn.testbed.device import Device
from aioconn.visits import TIMEOUT, Reachable, visit


@runtime_checkable
class Services(Protocol):
    """What serves calls instead of commands."""

    def understood(self, words: Sequence[str]) -> Call | None:
        """The call that they mean on the connection that stands; None if it takes them as commands."""
        ...

    def pieces(self, call: Call, timeout: float) -> AsyncGenerator[Any, None]:
        """What the call gives, while it comes, within so many seconds."""
        ...


class Visit:
    """Stands for its device in `fan_out`, runs the commands one by one, and keeps each output.

    Where the device's connection is no command line, they are the words of one call for `services`.
    """

    __slots__ = ("_on_start", "_services", "device", "outputs")

    def __init__(
        self, device: Reachable, on_start: Callable[[str], None], services: Services | None = None
    ) -> None:
        self.device = device
        self.outputs: list[Output] = []
        self._on_start = on_start
        self._services = services

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
        services = self._services
        if services is not None and (call := services.understood(command)) is not None:
            await self._serve(call, services.pieces(call, timeout or TIMEOUT))
            return self.outputs
        end = None if timeout is None else time.monotonic() + timeout
        for line in command:
            # rounded, for it may stand in an error
            left = None if end is None else max(round(end - time.monotonic(), 2), 0.01)
            self.outputs.append(await self.device.execute(line, timeout=left))
        return self.outputs

    async def _serve(self, call: Call, pieces: AsyncGenerator[Any, None]) -> None:
        """One output: what has come until it ends, or is cut off."""
        started = time.monotonic()
        texts: list[str] = []
        try:
            async with contextlib.aclosing(pieces):
                async for piece in pieces:
                    texts.append(rendered(piece))  # noqa: PERF401  what came before an error counts
        finally:
            if texts:
                text = ("" if texts[0].endswith("\n") else "\n").join(texts)
                elapsed = time.monotonic() - started
                self.outputs.append(Output(text, command=call.text, elapsed=elapsed))


def visit_to(
    device: Reachable, words: Sequence[str], via: str | None, on_start: Callable[[str], None]
) -> Visit:
    """Raises `UsageError` where the words are to be a call and are none, before anything is touched; that the path is
    missing is for `connect()` to say. What a daemon's connection is, is known when it is found."""
    if isinstance(device, Device):
        with contextlib.suppress(UnknownPath):
            kind = device.manager.class_of(via)
            if not takes_commands(kind):
                return Visit(device, on_start, OwnServices(device, understand(kind, words)))
        return Visit(device, on_start)
    return Visit(device, on_start, device if isinstance(device, Services) else None)


async def visited(
    device: Reachable, words: Sequence[str], /, *, timeout: float, via: str | None, keep: bool
) -> Result[list[Output]]:
    """A whole visit, in whatever process; the result has the outputs up to the error if there is one."""
    standing = visit_to(device, words, via, lambda _: None)
    result = await visit(standing, words, timeout=timeout, via=via, keep=keep)
    return dataclasses.replace(result, value=standing.outputs)


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What is to be shown of a device: its outputs, up to the error if there is one. Seconds."""

    device: str
    elapsed: float
    outputs: tuple[Output, ...] = ()
    error: BaseException | None = None

    @classmethod
    def of(cls, visit: Visit | None, result: Result[Any]) -> Report:
        """What `visit` has brought, or if there is none, what `visited` gave."""
        outputs = visit.outputs if visit is not None else result.value or ()
        return cls(device=result.device, elapsed=result.elapsed, outputs=tuple(outputs), error=result.error)

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
            "error": None if self.error is None else error_as_json(self.error),
        }


def error_as_json(error: BaseException) -> dict[str, Any]:
    if not isinstance(error, AioconnError):
        return {"type": type(error).__name__, "message": str(error), "phase": None, "path": None}
    message = error.message + (f" -> {error.hint}" if error.hint else "")
    phase = str(error.phase) if error.phase else None
    return {"type": type(error).__name__, "message": message, "phase": phase, "path": error.path}
