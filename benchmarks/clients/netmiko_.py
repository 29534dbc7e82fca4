# SPDX-License-Identifier: Apache-2.0
"""netmiko, with a thread for each session under way."""

from __future__ import annotations

import re
from importlib import import_module
from typing import Any

from benchmarks.clients.base import ThreadedClient
from benchmarks.clients.cuts import WAIT, CutClient, CutSession, CutShort
from benchmarks.target import PASSWORD, USER, Target

_TIMEOUT = 600.0


class Netmiko(ThreadedClient, CutClient):
    name = "netmiko"
    offers = frozenset({"ssh", "telnet", "script", "timeouts", "timeouts, prompt", "import"})
    module = "netmiko"
    most = 500
    packages = ("netmiko", "paramiko")
    separate = True

    def server(self, needs: str) -> str:
        return "ssh" if needs == "script" else needs

    def open(self, target: Target) -> Any:
        netmiko = import_module("netmiko")
        return netmiko.ConnectHandler(
            device_type="cisco_xe" if target.protocol == "ssh" else "cisco_xe_telnet",
            host=target.host,
            port=target.port,
            username=USER,
            password=PASSWORD,
        )

    def run(self, session: Any, command: str) -> str:
        text: str = session.send_command(command, read_timeout=_TIMEOUT)
        return text

    def close(self, session: Any) -> None:
        session.disconnect()

    def cut_session(self, needs: str, target: Target) -> CutSession:
        return _Cut(self.open(target), expects=needs == "timeouts, prompt")


class _Cut(CutSession):
    def __init__(self, session: Any, *, expects: bool) -> None:
        self._session = session
        self._keys = {"expect_string": re.escape(session.find_prompt())} if expects else {}

    def ask(self, command: str, limit: float | None) -> str:
        try:
            text: str = self._session.send_command(command, read_timeout=limit or WAIT, **self._keys)
        except import_module("netmiko").ReadTimeout:
            if limit is None:
                raise
            raise CutShort from None
        return text

    def close(self) -> None:
        self._session.disconnect()
