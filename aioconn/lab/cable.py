# SPDX-License-Identifier: Apache-2.0
"""Pulling the cable of one socket: what comes for it is dropped before TCP sees it. Linux only."""

from __future__ import annotations

import ctypes
import socket
import struct
import sys
from typing import Any

# socket(7); Python has no names for them
_ATTACH_FILTER, _DETACH_FILTER = 26, 27
_DROP_ALL = ctypes.create_string_buffer(struct.pack("HBBI", 6, 0, 0, 0))  # one instruction: return 0
_PROGRAM = struct.pack("HL", 1, ctypes.addressof(_DROP_ALL))

POSSIBLE = sys.platform.startswith("linux")


def unplug(sock: Any) -> None:
    """Let the system drop every packet that comes for a socket: nothing is acknowledged. OSError if not Linux.

    What the socket itself sends still leaves.
    """
    if not POSSIBLE:
        raise OSError("the packets of a single socket can be dropped on Linux only")
    sock.setsockopt(socket.SOL_SOCKET, _ATTACH_FILTER, _PROGRAM)


def plug(sock: Any) -> None:
    """Undo `unplug`. What was dropped arrives when the other side sends it again."""
    sock.setsockopt(socket.SOL_SOCKET, _DETACH_FILTER, 0)
