# SPDX-License-Identifier: Apache-2.0
"""An agent that does not tell the truth."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable

from aioconn.protocols.snmp import messages, pdu
from aioconn.protocols.snmp.pdu import Kind


@contextlib.asynccontextmanager
async def liar(lie: Callable[[pdu.Pdu], list[bytes]]) -> AsyncIterator[int]:
    """An agent whose answers have the right number and these variables; its port."""
    loop = asyncio.get_running_loop()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        sock.setblocking(False)

        def answer() -> None:
            data, sender = sock.recvfrom(2000)
            sock.sendto(reply(data), sender)

        def reply(data: bytes) -> bytes:
            if pdu.open_message(data)[0] == pdu.VERSION_3:
                asking = messages.content(header := messages.decode(data), None)
                said = pdu.encode(Kind.REPORT, header.number, 0, 0, lie(asking.pdu))
                inside = messages.scoped(b"", b"", said)
                return messages.encode(header.number, 0, b"", 0, 0, b"", None, 0, inside)
            community, asked = pdu.decode_message(data)
            return pdu.encode_message(community, pdu.encode(Kind.RESPONSE, asked.number, 0, 0, lie(asked)))

        loop.add_reader(sock, answer)
        try:
            yield sock.getsockname()[1]
        finally:
            loop.remove_reader(sock)
