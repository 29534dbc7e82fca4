# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import itertools
import re
import threading
import warnings

import pytest

from aioconn.errors import TestbedError
from aioconn.platforms.definition import from_text
from aioconn.platforms.reader import doubtful_set


def is_warned_of(pattern: str) -> bool | None:
    """None for what is no pattern at all."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            re.compile(pattern)
        except re.error:
            return None
    return bool(caught)


def test_sets_are_doubted_that_python_warns_of() -> None:
    doubted = 0
    for length in range(6):
        for signs in itertools.product("[]^-&a\\", repeat=length):
            pattern = f"x[{''.join(signs)}]"
            if (expected := is_warned_of(pattern)) is not None:
                assert (doubtful_set(pattern) is not None) == expected, pattern
                doubted += expected
    assert doubted > 500
    assert doubtful_set(r"\[[:alpha:]]") is None
    assert doubtful_set("ab[^c][[:alpha:]]+") == 6


def test_filters_of_warnings_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """They belong to all threads: who changes them for a moment may undo what another one has set meanwhile."""
    changed: list[str] = []
    monkeypatch.setattr(warnings, "simplefilter", lambda *_: changed.append(threading.current_thread().name))
    with pytest.raises(TestbedError, match=r"modes.cli.prompt: bad pattern at position 6"):
        from_text("name: acme\nmodes:\n  cli:\n    prompt: '{host}[[>#]'\n", "acme.yaml")
    assert changed == []
