# SPDX-License-Identifier: Apache-2.0
"""aioconn: asyncio-native connections to network devices.

Names are imported when they are first used, so that `import aioconn` costs nothing that a script does not need.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from aioconn.connection import BaseConnection as BaseConnection
    from aioconn.connection import service as service
    from aioconn.credentials import Credential as Credential
    from aioconn.credentials import Secret as Secret
    from aioconn.errors import AioconnError as AioconnError
    from aioconn.fanout import fan_out as fan_out
    from aioconn.manager import ConnectionManager as ConnectionManager
    from aioconn.protocols.cli import CliConnection as CliConnection
    from aioconn.protocols.statements import Statement as Statement
    from aioconn.results import Output as Output
    from aioconn.results import Result as Result
    from aioconn.results import Results as Results
    from aioconn.testbed.device import Device as Device
    from aioconn.testbed.device import device as device
    from aioconn.testbed.testbed import Testbed as Testbed
    from aioconn.testbed.testbed import load as load
    from aioconn.workers.crew import Workers as Workers

_HOME = {
    "AioconnError": "aioconn.errors",
    "BaseConnection": "aioconn.connection",
    "CliConnection": "aioconn.protocols.cli",
    "ConnectionManager": "aioconn.manager",
    "Credential": "aioconn.credentials",
    "Device": "aioconn.testbed.device",
    "Output": "aioconn.results",
    "Result": "aioconn.results",
    "Results": "aioconn.results",
    "Secret": "aioconn.credentials",
    "Statement": "aioconn.protocols.statements",
    "Testbed": "aioconn.testbed.testbed",
    "Workers": "aioconn.workers.crew",
    "device": "aioconn.testbed.device",
    "fan_out": "aioconn.fanout",
    "load": "aioconn.testbed.testbed",
    "service": "aioconn.connection",
}

__all__ = [
    "AioconnError",
    "BaseConnection",
    "CliConnection",
    "ConnectionManager",
    "Credential",
    "Device",
    "Output",
    "Result",
    "Results",
    "Secret",
    "Statement",
    "Testbed",
    "Workers",
    "device",
    "fan_out",
    "load",
    "service",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'aioconn' has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOME[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOME})
