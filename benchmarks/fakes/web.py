# SPDX-License-Identifier: Apache-2.0
"""HTTP/1.1: `GET /word-1` says `word-1`."""

from __future__ import annotations

from benchmarks.fakes.answering import Answering


class Web(Answering[str]):
    def requests(self) -> list[str]:
        *heads, rest = bytes(self.received).split(b"\r\n\r\n")
        self.received = bytearray(rest)
        return [head.split(b" ", 2)[1].decode()[1:] for head in heads]

    def takes_time(self, request: str) -> bool:
        return request.startswith("word")

    def answer(self, request: str) -> bytes:
        head = f"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {len(request)}\r\n\r\n"
        return (head + request).encode()
