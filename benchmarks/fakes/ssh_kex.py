# SPDX-License-Identifier: Apache-2.0
"""The key exchange of the light SSH device: curve25519-sha256 (RFC 8731), ssh-ed25519 (RFC 8709) and
aes128-gcm@openssh.com (RFC 5647, OpenSSH's PROTOCOL), so that every client does the same work.
"""

from __future__ import annotations

import hashlib
import secrets
import struct
from dataclasses import dataclass
from functools import lru_cache

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

DISCONNECT, KEXINIT, NEWKEYS, ECDH_INIT, ECDH_REPLY = 1, 20, 21, 30, 31
PROTOCOL_ERROR, KEX_FAILED = 2, 3

VERSION = b"SSH-2.0-benchmark"
_OFFER = (
    b"curve25519-sha256,curve25519-sha256@libssh.org,kex-strict-s-v00@openssh.com",
    b"ssh-ed25519",
    *2 * (b"aes128-gcm@openssh.com",),
    *2 * (b"hmac-sha2-256",),  # of no use with this cipher, but some clients want one in common
    *2 * (b"none",),
    *2 * (b"",),
)


class Refused(Exception):
    """The client is told why, and disconnected."""

    def __init__(self, why: str, code: int = PROTOCOL_ERROR) -> None:
        super().__init__(why)
        self.code = code


def string(data: bytes) -> bytes:
    return len(data).to_bytes(4, "big") + data


def take_string(message: bytes, at: int) -> tuple[bytes, int]:
    """What the string at `at` holds, and where it ends."""
    begin = at + 4
    end = begin + struct.unpack_from(">I", message, at)[0]
    if end > len(message):
        raise Refused("a string is longer than its message")
    return message[begin:end], end


def plain(message: bytes) -> bytes:
    """The packet, before there are keys."""
    padding = 4 + (-9 - len(message)) % 8
    return struct.pack(">IB", 1 + len(message) + padding, padding) + message + bytes(padding)


# A real server makes a key for each connection: what was said stays secret when its host key no longer is. Simulated
# devices have no secrets, and all of a process are one server with one host key.
_EPHEMERAL = X25519PrivateKey.generate()
_EPHEMERAL_PUBLIC = string(_EPHEMERAL.public_key().public_bytes_raw())
_HOST_KEY = Ed25519PrivateKey.generate()
_HOST_KEY_BLOB = string(string(b"ssh-ed25519") + string(_HOST_KEY.public_key().public_bytes_raw()))
_KEXINIT = bytes((KEXINIT,)) + secrets.token_bytes(16) + b"".join(map(string, _OFFER)) + bytes(5)

GREETING = VERSION + b"\r\n" + plain(_KEXINIT)


@dataclass(frozen=True, slots=True)
class Keys:
    """Of one direction. `nonce` is that of the first packet; it counts up, and starts where 2**64 packets follow before
    it would have to turn over, but for one connection in billions."""

    cipher: AESGCM
    nonce: int


@lru_cache(16)
def agree(lists: bytes) -> None:
    """Raises Refused if the client, with these `lists` of its own, cannot do what is offered here."""
    at = 0
    for offer in _OFFER:
        names, at = take_string(lists, at)
        if offer and not set(offer.split(b",")).intersection(names.split(b",")):
            raise Refused(f"nothing but {offer.decode()} is spoken here", KEX_FAILED)
    if lists[at] != 0:
        raise Refused("a guessed key exchange is not understood", KEX_FAILED)


def exchange(version: bytes, kexinit: bytes, ecdh_init: bytes) -> tuple[bytes, Keys, Keys]:
    """The answer to the client's public key, and the keys for what it says and for what is said to it."""
    theirs, _ = take_string(ecdh_init, 1)
    try:
        secret = _EPHEMERAL.exchange(X25519PublicKey.from_public_bytes(theirs)).lstrip(b"\0")
    except ValueError as error:
        raise Refused(f"not a public key: {error}", KEX_FAILED) from error
    shared = string(b"\0" + secret if secret[0] & 0x80 else secret)  # a number with a sign
    talk = (version, VERSION, kexinit, _KEXINIT)
    hashed = b"".join((*map(string, talk), _HOST_KEY_BLOB, string(theirs), _EPHEMERAL_PUBLIC, shared))
    session = hashlib.sha256(hashed).digest()
    signature = string(b"ssh-ed25519") + string(_HOST_KEY.sign(session))
    reply = bytes((ECDH_REPLY,)) + _HOST_KEY_BLOB + _EPHEMERAL_PUBLIC + string(signature)

    def derived(letter: bytes) -> bytes:
        return hashlib.sha256(shared + session + letter + session).digest()

    def keys(nonce: bytes, key: bytes) -> Keys:
        return Keys(AESGCM(derived(key)[:16]), int.from_bytes(derived(nonce)[:12], "big"))

    return reply, keys(b"A", b"C"), keys(b"B", b"D")
