# SPDX-License-Identifier: Apache-2.0
"""How two processes make sure of each other before they say anything else.

Both know a token of 32 random bytes, and neither ever sends it: each proves that it has it by a keyed hash (BLAKE2b,
RFC 7693) of a nonce of its own, one of the other's, the version and the part it plays. A recording of an earlier
handshake is worth nothing, because the nonces are new, and an answer cannot be reflected, because the parts differ.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from aioconn.broker.frames import (
    VERSION,
    Challenge,
    Hello,
    Inbox,
    Proof,
    Refused,
    Target,
    Welcome,
    encode,
)
from aioconn.errors import BadFrame, BrokerGone, BrokerRefused

TIMEOUT = 5.0
"""Seconds that a handshake may take."""

TOKEN = 32
NONCE = 32
MAC = 32


def new_token() -> bytes:
    return secrets.token_bytes(TOKEN)


def _mac(token: bytes, part: bytes, guest: bytes, host: bytes) -> bytes:
    """Of a fixed layout: the part has a length of its own, the nonces have one length.

    This runs in forked children. BLAKE2b is Python's own; what comes from OpenSSL, as HMAC does, can wait there for
    ever for a lock that another thread of the parent held at the fork.
    """
    words = b"aioconn %d %s %s %s" % (VERSION, part, guest, host)
    return hashlib.blake2b(words, key=token, digest_size=MAC).digest()


class Host:
    """The side that listens."""

    def __init__(self, token: bytes) -> None:
        self._token = token
        self._nonce = secrets.token_bytes(NONCE)
        self._guest = b""

    def challenge(self, hello: Hello) -> Challenge:
        """The answer to a greeting. Raises `BrokerRefused`."""
        if hello.version != VERSION:
            raise BrokerRefused(
                f"the other process speaks version {hello.version}, this one {VERSION}",
                hint="run the same version of aioconn in both",
            )
        if len(hello.nonce) != NONCE:
            raise BrokerRefused("a nonce of the wrong length")
        self._guest = hello.nonce
        return Challenge(VERSION, self._nonce, _mac(self._token, b"host", self._guest, self._nonce))

    def believes(self, proof: Proof) -> bool:
        expected = _mac(self._token, b"guest", self._guest, self._nonce)
        return bool(self._guest) and secrets.compare_digest(proof.mac, expected)


class Guest:
    """The side that connects, for `target`, whose home it wants to reach."""

    def __init__(self, token: bytes, target: Target | None = None) -> None:
        self._token = token
        self._target = target
        self._nonce = secrets.token_bytes(NONCE)

    def hello(self) -> Hello:
        return Hello(VERSION, self._nonce, os.getpid(), program(), self._target)

    def take(self, frame: object) -> Proof | int:
        """What to answer to a frame: the proof to be sent, or, at the end, the number of the home that was reached.

        Raises `BrokerRefused`.
        """
        match frame:
            case Challenge():
                if frame.version != VERSION:
                    raise BrokerRefused(
                        f"the process that holds the sessions speaks version {frame.version}, this one {VERSION}",
                        hint="run the same version of aioconn in both",
                    )
                expected = _mac(self._token, b"host", self._nonce, frame.nonce)
                if not secrets.compare_digest(frame.mac, expected):
                    raise BrokerRefused(
                        "the process that listens there does not know the token: it is another one",
                        hint="the process that held the sessions has ended; take a new handle",
                    )
                return Proof(_mac(self._token, b"guest", self._nonce, frame.nonce))
            case Welcome():
                return frame.home
            case Refused():
                raise BrokerRefused(frame.reason)
            case _:
                raise BrokerRefused(f"{type(frame).__name__} in the middle of a handshake")


def greet(
    sock: socket.socket, inbox: Inbox, token: bytes, target: Target | None, *, timeout: float = TIMEOUT
) -> int:
    """The guest's side on a connected socket, within `timeout` seconds; the number of the home that was reached.

    Blocks. Raises `BrokerRefused`, and `BrokerGone` if the other side ends or says nothing. The socket is left open,
    and its own timeout as it was.
    """
    guest = Guest(token, target)
    proven = False
    with _deadline(sock, timeout) as left:
        left()
        sock.sendall(encode(guest.hello()))
        while True:
            left()
            data = sock.recv(4096)
            if not data:
                raise BrokerGone("the process that holds the sessions ended in the middle of the handshake")
            try:
                for frame in inbox.feed(data):
                    answer = guest.take(frame)
                    if not isinstance(answer, Proof):
                        if not proven:  # whoever welcomes without a challenge may be anybody
                            raise BrokerRefused("welcomed by somebody who did not prove who he is")
                        return answer
                    proven = True
                    left()
                    sock.sendall(encode(answer))
            except BadFrame as error:
                raise BrokerRefused("what listens there does not speak like a broker") from error


@contextmanager
def _deadline(sock: socket.socket, timeout: float) -> Iterator[Callable[[], None]]:
    until = time.monotonic() + timeout
    before = sock.gettimeout()

    def left() -> None:
        sock.settimeout(max(until - time.monotonic(), 0.001))

    try:
        yield left
    except TimeoutError:
        raise BrokerGone(f"the process that holds the sessions did not answer within {timeout:g} s") from None
    except OSError as error:
        raise BrokerGone(f"the process that holds the sessions has gone: {error}") from error
    finally:
        sock.settimeout(before)


def program() -> str:
    """What this process runs, in a word."""
    return os.path.basename(sys.argv[0] if sys.argv else "") or "python"
