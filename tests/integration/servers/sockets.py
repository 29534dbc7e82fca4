# SPDX-License-Identifier: Apache-2.0
"""The kernel's list of TCP sockets: looking into it disturbs no server, as a connection would."""

from __future__ import annotations

import socket
from pathlib import Path

LISTENING = {0x0A}
CONNECTED = {0x01, 0x08}  # established, and half closed by the client


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


def count(port: int, states: set[int]) -> int:
    """How many sockets stand at this local port in one of the states."""
    found = 0
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        for line in Path(table).read_text().splitlines()[1:]:
            words = line.split()
            if int(words[1].rpartition(":")[2], 16) == port and int(words[3], 16) in states:
                found += 1
    return found
