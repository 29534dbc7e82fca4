# SPDX-License-Identifier: Apache-2.0
"""Forked children of the test process: they do one thing, say how it went, and are gone."""

from __future__ import annotations

import contextlib
import os
import pickle
import select
import signal
import time
import traceback
import warnings
from collections.abc import Callable
from typing import Any

ENOUGH = 20.0
"""Seconds after which a child hangs."""


class ChildFailed(Exception):
    """What happened in a child, as text."""


class Child:
    """Forked to run `work()`. `result()` gives what that returned; `go` and `told` let both wait for each other."""

    def __init__(self, work: Callable[[Child], Any]) -> None:
        result, self._results = os.pipe()
        self._commands, command = os.pipe()
        news, self._news = os.pipe()
        started = time.monotonic()
        with warnings.catch_warnings():
            # from Python 3.12 on: the test process may have threads, and here it is meant to
            warnings.simplefilter("ignore", DeprecationWarning)
            self.pid = os.fork()
        if self.pid == 0:
            with contextlib.suppress(BaseException):  # nothing of the test process may run on in here
                self._live(work, time.monotonic() - started)
            os._exit(9)
        self.result_end, self.command_end, self.news_end = result, command, news
        for number in (self._results, self._commands, self._news):
            os.close(number)
        self._over = False

    def _live(self, work: Callable[[Child], Any], since: float) -> None:
        signal.alarm(60)
        try:
            outcome: tuple[bool, Any] = True, work(self)
        except BaseException:
            outcome = False, traceback.format_exc()
        data = pickle.dumps(outcome)
        while data:
            data = data[os.write(self._results, data) :]
        os._exit(0)

    # ------------------------------------------------------------------ in the child

    def tell(self) -> None:
        """Let the parent go on that waits in `heard`."""
        os.write(self._news, b"!")

    def wait(self) -> None:
        """Until the parent says `go`, or is gone."""
        select.select([self._commands], [], [], ENOUGH)
        os.read(self._commands, 1)

    # ------------------------------------------------------------------ in the parent

    def heard(self) -> None:
        assert select.select([self.news_end], [], [], ENOUGH)[0], "the child says nothing"
        os.read(self.news_end, 1)

    def go(self) -> None:
        os.write(self.command_end, b"!")

    def result(self, timeout: float = ENOUGH) -> Any:
        """What `work` returned. Raises `ChildFailed` if it raised, or did not end in time."""
        data = b""
        deadline = time.monotonic() + timeout
        while select.select([self.result_end], [], [], max(0.0, deadline - time.monotonic()))[0]:
            piece = os.read(self.result_end, 65536)
            if not piece:
                break
            data += piece
        else:
            os.kill(self.pid, signal.SIGKILL)
            self._end()
            raise ChildFailed(f"no end after {timeout:g} s")
        self._end()
        if not data:
            raise ChildFailed("it died")
        well, outcome = pickle.loads(data)  # noqa: S301 - of our own child
        if not well:
            raise ChildFailed(outcome)
        return outcome

    def kill(self) -> None:
        os.kill(self.pid, signal.SIGKILL)
        self._end()

    def _end(self) -> None:
        if not self._over:
            self._over = True
            os.waitpid(self.pid, 0)
            for number in (self.result_end, self.command_end, self.news_end):
                os.close(number)

    def __enter__(self) -> Child:
        return self

    def __exit__(self, *_: object) -> None:
        if not self._over:
            self.kill()


def in_child(work: Callable[[], Any], timeout: float = ENOUGH) -> Any:
    """What `work()` gives in a forked child."""
    return Child(lambda _: work()).result(timeout)


def links() -> dict[int, str]:
    """What the descriptors of this process stand for."""
    found = {}
    for name in os.listdir("/proc/self/fd"):
        with contextlib.suppress(OSError):  # the one that lists the folder
            found[int(name)] = os.readlink(f"/proc/self/fd/{name}")
    return found
