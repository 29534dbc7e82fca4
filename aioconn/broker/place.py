# SPDX-License-Identifier: Apache-2.0
"""Where in a value the part stands that cannot cross. Looked for only after a value was refused."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from aioconn.broker import codec, objects


def place_in(value: Any) -> str:
    """`[3]['uplink'].match`, or nothing if it is the value itself."""
    steps: list[str] = []
    for _ in range(codec.DEPTH + 1):
        for step, part in _parts(value):
            try:
                codec.encode(codec.pack(part))
            except Exception:
                steps.append(step)
                value = part
                break
        else:
            break
    text = "".join(steps)
    return text if len(text) <= 200 else f"{text[:200]}..."


def _parts(value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        for key, part in value.items():
            yield " as a key", key
            yield f"[{_short(key)}]", part
    elif isinstance(value, list | tuple):
        for number, part in enumerate(value):
            yield f"[{number}]", part
    elif isinstance(value, set | frozenset):
        for part in value:
            yield " as a member", part
    elif not isinstance(value, type) and (
        dataclasses.is_dataclass(value) or isinstance(value, msgspec.Struct)
    ):
        for name, part in objects.fields_of(value).items():
            yield f".{name}", part


def _short(key: Any) -> str:
    return (
        repr(key)
        if isinstance(key, str | int | bytes) and len(repr(key)) <= 40
        else f"<{type(key).__name__}>"
    )
