# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aioconn.errors import UsageError
from aioconn.protocols.snmp import ber, names


@pytest.mark.parametrize(
    ("text", "oid"),
    [
        ("1.3.6.1.2.1.1.1.0", "1.3.6.1.2.1.1.1.0"),
        (".1.3.6.1.2.1.1.1.0", "1.3.6.1.2.1.1.1.0"),
        (" sysDescr ", "1.3.6.1.2.1.1.1"),
        ("sysDescr.0", "1.3.6.1.2.1.1.1.0"),
        ("SNMPv2-MIB::sysDescr.0", "1.3.6.1.2.1.1.1.0"),
        ("ifDescr.3", "1.3.6.1.2.1.2.2.1.2.3"),
        ("IF-MIB::ifDescr.3", "1.3.6.1.2.1.2.2.1.2.3"),
        ("ifAlias", "1.3.6.1.2.1.31.1.1.1.18"),
        ("ipAdEntIfIndex.10.0.0.1", "1.3.6.1.2.1.4.20.1.2.10.0.0.1"),
        ("entPhysicalSerialNum", "1.3.6.1.2.1.47.1.1.1.1.11"),
        ("hrStorageDescr", "1.3.6.1.2.1.25.2.3.1.3"),
        ("bgpPeerState", "1.3.6.1.2.1.15.3.1.2"),
        ("lldpRemSysName", "1.0.8802.1.1.2.1.4.1.1.9"),
        ("dot1qTpFdbPort", "1.3.6.1.2.1.17.7.1.2.2.1.2"),
        ("mib-2", "1.3.6.1.2.1"),
        ("iso.3.6.1", "1.3.6.1"),
        ("enterprises.9.4294967295", "1.3.6.1.4.1.9.4294967295"),
    ],
)
def test_an_oid_as_people_write_it(text: str, oid: str) -> None:
    assert ber.dotted(names.resolve(text)) == oid


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("sysDesc.0", "did you mean 'sysDescr'?"),
        ("ifdescr.3", "did you mean 'ifDescr'?"),
        ("IFMIB::ifDescr", "did you mean 'IF-MIB'?"),
        ("IF-MIB::sysDescr", "no object 'sysDescr'"),
        ("ifDescr.x", "is no OID"),
        ("ifDescr.", "is no OID"),
        ("ifDescr.-1", "is no OID"),
        ("1..3", "is no OID"),
        ("1.3.", "is no OID"),
        ("", "is no OID"),
        (".", "is no OID"),
        ("1", "2 to 128 numbers"),
        ("3.1", "begins with 0 or 1"),
        ("1.3.4294967296", "0 to 4294967295"),
        ("1.3." + "1." * 130 + "1", "2 to 128 numbers"),
        ("1.3.٣", "is no OID"),
        ("1" * 2000, "an OID of 2000 characters"),
        (5, "a text, not a int"),
    ],
)
def test_what_is_no_oid_is_told(text: str, words: str) -> None:
    with pytest.raises(UsageError, match=words.replace("?", r"\?").replace("(", r"\(")):
        names.resolve(text)


@pytest.mark.parametrize(
    ("oid", "name"),
    [
        ("1.3.6.1.2.1.1.1.0", "sysDescr.0"),
        ("1.3.6.1.2.1.2.2.1.2.70000", "ifDescr.70000"),
        ("1.3.6.1.4.1.9.1.1", "enterprises.9.1.1"),
        ("1.3.6.1.4.1", "enterprises"),
        ("2.999.3", "2.999.3"),
        ("1.0.8802.1.1.2.1.4.1.1.9.0.1.2", "lldpRemSysName.0.1.2"),
    ],
)
def test_the_name_of_what_comes(oid: str, name: str) -> None:
    assert names.name(oid) == name


def test_every_known_object_is_found_by_its_name_and_its_oid() -> None:
    known = names.objects()
    assert len(known.by_name) > 1200
    for name, arcs in known.by_name.items():
        if len(arcs) > 1:
            oid = ".".join(map(str, arcs))
            assert names.name(oid) == name
            if ber.oid_content((*arcs, 7)) not in known.by_oid:
                assert names.name(f"{oid}.7.300") == f"{name}.7.300"
    for module, members in known.modules.items():
        for name in members:
            if len(known.by_name[name]) > 1:
                assert names.resolve(f"{module}::{name}") == names.resolve(name)


@given(st.lists(st.integers(0, 2**32 - 1), min_size=1, max_size=100))
def test_an_oid_survives_its_name(instance: list[int]) -> None:
    for name in ("ifDescr", "enterprises", "sysUpTime", "iso.3"):
        oid = ber.dotted(names.resolve(".".join((name, *map(str, instance)))))
        assert names.resolve(names.name(oid)) == names.resolve(oid)


@given(st.text(max_size=40))
def test_any_text_is_an_oid_or_told(text: str) -> None:
    try:
        content = names.resolve(text)
    except UsageError:
        return
    assert ber.oid_content(ber.arcs(content)) == content


def test_the_syntax_of_what_is_known() -> None:
    for text, syntax, is_text in (
        ("sysName.0", "OctetString", True),
        ("ifAlias.3", "OctetString", True),
        ("ifPhysAddress.3", "OctetString", False),
        ("ifAdminStatus.3", "Integer32", False),
        ("ifSpeed.3", "Gauge32", False),
        ("ifHCInOctets.3", "Counter64", False),
        ("sysObjectID.0", "ObjectIdentifier", False),
        ("enterprises.9.1", None, False),
    ):
        assert names.syntax(names.resolve(text)) == syntax, text
        assert names.is_text(names.resolve(text)) is is_text, text
