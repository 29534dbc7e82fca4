# SPDX-License-Identifier: Apache-2.0
"""Scripts of pyATS on our sessions."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from aioconn.lab import ThreadedLab

pytestmark = [pytest.mark.compat, pytest.mark.timeout(150)]

PAGE = Path(__file__).resolve().parents[3] / "docs" / "coming-from-pyats.md"

File = Callable[..., Path]
Run = Callable[..., Any]


def test_a_script(lab: ThreadedLab, pyats_file: File, run: Run) -> None:
    served = lab.add("r1", enable="secret")
    report = run("session.py", pyats_file(via="cli"))
    clock = report.pop("clock")
    assert re.match(r"\*\d\d:\d\d:\d\d", clock), clock
    assert report == {
        "class": True,
        "configured": "",
        "connected": [True, True, False],
        "pool": [True, True],
        "allocated": True,
        "parsed": ["17.9.4a", "r1"],
        "several": ["show clock", "show version"],
        "repeated": 2,
        "expected": [1, True],
        "received": [True, True, False, True, True],
        "clean": True,
        "dialog": True,
        "levels": ["user", "privileged"],
        "ping": True,
        "copied": True,
        "bash": "bash",
        "reloaded": [True, "*"],
        "refused": "% Invalid input detected at '^' marker.",
        "pattern": report["further"],
        "further": report["further"],
        "allowed": True,
        "closed": True,
        "option": True,
        "nowhere": True,
        "logged": [True, False, True],
        "noise": [],
        "again": True,
        "left": ["bad", "default", "nowhere", "pool"],  # pyATS keeps what failed
        "end": [False, []],
    }
    assert report["further"].startswith("Cisco IOS XE Software")
    assert "description uplink" in served.config.render()
    assert served.logins == 7  # default, vty_1, three of the pool; default after the reload, and once again
    assert served.sessions == 0


def test_pcall(lab: ThreadedLab, pyats_file: File, run: Run) -> None:
    """Eighteen children, and no login more than the parent's own."""
    served = lab.add("r1")
    report = run("pcalls.py", pyats_file(via="cli"))
    assert report == {
        "processes": 8,
        "answers": list(range(8)),
        "one": ["*"] * 4,
        "allocated": [True] * 6,
        "freed": True,
        "after": [True, True, "*"],
    }
    assert served.logins == 5
    assert served.sessions == 0


def test_devices_behind_one_jump_host(lab: ThreadedLab, pyats_file: File, run: Run) -> None:
    jump = lab.add("jump", personality="linux", forwards=True)
    for name in ("r1", "r2", "r3"):
        lab.add(name)
    file = pyats_file(via="cli", proxies=dict.fromkeys(("r1", "r2", "r3"), "jump"))
    report = run("behind.py", file, "r1", "r2", "r3")
    assert report == {"r1": True, "r2": True, "r3": True, "ports": [jump.ssh_port]}


def test_the_script_of_the_page(lab: ThreadedLab, pyats_file: File, run: Run, tmp_path: Path) -> None:
    """As it stands there; it has nothing to report."""
    lab.add("r1")
    lab.add("r2")
    pyats_file(via="cli")
    (block,) = [
        block
        for block in re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
        if "pyats.topology" in block
    ]
    script = tmp_path / "script.py"
    script.write_text(f"{block}\nimport sys\nopen(sys.argv[1], 'w').write('true')\n", encoding="utf-8")
    assert run(script) is True
    assert lab["r1"].sessions == lab["r2"].sessions == 0
