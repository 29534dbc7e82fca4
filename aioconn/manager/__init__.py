# SPDX-License-Identifier: Apache-2.0
"""One manager for each device, which owns all of its connections.

`Aliases` knows them by name, `Openings` opens each once for all who ask for it, `Dwelling` is the event loop that they
live on, `JumpLink` the way to the devices behind it. `Defaults` says what is not said by whoever connects.
"""

from aioconn.manager.aliases import Connection
from aioconn.manager.manager import ConnectionManager
from aioconn.manager.target import Host, Target

__all__ = ["Connection", "ConnectionManager", "Host", "Target"]
