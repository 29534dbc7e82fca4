# SPDX-License-Identifier: Apache-2.0
"""The user-based security model of SNMPv3: keys, authentication, privacy (RFC 3414, 3826, 7860).

AES with 192 and 256 bits is of no RFC. `aes192` and `aes256` lengthen a key that is too short as
draft-blumenthal-aes-usm-04 does (net-snmp), `aes192c` and `aes256c` as draft-reeder-snmpv3-usm-3desede-00 does (Cisco
and many others).
"""

from __future__ import annotations

import functools
import hashlib
import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, NamedTuple, get_args

from aioconn.credentials import Secret
from aioconn.errors import MissingDependency
from aioconn.protocols.snmp.ber import Malformed

try:
    from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
    from cryptography.hazmat.primitives.ciphers import Cipher, modes
    from cryptography.hazmat.primitives.ciphers.algorithms import AES
except ImportError as error:
    raise MissingDependency("SNMP needs cryptography", hint="pip install 'aioconn[snmp]'") from error
try:  # where releases from 47 on have it
    from cryptography.hazmat.decrepit.ciphers.modes import CFB
except ImportError:
    from cryptography.hazmat.primitives.ciphers.modes import CFB

Auth = Literal["md5", "sha", "sha224", "sha256", "sha384", "sha512"]
Priv = Literal["des", "aes", "aes128", "aes192", "aes256", "aes192c", "aes256c"]

MIN_PASSWORD = 8  # characters (RFC 3414, section 11.2)
_EXPANDED = 1_048_576  # bytes that a password is repeated to (RFC 3414, section A.2)


class _Digest(NamedTuple):
    make: Callable[..., Any]
    mac: int  # bytes of it in a message


DIGESTS: Final[Mapping[str, _Digest]] = {
    "md5": _Digest(hashlib.md5, 12),
    "sha": _Digest(hashlib.sha1, 12),
    "sha224": _Digest(hashlib.sha224, 16),
    "sha256": _Digest(hashlib.sha256, 24),
    "sha384": _Digest(hashlib.sha384, 32),
    "sha512": _Digest(hashlib.sha512, 48),
}
_KEY_SIZES: Final[Mapping[str, int]] = {
    "des": 16, "aes": 16, "aes128": 16, "aes192": 24, "aes256": 32, "aes192c": 24, "aes256c": 32,
}  # fmt: skip
assert set(DIGESTS) == set(get_args(Auth))
assert set(_KEY_SIZES) == set(get_args(Priv))


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """A user and what protects his messages: nothing, authentication, or that and privacy."""

    name: str
    auth: Auth | None = None
    auth_password: Secret | None = None
    priv: Priv | None = None
    priv_password: Secret | None = None

    def __post_init__(self) -> None:
        """Raises ValueError for what cannot be."""
        if self.priv is not None and self.auth is None:
            raise ValueError("priv: there is no privacy without authentication, say auth as well")
        for what in ("auth", "priv"):
            password: Secret | None = getattr(self, f"{what}_password")
            if getattr(self, what) is None:
                if password is not None:
                    raise ValueError(f"{what}_password: say {what} as well, which protocol it is for")
            elif password is None:
                raise ValueError(f"{what}: its password is missing")
            elif len(password.reveal().encode()) < MIN_PASSWORD:
                raise ValueError(f"{what}_password: shorter than {MIN_PASSWORD} characters")
        if not 1 <= len(self.name.encode()) <= 32:
            raise ValueError("user: a name has 1 to 32 characters")

    def at(self, engine_id: bytes) -> Keys:
        """His keys at this engine."""
        auth = priv = b""
        if self.auth is not None and self.auth_password is not None:
            auth = localized(self.auth, self.auth_password.reveal(), engine_id)
            if self.priv is not None and self.priv_password is not None:
                size = _KEY_SIZES[self.priv]
                priv = localized(self.auth, self.priv_password.reveal(), engine_id)
                priv = lengthened(priv, size, self.auth, engine_id, reeder=self.priv.endswith("c"))[:size]
        return Keys(self, auth, priv)


@functools.lru_cache(maxsize=64)  # it takes milliseconds, and all devices of a site have the same
def _master(auth: str, password: str) -> bytes:
    octets = password.encode()
    repeated = octets * (_EXPANDED // len(octets) + 1)
    digest: bytes = DIGESTS[auth].make(repeated[:_EXPANDED]).digest()
    return digest


def _bound(auth: str, master: bytes, engine_id: bytes) -> bytes:
    digest: bytes = DIGESTS[auth].make(master + engine_id + master).digest()
    return digest


def localized(auth: str, password: str, engine_id: bytes) -> bytes:
    """The key that a password makes at one engine (RFC 3414, section 2.6)."""
    return _bound(auth, _master(auth, password), engine_id)


def lengthened(key: bytes, size: int, auth: str, engine_id: bytes, *, reeder: bool) -> bytes:
    """A localized key of at least `size` bytes, in one of the two ways that are in use."""
    while len(key) < size:
        if reeder:  # the key as a password, once more
            last = key[-DIGESTS[auth].make().digest_size :]
            repeated = last * (_EXPANDED // len(last) + 1)
            key += _bound(auth, DIGESTS[auth].make(repeated[:_EXPANDED]).digest(), engine_id)
        else:
            key += DIGESTS[auth].make(key).digest()
    return key


class Keys(NamedTuple):
    """A user's keys at one engine."""

    user: User
    auth: bytes
    priv: bytes

    @property
    def mac_size(self) -> int:
        return DIGESTS[self.user.auth].mac if self.user.auth is not None else 0

    def mac(self, message: bytes) -> bytes:
        """What authenticates `message`, in which zeros stand in its place."""
        assert self.user.auth is not None
        digest = DIGESTS[self.user.auth]
        return hmac.new(self.auth, message, digest.make).digest()[: digest.mac]

    def encrypt(self, data: bytes, salt: bytes, boots: int, time: int) -> bytes:
        if self.user.priv == "des":
            data += bytes(-len(data) % 8)
        encryptor = self._cipher(salt, boots, time).encryptor()
        return encryptor.update(data) + encryptor.finalize()

    def decrypt(self, data: bytes, salt: bytes, boots: int, time: int) -> bytes:
        """Raises `Malformed` for what cannot have been encrypted."""
        if len(salt) != 8:
            raise Malformed(f"a salt of {len(salt)} bytes")
        if self.user.priv == "des" and len(data) % 8:
            raise Malformed("encrypted data that ends within a block")
        decryptor = self._cipher(salt, boots, time).decryptor()
        return decryptor.update(data) + decryptor.finalize()

    def _cipher(self, salt: bytes, boots: int, time: int) -> Cipher[Any]:
        if self.user.priv == "des":
            key, before = self.priv[:8], self.priv[8:16]
            vector = bytes(a ^ b for a, b in zip(before, salt, strict=True))
            return Cipher(TripleDES(key * 3), modes.CBC(vector))  # three times the same key is DES
        vector = boots.to_bytes(4, "big") + time.to_bytes(4, "big") + salt
        return Cipher(AES(self.priv), CFB(vector))

    def salt(self, boots: int, counter: int) -> bytes:
        """Eight bytes that are used once with these keys (RFC 3414, section 8.1.1.1; RFC 3826, section 3.1.2.1)."""
        if self.user.priv == "des":
            return (boots & 0xFFFF_FFFF).to_bytes(4, "big") + (counter & 0xFFFF_FFFF).to_bytes(4, "big")
        return (counter & 0xFFFF_FFFF_FFFF_FFFF).to_bytes(8, "big")
