# SPDX-License-Identifier: Apache-2.0
"""What a worker tells its owner: the kinds of items, and events as they go in one."""

from __future__ import annotations

import dataclasses
from typing import Any

from aioconn import events
from aioconn.errors import BadFrame
from aioconn.events import Event

READY, REFUSED, RESULT, EVENT, HOP_EVENT, LOGGED, LEFT = range(7)

_CLASSES: tuple[type[Event], ...] = (
    events.Opening,
    events.Opened,
    events.OpenFailed,
    events.ServiceStarted,
    events.ServiceFinished,
    events.Recovered,
    events.Unsolicited,
    events.Closed,
    events.Acquired,
    events.Replaced,
    events.CircuitOpened,
    events.LimitLearned,
)
_NUMBERS: dict[type[Event], int] = {cls: number for number, cls in enumerate(_CLASSES)}
_FIELDS = tuple(tuple(field.name for field in dataclasses.fields(cls)) for cls in _CLASSES)


def of_event(event: Event) -> list[Any] | None:
    """The event as the codec takes it; None for a class of somebody else's."""
    if (number := _NUMBERS.get(type(event))) is None:
        return None
    return [number, *(getattr(event, name) for name in _FIELDS[number])]


def event(raw: Any) -> Event | None:
    """The event of which `of_event` made this."""
    if raw is None:
        return None
    number: int
    number, *parts = raw
    if not 0 <= number < len(_CLASSES) or len(parts) != len(_FIELDS[number]):
        raise BadFrame("what a worker process sent is no event")
    return _CLASSES[number](**dict(zip(_FIELDS[number], parts, strict=True)))
