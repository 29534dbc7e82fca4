# SPDX-License-Identifier: Apache-2.0
"""The same words as `aioconn`, for scripts without a loop: every call waits for its result.

Any thread may use the objects, several at once, and child processes too. Names are imported when they are first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from aioconn.credentials import Credential as Credential
    from aioconn.credentials import Secret as Secret
    from aioconn.errors import AioconnError as AioconnError
    from aioconn.results import Output as Output
    from aioconn.results import Result as Result
    from aioconn.results import Results as Results
    from aioconn.sync.connection import CliConnection as CliConnection
    from aioconn.sync.connection import Connection as Connection
    from aioconn.sync.devices import Device as Device
    from aioconn.sync.devices import device as device
    from aioconn.sync.fanout import fan_out as fan_out
    from aioconn.sync.manager import ConnectionManager as ConnectionManager
    from aioconn.sync.pool import CliPool as CliPool
    from aioconn.sync.pool import CliSession as CliSession
    from aioconn.sync.pool import ConnectionPool as ConnectionPool
    from aioconn.sync.pool import Session as Session
    from aioconn.sync.served import attach as attach
    from aioconn.sync.testbed import Testbed as Testbed
    from aioconn.sync.testbed import load as load

_HOME = {
    "AioconnError": "aioconn.errors",
    "CliConnection": "aioconn.sync.connection",
    "CliPool": "aioconn.sync.pool",
    "CliSession": "aioconn.sync.pool",
    "Connection": "aioconn.sync.connection",
    "ConnectionManager": "aioconn.sync.manager",
    "ConnectionPool": "aioconn.sync.pool",
    "Credential": "aioconn.credentials",
    "Device": "aioconn.sync.devices",
    "Output": "aioconn.results",
    "Result": "aioconn.results",
    "Results": "aioconn.results",
    "Secret": "aioconn.credentials",
    "Session": "aioconn.sync.pool",
    "Testbed": "aioconn.sync.testbed",
    "attach": "aioconn.sync.served",
    "device": "aioconn.sync.devices",
    "fan_out": "aioconn.sync.fanout",
    "load": "aioconn.sync.testbed",
}

__all__ = [
    "AioconnError",
    "CliConnection",
    "CliPool",
    "CliSession",
    "Connection",
    "ConnectionManager",
    "ConnectionPool",
    "Credential",
    "Device",
    "Output",
    "Result",
    "Results",
    "Secret",
    "Session",
    "Testbed",
    "attach",
    "device",
    "fan_out",
    "load",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'aioconn.sync' has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOME[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOME})
