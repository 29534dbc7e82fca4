# SPDX-License-Identifier: Apache-2.0
"""What a piece of work takes from this process and its children."""

from __future__ import annotations

import ctypes
import gc
import os
import re
import resource
import sys
import threading
import time
from pathlib import Path
from types import TracebackType

_C = ctypes.CDLL(None)
_STATUS = Path("/proc/self/status")


class Meter:
    """Wall and CPU seconds, and by how many bytes the resident memory grew at its peak. A context manager."""

    wall = cpu = 0.0
    peak = 0

    def __enter__(self) -> Meter:
        gc.collect()
        forget_peak()
        self._memory = resident()
        self._cpu = cpu_seconds()
        self._started = time.perf_counter()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        self.wall = time.perf_counter() - self._started
        self.cpu = cpu_seconds() - self._cpu
        self.peak = max(0, peak() - self._memory)


def cpu_seconds() -> float:
    """User and system, this process and those of its children that have ended."""
    both = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(used.ru_utime + used.ru_stime for used in both)


def resident() -> int:
    """Bytes of memory now; where the system does not tell, the most there has ever been."""
    return _status("VmRSS") or _most()


def trim() -> None:
    """Give what is free of the heap back to the system, where that can be asked for (glibc): imports leave 8 MB, out of
    which the first hundreds of sessions would live for nothing."""
    if hasattr(_C, "malloc_trim"):
        _C.malloc_trim(0)


def peak() -> int:
    """The most bytes of memory since `forget_peak`; where the system cannot forget, since the start."""
    return _status("VmHWM") or _most()


def forget_peak() -> None:
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        pass


def descriptors() -> int:
    try:
        return len(os.listdir("/proc/self/fd"))
    except OSError:
        return 0


def threads() -> int:
    return _status("Threads", unit=1) or threading.active_count()


def _status(key: str, unit: int = 1024) -> int:
    try:
        found = re.search(rf"^{key}:\s*(\d+)", _STATUS.read_text(), re.MULTILINE)
    except OSError:
        return 0
    return int(found[1]) * unit if found else 0


def _most() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
