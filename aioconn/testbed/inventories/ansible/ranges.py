# SPDX-License-Identifier: Apache-2.0
"""The patterns that stand for hosts in an inventory: `r[01:10].lab`, `[a:f]`, `[1:9:2]`, and `name:2222`."""

from __future__ import annotations

import ipaddress
import re
import string
from itertools import product

HOST_LIMIT = 50_000  # names that the patterns of one inventory may stand for
_PORT = re.compile(r"([^\[\]]*(?:\[[^\[\]]*\][^\[\]]*)*):([0-9]+)")
_BRACKETED = re.compile(r"\[([^\[\]]+)\](?::([0-9]+))?")
_RANGE = re.compile(r"\[([^\[\]]*)\]")


class BadPattern(ValueError):
    """The pattern stands for no hosts; the text says why."""


class TooManyHosts(BadPattern):
    """The pattern stands for more than are read."""


def expand(pattern: str, limit: int = HOST_LIMIT) -> tuple[list[str], str | None]:
    """The names that a pattern stands for, and the port behind it. Raises `BadPattern`, also for more than `limit`."""
    if len(pattern) > 1000:
        raise BadPattern("this is too long for a name")
    found = _BRACKETED.fullmatch(pattern)
    if found and _is_address(found[1]):
        return [found[1]], found[2]
    port = None
    if not _is_address(pattern) and (found := _PORT.fullmatch(pattern)):
        pattern, port = found[1], found[2]
    if not pattern or pattern.endswith(":"):
        raise BadPattern("a name, or a port behind the colon, is missing")
    parts = _RANGE.split(pattern)  # what is between, and inside, the brackets in turn
    if any(bracket in part for part in parts[::2] for bracket in "[]"):
        raise BadPattern("a bracket that is never closed, or never opened")
    choices = [_values(inside) for inside in parts[1::2]]
    count = 1
    for values in choices:
        count *= len(values)
        if count > limit:
            raise TooManyHosts(f"with this there are more than {HOST_LIMIT:,} hosts")
    if not choices:
        return [pattern], port
    names = [
        "".join(a + b for a, b in zip(parts[::2], (*chosen, ""), strict=True)) for chosen in product(*choices)
    ]
    return names, port


def _is_address(text: str) -> bool:
    try:
        return ipaddress.ip_address(text.partition("%")[0]).version == 6
    except ValueError:
        return False


def _values(inside: str) -> list[str]:
    """What `01:10` stands for. At most one more than the limit is made."""
    bounds = inside.split(":")
    if len(bounds) not in (2, 3) or not bounds[1]:
        raise BadPattern(f"a range is [first:last] or [first:last:step], not [{inside[:40]}]")
    first, last, step = bounds[0] or "0", bounds[1], bounds[2] if len(bounds) == 3 else "1"
    if not (step.isascii() and step.isdigit() and len(step) < 10 and int(step) > 0):
        raise BadPattern(f"the step of a range is a whole number above 0, not {step[:40]!r}")
    if first in string.ascii_letters and last in string.ascii_letters and len(first) == len(last) == 1:
        begin, end = string.ascii_letters.index(first), string.ascii_letters.index(last)
        if begin > end:
            raise BadPattern(f"the range [{inside}] goes backwards")
        return list(string.ascii_letters[begin : end + 1 : int(step)])
    if not all(one.isascii() and one.isdigit() and len(one) < 10 for one in (first, last)):
        raise BadPattern(f"a range goes between two numbers, or two letters, not [{inside[:40]}]")
    width = len(first) if first[0] == "0" and len(first) > 1 else 0
    if width and len(last) != width:
        raise BadPattern(f"both ends of a range with leading zeros have the same length, not [{inside}]")
    numbers = range(int(first), int(last) + 1, int(step))
    if not numbers:
        raise BadPattern(f"the range [{inside}] goes backwards")
    return [str(number).zfill(width) for number in numbers[: HOST_LIMIT + 1]]
