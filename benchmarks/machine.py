# SPDX-License-Identifier: Apache-2.0
"""Where the measuring was done."""

from __future__ import annotations

import os
import platform
import re
import subprocess
from pathlib import Path

from benchmarks.target import ROOT


def describe() -> dict[str, str | int]:
    return {
        "cpu": _model(),
        "cores": os.cpu_count() or 0,
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "python": f"{platform.python_implementation()} {platform.python_version()}",
    }


def commit() -> str:
    """Which commit is measured, with a `+` if programs were changed since; empty where git does not tell."""
    try:
        found = _git("rev-parse", "--short=10", "HEAD")
    except (OSError, subprocess.CalledProcessError):
        return ""
    try:
        _git("diff", "--quiet", "HEAD", "--", "aioconn", "benchmarks/*.py")
    except subprocess.CalledProcessError:
        return f"{found}+"
    return found


def _git(*arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def load() -> float:
    """How busy the machine is already, in cores."""
    try:
        return os.getloadavg()[0]
    except OSError:
        return 0.0


def _model() -> str:
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        return platform.processor() or platform.machine()
    found = re.search(r"^model name\s*:\s*(.+)$", text, re.MULTILINE)
    return found[1] if found else platform.machine()
