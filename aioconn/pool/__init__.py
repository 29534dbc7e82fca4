# SPDX-License-Identifier: Apache-2.0
"""A set of live sessions of one kind that is used like a single connection.

`Gate` decides who gets which session, `Waiting` is where callers wait for one, `Sessions` opens, settles and closes
them, `Lending` hands them out for several calls and `Calls` for one. `PoolLife` is where the pool lives, and whether it
is open. `ConnectionPool` is all of it to those who use it.
"""

from aioconn.pool.kinds import pool_type
from aioconn.pool.pool import ConnectionPool

__all__ = ["ConnectionPool", "pool_type"]
