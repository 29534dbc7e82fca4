# SPDX-License-Identifier: Apache-2.0
"""One call under way, and who takes what comes of it."""

from __future__ import annotations

import asyncio
from typing import TypeAlias

from aioconn.protocols.netconf.arrivals import Arrivals
from aioconn.protocols.netconf.messages import RpcReply

# to make one, call `Arrivals`: through an alias it takes ten times as long
Pieces: TypeAlias = Arrivals[bytes]
Events: TypeAlias = Arrivals[str]


class Call:
    """One rpc under way: `answer` for the whole reply, or `pieces` where it is wanted as it comes."""

    __slots__ = ("answer", "message_id", "pieces", "sent_at")

    def __init__(self, message_id: str, sent_at: float, pieces: Pieces | None) -> None:
        self.message_id = message_id
        self.sent_at = sent_at
        self.pieces = pieces
        self.answer: asyncio.Future[RpcReply] = asyncio.get_running_loop().create_future()
