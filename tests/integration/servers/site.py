# SPDX-License-Identifier: Apache-2.0
"""Where the servers of one test run live, and what must go when it ends."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.integration.servers.accounts import Accounts
from tests.integration.servers.daemon import Daemon


class Site:
    """A folder, the daemons started in it, users and PAM services."""

    def __init__(self) -> None:
        # pytest's own folders are closed to other users, and the servers' sessions run as such; a short name,
        # because the path of a Unix socket may have 107 bytes
        self.folder = Path(tempfile.mkdtemp(prefix="aioconn-", dir="/tmp"))
        self.folder.chmod(0o755)
        self.accounts = Accounts()
        self.daemons: list[Daemon] = []

    def start(
        self,
        name: str,
        argv: Sequence[str],
        *,
        port: int | None = None,
        ready: Path | None = None,
        serves: bool = True,
        environment: Mapping[str, str] | None = None,
    ) -> Daemon:
        """A daemon that is up; see `Daemon`."""
        daemon = Daemon(
            name, argv, folder=self.folder, port=port, ready=ready, serves=serves, environment=environment
        )
        self.daemons.append(daemon)
        return daemon.wait_up()

    def stop(self, daemon: Daemon) -> None:
        self.daemons.remove(daemon)
        daemon.stop()

    def wait_idle(self) -> list[str]:
        """Everybody who is still being served by any of the daemons a while after all should have left."""
        return [session for daemon in self.daemons for session in daemon.wait_idle()]

    def close(self) -> None:
        for daemon in reversed(self.daemons):
            daemon.ask_to_stop()
        for daemon in reversed(self.daemons):
            daemon.stop()
        self.accounts.remove()
        shutil.rmtree(self.folder, ignore_errors=True)
