# SPDX-License-Identifier: Apache-2.0
"""unicon, the sessions of pyATS: a process of `ssh` for each, and a thread for each session under way."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from benchmarks.clients.base import ThreadedClient
from benchmarks.target import OPENING, PASSWORD, USER, Target

_TIMEOUT = 600
_START = "ssh -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR -p {port} {user}@{host}"


class Unicon(ThreadedClient):
    name = "unicon"
    offers = frozenset({"ssh", "import"})
    packages = ("unicon", "pyats")
    installs = ("pyats", "unicon", "genie")
    separate = True
    most = 200
    megabytes = 1
    module = "unicon"

    def open(self, target: Target) -> Any:
        device = import_module("unicon").Connection(
            hostname=target.name,
            start=[_START.format(host=target.host, port=target.port, user=USER)],
            os="iosxe",
            credentials={"default": {"username": USER, "password": PASSWORD}},
            learn_hostname=True,
            init_exec_commands=list(OPENING),
            init_config_commands=[],
            log_stdout=False,
        )
        device.settings.GRACEFUL_DISCONNECT_WAIT_SEC = 0  # else ten seconds for each
        device.settings.POST_DISCONNECT_WAIT_SEC = 0
        device.connect()
        return device

    def run(self, session: Any, command: str) -> str:
        text: str = session.execute(command, timeout=_TIMEOUT)
        return text

    def close(self, session: Any) -> None:
        session.disconnect()
