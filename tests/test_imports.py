# SPDX-License-Identifier: Apache-2.0
"""What is imported before it is needed: people pay for it at the start of each script, and at each <Tab>."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]

MODULES = {
    "pyyaml": "yaml",
    "ntc-templates": "ntc_templates",
    "grpcio": "grpc",
    "protobuf": "google.protobuf",
}
"""Of distributions that are not called like what they bring."""
LIBRARIES = {
    MODULES.get(name, name.replace("-", "_"))
    for requirements in (PROJECT["dependencies"], *PROJECT["optional-dependencies"].values())
    for requirement in requirements
    if (name := re.split(r"[^\w-]", requirement)[0]) != "aioconn"
}
SLOW = {"asyncio", "email", "importlib.metadata", "multiprocessing", "ssl"}
"""Of Python's own."""


@pytest.mark.parametrize(
    ("beginning", "loads"),
    [
        ("import aioconn", set()),
        ("import aioconn.sync", set()),
        ("from aioconn.app.main import build_parser; build_parser()", set()),
        ("import aioconn; aioconn.AioconnError; aioconn.Result; aioconn.Secret", set()),
        ("from aioconn import CliConnection, Device, Testbed, fan_out, load", {"asyncio", "ssl", "yaml"}),
        ("from aioconn import *", {"asyncio", "msgspec", "ssl", "yaml"}),
        ("from aioconn.sync import *", {"asyncio", "ssl", "yaml"}),
        ("from aioconn.lab import Lab", {"asyncio", "ssl", "yaml"}),
        ("import aioconn.app.run", {"asyncio", "rich", "ssl", "yaml"}),
    ],
)
def test_nothing_is_loaded_without_need(beginning: str, loads: set[str]) -> None:
    assert {"asyncssh", "aiohttp", "lxml", "grpc", "yaml", "rich", "msgspec"} <= LIBRARIES
    dear = LIBRARIES | SLOW
    code = f"{beginning}\nimport sys\nprint(*(name for name in {sorted(dear)} if name in sys.modules))"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=False
    )
    assert done.returncode == 0, done.stderr
    assert set(done.stdout.split()) == loads
