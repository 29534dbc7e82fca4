# SPDX-License-Identifier: Apache-2.0
"""Who may work on a device now: many together, or one alone.

A `Hold` is what somebody keeps for a while; `Exclusivity` grants holds of a device, shared and exclusive ones, in the
order of asking; a `circle` of those who wait for each other is found when it closes. `ExclusiveWork` is the block that
users enter.
"""

from aioconn.exclusive.exclusive import ConfigureOrder, Exclusivity
from aioconn.exclusive.work import ExclusiveWork

__all__ = ["ConfigureOrder", "ExclusiveWork", "Exclusivity"]
