# SPDX-License-Identifier: Apache-2.0
"""Home loops: everything of one device lives on one event loop, and a call from any other is carried there and back.

`carry()` and its like are awaited in the loop of the caller and work on the home loop, which runs in another thread. It
is any loop that runs: one of the user's, or that of a `LoopThread`, which `Homes` starts, shares and ends.

`call_from_thread()` and its like are for threads without a loop, which wait.
"""

from aioconn.home.blocks import Entered, Iteration, enter_from_thread, iterate_from_thread
from aioconn.home.bridge import call_from_thread
from aioconn.home.calls import call_at_home, carry, carry_acquiring, carry_iterator
from aioconn.home.errand import Errands, errands_at, watch
from aioconn.home.leash import Leash
from aioconn.home.loop import running_loop
from aioconn.home.registry import HomeLease, Homes, homes
from aioconn.home.thread import LoopThread

__all__ = [
    "Entered",
    "Errands",
    "HomeLease",
    "Homes",
    "Iteration",
    "Leash",
    "LoopThread",
    "call_at_home",
    "call_from_thread",
    "carry",
    "carry_acquiring",
    "carry_iterator",
    "enter_from_thread",
    "errands_at",
    "homes",
    "iterate_from_thread",
    "running_loop",
    "watch",
]
