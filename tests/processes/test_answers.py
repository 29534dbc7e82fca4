# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.lab_thread import LabThread
from tests.processes.answers import CALLS, SESSIONS


@pytest.mark.timeout(120)
@pytest.mark.parametrize(
    "how",
    [
        pytest.param("fork", marks=pytest.mark.programs),
        pytest.param("forkserver", marks=pytest.mark.processes),
        pytest.param("spawn", marks=pytest.mark.processes),
    ],
)
def test_eight_processes_share_three_sessions(lab: LabThread, parent: Callable[..., Any], how: str) -> None:
    device = lab.add("r1", protocols=("ssh",))
    report = parent("answers", lab.file, how, "show version").report(100)
    assert report["answers"] == [CALLS]
    assert "Version" in report["texts"][0]
    assert report["opened"] == SESSIONS
    asked = [entry for entry in device.log if entry.command == "show version"]
    assert len(asked) >= CALLS
    assert len({entry.session for entry in asked}) == SESSIONS
    assert device.peak_sessions == SESSIONS
    assert lab.wait_for(lambda: not lab.sessions)
