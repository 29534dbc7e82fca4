# SPDX-License-Identifier: Apache-2.0
"""What the exit codes of every command mean."""

from __future__ import annotations

from enum import IntEnum


class Exit(IntEnum):
    """All the ways to end. Signals end with 128 and their number, as shells have it."""

    OK = 0
    FAILED = 1  # some devices failed; the others' results are there
    USAGE = 2  # the call or a file is wrong; no device was talked to
    INTERNAL = 70  # a defect of ours (EX_SOFTWARE in sysexits.h)
    INTERRUPTED = 130  # SIGINT, Ctrl-C
    PIPE_CLOSED = 141  # SIGPIPE: whoever read our output has left
    TERMINATED = 143  # SIGTERM
