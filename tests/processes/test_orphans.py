# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.lab_thread import LabThread
from tests.processes.orphans import ROLES
from tests.processes.parent import Complaints, wait_for

HEARD = 1.0
"""Seconds in which children hear of the death of their parent."""


@pytest.mark.programs
@pytest.mark.timeout(120)
def test_children_hear_of_the_death_of_their_parent(lab: LabThread, parent: Callable[..., Any]) -> None:
    lab.add("r1", personality="linux", protocols=("ssh",))
    path = lab.file.with_name("complaints")
    process = parent("orphans", lab.file, path)
    line = process.line()
    children = 2 * len(ROLES) - 1
    assert line.strip() == str(children), line + "".join(process.process.communicate(timeout=20))
    killed = time.monotonic()
    os.kill(process.process.pid, signal.SIGKILL)
    assert wait_for(lambda: len(Complaints.read(path)) == children, 20.0), Complaints.read(path)
    heard = Complaints.read(path)
    assert {one["what"].partition(": ")[2] for one in heard} == {"BrokerGone"}, heard
    late = {one["what"]: float(one["text"].split()[0]) - killed for one in heard}
    assert max(late.values()) <= HEARD, late
    assert lab.wait_for(lambda: not lab.sessions)
