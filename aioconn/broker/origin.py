# SPDX-License-Identifier: Apache-2.0
"""Who is at the other end of a socket, asked of the system: the one place that knows how each of them says it."""

from __future__ import annotations

import socket
import struct
import sys
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Who is at the other end of a socket, as far as the system tells: None where it does not."""

    uid: int | None = None
    pid: int | None = None


def origin_of(sock: socket.socket) -> Origin:
    """Ask the system, which knows better than who is asked: Linux, macOS and the BSDs. Raises OSError."""
    if hasattr(socket, "SO_PEERCRED"):
        pid, uid, _ = struct.unpack("iII", sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
        return Origin(uid=uid, pid=pid or None)  # 0: of a namespace that we cannot see into
    if sys.platform == "darwin" or "bsd" in sys.platform:
        # LOCAL_PEERCRED gives a `struct xucred` (unpcb.h): version, uid, groups; LOCAL_PEERPID is macOS's alone.
        local, peer_credentials, peer_pid = 0, 1, 2
        _, uid = struct.unpack_from("II", sock.getsockopt(local, peer_credentials, 256))
        pid = None
        if sys.platform == "darwin":
            (pid,) = struct.unpack("i", sock.getsockopt(local, peer_pid, 4))
        return Origin(uid=uid, pid=pid)
    return Origin()
