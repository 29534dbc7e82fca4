# SPDX-License-Identifier: Apache-2.0
"""Python's collector of cyclic garbage, which has nothing to find while a tree of a million values grows."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

_MANY = 100_000  # objects that a first look at would be felt


@contextmanager
def paused() -> Iterator[None]:
    """Nothing is looked for meanwhile: two thirds of the time that a large file takes would be spent on it.

    In several threads at once it may go on too early, which costs time and nothing else.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            if gc.get_count()[0] > _MANY and not gc.get_freeze_count():  # somebody else's stay frozen
                gc.freeze()  # all that was made is old from now on, without a look at each
                gc.unfreeze()
            gc.enable()
