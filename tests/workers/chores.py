# SPDX-License-Identifier: Apache-2.0
"""Functions that worker processes find by their names."""

from __future__ import annotations

import os
import signal
from typing import Any


async def clock(device: Any, *, suffix: str = "") -> tuple[int, str]:
    return os.getpid(), await device.execute("show clock") + suffix


async def fails(device: Any) -> None:
    raise KeyError(device.name)


async def gives_a_socket(device: Any) -> Any:
    import socket

    return socket.SocketType


async def dies(device: Any, *, owner: int) -> str:
    """Ends the process if it is a worker."""
    if os.getpid() != owner:
        os.kill(os.getpid(), signal.SIGKILL)
    return "here"


async def vanishes(device: Any, *, owner: int) -> tuple[int, str]:
    """Is not to be found again in a process that is a worker."""
    if os.getpid() != owner:
        globals().pop("vanishes", None)
    return os.getpid(), device.name


async def tells(device: Any) -> dict[str, Any]:
    """What the device knows of itself."""
    testbed = device.testbed
    return {
        "custom": dict(device.custom),
        "interfaces": list(device.interfaces),
        "os": device.os,
        "testbed": testbed.name if testbed is not None else None,
        "pid": os.getpid(),
    }


async def opens_more(device: Any) -> int:
    await device.connect(alias="another")
    return os.getpid()


async def leaves_traces(device: Any) -> list[str]:
    """What other users of the machine could read of this process."""
    found = []
    for name in ("cmdline", "environ"):
        with open(f"/proc/self/{name}", "rb") as file:
            found.append(file.read().decode("utf-8", "replace"))
    return found
