# SPDX-License-Identifier: Apache-2.0
"""What `aioconn bench` measures of a device, and how."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from aioconn.app.visit import error_as_json
from aioconn.app.wording import sentence
from aioconn.errors import AioconnError
from aioconn.events import Event, Opened, Opening
from aioconn.protocols.cli import CliConnection
from aioconn.testbed.device import Device

SECOND = "bench_second"
"""The alias of the further session."""
SECOND_TIMEOUT = 5.0
"""Seconds that it may take: it is worth knowing, and not worth more."""
WAITING = "waiting"
"""What comes before the first phase: for the device's limits, or for another attempt's turn."""


@dataclass(slots=True, kw_only=True)
class Sample:
    """One device, round by round; all times in seconds. `phases` are those of each connect, in their order."""

    device: str
    path: str = ""
    command: str = ""
    phases: dict[str, list[float]] = field(default_factory=dict)
    connects: list[float] = field(default_factory=list)
    commands: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    closes: list[float] = field(default_factory=list)
    second_error: BaseException | None = None
    error: BaseException | None = None

    @property
    def ok(self) -> bool:
        return self.error is None

    @property
    def typical_phases(self) -> dict[str, float]:
        return {phase: statistics.median(took) for phase, took in self.phases.items()}

    def as_json(self) -> dict[str, Any]:
        """The object of `--json`; its keys are documented and stay."""
        return {
            "device": self.device,
            "ok": self.ok,
            "path": self.path or None,
            "connect": _rounded(typical(self.connects)),
            "phases": {phase: _rounded(took) for phase, took in self.typical_phases.items()},
            "command": self.command,
            "commands": len(self.commands),
            "p50": _rounded(percentile(self.commands, 50)),
            "p99": _rounded(percentile(self.commands, 99)),
            "second": _rounded(typical(self.seconds)),
            "second_error": None if self.second_error is None else sentence(self.second_error),
            "close": _rounded(typical(self.closes)),
            "error": None if self.error is None else error_as_json(self.error),
        }


def typical(values: Sequence[float]) -> float | None:
    return statistics.median(values) if values else None


def percentile(values: Sequence[float], percent: float) -> float | None:
    """Of few values the largest are all one knows of the end."""
    if not values:
        return None
    return sorted(values)[min(len(values) - 1, int(len(values) * percent / 100))]


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 6)


class Stopwatch:
    """A listener: how long each phase of a device's connect takes. A phase that comes again adds to itself."""

    def __init__(self, begun: float) -> None:
        self.took: dict[str, float] = {}
        self.path = ""
        self._phase, self._since = WAITING, begun
        self._done = False

    def on_event(self, event: Event) -> None:
        if self._done or not isinstance(event, (Opening, Opened)):
            return
        self.took[self._phase] = self.took.get(self._phase, 0.0) + event.at - self._since
        self._since = event.at
        if isinstance(event, Opening):
            self._phase = str(event.phase)
        else:
            self.path, self._done = event.path, True


class Subject:
    """Stands for its device in `fan_out`, and takes the time of all that is done with it.

    `count` commands are run one after the other; where none is given, a line that the platform knows to change
    nothing.
    """

    __slots__ = ("_command", "_count", "_device", "_on_start", "_via", "sample")

    def __init__(
        self, device: Device, on_start: Callable[[str], None], *, command: str | None, count: int
    ) -> None:
        self.sample = Sample(device=device.name, command=command or "")
        self._device = device
        self._on_start = on_start
        self._command = command
        self._count = count
        self._via: str | None = None

    @property
    def name(self) -> str:
        return self._device.name

    def is_connected(self, alias: str | None = None) -> bool:
        return self._device.is_connected(alias)

    async def connect(self, *, via: str | None = None, timeout: float | None = None) -> None:
        self._on_start(self.name)
        self._via = via
        begun = time.monotonic()
        watch = Stopwatch(begun)
        stop = self._device.listeners.add(watch.on_event)
        try:
            connection = await self._device.connect(via=via, timeout=timeout)
        finally:
            stop()
        self.sample.connects.append(time.monotonic() - begun)
        self.sample.path = watch.path
        for phase, took in watch.took.items():
            self.sample.phases.setdefault(phase, []).append(took)
        if self._command is None and isinstance(connection, CliConnection):
            self.sample.command = connection.platform.probe.send.replace("{token}", "aioconn")

    async def execute(self, command: Any, *, timeout: float | None = None) -> None:
        """The commands, then a further session, all within `timeout` seconds."""
        end = time.monotonic() + (timeout or SECOND_TIMEOUT)
        for _ in range(self._count):
            begun = time.monotonic()
            await self._device.execute(self.sample.command, timeout=max(end - begun, 0.01))
            self.sample.commands.append(time.monotonic() - begun)
        # a device that bears one session alone would make it wait for the first to end
        if self._device.manager.limits.max_sessions != 1 and self.sample.second_error is None:
            await self._second(min(SECOND_TIMEOUT, max(end - time.monotonic(), 0.01)))

    async def _second(self, timeout: float) -> None:
        """A device that refuses it is no failure."""
        begun = time.monotonic()
        try:
            await self._device.connect(alias=SECOND, via=self._via, timeout=timeout)
        except AioconnError as error:
            self.sample.second_error = error
            return
        self.sample.seconds.append(time.monotonic() - begun)
        await self._device.destroy(SECOND)

    async def disconnect(self, alias: str | None = None) -> None:
        begun = time.monotonic()
        await self._device.disconnect(alias)
        self.sample.closes.append(time.monotonic() - begun)
