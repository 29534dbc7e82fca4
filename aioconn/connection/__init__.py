# SPDX-License-Identifier: Apache-2.0
"""The template of every way to talk to a device, in four stages of one class.

`Skeleton` is what a connection is, `Life` what happens to its session: opened, lost, recovered, closed. `Serving` gives
calls an order, a deadline, events and errors; `BaseConnection` transactions and streams. A class of a protocol is
built on the last, implements `_open()` and `_close()`, and marks its operations with `@service`.
"""

from aioconn.connection.connection import BaseConnection
from aioconn.connection.serving import pipelined, service, streaming
from aioconn.connection.skeleton import State

__all__ = ["BaseConnection", "State", "pipelined", "service", "streaming"]
