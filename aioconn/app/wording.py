# SPDX-License-Identifier: Apache-2.0
"""Errors and numbers in words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from aioconn.app.terminal import printable
from aioconn.errors import AioconnError, CommandRejected, shorten


def complaint(error: BaseException) -> str:
    """All of an error, safe to be shown."""
    return printable(str(error))


def sentence(error: BaseException, *, seen: bool = True) -> str:
    """An error in one line, for where the device stands beside it already."""
    if not isinstance(error, AioconnError):
        text = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        return _one_line(text)
    text = error.message
    if error.phase:
        text = f"[{error.phase}] {text}"
    if seen and error.seen and not isinstance(error, CommandRejected):
        text += f"; seen: {shorten(error.seen, 120)!r}"
    if error.hint:
        text += f" -> {error.hint}"
    return _one_line(f"{type(error).__name__} {text}")


def _one_line(text: str) -> str:
    return printable("; ".join(line.strip() for line in text.splitlines() if line.strip()))


def count(number: int, one: str, many: str | None = None) -> str:
    """`1 device`, `3 devices`."""
    return f"{number} {one if number == 1 else many or one + 's'}"


def seconds(value: float) -> str:
    """A duration as people say it."""
    if value >= 60:
        return f"{int(value) // 60}:{int(value) % 60:02d} min"
    return f"{value:.1f} s" if value >= 0.0995 else f"{value * 1000:.0f} ms"


def names(devices: Iterable[str], limit: int = 8) -> str:
    """A list of names that does not fill the screen."""
    listed = [printable(name) for name in devices]
    rest = len(listed) - limit
    return ", ".join(listed[:limit]) + (f" and {rest} more" if rest > 0 else "")


def causes(failed: Mapping[str, BaseException], limit: int = 8) -> str:
    """Which devices failed; where they are many, of what, the most frequent first."""
    if len(failed) <= limit:
        return names(failed)
    kinds: dict[str, list[str]] = {}
    for device, error in failed.items():
        kinds.setdefault(type(error).__name__, []).append(device)
    most = sorted(kinds.items(), key=lambda item: -len(item[1]))
    return "; ".join(f"{len(devices)} {kind} of {names(devices, 3)}" for kind, devices in most)
