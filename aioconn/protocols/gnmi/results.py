# SPDX-License-Identifier: Apache-2.0
"""What gNMI calls give: plain values."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Update:
    """What a target says of one path.

    `value` is plain: what JSON has, a text, a number, bytes, or a list of those. `timestamp` is the target's, in
    nanoseconds since 1970. `deleted`: nothing is there any more. `sync`: no news, but the mark that everything which is
    there has been sent once; its path is empty. `duplicates` is how many values the target left out before this one,
    `target` the name that it gives itself, `atomic` that what was below the prefix before is void.
    """

    path: str
    value: Any = None
    timestamp: int = 0
    deleted: bool = False
    sync: bool = False
    atomic: bool = False
    duplicates: int = 0
    target: str = ""

    def __str__(self) -> str:
        if self.sync:
            return "(all that is there has been sent)"
        value = "(deleted)" if self.deleted else json.dumps(self.value, default=str, ensure_ascii=False)
        return f"{self.path} = {value}"


@dataclass(frozen=True, slots=True, kw_only=True)
class GnmiModel:
    """A data model that a target knows."""

    name: str
    organization: str = ""
    version: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class GnmiCapabilities:
    """What a target can do. `version` is that of gNMI, `encodings` are as in `get`: `json_ietf`, `proto`."""

    version: str
    encodings: tuple[str, ...]
    models: tuple[GnmiModel, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One path that a set has changed. `operation` is delete, replace, update or union_replace."""

    path: str
    operation: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SetResult:
    """What a set has done. `timestamp` is the target's, in nanoseconds since 1970."""

    timestamp: int
    changes: tuple[Change, ...]
