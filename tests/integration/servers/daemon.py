# SPDX-License-Identifier: Apache-2.0
"""One server process, from its start to its end."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import psutil

from tests.integration.servers import sockets

START_TIMEOUT = 15.0
STOP_TIMEOUT = 5.0
# Seconds that a server gets to notice that its client has left. login(1), in the middle of saying no, asks the
# terminal that has gone up to five times, with three seconds after each.
GONE_WITHIN = 20.0


class Daemon:
    """Runs `argv` in the foreground. It is up once it listens on `port` (or, without one, once `ready` exists).

    `serves=False` where its children and sockets are no sessions of anybody's.
    """

    def __init__(
        self,
        name: str,
        argv: Sequence[str],
        *,
        folder: Path,
        port: int | None = None,
        ready: Path | None = None,
        serves: bool = True,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.name = name
        self.port = port
        self._ready = ready
        self._serves = serves
        self._leaving: list[psutil.Process] | None = None
        self._log = folder / f"{name}.out"
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                env={**os.environ, **(environment or {})},
            )

    def wait_up(self) -> Daemon:
        deadline = time.monotonic() + START_TIMEOUT
        while not self._is_up():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{self.name} does not start: {self.log()[-2000:]}")
            time.sleep(0.02)
        return self

    def _is_up(self) -> bool:
        if self.port is not None:
            return sockets.count(self.port, sockets.LISTENING) > 0
        return self._ready is None or self._ready.exists()

    def log(self) -> str:
        """What it wrote to its standard output and error."""
        return self._log.read_text(errors="replace")

    def sessions(self) -> list[str]:
        """Who is being served: its processes, and connections to its port."""
        if not self._serves:
            return []
        found = [f"{self.name}: process {child}" for child in self._children()]
        if self.port is not None and (connected := sockets.count(self.port, sockets.CONNECTED)):
            found.append(f"{self.name}: {connected} connections to port {self.port}")
        return found

    def wait_idle(self) -> list[str]:
        """Let those who are leaving leave; returns whoever does not."""
        deadline = time.monotonic() + GONE_WITHIN
        while (left := self.sessions()) and time.monotonic() < deadline:
            time.sleep(0.02)
        return left

    def _children(self) -> list[psutil.Process]:
        try:
            children = psutil.Process(self._process.pid).children(recursive=True)
        except psutil.NoSuchProcess:
            return []
        return [child for child in children if child.is_running() and child.status() != psutil.STATUS_ZOMBIE]

    def ask_to_stop(self) -> None:
        """Without waiting for it: many end sooner together."""
        if self._leaving is None:
            self._leaving = self._children()
            self._process.terminate()

    def stop(self) -> None:
        """End it and whoever it has started, by their ids."""
        self.ask_to_stop()
        try:
            self._process.wait(STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        _, alive = psutil.wait_procs(self._leaving or [], timeout=0.1)
        for child in alive:
            try:
                child.kill()
            except psutil.NoSuchProcess:
                pass
        psutil.wait_procs(alive, timeout=STOP_TIMEOUT)
