# SPDX-License-Identifier: Apache-2.0
"""netmiko, with a thread for each session under way."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from benchmarks.clients.base import ThreadedClient
from benchmarks.target import PASSWORD, USER, Target

_TIMEOUT = 600.0


class Netmiko(ThreadedClient):
    name = "netmiko"
    offers = frozenset({"ssh", "telnet"})
    packages = ("netmiko", "paramiko")
    separate = True

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
