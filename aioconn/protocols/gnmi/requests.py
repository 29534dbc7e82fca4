# SPDX-License-Identifier: Apache-2.0
"""Requests of gNMI, made and checked before anything is sent."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast

from aioconn.errors import UsageError, nearest
from aioconn.protocols.gnmi import messages
from aioconn.protocols.gnmi.messages import Message
from aioconn.protocols.gnmi.paths import GnmiPath, parse
from aioconn.protocols.gnmi.values import Encoding, path_message, value_message

DataType = Literal["all", "config", "state", "operational"]
Mode = Literal["stream", "once", "poll"]
Trigger = Literal["target_defined", "on_change", "sample"]
Values = Mapping[str, Any] | Iterable[tuple[str, Any]]
"""Paths with their values, in the order in which they are to be set."""

LONGEST_INTERVAL = 2**63 / 1e9

KEPT, LONGEST_KEPT = 256, 2048
"""How many packed requests are kept, and up to how many characters of paths in one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscription:
    """One path to hear of, where it differs from the others of a call. Times are seconds.

    `trigger` None, `interval` None and so on mean what the call says.
    """

    path: str
    trigger: Trigger | None = None
    interval: float | None = None
    heartbeat: float | None = None
    suppress_redundant: bool | None = None


def paths(given: str | Iterable[str], origin: str = "") -> list[GnmiPath]:
    """One path or several; `origin` is for those that name none. Raises `UsageError`."""
    texts = [given] if isinstance(given, str) else list(given)
    return [_in(parse(text), origin) for text in texts]


def prefix(text: str | None, target: str) -> Message | None:
    if text is None and not target:
        return None
    return path_message(parse(text or "/"), target=target)


def get(
    wanted: str | Iterable[str],
    *,
    origin: str,
    type: str,
    encoding: Encoding,
    prefix: str | None,
    target: str,
    models: Sequence[str],
) -> bytes:
    """A request, packed. Those that are made again and again are kept: reading paths takes longer than all the rest."""
    texts = (wanted,) if isinstance(wanted, str) else tuple(wanted)
    parts = texts, origin, type, encoding, prefix, target, tuple(models)
    try:
        short = sum(map(len, texts)) + len(prefix or "") <= LONGEST_KEPT
        return (_packed if short else _packed.__wrapped__)(*parts)
    except TypeError:  # a path that is no text, said as such
        return _packed.__wrapped__(*parts)


@functools.lru_cache(maxsize=KEPT)
def _packed(
    texts: tuple[str, ...],
    origin: str,
    type: str,
    encoding: Encoding,
    start: str | None,
    target: str,
    models: tuple[str, ...],
) -> bytes:
    packed: bytes = messages.GetRequest(
        prefix=prefix(start, target),
        path=[path_message(path) for path in paths(texts, origin)],
        type=_number("GetRequest.DataType", type, "type"),
        encoding=messages.number("Encoding", encoding),
        use_models=[messages.ModelData(name=name) for name in models],
    ).SerializeToString()
    return packed


def set(
    *,
    update: Values,
    replace: Values,
    union_replace: Values,
    delete: list[GnmiPath],
    encoding: Encoding,
    prefix: Message | None,
    origin: str,
) -> Message:
    request = messages.SetRequest(
        prefix=prefix,
        delete=[path_message(path) for path in delete],
        update=_updates(update, encoding, origin),
        replace=_updates(replace, encoding, origin),
        union_replace=_updates(union_replace, encoding, origin),
    )
    if not (request.delete or request.update or request.replace or request.union_replace):
        raise UsageError("nothing to set", hint="give update=, replace= or delete=")
    return request


def subscribe(
    wanted: str | Subscription | Iterable[str | Subscription],
    *,
    mode: Mode,
    common: Subscription,
    encoding: Encoding,
    prefix: Message | None,
    origin: str,
    updates_only: bool,
) -> Message:
    if isinstance(wanted, (str, Subscription)):
        wanted = [wanted]
    made = [
        _subscription(Subscription(path=each) if isinstance(each, str) else each, common, mode, origin)
        for each in wanted
    ]
    if not made:
        raise UsageError("no path to subscribe to")
    return messages.SubscribeRequest(
        subscribe=messages.SubscriptionList(
            prefix=prefix,
            subscription=made,
            mode=_number("SubscriptionList.Mode", mode, "mode"),
            encoding=messages.number("Encoding", encoding),
            updates_only=updates_only,
        )
    )


def poll() -> Message:
    return messages.SubscribeRequest(poll=messages.Poll())


def _subscription(one: Subscription, common: Subscription, mode: Mode, origin: str) -> Message:
    if not isinstance(one, Subscription):
        raise UsageError(f"a path or a Subscription, not {type(one).__name__}")
    path = path_message(_in(parse(one.path), origin))
    if mode != "stream":
        return messages.Subscription(path=path)
    return messages.Subscription(
        path=path,
        mode=_number("SubscriptionMode", one.trigger or common.trigger or "target_defined", "trigger"),
        sample_interval=_nanoseconds(one.interval, common.interval, "interval"),
        heartbeat_interval=_nanoseconds(one.heartbeat, common.heartbeat, "heartbeat"),
        suppress_redundant=bool(
            common.suppress_redundant if one.suppress_redundant is None else one.suppress_redundant
        ),
    )


def _updates(values: Values, encoding: Encoding, origin: str) -> list[Message]:
    pairs = cast("Iterable[tuple[str, Any]]", values.items() if isinstance(values, Mapping) else values)
    return [
        messages.Update(path=path_message(_in(parse(path), origin)), val=value_message(value, encoding))
        for path, value in pairs
    ]


def _in(path: GnmiPath, origin: str) -> GnmiPath:
    return path if path.origin or not origin else GnmiPath(origin=origin, elements=path.elements)


def _number(enumeration: str, name: str, what: str) -> int:
    known = [each.lower() for each in messages.ENUMERATIONS[enumeration]]
    if name not in known:
        raise UsageError(f"{what}: {name!r} is none of {', '.join(known)}", hint=nearest(name, known))
    return known.index(name)


def _nanoseconds(own: float | None, common: float | None, what: str) -> int:
    seconds = common if own is None else own
    if seconds is None:
        return 0
    if not 0 <= seconds < LONGEST_INTERVAL:
        raise UsageError(f"{what}: {seconds} is no number of seconds")
    return round(seconds * 1e9)
