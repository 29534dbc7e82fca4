# SPDX-License-Identifier: Apache-2.0
"""A light SSH device: asyncssh below, the shell above; and a jump host."""

from __future__ import annotations

from typing import Any

from benchmarks.fakes.shell import Pump
from benchmarks.target import PASSWORD, USER

jump_links = 0
"""How many connections the jump host has been asked for."""


async def listen(host: str, backlog: int, *, jump: bool = False) -> Any:
    """Start it; asyncssh's acceptor. One key exchange and one cipher, so that every client does the same work.

    With `jump` it carries connections to others as well, and counts those to itself.
    """
    import asyncssh

    class Server(asyncssh.SSHServer):
        def begin_auth(self, username: str) -> bool:
            return True

        def password_auth_supported(self) -> bool:
            return True

        def validate_password(self, username: str, password: str) -> bool:
            return (username, password) == (USER, PASSWORD)

        def session_requested(self) -> Any:
            return Session()

    class Jump(Server):
        def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
            global jump_links
            jump_links += 1

        def connection_requested(
            self, dest_host: str, dest_port: int, orig_host: str, orig_port: int
        ) -> bool:
            return True

    class Session(asyncssh.SSHServerSession[bytes]):
        def connection_made(self, chan: Any) -> None:
            self._channel = chan
            self._pump = Pump(chan.write, self._end)

        def _end(self) -> None:
            self._channel.exit(0)

        def pty_requested(self, term_type: str, term_size: Any, term_modes: Any) -> bool:
            return True

        def shell_requested(self) -> bool:
            return True

        def session_started(self) -> None:
            self._channel.write(self._pump.prompt)

        def data_received(self, data: bytes, datatype: int | None) -> None:
            self._pump.feed(data)

        def eof_received(self) -> bool:
            return False

        def pause_writing(self) -> None:
            self._pump.pause()

        def resume_writing(self) -> None:
            self._pump.resume()

    return await asyncssh.listen(
        host,
        0,
        server_factory=Jump if jump else Server,
        server_host_keys=[asyncssh.generate_private_key("ssh-ed25519")],
        kex_algs=["curve25519-sha256", "curve25519-sha256@libssh.org"],
        encryption_algs=["aes128-gcm@openssh.com"],
        compression_algs=["none"],
        encoding=None,
        line_editor=False,
        x11_forwarding=False,
        agent_forwarding=False,
        login_timeout=0,
        backlog=backlog,
    )
