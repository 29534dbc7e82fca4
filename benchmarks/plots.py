# SPDX-License-Identifier: Apache-2.0
"""Plots of a run. Each is drawn from what was measured and left out where nothing was."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, NullLocator

from benchmarks.goals import NO_PEERS, OURS
from benchmarks.palette import label, style
from benchmarks.report import Report, short
from benchmarks.rounds import Measured

_DPI = 110
_WIDTH = 9.0  # inches
_ROW = 0.3
_PROTOCOLS = {"ssh": "SSH", "telnet": "telnet"}
_PLAIN = FuncFormatter(lambda value, _: f"{value:,.10g}")
_FLOOR = "#595959"
_BEHIND = {
    "facecolor": "white",
    "edgecolor": "none",
    "alpha": 0.8,
    "pad": 0.6,
}  # texts that a line goes through


@dataclass(frozen=True, slots=True, kw_only=True)
class Quantity:
    """A metric, and how it is named below its panel. `scale` turns it into the unit of the name."""

    key: str
    words: str
    scale: float = 1.0


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
        title="Many devices: connect, run, close",
        quantities=(
            Quantity(key="wall", words="wall time, seconds"),
            Quantity(key="cpu", words="client's CPU time, seconds"),
        ),
    )


def _idle(report: Report) -> Figure | None:
    return _marks(
        _largest(report, "idle"),
        title="Memory of an idle session",
        quantities=(Quantity(key="memory", words="KiB for each session"),),
    )


def _commands(report: Report) -> Figure | None:
    return _marks(
        _largest(report, "commands"),
        title="One short command on a live session",
        quantities=(
            Quantity(key="p50", words="until it is answered (p50), milliseconds", scale=1e-3),
            Quantity(key="cpu", words="client's CPU time, milliseconds", scale=1e-3),
        ),
    )


def _bulk(report: Report) -> Figure | None:
    return _marks(
        _largest(report, "bulk"),
        title="A large output on one session",
        quantities=(Quantity(key="per_megabyte", words="client's CPU time, milliseconds for each MB"),),
    )


def _scaling(report: Report) -> Figure | None:
    results = _measured(report, "scaling") or _measured(report, "visit")
    panels = [(name, [one for one in results if _protocol(one) == name]) for name in _PROTOCOLS]
    panels = [(name, found) for name, found in panels if len({_size(one) for one in found}) > 1]
    if not panels:
        return None
    figure, grid = _figure("What a device costs as there are more of them", 1, len(panels), 4.2)
    for axis, (protocol, found) in zip(grid[0], panels, strict=True):
        ends = []
        for client in dict.fromkeys(one.client for one in found):
            points = sorted((_size(one), one.medians["per_device"]) for one in found if one.client == client)
            colour, mark = style(client)
            floor = any(one.floor for one in found if one.client == client)
            line = {"linestyle": "--", "marker": ""} if floor else {"marker": mark, "markersize": 5}
            axis.plot(*zip(*points, strict=True), color=colour, **line)
            ends.append((points[-1], label(client), colour))
        axis.set(
            xscale="log",
            yscale="log",
            title=_PROTOCOLS[protocol],
            xlabel="devices",
            ylabel="client's CPU time, milliseconds for each device",
        )
        low, high = axis.get_xlim()
        axis.set_xlim(low, high * (high / low) ** 0.35)  # room for the names
        _plain(axis.xaxis, axis.yaxis)
        decades = {10 ** (len(str(_size(one))) - 1) for one in found}
        axis.xaxis.set_major_locator(FixedLocator(sorted(decades)))
        axis.xaxis.set_minor_locator(NullLocator())
        _name(axis, ends)
    return figure


def _name(axis: Any, ends: Sequence[tuple[tuple[float, float], str, str]]) -> None:
    """Each line by its name behind its last point, one above the other where they end close together."""
    low, high = axis.get_ylim()
    step = (high / low) ** 0.06
    before = 0.0
    for (x, y), name, colour in sorted(ends, key=lambda end: end[0][1]):
        before = max(y, before * step)
        axis.annotate(
            name,
            (x, y),
            xytext=(x * 1.25, before),
            color=colour,
            fontsize="small",
            va="center",
            bbox=_BEHIND,
            annotation_clip=False,
        )


PLOTS: dict[str, Callable[[Report], Figure | None]] = {
    "fanout": _fan_out,
    "scaling": _scaling,
    "idle": _idle,
    "commands": _commands,
    "bulk": _bulk,
}


def _marks(cases: Sequence[list[Measured]], *, title: str, quantities: Sequence[Quantity]) -> Figure | None:
    """A row of panels for each case, in it one for each quantity, with a line for each client, and one from top to
    bottom for the floor."""
    if not cases:
        return None
    if len(quantities) > 1:
        panels = [[(found, quantity) for quantity in quantities] for found in cases]
    else:
        panels = [[(found, quantities[0]) for found in cases]]
    rows = max(len(found) for found in cases)
    figure, grid = _figure(title, len(panels), len(panels[0]), len(panels) * (0.95 + _ROW * rows))
    for axes, line in zip(grid, panels, strict=True):
        for axis, (found, quantity) in zip(axes, line, strict=True):
            _panel(axis, found, quantity)
    return figure


def _panel(axis: Any, found: Sequence[Measured], quantity: Quantity) -> None:
    floor = next((one for one in found if one.floor), None)
    others = sorted((one for one in found if not one.floor), key=lambda one: not one.client.startswith(OURS))
    values = [one.medians[quantity.key] * quantity.scale for one in others]
    for row, (one, value) in enumerate(zip(others, values, strict=True)):
        colour, mark = style(one.client)
        axis.scatter(value, row, color=colour, marker=mark, s=45, zorder=2)
        beside = {
            "xytext": (8, 0),
            "textcoords": "offset points",
            "va": "center",
            "fontsize": "small",
            "bbox": _BEHIND,
        }
        axis.annotate(short(value), (value, row), **beside)
    if floor is not None:
        lowest = floor.medians[quantity.key] * quantity.scale
        values.append(lowest)
        axis.axvline(lowest, color=_FLOOR, linestyle="--", linewidth=1.2, zorder=1)
        axis.annotate(
            f"{label(floor.client)}: {short(lowest)}",
            (lowest, len(others) - 0.45),
            xytext=(4, 0),
            textcoords="offset points",
            va="center",
            fontsize="small",
            color=_FLOOR,
        )
    axis.set(xscale="log", xlabel=quantity.words)
    axis.set_title(_case(found[0]), fontsize="medium")
    low, high = min(values), max(values)
    span = max(high / low, 3.0)
    axis.set_xlim(low / span**0.08, low * span**1.22)
    axis.set_yticks(range(len(others)), [label(one.client) for one in others])
    axis.set_ylim(len(others), -0.6)
    axis.grid(axis="y", visible=False)
    _plain(axis.xaxis)


def _figure(title: str, rows: int, columns: int, height: float) -> tuple[Figure, list[list[Any]]]:
    figure = Figure(figsize=(_WIDTH, 0.5 + height), layout="constrained")
    figure.get_layout_engine().set(h_pad=0.1, w_pad=0.1)  # type: ignore[union-attr]
    figure.suptitle(f"{title} (less is better)", fontweight="bold")
    grid = [list(line) for line in figure.subplots(rows, columns, squeeze=False)]
    for axis in (axis for line in grid for axis in line):
        axis.grid(color="#d9d9d9", linewidth=0.6)
        axis.set_axisbelow(True)
        axis.spines[["top", "right"]].set_visible(False)
    return figure, grid


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
    """The results of the largest case of each protocol in which all peers were measured, or all but one."""
    found = _measured(report, workload)
    largest = []
    for protocol in _PROTOCOLS:
        cases: dict[str, list[Measured]] = {}
        for one in found:
            if _protocol(one) == protocol:
                cases.setdefault(one.case, []).append(one)
        if cases:
            enough = max(map(_peers, cases.values())) - 1
            compared = [results for results in cases.values() if _peers(results) >= enough]
            largest.append(max(compared, key=lambda results: _size(results[0])))
    return largest


def _peers(results: Sequence[Measured]) -> int:
    return sum(not one.floor and not one.client.startswith(NO_PEERS) for one in results)


def _protocol(one: Measured) -> str:
    return one.case.partition(",")[0]


def _size(one: Measured) -> int:
    sizes = re.findall(r"\d[\d,]*", one.case)
    return int(sizes[0].replace(",", "")) if sizes else 0


def _case(one: Measured) -> str:
    protocol, _, rest = one.case.partition(", ")
    return f"{_PROTOCOLS[protocol]}, {rest}"
