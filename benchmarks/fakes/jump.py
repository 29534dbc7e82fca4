# SPDX-License-Identifier: Apache-2.0
"""A jump host: an SSH server of asyncssh that carries connections to others, and counts those to itself."""

from __future__ import annotations

from typing import Any

from benchmarks.target import PASSWORD, USER

links = 0
"""How many connections it has been asked for."""


async def listen(backlog: int) -> Any:
    """Start it; asyncssh's acceptor. One key exchange and one cipher, those of the devices."""
    import asyncssh

    class Server(asyncssh.SSHServer):
        def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
            global links
            links += 1

        def begin_auth(self, username: str) -> bool:
            return True

        def password_auth_supported(self) -> bool:
            return True

        def validate_password(self, username: str, password: str) -> bool:
            return (username, password) == (USER, PASSWORD)

        def connection_requested(
            self, dest_host: str, dest_port: int, orig_host: str, orig_port: int
        ) -> bool:
            return True

    return await asyncssh.listen(
        "127.0.0.1",
        0,
        server_factory=Server,
        server_host_keys=[asyncssh.generate_private_key("ssh-ed25519")],
        kex_algs=["curve25519-sha256", "curve25519-sha256@libssh.org"],
        encryption_algs=["aes128-gcm@openssh.com"],
        compression_algs=["none"],
        login_timeout=0,
        backlog=backlog,
    )
