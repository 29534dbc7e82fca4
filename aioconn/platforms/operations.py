# SPDX-License-Identifier: Apache-2.0
"""What a platform says of operations that every system has and each spells in its own way. Data, no behaviour.

A command line is written with its values in braces, `{address}`; what stands in brackets is left out with them:
`ping {address}[ repeat {count}]`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from aioconn.platforms.model import Reply, Step

# Seconds: before a device that has gone down is looked for, and of silence before it is taken for gone.
PAUSE, SILENCE = 10.0, 60.0

_PART = re.compile(r"\[([^\[\]]*)\]")
_NAME = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Ping:
    """`result` is searched in what a ping prints; its groups are named as the fields of what `ping()` returns, with
    `loss` for a percentage that is missing rather than there."""

    command: str
    result: re.Pattern[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Copy:
    """`replies` answer its questions; the credential `file_server` is that of the call, whose username is `{username}`.

    `failures` are patterns of lines that tell of a failure, beside those of the platform.
    """

    command: str
    replies: tuple[Reply, ...] = ()
    failures: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Reload:
    """`save` are the steps before it that keep the configuration.

    Times are in seconds: `pause` between the end of the session and the first attempt at a new one, `silence` after
    which a device that has said nothing is taken for gone.
    """

    command: str
    save: tuple[Step, ...] = ()
    replies: tuple[Reply, ...] = ()
    pause: float = PAUSE
    silence: float = SILENCE


def names_in(template: str) -> list[str]:
    """The names of the values in a command line."""
    return _NAME.findall(template)


def wrong_part(template: str) -> str | None:
    """What stands in brackets and has no value, or a bracket of its own; None if nothing is wrong."""
    for part in _PART.findall(template):
        if not _NAME.search(part):
            return f"[{part}]"
    rest = _NAME.sub("", _PART.sub("", template))
    return next((sign for sign in rest if sign in "[]{}"), None)


def filled(template: str, values: Mapping[str, object]) -> str:
    """The command line with its values; a part in brackets is left out if one of its values is None or not given."""

    def optional(found: re.Match[str]) -> str:
        part = found[1]
        absent = any(values.get(name) is None for name in names_in(part))
        return "" if absent else part

    line = _PART.sub(optional, template)
    return _NAME.sub(lambda found: str(values[found[1]]), line)
