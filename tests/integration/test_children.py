# SPDX-License-Identifier: Apache-2.0
"""Processes that share the sessions of one, on a real server."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration.servers import openssh as ssh
from tests.integration.servers.openssh import OpenSsh
from tests.processes.answers import CALLS, SESSIONS

pytestmark = pytest.mark.integration

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.timeout(180)
@pytest.mark.parametrize("how", ["fork", "forkserver", "spawn"])
def test_eight_processes_share_three_sessions(openssh: OpenSsh, tmp_path: Path, how: str) -> None:
    server = openssh.server(f"children-{how}", ssh.PASSWORD)
    user = openssh.user
    described = {
        "os": "linux",
        "connections": {"cli": {"protocol": "ssh", "host": "127.0.0.1", "port": server.port}},
        "credentials": {"default": {"username": user.name, "password": user.password}},
    }
    testbed = tmp_path / "testbed.yaml"
    testbed.write_text(json.dumps({"testbed": {"name": "real"}, "devices": {"r1": described}}))
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    done = subprocess.run(
        [sys.executable, "-m", "tests.processes.answers", str(testbed), how, "echo $$"],
        env={**environment, "PYTHONPATH": str(ROOT), "XDG_RUNTIME_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    report = json.loads(done.stdout)
    assert report["opened"] == SESSIONS
    assert len(set(report["texts"])) == SESSIONS  # the process numbers of the shells
    assert sum(report["answers"]) == CALLS
    server.daemon.wait_idle()
    assert server.daemon.log().count("Starting session: shell") == SESSIONS
