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
    from aioconn.protocols.statements import Statement as Statement
    from aioconn.results import Output as Output
    from aioconn.results import Result as Result
    from aioconn.results import Results as Results
    from aioconn.sync.connection import CliConnection as CliConnection
    from aioconn.sync.connection import CommandsConnection as CommandsConnection
    from aioconn.sync.connection import Connection as Connection
    from aioconn.sync.connection import GnmiConnection as GnmiConnection
    from aioconn.sync.connection import NetconfConnection as NetconfConnection
    from aioconn.sync.connection import RestconfConnection as RestconfConnection
    from aioconn.sync.connection import RestConnection as RestConnection
    from aioconn.sync.connection import SnmpConnection as SnmpConnection
    from aioconn.sync.devices import Device as Device
    from aioconn.sync.devices import device as device
    from aioconn.sync.fanout import fan_out as fan_out
    from aioconn.sync.manager import ConnectionManager as ConnectionManager
    from aioconn.sync.pool import CliPool as CliPool
    from aioconn.sync.pool import CliSession as CliSession
    from aioconn.sync.pool import CommandsPool as CommandsPool
    from aioconn.sync.pool import CommandsSession as CommandsSession
    from aioconn.sync.pool import ConnectionPool as ConnectionPool
    from aioconn.sync.pool import GnmiPool as GnmiPool
    from aioconn.sync.pool import GnmiSession as GnmiSession
    from aioconn.sync.pool import NetconfPool as NetconfPool
    from aioconn.sync.pool import NetconfSession as NetconfSession
    from aioconn.sync.pool import RestconfPool as RestconfPool
    from aioconn.sync.pool import RestconfSession as RestconfSession
    from aioconn.sync.pool import RestPool as RestPool
    from aioconn.sync.pool import RestSession as RestSession
    from aioconn.sync.pool import Session as Session
    from aioconn.sync.pool import SnmpPool as SnmpPool
    from aioconn.sync.pool import SnmpSession as SnmpSession
    from aioconn.sync.served import attach as attach
    from aioconn.sync.testbed import Testbed as Testbed
    from aioconn.sync.testbed import load as load

_HOME = {
    "AioconnError": "aioconn.errors",
    "CliConnection": "aioconn.sync.connection",
    "CliPool": "aioconn.sync.pool",
    "CliSession": "aioconn.sync.pool",
    "CommandsConnection": "aioconn.sync.connection",
    "CommandsPool": "aioconn.sync.pool",
    "CommandsSession": "aioconn.sync.pool",
    "Connection": "aioconn.sync.connection",
    "ConnectionManager": "aioconn.sync.manager",
    "ConnectionPool": "aioconn.sync.pool",
    "Credential": "aioconn.credentials",
    "Device": "aioconn.sync.devices",
    "GnmiConnection": "aioconn.sync.connection",
    "GnmiPool": "aioconn.sync.pool",
    "GnmiSession": "aioconn.sync.pool",
    "NetconfConnection": "aioconn.sync.connection",
    "NetconfPool": "aioconn.sync.pool",
    "NetconfSession": "aioconn.sync.pool",
    "Output": "aioconn.results",
    "RestConnection": "aioconn.sync.connection",
    "RestPool": "aioconn.sync.pool",
    "RestSession": "aioconn.sync.pool",
    "RestconfConnection": "aioconn.sync.connection",
    "RestconfPool": "aioconn.sync.pool",
    "RestconfSession": "aioconn.sync.pool",
    "Result": "aioconn.results",
    "Results": "aioconn.results",
    "Secret": "aioconn.credentials",
    "Session": "aioconn.sync.pool",
    "SnmpConnection": "aioconn.sync.connection",
    "SnmpPool": "aioconn.sync.pool",
    "SnmpSession": "aioconn.sync.pool",
    "Statement": "aioconn.protocols.statements",
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
    "CommandsConnection",
    "CommandsPool",
    "CommandsSession",
    "Connection",
    "ConnectionManager",
    "ConnectionPool",
    "Credential",
    "Device",
    "GnmiConnection",
    "GnmiPool",
    "GnmiSession",
    "NetconfConnection",
    "NetconfPool",
    "NetconfSession",
    "Output",
    "RestConnection",
    "RestPool",
    "RestSession",
    "RestconfConnection",
    "RestconfPool",
    "RestconfSession",
    "Result",
    "Results",
    "Secret",
    "Session",
    "SnmpConnection",
    "SnmpPool",
    "SnmpSession",
    "Statement",
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
