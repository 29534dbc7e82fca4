# SPDX-License-Identifier: Apache-2.0
"""The worked example of docs/platforms.md is a platform, and the page names every key."""

from __future__ import annotations

import re
from pathlib import Path

from aioconn.platforms import definition
from aioconn.platforms.definition import from_text

PAGE = (Path(__file__).parents[2] / "docs" / "platforms.md").read_text("utf-8")


def test_worked_example_loads() -> None:
    (example,) = re.findall(r"```yaml\n(# A made-up.*?)```", PAGE, re.DOTALL)
    platform = from_text(example, "acme.yaml")
    assert platform.name == "acme_os"
    assert [step.send for step, _ in platform.route("user", "config")] == ["enable", "configure terminal"]
    assert platform.failure_pattern is not None
    assert platform.failure_pattern.search("% Unknown command: foo")


def test_page_names_every_key() -> None:
    keys = (
        *definition._PLATFORM_KEYS,
        *definition._MODE_KEYS,
        *definition._REPLY_KEYS,
        *definition._LOGIN_PATTERNS,
    )
    assert [key for key in keys if f"`{key}`" not in PAGE] == []
