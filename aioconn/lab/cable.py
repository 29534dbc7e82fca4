# SPDX-License-Identifier: Apache-2.0
"""What is done to one connection from outside: its cable is pulled, it is reset, it is held open for nobody."""

from __future__ import annotations

import asyncio
import ctypes
import os
import socket
import struct
import sys
from typing import Any, cast

from aioconn.home.descriptors import keep, making

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


def hold(sock: Any) -> socket.socket:
    """A connection that stays open, silent, whatever becomes of `sock`, until what this returns is closed."""
    with making:
        held = socket.socket(fileno=os.dup(sock.fileno()))
        keep(held)
    return held


def hard_reset(transport: asyncio.BaseTransport) -> None:
    """End a connection with RST instead of FIN."""
    sock = transport.get_extra_info("socket")
    if sock is not None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    cast("asyncio.Transport", transport).abort()
