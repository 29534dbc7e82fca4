# SPDX-License-Identifier: Apache-2.0
"""The order of things at the end of a process."""

from __future__ import annotations

import sys
from collections.abc import Callable

AFTER_CHILDREN = -1
"""An exit priority of `multiprocessing`: from zero upwards comes before it joins its processes, the others after."""


def after_children(work: Callable[[], object]) -> None:
    """From a callback of `atexit`: do `work` when `multiprocessing` has seen to the processes of this one.

    It does so in such a callback of its own, of which the last registered comes first. So who was imported when would
    decide whether children can still use what `work` takes away.
    """
    util = sys.modules.get("multiprocessing.util")
    if util is None or util.is_exiting():  # there is nothing to see to, or it has been done
        work()
    else:
        util.Finalize(None, work, exitpriority=AFTER_CHILDREN)
