# SPDX-License-Identifier: Apache-2.0
"""asyncssh's connection, without what costs more than it is good for."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

import asyncssh
from asyncssh.constants import MSG_IGNORE
from asyncssh.logging import SSHLogger

from aioconn.transport.keepalive import Keepalive
from aioconn.transport.outbox import Outbox

if TYPE_CHECKING:
    from asyncssh.packet import SSHPacket, SSHPacketLogger

_LOG = logging.getLogger("asyncssh")


class _Log(SSHLogger):
    """asyncssh makes its messages ready before it asks whether anybody wants them."""

    def info(self, msg: object, *args: Any, **kwargs: Any) -> None:
        if self.logger.isEnabledFor(logging.INFO):
            self.log(logging.INFO, msg, *args, **kwargs)

    def debug1(self, msg: str, *args: Any, **kwargs: Any) -> None:
        if self.logger.isEnabledFor(logging.DEBUG):
            self.log(logging.DEBUG, msg, *args, **kwargs)


class Connection(asyncssh.SSHClientConnection):
    """One link's. It overrides public methods, and knows of asyncssh what those tell it."""

    # an attribute where asyncssh has a property: it is asked for fifty times in a visit
    logger: SSHLogger = _Log()
    outbox: Outbox

    def __init__(
        self, loop: asyncio.AbstractEventLoop, options: asyncssh.SSHClientConnectionOptions, *, name: str
    ) -> None:
        self.keepalive: Keepalive | None = None
        self._home = loop
        self.logger = _Log(context=name)  # pyright: ignore[reportIncompatibleMethodOverride]
        self._pads = True
        super().__init__(loop, options, wait="auth")

    # what comes

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.outbox = Outbox(self._home, transport)
        super().connection_made(self.outbox)  # type: ignore[arg-type]  # all of a transport that asyncssh uses

    def data_received(self, data: bytes, datatype: int | None = None) -> None:
        outbox = self.outbox
        outbox.holding = True  # all that this brings about leaves in one piece
        try:
            super().data_received(data, datatype)
        finally:
            outbox.flush()
        if self.keepalive is not None:
            self.keepalive.heard()

    # what goes

    def set_extra_info(self, **kwargs: Any) -> None:
        super().set_extra_info(**kwargs)
        if (cipher := kwargs.get("send_cipher")) is not None:
            self._pads = "-cbc" in cipher
            if self._pads:
                self.outbox.gathers = True  # each packet with the empty one ahead of it

    def send_packet(self, pkttype: int, *args: bytes, handler: SSHPacketLogger | None = None) -> None:
        # asyncssh sends an empty packet ahead of each: where the end of one is the vector of the next, nobody who
        # chooses what we send can foresee that (RFC 4251, section 9.3.1). Only CBC works like that.
        if pkttype == MSG_IGNORE and not self._pads:
            return
        super().send_packet(pkttype, *args, handler=handler if _LOG.isEnabledFor(logging.DEBUG) else None)

    def log_sent_packet(
        self, pkttype: int, pktid: int | None, packet: bytes | SSHPacket, note: str = ""
    ) -> None:
        if _LOG.isEnabledFor(logging.DEBUG):
            super().log_sent_packet(pkttype, pktid, packet, note)

    def log_received_packet(
        self, pkttype: int, pktid: int | None, packet: bytes | SSHPacket, note: str = ""
    ) -> None:
        if _LOG.isEnabledFor(logging.DEBUG):
            super().log_received_packet(pkttype, pktid, packet, note)
