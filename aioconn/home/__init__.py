# SPDX-License-Identifier: Apache-2.0
"""Home loops: everything of one device lives on one event loop, and a call from any other is carried there and back.

`carry()` and its like are awaited in the loop of the caller and work on the home loop, which runs in another thread. It
is any loop that runs: one of the user's, or that of a `LoopThread`, which `Homes` starts, shares and ends.
"""

from aioconn.home.calls import call_at_home, carry, carry_acquiring, carry_iterator
from aioconn.home.errand import watch
from aioconn.home.registry import HomeLease, Homes, homes
from aioconn.home.thread import LoopThread

__all__ = [
    "HomeLease",
    "Homes",
    "LoopThread",
    "call_at_home",
    "carry",
    "carry_acquiring",
    "carry_iterator",
    "homes",
    "watch",
]
