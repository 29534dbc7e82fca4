# SPDX-License-Identifier: Apache-2.0
"""Python's collector of cyclic garbage, where looking at everything again and again would cost more than the work."""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_MANY = 100_000  # objects that a first look at would be felt
_CROWD = 500  # devices from which on it pays

_lock = threading.Lock()
_crowds = 0


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


@contextmanager
def crowded(devices: int) -> Iterator[None]:
    """Many devices are worked on: what exists already, their testbed above all, is not looked at meanwhile.

    The objects of their sessions make the collector look at everything each time that there are a quarter more of
    them. With 9,000 devices half of the time that connecting takes was spent on that.
    """
    global _crowds
    with _lock:
        counts = devices >= _CROWD and (
            _crowds > 0 or not gc.get_freeze_count()
        )  # somebody else's stay frozen
        if counts and not _crowds:
            gc.freeze()
        _crowds += counts
    try:
        yield
    finally:
        with _lock:
            _crowds -= counts
            if counts and not _crowds:
                gc.unfreeze()
