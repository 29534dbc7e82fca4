# SPDX-License-Identifier: Apache-2.0
"""The forms in which measurements leave: for eyes, for pipes, for programs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Protocol

from rich.table import Table
from rich.text import Text

from aioconn.app.progress import Progress
from aioconn.app.samples import WAITING, Sample, percentile, typical
from aioconn.app.terminal import printable
from aioconn.app.wording import count, sentence

_SHOWN = 0.005
"""Seconds; waiting for less than that is not worth a word."""


class Gathered(Protocol):
    """A fan-out, measured."""

    devices: int
    ok: int
    limit: int
    wall: float
    cpu: float

    def as_json(self) -> dict[str, Any]: ...


class Form(Protocol):
    """Takes each device as it is done, the fan-out, and is told of the end, which may come early."""

    def put(self, sample: Sample) -> None: ...
    def put_fan_out(self, fan_out: Any) -> None: ...
    def end(self) -> None: ...


def form_for(progress: Progress, *, as_json: bool) -> Form:
    if as_json:
        return ForPrograms(progress)
    return ForEyes(progress) if progress.interactive else ForPipes(progress)


class ForEyes:
    """One table, when all is known."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._samples: list[Sample] = []
        self._last: Text | None = None

    def put(self, sample: Sample) -> None:
        self._samples.append(sample)

    def put_fan_out(self, fan_out: Any) -> None:
        self._last = Text(told(fan_out), style="bold")

    def end(self) -> None:
        if self._samples:
            self._progress.show(table(self._samples), Text())
        for sample in self._samples:
            if sample.error is not None:
                self._progress.note(_failure(sample))
        if self._last is not None:
            self._progress.show(self._last)


class ForPipes:
    """`device: what was measured` on stdout, `device: error` on stderr."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress

    def put(self, sample: Sample) -> None:
        if sample.error is not None:
            self._progress.note(_failure(sample))
            return
        self._progress.data(f"{sample.device}: {'; '.join(line(sample))}\n")

    def put_fan_out(self, fan_out: Any) -> None:
        self._progress.data(f"{told(fan_out)}\n")

    def end(self) -> None: ...


class ForPrograms:
    """One JSON object a line, in ASCII."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress

    def put(self, sample: Sample) -> None:
        self._progress.data(json.dumps(sample.as_json()) + "\n")

    def put_fan_out(self, fan_out: Any) -> None:
        self._progress.data(json.dumps(fan_out.as_json()) + "\n")

    def end(self) -> None: ...


def table(samples: list[Sample]) -> Table:
    """Milliseconds, a line for each device, a column for each phase that any of them has."""
    phases = list(dict.fromkeys(phase for sample in samples for phase in _phases(sample)))
    made = Table(box=None, header_style="bold", padding=(0, 2, 0, 0), pad_edge=False, title="milliseconds")
    made.add_column("device", style="bold", no_wrap=True)
    made.add_column("connect", justify="right", style="cyan")
    for phase in phases:
        made.add_column(phase, justify="right", style="dim")
    for name in ("p50", "p99", "2nd session", "close"):
        made.add_column(name, justify="right")
    for sample in samples:
        shown = _phases(sample)
        made.add_row(
            Text(printable(sample.device), style="" if sample.ok else "red"),
            _ms(typical(sample.connects)),
            *(_ms(shown.get(phase)) for phase in phases),
            _ms(percentile(sample.commands, 50)),
            _ms(percentile(sample.commands, 99)),
            "refused" if sample.second_error is not None else _ms(typical(sample.seconds)),
            _ms(typical(sample.closes)),
        )
    return made


def line(sample: Sample) -> Iterator[str]:
    """The same in words."""
    phases = ", ".join(f"{phase} {_ms(took)}" for phase, took in _phases(sample).items())
    yield f"connect {_ms(typical(sample.connects))} ms ({phases})"
    commands = f"p50 {_ms(percentile(sample.commands, 50))} ms, p99 {_ms(percentile(sample.commands, 99))} ms"
    yield f"{count(len(sample.commands), 'command')} {commands}"
    if sample.second_error is not None:
        yield f"second session refused: {sentence(sample.second_error)}"
    elif sample.seconds:
        yield f"second session {_ms(typical(sample.seconds))} ms"
    yield f"close {_ms(typical(sample.closes))} ms"


def told(fan_out: Gathered) -> str:
    rate = fan_out.devices / fan_out.wall if fan_out.wall else 0.0
    each = fan_out.cpu / fan_out.devices * 1e3
    return (
        f"fan-out: {count(fan_out.devices, 'device')}, {fan_out.ok} ok, at most {fan_out.limit} at once,"
        f" in {fan_out.wall:.3f} s: {rate:,.0f} devices/s, {each:.2f} ms of CPU for each"
    )


def _phases(sample: Sample) -> dict[str, float]:
    found = sample.typical_phases
    return {phase: took for phase, took in found.items() if phase != WAITING or took > _SHOWN}


def _ms(seconds: float | None) -> str:
    return "–" if seconds is None else f"{seconds * 1e3:,.1f}"


def _failure(sample: Sample) -> Text:
    error = sample.error
    return Text(f"{printable(sample.device)}: {sentence(error) if error else ''}", style="red")
