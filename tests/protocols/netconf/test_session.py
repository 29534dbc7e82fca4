# SPDX-License-Identifier: Apache-2.0
"""Sessions over a stream that the test writes: which answer goes where, and what ends a session."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aioconn.errors import BadReply, SessionBroken, SessionClosed
from aioconn.protocols.netconf import session as session_module
from aioconn.protocols.netconf import xml
from aioconn.protocols.netconf.call import Call
from aioconn.protocols.netconf.capabilities import BASE_1_0, BASE_1_1
from aioconn.protocols.netconf.framing import Decoder, encode
from aioconn.protocols.netconf.session import Session
from aioconn.protocols.netconf.values import Notification
from aioconn.transport.base import Stream

BASE = xml.BASE
NOTIFICATION = (
    '<notification xmlns="urn:ietf:params:xml:ns:netconf:notification:1.0">'
    "<eventTime>2026-11-21T10:00:00Z</eventTime>{}</notification>"
)


class Memory(Stream):
    """Keeps what is written; `paused` and `ended` tell what was asked of it."""

    def __init__(self) -> None:
        self.written = b""
        self.paused = self.ended = False

    def write(self, data: bytes) -> None:
        self.written += data

    def pause_reading(self) -> None:
        self.paused = True

    def resume_reading(self) -> None:
        self.paused = False

    async def close(self) -> None:
        self.ended = True

    def abort(self) -> None:
        self.ended = True


class Talk:
    """A session and its other side."""

    def __init__(self, *, versions: tuple[str, ...] = ("1.0", "1.1"), max_reply: int = 100_000) -> None:
        self.lost: list[Exception | None] = []
        self.stream = Memory()
        self.session = Session(
            where={"device": "r1", "path": "nc"},
            versions=versions,
            max_reply=max_reply,
            on_lost=self.lost.append,
        )
        self.session.attach(self.stream)

    def greet(self, *versions: str) -> None:
        announced = "".join(f"<capability>{uri}</capability>" for uri in versions or (BASE_1_0, BASE_1_1))
        self.feed(
            f'<hello xmlns="{BASE}"><capabilities>{announced}</capabilities>'
            "<session-id>4</session-id></hello>]]>]]>".encode()
        )

    def feed(self, data: bytes) -> None:
        self.session.data_received(data)

    def say(self, message: str) -> None:
        self.feed(encode(message.encode(), chunked=self.session.chunked))

    def answer(self, call: Call | str, content: str = "<ok/>") -> None:
        message_id = call if isinstance(call, str) else call.message_id
        self.say(reply(message_id, content))

    @property
    def broken(self) -> Exception:
        (error,) = self.lost
        assert error is not None
        assert self.stream.ended
        return error


def reply(message_id: str, content: str = "<ok/>") -> str:
    return f'<rpc-reply xmlns="{BASE}" message-id="{message_id}">{content}</rpc-reply>'


@pytest.fixture
async def talk() -> Talk:
    talk = Talk()
    talk.greet()
    return talk


# ------------------------------------------------------------------ hello


async def test_our_hello_comes_first_and_their_hello_decides_the_framing() -> None:
    for ours, theirs, chunked in (
        (("1.0", "1.1"), (BASE_1_0, BASE_1_1), True),
        (("1.0", "1.1"), (BASE_1_0,), False),
        (("1.0",), (BASE_1_0, BASE_1_1), False),
        (("1.1",), (BASE_1_1,), True),
    ):
        talk = Talk(versions=ours)
        assert talk.stream.written.endswith(b"</hello>]]>]]>")
        assert talk.stream.written.count(b"capability>") == 2 * len(ours)
        assert not talk.session.greeting.done()
        talk.greet(*theirs)
        assert talk.session.greeting.result().session_id == talk.session.session_id == 4
        assert talk.session.chunked is chunked
        before = len(talk.stream.written)
        talk.session.send("<get/>")
        assert talk.stream.written[before:].startswith(b"\n#" if chunked else b"<?xml")


async def test_what_comes_right_behind_the_hello_is_in_the_new_framing() -> None:
    talk = Talk()
    talk.greet()
    call = talk.session.send("<get/>")
    other = Talk()
    hello = f'<hello xmlns="{BASE}"><capabilities><capability>{BASE_1_1}</capability></capabilities>'
    other.feed(f"{hello}<session-id>4</session-id></hello>]]>]]>".encode() + encode(b" ", chunked=True))
    assert not other.lost
    talk.answer(call)
    assert call.answer.done()


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ("<rpc-reply/>]]>]]>", "did not begin with a hello"),
        (
            f'<hello xmlns="{BASE}"><capabilities/><session-id>1</session-id></hello>]]>]]>',
            "none of the versions",
        ),
        (f'<hello xmlns="{BASE}"/>]]>]]>', "session-id"),
        ("Welcome to r1!\n]]>]]>", "not NETCONF"),
        ("<!DOCTYPE hello><hello/>]]>]]>", "DTD"),
    ],
)
async def test_no_hello(said: str, why: str) -> None:
    talk = Talk()
    talk.feed(said.encode())
    assert why in str(talk.broken)
    with pytest.raises(BadReply, match=why) as caught:
        await talk.session.greeting
    assert (caught.value.device, caught.value.path) == ("r1", "nc")


async def test_a_second_hello(talk: Talk) -> None:
    talk.say(f'<hello xmlns="{BASE}"><capabilities/><session-id>1</session-id></hello>')
    assert "second time" in str(talk.broken)


async def test_a_stream_that_ends_before_the_hello() -> None:
    talk = Talk()
    talk.feed(b"Sorry, too many sessions\n")
    talk.session.connection_lost(None)
    with pytest.raises(SessionBroken, match="ended the session") as caught:
        await talk.session.greeting
    assert caught.value.seen == "Sorry, too many sessions\n"


# ------------------------------------------------------------------ answers


async def test_answers_in_any_order_go_where_they_belong(talk: Talk) -> None:
    for order in itertools.permutations(range(4)):
        calls = [talk.session.send("<get/>") for _ in order]
        for number in order:
            talk.answer(calls[number], f"<data><n>{number}</n></data>")
        for number, call in enumerate(calls):
            assert "".join(call.answer.result().root.itertext()) == str(number)  # type: ignore[arg-type]
    assert not talk.session.calls


@given(
    st.permutations(range(3)),
    st.lists(st.integers(0, 2000), max_size=20),
    st.sets(st.integers(0, 2)),
    st.booleans(),
)
def test_any_order_any_split_any_cancelled(
    order: list[int], places: list[int], gone: set[int], new: bool
) -> None:
    async def play() -> None:
        talk = Talk()
        talk.greet(*((BASE_1_0, BASE_1_1) if new else (BASE_1_0,)))
        calls = [talk.session.send("<get/>", streamed=number == 1) for number in range(3)]
        await asyncio.sleep(0)  # now they are all written
        data = b"".join(
            encode(
                reply(calls[n].message_id, f"<data><n>{n} ] ]]&gt; # \n##\n</n></data>").encode(), chunked=new
            )
            for n in order
        )
        edges = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
        for turn, (start, end) in enumerate(itertools.pairwise(edges)):
            if turn == len(edges) // 2:
                for number in gone:
                    talk.session.abandon(calls[number])
            talk.feed(data[start:end])
        assert not talk.lost
        assert not talk.session.calls
        for number, call in enumerate(calls):
            if call.pieces is not None:
                text = b"".join([piece async for piece in taken(call)]) if number not in gone else b""
                assert number in gone or f"<n>{number} ".encode() in text
            elif number not in gone or not call.answer.cancelled():
                assert f"{number} ] ]]>" in "".join(call.answer.result().root.itertext())  # type: ignore[arg-type]
        final = talk.session.send("<get/>")
        talk.answer(final)
        assert final.answer.done()
        assert not talk.lost

    asyncio.run(play())


async def taken(call: Call) -> Any:
    assert call.pieces is not None
    while (piece := await call.pieces.take()) is not None:
        yield piece


async def test_a_late_answer_is_dropped(talk: Talk) -> None:
    late, other = talk.session.send("<get/>"), talk.session.send("<get/>")
    talk.session.abandon(late)
    talk.answer(late, "<data>" + "x" * 90_000 + "</data>")
    talk.answer(other)
    assert other.answer.done()
    assert late.answer.cancelled()
    assert not talk.lost


async def test_a_late_answer_may_be_larger_than_what_is_taken(talk: Talk) -> None:
    late = talk.session.send("<get/>")
    talk.session.abandon(late)
    talk.answer(late, "<data>" + "x" * 1_000_000 + "</data>")
    other = talk.session.send("<get/>")
    talk.answer(other)
    assert other.answer.done()


def twice(talk: Talk) -> None:
    call = talk.session.send("<get/>")
    talk.answer(call)
    talk.answer(call)


def late_twice(talk: Talk) -> None:
    call = talk.session.send("<get/>")
    talk.session.abandon(call)
    talk.answer(call)
    talk.answer(call)


def nobodys(talk: Talk) -> None:
    talk.session.send("<get/>")
    talk.answer("17")


def nameless_of_two(talk: Talk) -> None:
    talk.session.send("<get/>")
    talk.session.send("<get/>")
    talk.say(f'<rpc-reply xmlns="{BASE}"><ok/></rpc-reply>')


def nameless_beside_a_late_one(talk: Talk) -> None:
    talk.session.abandon(talk.session.send("<get/>"))
    talk.session.send("<get/>")
    talk.say(f'<rpc-reply xmlns="{BASE}"><ok/></rpc-reply>')


def unasked(talk: Talk) -> None:
    talk.say(f'<rpc-reply xmlns="{BASE}"><ok/></rpc-reply>')


def too_large(talk: Talk) -> None:
    talk.answer(talk.session.send("<get/>"), "x" * 100_001)


def endless(talk: Talk) -> None:
    talk.session.send("<get/>")
    for _ in range(200):
        talk.feed(b"\n#1000\n" + b"<" * 1000)
        if talk.lost:
            return


def bad_chunk(talk: Talk) -> None:
    talk.session.send("<get/>")
    talk.feed(b"\n#x\n")


def not_xml(talk: Talk) -> None:
    talk.say(reply(talk.session.send("<get/>").message_id, "<data>")[:-5])


def bomb(talk: Talk) -> None:
    talk.session.send("<get/>")
    talk.say('<!DOCTYPE rpc-reply [<!ENTITY a "aaaa">]>' + reply("1", "&a;"))


def other_kind(talk: Talk) -> None:
    talk.say("<rpc/>")


@pytest.mark.parametrize(
    "crime",
    [
        twice,
        late_twice,
        nobodys,
        nameless_of_two,
        nameless_beside_a_late_one,
        unasked,
        too_large,
        endless,
        bad_chunk,
        not_xml,
        bomb,
        other_kind,
    ],
)
async def test_what_ends_a_session(talk: Talk, crime: Callable[[Talk], None]) -> None:
    bystander = talk.session.send("<get-config/>") if crime in (twice, too_large, bomb) else None
    crime(talk)
    assert isinstance(talk.broken, BadReply)
    if bystander is not None:
        with pytest.raises(BadReply) as caught:
            await bystander.answer
        assert caught.value.maybe_executed
    with pytest.raises(BadReply):
        talk.session.send("<get/>")
    talk.feed(b"more")  # is not looked at
    talk.session.connection_lost(None)
    assert len(talk.lost) == 1


async def test_an_error_without_a_number_is_that_of_the_only_call(talk: Talk) -> None:
    call = talk.session.send("<get/>")
    talk.say(f'<rpc-reply xmlns="{BASE}"><rpc-error/></rpc-reply>')
    assert call.answer.done()
    assert not talk.lost


async def test_a_thousand_calls_that_nobody_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session_module, "MAX_ABANDONED", 5)
    talk = Talk()
    talk.greet()
    for _ in range(5):
        talk.session.abandon(talk.session.send("<get/>"))
        await asyncio.sleep(0)
    assert not talk.lost
    talk.session.abandon(talk.session.send("<get/>"))
    assert "not answered" in str(talk.broken)


async def test_the_old_framing_cannot_carry_its_mark() -> None:
    talk = Talk()
    talk.greet(BASE_1_0)
    before = talk.stream.written
    with pytest.raises(ValueError, match="ends a message"):
        talk.session.send("<a><!-- ]]>]]> --></a>")
    assert talk.stream.written == before
    assert not talk.session.calls


# ------------------------------------------------------------------ answers in pieces


async def test_a_large_answer_in_pieces_keeps_the_device_waiting(talk: Talk) -> None:
    call = talk.session.send("<get/>", streamed=True)
    assert call.pieces is not None
    head = f'<rpc-reply xmlns="{BASE}" message-id="{call.message_id}"><data>'.encode()
    talk.feed(b"\n#%d\n" % len(head) + head)
    chunk = b"\n#100000\n" + b"x" * 100_000
    fed = 0
    while not talk.stream.paused:
        talk.feed(chunk)
        fed += 1
    assert fed == session_module.STREAM_ROOM // 100_000 + 1
    size = 0
    while talk.stream.paused:
        size += len(await call.pieces.take() or b"")
    tail = b"</data></rpc-reply>"
    talk.feed(b"\n#%d\n%b\n##\n" % (len(tail), tail))
    async for piece in taken(call):
        size += len(piece)
    assert size == len(head) + fed * 100_000 + len(tail)
    assert not talk.session.calls
    assert not talk.lost


async def test_leaving_in_the_middle_of_a_large_answer(talk: Talk) -> None:
    call = talk.session.send("<get/>", streamed=True)
    assert call.pieces is not None
    text = reply(call.message_id, "<data>" + "x" * 3_000_000 + "</data>").encode()
    framed = encode(text, chunked=True)
    talk.feed(framed[:2_000_000])
    assert talk.stream.paused
    talk.session.abandon(call)
    call.pieces.leave()
    assert not talk.stream.paused
    talk.feed(framed[2_000_000:])
    other = talk.session.send("<get/>")
    talk.answer(other)
    assert other.answer.done()
    talk.answer(call)  # a second answer
    assert isinstance(talk.broken, BadReply)


async def test_an_error_instead_of_pieces(talk: Talk) -> None:
    call = talk.session.send("<get/>", streamed=True)
    talk.answer(call, "<rpc-error/>")
    assert [piece async for piece in taken(call)] == []
    assert call.answer.done()


async def test_pieces_of_a_session_that_breaks(talk: Talk) -> None:
    call = talk.session.send("<get/>", streamed=True)
    talk.feed(encode(reply(call.message_id, "<data/>").encode(), chunked=True)[:-10])
    talk.session.connection_lost(None)
    with pytest.raises(SessionBroken):
        async for _ in taken(call):
            pass


# ------------------------------------------------------------------ notifications


async def test_notifications_between_answers(talk: Talk) -> None:
    talk.say(NOTIFICATION.format("<early/>"))
    events = talk.session.subscribe()
    call = talk.session.send("<get/>")
    talk.say(NOTIFICATION.format("<one/>"))
    talk.answer(call)
    talk.say(NOTIFICATION.format("<two/>"))
    talk.say(NOTIFICATION.format("<notificationComplete/>"))
    talk.say(NOTIFICATION.format("<three/>"))
    names = []
    while (event := await events.take()) is not None:
        assert isinstance(event, Notification)
        names.append(event.name)
    assert names == ["one", "two", "notificationComplete"]
    assert call.answer.done()
    assert talk.session.events is None


async def test_notifications_that_nobody_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session_module, "NOTIFICATION_ROOM", 1000)
    monkeypatch.setattr(session_module, "NOTIFICATION_LIMIT", 5000)
    talk = Talk()
    talk.greet()
    events = talk.session.subscribe()
    while not talk.stream.paused:
        talk.say(NOTIFICATION.format("<one/>"))
    call = talk.session.send("<get/>")  # waits for its answer behind them
    assert not talk.stream.paused
    talk.answer(call)
    assert talk.stream.paused
    while talk.stream.paused:
        await events.take()
    talk.session.send("<get/>")
    while not talk.lost:
        talk.say(NOTIFICATION.format("<one/>"))
    assert "more notifications" in str(talk.broken)


# ------------------------------------------------------------------ the end


async def test_the_end_of_the_stream_is_told_to_all(talk: Talk) -> None:
    calls = [talk.session.send("<get/>") for _ in range(3)]
    events = talk.session.subscribe()
    talk.feed(b"\n#10\nabc")
    talk.session.connection_lost(SessionBroken("keepalive", device="r1", path="nc", hint="look at the cable"))
    errors: list[BaseException] = []
    for call in calls:
        with pytest.raises(SessionBroken) as caught:
            await call.answer
        errors.append(caught.value)
        assert caught.value.maybe_executed
        assert caught.value.hint == "look at the cable"
    assert len(set(map(id, errors))) == 3
    with pytest.raises(SessionBroken):
        await events.take()


async def test_a_goodbye(talk: Talk) -> None:
    call = talk.session.send("<get/>")
    goodbye = asyncio.ensure_future(talk.session.say_goodbye())
    await asyncio.sleep(0)
    with pytest.raises(SessionClosed):
        await call.answer
    assert b"<close-session/>" in talk.stream.written
    assert not talk.stream.ended
    talk.answer("2")
    talk.session.connection_lost(None)  # servers end it in the same breath, and that is no loss
    await goodbye
    assert talk.stream.ended
    assert not talk.lost
    with pytest.raises(SessionClosed):
        talk.session.send("<get/>")


@pytest.mark.parametrize(
    "said",
    [
        reply("2", "<ok"),
        reply("2", f"<data>{'x' * 200_000}</data>"),
        reply("2", "<rpc-error/>"),
        f'<rpc-reply xmlns="{BASE}"><rpc-error/></rpc-reply>',
        "no XML",
    ],
)
async def test_whatever_is_said_to_a_goodbye_it_is_over(talk: Talk, said: str) -> None:
    call = talk.session.send("<get/>")
    goodbye = asyncio.ensure_future(talk.session.say_goodbye())
    await asyncio.sleep(0)
    talk.answer(call, "<data/>")  # on its way before, and for nobody any more
    for _ in range(5):
        await asyncio.sleep(0)
    assert not goodbye.done()
    talk.say(said)
    async with asyncio.timeout(5):
        await goodbye
    assert talk.stream.ended
    assert talk.session.over
    assert not talk.lost


async def test_an_end_from_our_side(talk: Talk) -> None:
    call = talk.session.send("<get/>")
    talk.session.end(closed=True)
    with pytest.raises(SessionClosed):
        await call.answer
    talk.session.send_unheard("<unlock/>")
    talk.session.connection_lost(None)
    assert talk.stream.ended
    assert not talk.lost


async def test_what_is_seen_is_the_beginning(talk: Talk) -> None:
    talk.feed(b"\n#2000\n" + b"y" * 1000)
    assert talk.session.seen() == "y" * 200


def test_a_decoder_of_our_own_reads_what_is_sent() -> None:
    async def play() -> None:
        talk = Talk()
        talk.greet()
        at = len(talk.stream.written)
        talk.session.send("<get/>")
        assert len(list(Decoder(chunked=True).feed(talk.stream.written[at:]))) == 2

    asyncio.run(play())


async def test_calls_of_one_turn_are_written_together(talk: Talk) -> None:
    writes: list[bytes] = []
    write = talk.stream.write
    talk.stream.write = lambda data: (writes.append(data), write(data))[1]  # type: ignore[method-assign,func-returns-value]
    calls = [talk.session.send("<get/>") for _ in range(20)]
    assert len(writes) == 1
    await asyncio.sleep(0)
    assert len(writes) == 2
    assert b"".join(writes).count(b"<get/>") == 20
    talk.session.send("<get/>")
    assert len(writes) == 2  # others are under way: it waits for who else comes in this turn
    await asyncio.sleep(0)
    assert len(writes) == 3
    for call in calls:
        talk.answer(call)
    talk.session.send("<one/>")
    given_up = talk.session.send("<lost/>")
    talk.session.send_unheard("<unlock/>")
    talk.session.abandon(given_up)
    await asyncio.sleep(0)
    assert b"<lost/>" in b"".join(writes)  # what nobody waits for took it along
    talk.session.send("<two/>")
    given_up = talk.session.send("<never/>")
    talk.session.abandon(given_up)
    await asyncio.sleep(0)
    assert b"<never/>" not in b"".join(writes)
    talk.session.send("<three/>")
    talk.session.send("<dropped/>")
    talk.session.end(closed=True)
    await asyncio.sleep(0)
    assert b"<dropped/>" not in b"".join(writes)


FRAGMENTS = st.sampled_from(
    [
        f'<rpc-reply xmlns="{BASE}" message-id="1">',
        f'<rpc-reply xmlns="{BASE}" message-id="2">',
        f'<rpc-reply xmlns="{BASE}">',
        "</rpc-reply>",
        "<data>",
        "</data>",
        "<ok/>",
        "<rpc-error/>",
        NOTIFICATION.format("<e/>"),
        NOTIFICATION.format("<notificationComplete/>"),
        f'<hello xmlns="{BASE}"/>',
        "]]>]]>",
        "\n##\n",
        "\n#",
        "\n#10\n",
        "\n#4294967295\n",
        "<!DOCTYPE x>",
        "<![CDATA[",
        "]]>",
        "<!--",
        "\x00",
        "\u00fc" * 10,
    ]
).map(str.encode)


@given(
    st.lists(st.one_of(FRAGMENTS, FRAGMENTS, st.binary(max_size=30)), max_size=25),
    st.booleans(),
    st.booleans(),
    st.booleans(),
)
def test_a_device_that_says_anything(said: list[bytes], new: bool, framed: bool, leaves: bool) -> None:
    """Nothing is raised into the stream, and everybody who waits hears of an end, or may wait on."""

    async def play() -> None:
        talk = Talk(max_reply=1000)
        talk.greet(*((BASE_1_0, BASE_1_1) if new else (BASE_1_0,)))
        plain, streamed = talk.session.send("<get/>"), talk.session.send("<get/>", streamed=True)
        assert streamed.pieces is not None
        events = talk.session.subscribe()
        for number, data in enumerate(said):
            if framed and b"]]>]]>" not in data:
                data = encode(data, chunked=new)
            talk.feed(data)
            if leaves and number == 3:
                talk.session.abandon(streamed)
                streamed.pieces.leave()
        over = talk.session.over
        assert over == bool(talk.lost) == talk.stream.ended
        talk.session.end(closed=True)
        assert plain.answer.done()
        assert streamed.answer.done() or streamed.pieces.ended
        assert events.ended
        assert not talk.session.calls
        if not plain.answer.cancelled():
            plain.answer.exception()
        if not streamed.answer.cancelled():
            streamed.answer.exception()

    asyncio.run(play())
