# SPDX-License-Identifier: Apache-2.0
"""A light telnet device: a login, then the shell."""

from __future__ import annotations

import asyncio
import re
from typing import Any

from benchmarks.fakes.shell import Pump
from benchmarks.target import PASSWORD, USER

_CISCO_OPTIONS = bytes(
    (255, 251, 1, 255, 251, 3, 255, 253, 24, 255, 253, 31)
)  # WILL ECHO, SGA; DO TTYPE, NAWS
_LINE_END = re.compile(rb"\r\n|\r\0|\r|\n")


class TelnetDevice(asyncio.Protocol):
    """A login, then the shell. Negotiation is said and what is answered to it is not looked at."""

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        self._asked = ["Username: ", "Password: "]
        self._typed = b""
        self._pump = Pump(transport.write, transport.close)
        if hasattr(transport, "max_size"):
            transport.max_size = 16 * 1024  # asyncio's default is a new buffer of 256 KiB for each read
        transport.write(_CISCO_OPTIONS + b"\r\nUser Access Verification\r\n\r\n" + self._asked[0].encode())

    def data_received(self, data: bytes) -> None:
        if b"\xff" in data:
            data = _without_options(data)
        if not self._asked:
            self._pump.feed(data)
            return
        self._typed += data
        while self._asked and (found := _LINE_END.search(self._typed)):
            typed, self._typed = self._typed[: found.start()], self._typed[found.end() :]
            expected = USER if self._asked.pop(0) == "Username: " else PASSWORD
            if typed != expected.encode():
                self._transport.close()
            elif self._asked:
                self._transport.write(typed + b"\r\n" + self._asked[0].encode())
            else:
                self._transport.write(b"\r\n\r\n" + self._pump.prompt)
                self._pump.feed(self._typed)

    def pause_writing(self) -> None:
        self._pump.pause()

    def resume_writing(self) -> None:
        self._pump.resume()


def _without_options(data: bytes) -> bytes:
    """Commands are taken to arrive whole, as every client here sends them."""
    plain = bytearray()
    while (at := data.find(b"\xff")) >= 0:
        plain += data[:at]
        end = data.find(b"\xff\xf0", at) + 2 if data[at + 1 : at + 2] == b"\xfa" else at + 3
        data = data[max(end, at + 2) :]
    return bytes(plain + data)
