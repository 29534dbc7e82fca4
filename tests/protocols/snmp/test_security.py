# SPDX-License-Identifier: Apache-2.0
"""Whom a client believes: the other side here is made of the same messages, with what an attacker could do."""

from __future__ import annotations

from dataclasses import replace

import pytest

from aioconn.credentials import Secret
from aioconn.protocols.snmp import ber, messages, names, pdu
from aioconn.protocols.snmp.pdu import Kind
from aioconn.protocols.snmp.security import CommunitySecurity, Untrusted, UserSecurity
from aioconn.protocols.snmp.usm import User

ENGINE = b"\x80\x00\x1f\x88\x04engine"
READER = User(
    name="reader",
    auth="sha256",
    auth_password=Secret("auth-password"),
    priv="aes",
    priv_password=Secret("priv-password"),
)
LEVEL = messages.AUTH | messages.PRIV
NOT_IN_TIME, UNKNOWN_ENGINE, WRONG_DIGEST = (
    "1.3.6.1.6.3.15.1.1.2.0",
    "1.3.6.1.6.3.15.1.1.4.0",
    "1.3.6.1.6.3.15.1.1.5.0",
)


def said(
    number: int = 1,
    *,
    kind: int = Kind.RESPONSE,
    flags: int = LEVEL,
    engine: bytes = ENGINE,
    boots: int = 5,
    time: int = 1000,
    user: User = READER,
    oid: str = "sysName.0",
    inside: int | None = None,
    context: bytes = b"",
) -> bytes:
    """What an agent, or somebody in its place, sends."""
    bound = pdu.bind(names.resolve(oid), ber.integer(1, 0x41))
    encoded = pdu.encode(kind, number if inside is None else inside, 0, 0, [bound])
    keys = user.at(engine) if flags else None
    content = messages.scoped(engine, context, encoded)
    return messages.encode(number, flags, engine, boots, time, user.name.encode(), keys, 7, content)


def report(oid: str, *, flags: int = 0, boots: int = 5, time: int = 1000, engine: bytes = ENGINE) -> bytes:
    return said(kind=Kind.REPORT, oid=oid, flags=flags, boots=boots, time=time, engine=engine)


@pytest.fixture
def known() -> UserSecurity:
    """A client that has learned the engine."""
    security = UserSecurity(READER)
    assert security.unwrap(report(UNKNOWN_ENGINE), 0.0).report == "usmStatsUnknownEngineIDs"
    return security


def test_an_answer_of_the_agent_is_believed(known: UserSecurity) -> None:
    received = known.unwrap(said(7), 0.0)
    assert (received.number, received.report) == (7, "")
    assert received.pdu.binds[0][0] == names.resolve("sysName.0")


def test_a_request_is_protected_and_knows_the_time(known: UserSecurity) -> None:
    data = known.wrap(Kind.GET, 9, 0, 0, [pdu.bind(names.resolve("sysName.0"))], 30.0)
    header = messages.decode(data)
    assert (header.boots, header.time, header.user) == (5, 1030, b"reader")
    assert header.flags == LEVEL | messages.REPORTABLE
    keys = READER.at(ENGINE)
    assert messages.is_authentic(data, header, keys)
    assert messages.content(header, keys).pdu.number == 9


def test_before_the_engine_is_known_a_request_says_nothing() -> None:
    header = messages.decode(UserSecurity(READER).wrap(Kind.SET, 9, 0, 0, [b"secret"], 0.0))
    assert (header.engine_id, header.user, header.flags) == (b"", b"", messages.REPORTABLE)
    assert messages.content(header, None).pdu.binds == []


@pytest.mark.parametrize(
    "data",
    [
        said(flags=0),
        said(flags=messages.AUTH),
        said(user=replace(READER, auth_password=Secret("x" * 8))),
        said(user=replace(READER, name="other")),
        said(engine=b"\x80\x00\x1f\x88\x04other"),
        said(inside=2),
        said(context=b"other"),
        said(kind=Kind.GET),
        said(kind=Kind.TRAP),
        report(NOT_IN_TIME, boots=9),
    ],
    ids=["plain", "not-encrypted", "key", "user", "engine", "number", "context", "request", "trap", "clock"],
)  # fmt: skip
def test_what_is_not_from_the_agent_is_dropped(known: UserSecurity, data: bytes) -> None:
    known.unwrap(said(), 0.0)
    with pytest.raises(Untrusted):
        known.unwrap(data, 0.0)
    known.unwrap(said(3), 0.0)


def test_old_messages_are_dropped(known: UserSecurity) -> None:
    known.unwrap(said(time=2000), 0.0)
    known.unwrap(said(time=1900), 0.0)  # within the window: overtaken on the way
    with pytest.raises(Untrusted, match="another time"):
        known.unwrap(said(time=1800), 0.0)
    known.unwrap(said(boots=6, time=1), 0.0)
    with pytest.raises(Untrusted, match="another time"):
        known.unwrap(said(boots=5, time=3000), 0.0)


def test_a_clock_that_somebody_made_up_does_not_last(known: UserSecurity) -> None:
    """What is told before the keys are known is not authentic; the first authentic message sets it right."""
    security = UserSecurity(READER)
    security.unwrap(report(UNKNOWN_ENGINE, boots=2**31 - 1, time=2**31 - 1), 0.0)
    received = security.unwrap(report(NOT_IN_TIME, flags=messages.AUTH, boots=5, time=1000), 0.0)
    assert received.report == "usmStatsNotInTimeWindows"
    header = messages.decode(security.wrap(Kind.GET, 1, 0, 0, [], 10.0))
    assert (header.boots, header.time) == (5, 1010)


def test_reports_have_their_names(known: UserSecurity) -> None:
    assert known.unwrap(report(WRONG_DIGEST), 0.0).report == "usmStatsWrongDigests"
    assert known.unwrap(report("enterprises.1.0"), 0.0).report == "1.3.6.1.4.1.1.0"


def test_another_engine_does_not_take_its_place(known: UserSecurity) -> None:
    other = b"\x80\x00\x1f\x88\x04other"
    assert known.unwrap(report(UNKNOWN_ENGINE, engine=other), 0.0).report == "usmStatsUnknownEngineIDs"
    assert known.engine_id == ENGINE


def test_a_community_is_compared() -> None:
    security = CommunitySecurity(b"public")
    encoded = pdu.encode(Kind.RESPONSE, 4, 0, 0, [])
    assert security.unwrap(pdu.encode_message(b"public", encoded), 0.0).number == 4
    with pytest.raises(Untrusted):
        security.unwrap(pdu.encode_message(b"private", encoded), 0.0)
    with pytest.raises(Untrusted):
        security.unwrap(pdu.encode_message(b"public", pdu.encode(Kind.GET, 4, 0, 0, [])), 0.0)
