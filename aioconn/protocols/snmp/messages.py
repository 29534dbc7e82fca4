# SPDX-License-Identifier: Apache-2.0
"""Messages of SNMPv3 (RFC 3412, section 6) with the parameters of the user-based model (RFC 3414, section 2.4)."""

from __future__ import annotations

import hmac
from typing import NamedTuple

from aioconn.protocols.snmp import ber, pdu
from aioconn.protocols.snmp.ber import Malformed
from aioconn.protocols.snmp.usm import Keys

AUTH, PRIV, REPORTABLE = 1, 2, 4
"""The bits of msgFlags."""
USM = 3  # the number of the security model
MAX_SIZE = 65_507  # bytes of a datagram over IPv4, which is what we take
MAX_TIME = 2**31 - 1


class Header(NamedTuple):
    """What stands in front of the scoped PDU, and where. `salt` is empty without privacy."""

    number: int
    flags: int
    engine_id: bytes
    boots: int
    time: int
    user: bytes
    mac: bytes
    mac_at: int
    salt: bytes
    data: bytes


class Scoped(NamedTuple):
    """A PDU in its context."""

    engine_id: bytes
    context: bytes
    pdu: pdu.Pdu


def scoped(engine_id: bytes, context: bytes, encoded: bytes) -> bytes:
    """The element of a scoped PDU."""
    return ber.tlv(ber.SEQUENCE, ber.tlv(ber.OCTETS, engine_id) + ber.tlv(ber.OCTETS, context) + encoded)


def encode(
    number: int,
    flags: int,
    engine_id: bytes,
    boots: int,
    time: int,
    user: bytes,
    keys: Keys | None,
    salt_counter: int,
    content: bytes,
) -> bytes:
    """A message around the scoped PDU `content`, protected as `flags` say with `keys`."""
    salt = mac = b""
    if keys is not None and flags & PRIV:
        salt = keys.salt(boots, salt_counter)
        content = ber.tlv(ber.OCTETS, keys.encrypt(content, salt, boots, time))
    if keys is not None and flags & AUTH:
        mac = bytes(keys.mac_size)
    tail = ber.tlv(ber.OCTETS, salt)
    parameters = ber.tlv(
        ber.SEQUENCE,
        ber.tlv(ber.OCTETS, engine_id)
        + ber.integer(boots)
        + ber.integer(time)
        + ber.tlv(ber.OCTETS, user)
        + ber.tlv(ber.OCTETS, mac)
        + tail,
    )
    head = ber.tlv(
        ber.SEQUENCE,
        ber.integer(number) + ber.integer(MAX_SIZE) + ber.tlv(ber.OCTETS, bytes((flags,))) + ber.integer(USM),
    )
    message = ber.tlv(
        ber.SEQUENCE, ber.integer(pdu.VERSION_3) + head + ber.tlv(ber.OCTETS, parameters) + content
    )
    if not mac:
        return message
    assert keys is not None
    end = len(message) - len(content) - len(tail)
    return message[: end - len(mac)] + keys.mac(message) + message[end:]


def decode(data: bytes) -> Header:
    """What a message says openly. Raises `Malformed`."""
    version, at, end = pdu.open_message(data)
    if version != pdu.VERSION_3:
        raise Malformed(f"a message of version {version}")
    at, stop = ber.expect(data, at, end, ber.SEQUENCE)
    number, at = ber.expect_integer(data, at, stop)
    _, at = ber.expect_integer(data, at, stop)
    flags, at = ber.expect_octets(data, at, stop)
    model, at = ber.expect_integer(data, at, stop)
    if at != stop or len(flags) != 1 or model != USM:
        raise Malformed("the header of a message that is not of the user-based model")
    if flags[0] & PRIV and not flags[0] & AUTH:
        raise Malformed("privacy without authentication")
    at, body = ber.expect(data, stop, end, ber.OCTETS)
    at, stop = ber.expect(data, at, body, ber.SEQUENCE)
    if stop != body:
        raise Malformed("something follows the security parameters")
    engine_id, at = ber.expect_octets(data, at, stop)
    boots, at = ber.expect_integer(data, at, stop)
    time, at = ber.expect_integer(data, at, stop)
    user, at = ber.expect_octets(data, at, stop)
    mac_at, mac_end = ber.expect(data, at, stop, ber.OCTETS)
    salt, at = ber.expect_octets(data, mac_end, stop)
    if at != stop or len(engine_id) > 32 or len(user) > 32:
        raise Malformed("security parameters that cannot be")
    if not (0 <= boots <= MAX_TIME and 0 <= time <= MAX_TIME):
        raise Malformed("a time of an engine that cannot be")
    return Header(
        number, flags[0], engine_id, boots, time, user, data[mac_at:mac_end], mac_at, salt, data[body:end]
    )


def is_authentic(data: bytes, header: Header, keys: Keys) -> bool:
    """Whether somebody who has the key has made this message."""
    size = len(header.mac)
    if not size or size != keys.mac_size:
        return False
    blank = data[: header.mac_at] + bytes(size) + data[header.mac_at + size :]
    return hmac.compare_digest(keys.mac(blank), header.mac)


def content(header: Header, keys: Keys | None) -> Scoped:
    """The scoped PDU of a message, decrypted if need be. Raises `Malformed`."""
    data = header.data
    at, end = 0, len(data)
    if header.flags & PRIV:
        if keys is None or not keys.priv:
            raise Malformed("an encrypted message for which there is no key")
        at, stop = ber.expect(data, 0, end, ber.OCTETS)
        if stop != end:
            raise Malformed("something follows the encrypted data")
        data = keys.decrypt(data[at:stop], header.salt, header.boots, header.time)
        at, end = 0, len(data)
    at, stop = ber.expect(data, at, end, ber.SEQUENCE)
    if stop != end and not header.flags & PRIV:  # what DES fills up the last block with
        raise Malformed("something follows the scoped PDU")
    engine_id, at = ber.expect_octets(data, at, stop)
    context, at = ber.expect_octets(data, at, stop)
    return Scoped(engine_id, context, pdu.decode(data, at, stop))
