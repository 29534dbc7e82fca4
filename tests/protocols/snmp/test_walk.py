# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aioconn.errors import SnmpError
from aioconn.protocols.snmp import ber, names
from aioconn.protocols.snmp.pdu import Bind, Kind, Pdu, bind
from aioconn.protocols.snmp.values import VarBind, varbind
from aioconn.protocols.snmp.walk import Walk

ROOT = names.resolve("1.3.6.1.4.1")


def oid(*arcs: int) -> bytes:
    return ber.oid_content((1, 3, 6, 1, 4, 1, *arcs))


def answer(*oids: bytes, status: int = 0, tag: int = ber.INTEGER) -> Pdu:
    binds: list[Bind] = [(one, tag, b"\1") for one in oids]
    return Pdu(Kind.RESPONSE, 1, status, 0, binds)


class Taking(Walk):
    """A walk that is given answers as they come."""

    def got(self, pdu: Pdu) -> list[VarBind]:
        return self.take(pdu, [varbind(*one) for one in pdu.binds])


def walk(repetitions: int = 10, limit: int = 100) -> Taking:
    return Taking(ROOT, repetitions, limit)


def test_it_goes_on_where_it_was() -> None:
    it = walk()
    assert it.query() == (Kind.GET_BULK, 0, 10, [bind(ROOT)])
    assert [one.oid for one in it.got(answer(oid(1), oid(2, 5)))] == ["1.3.6.1.4.1.1", "1.3.6.1.4.1.2.5"]
    assert not it.over
    assert it.query() == (Kind.GET_BULK, 0, 10, [bind(oid(2, 5))])


@pytest.mark.parametrize(
    "after", [(1, 3, 6, 1, 4, 2), (1, 3, 6, 1, 5), (1, 3, 6, 2), (2, 5), (1, 3, 6, 1, 4, 300)]
)
def test_it_ends_with_the_subtree(after: tuple[int, ...]) -> None:
    it = walk()
    assert len(it.got(answer(oid(1), ber.oid_content(after), oid(2)))) == 1
    assert it.over


def test_it_ends_with_the_view() -> None:
    it = walk()
    assert it.got(answer(oid(1), tag=0x82)) == []
    assert it.over
    empty = walk()
    assert empty.got(answer()) == []
    assert empty.over
    proxied = walk()
    assert proxied.got(answer(oid(1), status=2)) == []
    assert proxied.over


@pytest.mark.parametrize(
    "oids",
    [
        [oid(2), oid(1)],
        [oid(2), oid(2)],
        [oid(300), oid(299)],
        [oid(16384), oid(16383)],
        [ROOT],
        [ber.oid_content((1, 3, 6, 1, 3, 1))],
    ],
)
def test_an_agent_that_goes_in_circles_is_refused(oids: list[bytes]) -> None:
    with pytest.raises(SnmpError, match="oidNotIncreasing") as caught:
        walk().got(answer(*oids))
    assert caught.value.status == "oidNotIncreasing"
    assert caught.value.oid == ber.dotted(oids[-1])


def test_too_big_makes_smaller_steps() -> None:
    it = walk(repetitions=10)
    asked = []
    for _ in range(4):
        asked.append(it.query()[2])
        if asked[-1] > 1:
            assert it.got(answer(status=1)) == []
    assert asked == [10, 5, 2, 1]
    with pytest.raises(SnmpError, match="tooBig"):
        it.got(answer(status=1))


def test_a_status_ends_it() -> None:
    with pytest.raises(SnmpError, match="genErr") as caught:
        walk().got(answer(oid(1), status=5))
    assert caught.value.status == "genErr"


def test_no_more_than_the_limit() -> None:
    it = walk(limit=3)
    assert len(it.got(answer(oid(1), oid(2), oid(3)))) == 3
    with pytest.raises(SnmpError, match="more than 3 variables") as caught:
        it.got(answer(oid(4)))
    assert caught.value.status == "walkTooLong"


@given(st.lists(st.lists(st.integers(0, 2**32 - 1), max_size=5).map(tuple), max_size=40))
def test_whatever_an_agent_says_it_ends(answers: list[tuple[int, ...]]) -> None:
    """What comes increases, or it is over."""
    it = walk(limit=20)
    seen: list[tuple[int, ...]] = []
    try:
        for arcs in answers:
            seen += [ber.arcs(names.resolve(one.oid)) for one in it.got(answer(oid(*arcs)))]
            if it.over:
                break
    except SnmpError:
        pass
    assert seen == sorted(set(seen))
    assert len(seen) <= 20
