# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aioconn.errors import UsageError
from aioconn.protocols.snmp import Typed, VarBind, ber, names
from aioconn.protocols.snmp.ber import Malformed
from aioconn.protocols.snmp.values import Settable, encoded, varbind


def through(oid: str, value: Settable) -> VarBind:
    """What an agent gives back that was set to `value`."""
    content = names.resolve(oid)
    element = encoded(content, value, oid)
    tag, begin, end = ber.element(element, 0, len(element))
    return varbind(content, tag, element[begin:end])


@pytest.mark.parametrize(
    ("oid", "value", "type_", "plain"),
    [
        ("sysName.0", "r1", "OctetString", "r1"),
        ("sysName.0", "Zürich", "OctetString", "Zürich"),
        ("ifPhysAddress.1", b"\x52\x54\x00abc", "OctetString", b"\x52\x54\x00abc"),
        ("ifAdminStatus.1", 2, "Integer32", 2),
        ("ifSpeed.1", 2**32 - 1, "Gauge32", 2**32 - 1),
        ("ifInOctets.1", 2**31, "Counter32", 2**31),
        ("ifHCInOctets.1", 2**64 - 1, "Counter64", 2**64 - 1),
        ("sysUpTime.0", 5, "TimeTicks", 5),
        ("sysObjectID.0", "enterprises.9.1", "ObjectIdentifier", "1.3.6.1.4.1.9.1"),
        ("ipAdEntAddr.1.2.3.4", "1.2.3.4", "IpAddress", "1.2.3.4"),
        ("enterprises.9.1", -5, "Integer32", -5),
        ("enterprises.9.1", "text", "OctetString", b"text"),
        ("enterprises.9.1", Typed("Opaque", b"\x9f"), "Opaque", b"\x9f"),
        ("enterprises.9.1", Typed("Gauge32", 5), "Gauge32", 5),
        ("sysName.0", Typed("Integer32", 5), "Integer32", 5),
    ],
)
def test_a_value_goes_and_comes(oid: str, value: Settable, type_: str, plain: object) -> None:
    got = through(oid, value)
    assert (got.type, got.value) == (type_, plain)
    assert got.exists
    assert got.name == names.name(got.oid)


@pytest.mark.parametrize(
    ("oid", "value"),
    [
        ("sysName.0", 5),
        ("ifAdminStatus.1", "up"),
        ("ifAdminStatus.1", True),
        ("ifAdminStatus.1", 2**31),
        ("ifSpeed.1", -1),
        ("ifHCInOctets.1", 2**64),
        ("ipAdEntAddr.1.2.3.4", "1.2.3"),
        ("ipAdEntAddr.1.2.3.4", b"\1\2\3\4"),
        ("sysObjectID.0", "no-such-name"),
        ("sysObjectID.0", 5),
        ("enterprises.9.1", Typed("Guage32", 5)),
        ("enterprises.9.1", Typed("noSuchObject", 5)),
        ("enterprises.9.1", "x" * 65_536),
        ("enterprises.9.1", None),
    ],
)
def test_what_is_no_value_of_its_type_is_told(oid: str, value: Settable) -> None:
    with pytest.raises(UsageError, match=oid):
        encoded(names.resolve(oid), value, oid)


@pytest.mark.parametrize("type_", ["noSuchObject", "noSuchInstance", "endOfMibView"])
def test_what_is_missing_is_a_value(type_: str) -> None:
    tag = {"noSuchObject": 0x80, "noSuchInstance": 0x81, "endOfMibView": 0x82}[type_]
    got = varbind(names.resolve("sysName.0"), tag, b"")
    assert (got.type, got.value, got.exists, got.text) == (type_, None, False, "")
    assert str(got) == f"sysName.0 = {type_}"


def test_text_is_for_what_no_known_module_declares() -> None:
    got = varbind(names.resolve("enterprises.9.1"), ber.OCTETS, b"Caf\xc3\xa9\xff")
    assert got.value == b"Caf\xc3\xa9\xff"
    assert got.text == "Café\N{REPLACEMENT CHARACTER}"
    assert varbind(names.resolve("ifIndex.1"), ber.INTEGER, b"\5").text == "5"


def test_a_type_that_is_none_of_snmp_is_kept_as_bytes() -> None:
    got = varbind(names.resolve("enterprises.9.1"), 0x47, b"\1\2")
    assert (got.type, got.value, got.exists) == ("0x47", b"\1\2", True)


@given(st.sampled_from([0x02, 0x06, 0x40, 0x41, 0x42, 0x43, 0x46]), st.binary(max_size=20))
def test_any_content_is_a_value_or_malformed(tag: int, content: bytes) -> None:
    try:
        got = varbind(names.resolve("enterprises.9.1"), tag, content)
    except Malformed:
        return
    assert isinstance(got.value, (int, str))
