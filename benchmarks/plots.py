# SPDX-License-Identifier: Apache-2.0
"""Plots of a run. Each is drawn from what was measured and left out where nothing was."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator

from benchmarks.palette import label, style
from benchmarks.report import Report, short
from benchmarks.rounds import Measured

_DPI = 110
_WIDTH = 9.0  # inches
_PROTOCOLS = {"ssh": "SSH", "telnet": "telnet"}
_PLAIN = FuncFormatter(lambda value, _: f"{value:,.10g}")
Quantity = tuple[str, str]
"""A metric's key, and how it is named beside its mark."""


def draw(report: Report, folder: Path) -> list[Path]:
    """All of them, as PNG files."""
    folder.mkdir(parents=True, exist_ok=True)
    drawn = []
    for name, plot in PLOTS.items():
        figure = plot(report)
        path = folder / f"{name}.png"
        if figure is None:
            path.unlink(missing_ok=True)
            continue
        figure.savefig(path, dpi=_DPI, metadata={"Software": None})
        drawn.append(path)
    return drawn


def _fan_out(report: Report) -> Figure | None:
    return _marks(
        _largest(report, "visit") or _largest(report, "fanout"),
        title="Fan-out: connect, run, close",
        unit="seconds (less is better)",
        quantities=(("wall", "wall time"), ("cpu", "CPU time")),
    )


def _idle(report: Report) -> Figure | None:
    return _marks(
        _largest(report, "idle"),
        title="Memory of an idle session",
        unit="KiB for each session (less is better)",
        quantities=(("memory", "resident memory"),),
    )


def _commands(report: Report) -> Figure | None:
    return _marks(
        _largest(report, "commands"),
        title="One short command on a live session",
        unit="milliseconds (less is better)",
        quantities=(("p50", "p50"), ("p99", "p99")),
        scale=1e-3,
    )


def _bulk(report: Report) -> Figure | None:
    return _marks(
        _largest(report, "bulk"),
        title="A large output on one session",
        unit="CPU milliseconds for each MB (less is better)",
        quantities=(("per_megabyte", "CPU time"),),
    )


def _scaling(report: Report) -> Figure | None:
    results = _measured(report, "scaling") or _measured(report, "visit")
    panels = [(name, [one for one in results if _protocol(one) == name]) for name in _PROTOCOLS]
    panels = [(name, found) for name, found in panels if len({_size(one) for one in found}) > 1]
    if not panels:
        return None
    figure, axes = _figure("What a device costs as there are more of them", len(panels), 4.2)
    for axis, (protocol, found) in zip(axes, panels, strict=True):
        for client in dict.fromkeys(one.client for one in found):
            points = sorted((_size(one), one.medians["per_device"]) for one in found if one.client == client)
            colour, mark = style(client)
            axis.plot(*zip(*points, strict=True), color=colour, marker=mark, label=label(client))
        axis.set(
            xscale="log",
            yscale="log",
            title=_PROTOCOLS[protocol],
            xlabel="devices",
            ylabel="client's CPU, milliseconds for each device",
        )
        axis.legend(frameon=False, fontsize="small")
        _plain(axis.xaxis, axis.yaxis)
    return figure


PLOTS: dict[str, Callable[[Report], Figure | None]] = {
    "fanout": _fan_out,
    "scaling": _scaling,
    "idle": _idle,
    "commands": _commands,
    "bulk": _bulk,
}


def _marks(
    cases: Sequence[list[Measured]],
    *,
    title: str,
    unit: str,
    quantities: Sequence[Quantity],
    scale: float = 1.0,
) -> Figure | None:
    """A panel for each case, a line for each client, a mark for each quantity: filled for the first, else hollow."""
    if not cases:
        return None
    rows = max(len(found) for found in cases)
    fills = ("filled", "hollow") if len(quantities) > 1 else ("",)
    named = ", ".join(f"{fill} {name}".strip() for fill, (_, name) in zip(fills, quantities, strict=True))
    figure, axes = _figure(f"{title} ({named})", len(cases), 1.9 + 0.42 * rows)
    for axis, found in zip(axes, cases, strict=True):
        for row, one in enumerate(found):
            colour, mark = style(one.client)
            values = [one.medians[key] * scale for key, _ in quantities]
            axis.plot([min(values), max(values)], [row, row], color=colour, linewidth=1, zorder=1)
            for number, value in enumerate(values):
                face = colour if number == 0 else "white"
                axis.scatter(value, row, color=colour, facecolor=face, marker=mark, s=45, zorder=2)
                below = number > 0
                axis.annotate(
                    short(value),
                    (value, row),
                    xytext=(0, -12 if below else 7),
                    textcoords="offset points",
                    ha="center",
                    va="center",
                    fontsize="x-small",
                )
        axis.set(xscale="log", title=_case(found[0]), xlabel=unit)
        axis.set_yticks(range(len(found)), [label(one.client) for one in found])
        axis.set_ylim(len(found) - 0.4, -0.6)
        axis.margins(x=0.15)
        axis.grid(axis="y", visible=False)
        _plain(axis.xaxis)
    return figure


def _figure(title: str, panels: int, height: float) -> tuple[Figure, list[Any]]:
    figure = Figure(figsize=(_WIDTH, height), layout="constrained")
    figure.suptitle(title, fontweight="bold")
    axes = list(figure.subplots(1, panels, squeeze=False)[0])
    for axis in axes:
        axis.grid(color="#d9d9d9", linewidth=0.6)
        axis.set_axisbelow(True)
        axis.spines[["top", "right"]].set_visible(False)
    return figure, axes


def _plain(*axes: Any) -> None:
    """Numbers as people write them, on an axis that is logarithmic; more of them where it is short."""
    for axis in axes:
        low, high = axis.get_view_interval()
        axis.set_major_locator(LogLocator(subs=(1, 2, 5) if high < 60 * low else (1,)))
        axis.set_major_formatter(_PLAIN)
        axis.set_minor_formatter(FuncFormatter(lambda *_: ""))


def _measured(report: Report, workload: str) -> list[Measured]:
    return [one for one in report.of(workload) if one.runs]


def _largest(report: Report, workload: str) -> list[list[Measured]]:
    """The results of the largest case of each protocol in which all clients were measured, or all but one."""
    found = _measured(report, workload)
    largest = []
    for protocol in _PROTOCOLS:
        cases: dict[str, list[Measured]] = {}
        for one in found:
            if _protocol(one) == protocol:
                cases.setdefault(one.case, []).append(one)
        if cases:
            enough = max(map(len, cases.values())) - 1
            compared = [results for results in cases.values() if len(results) >= enough]
            largest.append(max(compared, key=lambda results: _size(results[0])))
    return largest


def _protocol(one: Measured) -> str:
    return one.case.partition(",")[0]


def _size(one: Measured) -> int:
    sizes = re.findall(r"\d[\d,]*", one.case)
    return int(sizes[0].replace(",", "")) if sizes else 0


def _case(one: Measured) -> str:
    protocol, _, rest = one.case.partition(", ")
    return f"{_PROTOCOLS[protocol]}, {rest}"
