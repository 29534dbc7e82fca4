# SPDX-License-Identifier: Apache-2.0
"""A command line that is written with its values in braces, `{address}`; what stands in brackets is left out with them:
`ping {address}[ repeat {count}]`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

_PART = re.compile(r"\[([^\[\]]*)\]")
_NAME = re.compile(r"\{(\w+)\}")


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
