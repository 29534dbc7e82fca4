# SPDX-License-Identifier: Apache-2.0
"""The options that only hosts ask for, as telnetlib3 answers them. The only module that knows telnetlib3.

Unix hosts want to hear of the line's speed (RFC 1079), flow control (1372) and the environment (1572), others of the
ends of records (885). Network devices ask for none of this: importing telnetlib3 takes 170 ms, and its writer
0.25 ms and 25 KiB for each session (telnetlib3 5.0), so both wait until a peer asks.
"""

from __future__ import annotations

import asyncio
import logging

from telnetlib3 import NEW_ENVIRON, TSPEED, TelnetWriter

logger = logging.getLogger(__name__)


class HostOptions:
    """What one session has agreed to beyond the usual."""

    def __init__(self) -> None:
        self._answers = bytearray()
        self._writer = writer = TelnetWriter(_Answers(self._answers), None, client=True)
        writer.compression = False
        writer.set_ext_send_callback(TSPEED, lambda: (38400, 38400))
        writer.set_ext_send_callback(NEW_ENVIRON, lambda keys: {})

    def answer(self, command: bytes) -> bytes:
        """The answer to one whole command."""
        writer = self._writer
        try:
            for byte in command:
                writer.feed_byte(bytes((byte,)))
        except Exception as error:
            # What a peer sends must not end the session; what it asked for in this way stays unanswered.
            logger.debug("telnet command %s is not understood: %s", command.hex(" "), error)
            writer.iac_received = None
            writer.cmd_received = None
        answers = bytes(self._answers)
        self._answers.clear()
        return answers


class _Answers(asyncio.Transport):
    """The transport that telnetlib3 answers to."""

    def __init__(self, buffer: bytearray) -> None:
        super().__init__()
        self._buffer = buffer

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self._buffer += data

    def is_closing(self) -> bool:
        return False

    def close(self) -> None:
        """A request to log out is not followed."""
