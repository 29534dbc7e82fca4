# SPDX-License-Identifier: Apache-2.0
"""The worked example of docs/platforms.md is a platform, and the page names every key."""

from __future__ import annotations

import re
from pathlib import Path

from aioconn.platforms import definition, operation_sections
from aioconn.platforms.definition import from_text
from aioconn.platforms.template import filled

PAGE = (Path(__file__).parents[2] / "docs" / "platforms.md").read_text("utf-8")


def test_worked_example_loads() -> None:
    (example,) = re.findall(r"```yaml\n(# A made-up.*?)```", PAGE, re.DOTALL)
    platform = from_text(example, "acme.yaml")
    assert platform.name == "acme_os"
    assert [step.send for step, _ in platform.route("user", "config")] == ["enable", "configure terminal"]
    assert platform.mode_name("bash_console") == platform.bash == "shell"
    assert platform.ping is not None
    assert filled(platform.ping.command, {"address": "a", "count": 3}) == "ping a times 3"
    assert platform.copy is not None
    assert platform.reload is not None
    assert [step.send for step in platform.reload.save] == ["write"]
    assert (platform.reload.pause, platform.reload.silence) == (20.0, 60.0)
    assert platform.failure_in("% Unknown command: foo")


def test_page_names_every_key() -> None:
    keys = (
        *definition._PLATFORM_KEYS,
        *definition._MODE_KEYS,
        *definition._REPLY_KEYS,
        *definition._LOGIN_PATTERNS,
        *operation_sections.PING_KEYS,
        *operation_sections.COPY_KEYS,
        *operation_sections.RELOAD_KEYS,
        *operation_sections.RESULT_GROUPS,
        *[f"{{{name}}}" for name in (*operation_sections.PING_VALUES, *operation_sections.COPY_VALUES)],
    )
    assert [key for key in keys if f"`{key}`" not in PAGE] == []
