# SPDX-License-Identifier: Apache-2.0
"""This program once more, in a session of its own, left behind when it is ready."""

from __future__ import annotations

import os
import select
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Sequence

from aioconn.errors import AioconnError

STARTING = 30.0
"""Seconds until it has to be ready."""
ENDING = 5.0
"""Seconds that one which is not gets to end."""


def launch(arguments: Sequence[str]) -> tuple[int, str]:
    """Start `aioconn` with these arguments and wait until it detaches: 0 and what it has printed.

    Or until it ends instead: its exit code and nothing. What it says on stderr meanwhile goes to ours. Raises
    `AioconnError` if neither happens in time.
    """
    process = subprocess.Popen(
        [sys.executable, *interpreter_options(), "-m", "aioconn", *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    assert process.stdout is not None
    try:
        with process.stdout:
            said = read_all(process.stdout.fileno(), STARTING)
        if said is None:
            raise AioconnError(f"process {process.pid} was not ready after {STARTING:g} s")
        if not said:  # its output was closed by its end
            return process.wait(ENDING), ""
    except BaseException:
        _end(process)
        raise
    process.returncode = 0  # nobody waits for it any more, and that is meant
    return 0, said


def read_all(number: int, timeout: float) -> str | None:
    """All that comes until the other side closes; None if that takes longer than `timeout` seconds."""
    until = time.monotonic() + timeout
    parts: list[bytes] = []
    with selectors.DefaultSelector() as selector:
        selector.register(number, selectors.EVENT_READ)
        while selector.select(max(0.0, until - time.monotonic())):
            part = os.read(number, 65536)
            if not part:
                return b"".join(parts).decode("utf-8", "replace")
            parts.append(part)
    return None


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(ENDING)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def interpreter_options() -> list[str]:
    """Look for modules where this process does: the current folder is not for everybody to put some into."""
    here = {"", os.getcwd()} & set(sys.path)
    return [] if here else ["-P"]


def detach() -> None:
    """In the background: from here on nobody reads what is printed, and whoever started us need not wait."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
        os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


def end_process(pid: int, patience: float) -> bool:
    """Ask a process to end, and wait at most `patience` seconds for that; whether it has ended."""
    until = time.monotonic() + patience
    try:
        if not hasattr(os, "pidfd_open"):
            os.kill(pid, signal.SIGTERM)
            while time.monotonic() < until:
                os.kill(pid, 0)
                time.sleep(0.05)  # the system has nothing to wait for
            return False
        number = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        signal.pidfd_send_signal(number, signal.SIGTERM)
        return bool(select.select([number], [], [], max(0.0, until - time.monotonic()))[0])
    except ProcessLookupError:
        return True
    finally:
        os.close(number)
