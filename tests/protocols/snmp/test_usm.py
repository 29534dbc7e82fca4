# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aioconn.credentials import Secret
from aioconn.protocols.snmp import messages, pdu, usm
from aioconn.protocols.snmp.ber import Malformed
from aioconn.protocols.snmp.pdu import Kind
from aioconn.protocols.snmp.usm import User

ENGINE = bytes.fromhex("000000000000000000000002")
LEVEL = messages.AUTH | messages.PRIV


def user(auth: Any = "sha", priv: Any = "aes", password: str = "maplesyrup") -> User:
    secret = Secret(password)
    return User(
        name="u",
        auth=auth,
        auth_password=secret if auth else None,
        priv=priv,
        priv_password=secret if priv else None,
    )


@pytest.mark.parametrize(
    ("auth", "key"),
    [
        ("md5", "526f5eed9fcce26f8964c2930787d82b"),  # RFC 3414, section A.3.1
        ("sha", "6695febc9288e36282235fc7151f128497b38f3f"),  # section A.3.2
    ],
)
def test_the_keys_of_the_rfc(auth: str, key: str) -> None:
    assert usm.localized(auth, "maplesyrup", ENGINE).hex() == key


def test_short_keys_are_lengthened_in_the_two_ways() -> None:
    key = usm.localized("md5", "maplesyrup", ENGINE)
    blumenthal = usm.lengthened(key, 32, "md5", ENGINE, reeder=False)
    reeder = usm.lengthened(key, 32, "md5", ENGINE, reeder=True)
    # draft-reeder-snmpv3-usm-3desede-00, section B.1
    assert reeder.hex() == "526f5eed9fcce26f8964c2930787d82b79eff44a90650ee0a3a40abfac5acc12"
    assert blumenthal[:16] == key
    assert blumenthal != reeder
    assert usm.lengthened(key, 16, "md5", ENGINE, reeder=True) == key


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"auth": None, "priv": "aes"}, "no privacy without authentication"),
        ({"auth": "sha", "password": "short"}, "shorter than 8"),
    ],
)
def test_what_cannot_be_is_told(keys: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        user(**keys)


def test_a_password_needs_its_protocol_and_the_other_way_round() -> None:
    with pytest.raises(ValueError, match="say auth as well"):
        User(name="u", auth_password=Secret("maplesyrup"))
    with pytest.raises(ValueError, match="auth: its password is missing"):
        User(name="u", auth="sha")
    with pytest.raises(ValueError, match="priv: its password is missing"):
        User(name="u", auth="sha", auth_password=Secret("maplesyrup"), priv="aes")
    with pytest.raises(ValueError, match="1 to 32"):
        User(name="u" * 33)


PAYLOAD = messages.scoped(ENGINE, b"ctx", pdu.encode(Kind.GET, 7, 0, 0, [pdu.bind(b"\x2b\x06\x01")]))


def message(keys: usm.Keys, flags: int = LEVEL, payload: bytes = PAYLOAD) -> bytes:
    return messages.encode(7, flags, ENGINE, 3, 1234, b"u", keys, 99, payload)


@pytest.mark.parametrize("auth", get_args(usm.Auth))
@pytest.mark.parametrize("priv", get_args(usm.Priv))
def test_a_protected_message_comes_back(auth: str, priv: str) -> None:
    keys = user(auth, priv).at(ENGINE)
    data = message(keys)
    header = messages.decode(data)
    assert (header.number, header.flags, header.engine_id, header.boots, header.time, header.user) == (
        7, LEVEL, ENGINE, 3, 1234, b"u",
    )  # fmt: skip
    assert messages.is_authentic(data, header, keys)
    assert b"ctx" not in data
    found = messages.content(header, keys)
    assert (found.engine_id, found.context, found.pdu.number) == (ENGINE, b"ctx", 7)
    assert found.pdu.binds == [(b"\x2b\x06\x01", 5, b"")]


@given(st.integers(0, 10_000), st.integers(1, 255))
def test_a_message_that_was_touched_is_not_authentic(at: int, change: int) -> None:
    keys = user().at(ENGINE)
    data = bytearray(message(keys))
    data[at % len(data)] ^= change
    touched = bytes(data)
    try:
        header = messages.decode(touched)
    except Malformed:
        return
    assert not messages.is_authentic(touched, header, keys)


def test_a_message_of_other_keys_is_not_authentic() -> None:
    for other in (user(password="maplesyrup2"), user("md5"), user("sha256")):
        data = message(other.at(ENGINE))
        assert not messages.is_authentic(data, messages.decode(data), user().at(ENGINE))


@pytest.mark.parametrize("priv", ["des", "aes"])
@given(junk=st.binary(max_size=64), salt=st.binary(max_size=10))
def test_what_does_not_decrypt_is_malformed(priv: str, junk: bytes, salt: bytes) -> None:
    keys = user("sha", priv).at(ENGINE)
    header = messages.decode(message(keys))._replace(data=b"\x04" + bytes((len(junk),)) + junk, salt=salt)
    with pytest.raises(Malformed):
        messages.content(header, keys)


def test_no_salt_comes_twice() -> None:
    for priv in ("des", "aes"):
        keys = user("sha", priv).at(ENGINE)
        assert len({keys.salt(1, counter) for counter in range(100)}) == 100
        assert len(keys.salt(2**31 - 1, 2**70)) == 8


def test_privacy_without_authentication_is_no_message() -> None:
    data = message(user().at(ENGINE), flags=0).replace(
        b"\x04\x01\x00\x02\x01\x03", b"\x04\x01\x02\x02\x01\x03", 1
    )
    with pytest.raises(Malformed, match="privacy without authentication"):
        messages.decode(data)
