# SPDX-License-Identifier: Apache-2.0
"""A NETCONF server that knows one answer, over SSH."""

from __future__ import annotations

import re
from typing import Any

from benchmarks.target import NETCONF_INTERFACES, PASSWORD, USER

_HELLO = (
    b'<hello xmlns="urn:ietf:params:xml:ns:netconf:base:1.0"><capabilities>'
    b"<capability>urn:ietf:params:netconf:base:1.0</capability>"
    b"<capability>urn:ietf:params:netconf:base:1.1</capability></capabilities>"
    b"<session-id>1</session-id></hello>]]>]]>"
)
_INTERFACE = """<interface><name>GigabitEthernet0/0/{0}</name><description>to the core, port {0}</description>
<type xmlns:ianaift="urn:ietf:params:xml:ns:yang:iana-if-type">ianaift:ethernetCsmacd</type><enabled>true</enabled>
<ipv4 xmlns="urn:ietf:params:xml:ns:yang:ietf-ip"><address><ip>192.0.2.{0}</ip><prefix-length>24</prefix-length>
</address></ipv4></interface>"""
_DATA = (
    '<data><interfaces xmlns="urn:ietf:params:xml:ns:yang:ietf-interfaces">'
    + "".join(_INTERFACE.format(number) for number in range(NETCONF_INTERFACES))
    + "</interfaces></data>"
).encode()
_HEAD = b'<rpc-reply xmlns="urn:ietf:params:xml:ns:netconf:base:1.0" message-id="%b">'
_MESSAGE_ID = re.compile(rb'message-id="([^"]*)"')


def answer(rpc: bytes) -> tuple[bytes, bool]:
    """What is said to an rpc, framed, and whether it was the last."""
    found = _MESSAGE_ID.search(rpc)
    last = b"close-session" in rpc
    message = _HEAD % (found[1] if found else b"") + (b"<ok/>" if last else _DATA) + b"</rpc-reply>"
    return b"\n#%d\n%b\n##\n" % (len(message), message), last


async def listen(backlog: int) -> Any:
    """Start it; asyncssh's acceptor."""
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

    class Session(asyncssh.SSHServerSession[bytes]):
        def connection_made(self, chan: Any) -> None:
            self._channel = chan
            self._buffer = b""

        def subsystem_requested(self, subsystem: str) -> bool:
            return subsystem == "netconf"

        def session_started(self) -> None:
            self._channel.write(_HELLO)

        def data_received(self, data: bytes, datatype: int | None) -> None:
            self._buffer += data
            *messages, self._buffer = re.split(rb"\n##\n|\]\]>\]\]>", self._buffer)
            for message in messages:
                if b"<hello" not in message and b":hello" not in message:
                    said, last = answer(message)
                    self._channel.write(said)
                    if last:
                        self._channel.exit(0)
                        return

        def eof_received(self) -> bool:
            return False

    return await asyncssh.listen(
        "127.0.0.1",
        0,
        server_factory=Server,
        server_host_keys=[asyncssh.generate_private_key("ssh-ed25519")],
        kex_algs=["curve25519-sha256", "curve25519-sha256@libssh.org"],
        encryption_algs=["aes128-gcm@openssh.com", "aes128-ctr"],
        compression_algs=["none"],
        encoding=None,
        line_editor=False,
        login_timeout=0,
        backlog=backlog,
    )
