# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import asyncio
import pickle
import tracemalloc
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aioconn.broker import codec, frames, messages, values
from aioconn.broker import inbox as inboxes
from aioconn.broker.frames import (
    MAX_ELEMENTS,
    MAX_FRAME,
    PART,
    Alive,
    Call,
    Cancel,
    Cancelled,
    Challenge,
    End,
    Failure,
    Frame,
    Hello,
    Inbox,
    InboxKind,
    Item,
    Leave,
    Next,
    Proof,
    Refused,
    Target,
    Unreadable,
    Value,
    Welcome,
    encode,
    pieces,
    plainly,
)
from aioconn.credentials import Secret
from aioconn.errors import BadFrame, CannotCross, CommandRejected, RemoteError
from aioconn.results import Output
from tests.broker.samples import OUTPUT, Row, any_value, same
from tests.examples import examples

DEVICE = Target("device", 3)
NONCE = bytes(32)

PORTER: list[Frame] = [
    Hello(1, NONCE, 4711, "script.py", DEVICE),
    Hello(1, NONCE, 4711, ""),
    Proof(NONCE),
]
SERVER: list[Frame] = [
    Call(
        "call",
        Target("connection", 3, "vty_1"),
        "execute",
        ("show version",),
        {"timeout": 30.0, "mode": None},
    ),
    Call("ask", Target("testbed", 2**50), "devices"),
    Call("iterate", DEVICE, "stream", (["a", ("b",)], {"x"})),
    Call("enter", Target("entered"), "exclusive", (), {"reply": {1: 2**70}}),
    Call("ask", Target("broker"), "statistics"),
    Cancel(),
    Next(),
    Leave(),
]
CLIENT: list[Frame] = [
    Challenge(1, NONCE, NONCE),
    Welcome(0),
    Refused("too many wires"),
    Value(None),
    Value(OUTPUT),
    Item([OUTPUT, {"a": (1,)}]),
    Cancelled(),
    End(),
    Alive(),
]
ALL: dict[InboxKind, list[Frame]] = {"porter": PORTER, "server": SERVER, "client": CLIENT}


@pytest.mark.parametrize("kind", ALL)
def test_frames_arrive_as_they_were(kind: InboxKind) -> None:
    inbox = Inbox(kind)
    for frame in ALL[kind]:
        data = encode(frame)
        assert int.from_bytes(data[:4], "big") == len(data) - 4
        assert list(inbox.feed(data)) == [frame]
        assert b"".join(pieces(frame)) == data
        assert inbox.pending == 0
    assert list(Inbox(kind).feed(b"".join(map(encode, ALL[kind])))) == ALL[kind]


@pytest.mark.parametrize(
    "frame", [Call("call", DEVICE, "execute", ("a",), {"timeout": 3.0}), Value("a"), Item(7)]
)
def test_what_is_plain_takes_the_short_way(frame: Frame) -> None:
    assert plainly(frame) == encode(frame)


@pytest.mark.parametrize(
    "frame",
    [
        Call("call", DEVICE, "execute", (["a"],)),
        Call("call", DEVICE, "execute", (), {"replies": {}}),
        Call("call", DEVICE, "x" * 256),
        Value("a" * PART),
        Value("a" * (PART + 1)),
        Value("\ud800"),
        Value(1 << 70),
        Value(b"a"),
        Item(["a"]),
        Failure(ValueError()),
        End(),
    ],
)
def test_all_else_takes_the_long_way(frame: Frame) -> None:
    assert plainly(frame) is None


@pytest.mark.parametrize("kind", ALL)
def test_each_side_takes_only_what_may_come_there(kind: InboxKind) -> None:
    for other in ALL:
        for frame in ALL[other]:
            if other != kind:
                with pytest.raises(BadFrame, match="no frame of ours"):
                    list(Inbox(kind).feed(encode(frame)))


@pytest.mark.parametrize("kind", ALL)
def test_every_cut_of_the_stream(kind: InboxKind) -> None:
    stream = b"".join(map(encode, ALL[kind]))
    for cut in range(len(stream) + 1):
        inbox = Inbox(kind)
        assert [*inbox.feed(stream[:cut]), *inbox.feed(stream[cut:])] == ALL[kind]
    inbox = Inbox(kind)
    seen = [frame for byte in stream for frame in inbox.feed(bytes([byte]))]
    assert seen == ALL[kind]
    assert inbox.pending == 0


@examples(150)
@given(st.lists(any_value, max_size=4), st.data())
def test_any_values_in_any_pieces(contents: list[Any], data: st.DataObject) -> None:
    calls = [Call("call", DEVICE, "execute", (value,), {"x": value, "y": 1}) for value in contents]
    items = [Item(value) for value in contents]
    for kind, sent in (("server", calls), ("client", items)):
        stream = b"".join(map(encode, sent))
        cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=8)))
        inbox, seen = Inbox(kind), []  # type: ignore[arg-type, var-annotated]
        for first, last in zip([0, *cuts], [*cuts, len(stream)], strict=True):
            seen += inbox.feed(stream[first:last])
        assert len(seen) == len(sent)
        for frame, other in zip(seen, sent, strict=True):
            if isinstance(frame, Call) and isinstance(other, Call):
                assert same((frame.args, frame.kwargs), (other.args, other.kwargs))
            else:
                assert isinstance(frame, Item)
                assert isinstance(other, Item)
                assert same(frame.value, other.value)


def test_whoever_leaves_early_finds_the_rest() -> None:
    inbox = Inbox("client")
    assert next(inbox.feed(encode(Welcome(1)) + encode(Alive()) + encode(End())[:3])) == Welcome(1)
    assert inbox.pending > 0
    assert list(inbox.feed(encode(End())[3:])) == [Alive(), End()]
    assert inbox.pending == 0


def test_a_piece_that_looks_like_a_frame() -> None:
    inner, inbox = encode(Alive()), Inbox("client")
    whole = Value(b"x" + inner)
    data = encode(whole)
    assert data.endswith(inner)
    assert list(inbox.feed(data[: -len(inner)])) == []
    assert list(inbox.feed(inner)) == [whole]


def test_data_is_taken_in_by_the_call() -> None:
    inbox = Inbox("client")
    inbox.feed(encode(Alive())[:2])
    inbox.feed(encode(Alive())[2:])
    assert list(inbox.feed(b"")) == [Alive()]
    assert list(inbox.feed(bytearray(encode(End())))) == [End()]
    assert list(inbox.feed(memoryview(encode(End())))) == [End()]


@pytest.mark.parametrize(
    "value",
    [
        2**64,
        "\udcff",
        Output("\udcff"),
        Output("x", elapsed=2),
        Output("", command="\udcff"),
        "x" * PART,
        [1],
    ],
)
def test_what_does_not_go_the_short_way_goes_the_other(value: Any) -> None:
    for frame in (Value(value), Item(value)):
        [arrived] = Inbox("client").feed(encode(frame))
        assert type(arrived) is type(frame)
        assert isinstance(arrived, Value | Item)
        assert same(arrived.value, value)
        assert type(getattr(arrived.value, "elapsed", None)) is type(getattr(value, "elapsed", None))
        assert b"".join(pieces(frame)) == encode(frame)
    call = Call("call", DEVICE, "execute", (value,), {"x": value})
    [sent] = Inbox("server").feed(encode(call))
    assert isinstance(sent, Call)
    assert same((sent.args, sent.kwargs), (call.args, call.kwargs))


def test_targets_are_values() -> None:
    assert pickle.loads(pickle.dumps(DEVICE)) == DEVICE  # noqa: S301  our own
    assert len({DEVICE, Target("device", 3)}) == 1
    with pytest.raises(AttributeError):
        DEVICE.key = 4  # type: ignore[misc]


# ---------------------------------------------------------------------- values that cannot go, or come


def test_an_argument_that_cannot_cross_is_named() -> None:
    for args, kwargs, place in (
        (("x", [object()]), {}, r"^argument 2 of execute\[0\] is an object"),
        ((), {"reply": {"x": object()}}, r"^argument 'reply' of execute\['x'\] is an object"),
    ):
        with pytest.raises(CannotCross, match=place):
            encode(Call("call", DEVICE, "execute", args, kwargs))


def test_a_result_that_cannot_cross_is_named_and_nothing_was_sent() -> None:
    with pytest.raises(CannotCross, match=r"^the result of execute is a function"):
        encode(Value(lambda: 1), "the result of execute")
    with pytest.raises(CannotCross, match=r"^the item is a function"):
        pieces(Item(lambda: 1), "the item")


def test_a_call_has_to_fit_one_frame() -> None:
    with pytest.raises(CannotCross, match=r"the call takes 16,777,2\d\d bytes, and at most 16,777,216 go"):
        encode(Call("call", DEVICE, "configure", ("x" * MAX_FRAME,)))
    with pytest.raises(CannotCross, match="more than 255 characters"):
        encode(Call("call", DEVICE, "x" * 256))
    with pytest.raises(CannotCross, match="no Unicode text"):
        encode(Call("call", DEVICE, "\udcff"))


@pytest.mark.parametrize(
    ("frame", "inbox", "name"),
    [
        (Call("call", DEVICE, "execute", (Row("a"),)), "server", "call"),
        (Value([Row("a")]), "client", "value"),
        (Item({"x": Row("a")}), "client", "item"),
    ],
)
def test_a_class_that_is_not_known_here_spoils_one_frame_only(
    frame: Frame, inbox: InboxKind, name: str
) -> None:
    data = encode(frame).replace(b"samples:Row", b"samples:Now")
    good = ALL[inbox][0]
    receiving = Inbox(inbox)
    unreadable, after = receiving.feed(data + encode(good))
    assert isinstance(unreadable, Unreadable)
    assert unreadable.frame == name
    assert "a value of tests.broker.samples:Now" in str(unreadable.error)
    assert after == good
    with pytest.raises(TypeError):
        encode(unreadable)


def test_a_field_of_an_unknown_class_does_not_hide_an_error() -> None:
    data = encode(Failure(CommandRejected("no", row=Row("a")))).replace(b"samples:Row", b"samples:Now")
    [frame] = Inbox("client").feed(data)
    assert isinstance(frame, Failure)
    assert type(frame.error) is CommandRejected
    assert frame.error.__dict__["row"] == "<tests.broker.samples:Now, not known here>"


def test_a_failure_always_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frames, "MAX_VALUE", 300)
    [frame] = Inbox("client").feed(encode(Failure(CommandRejected("no", output="x" * 500))))
    assert isinstance(frame, Failure)
    assert isinstance(frame.error, RemoteError)
    assert frame.error.type_name == "aioconn.errors.CommandRejected"


def test_no_secret_in_the_repr_of_a_frame() -> None:
    call = Call("call", DEVICE, "connect", (), {"password": Secret("hunter2")})
    [arrived] = Inbox("server").feed(encode(call))
    assert b"hunter2" in encode(call)
    assert "hunter2" not in repr(call) + repr(arrived)


# ---------------------------------------------------------------------- large values

LARGE = Output("x\n" * (PART + 7), command="show tech", raw=(b"a", b"b"))


@pytest.mark.parametrize("frame", [Value(LARGE), Item([LARGE]), Failure(CommandRejected("no", output=LARGE))])
def test_a_large_value_goes_in_parts(frame: Frame) -> None:
    parts = list(pieces(frame))
    assert len(parts) == 4
    assert all(len(part) <= PART + 20 for part in parts)
    assert b"".join(parts) == encode(frame)
    inbox, seen = Inbox("client"), []
    for part in parts[:-1]:
        seen += list(inbox.feed(part))
        assert list(inbox.feed(encode(Alive()))) == [Alive()]
    assert seen == []
    assert inbox.pending > PART
    [arrived] = inbox.feed(parts[-1])
    assert inbox.pending == 0
    if isinstance(frame, Failure):
        assert isinstance(arrived, Failure)
        assert same(arrived.error.__dict__["output"], LARGE)
    else:
        assert arrived == frame


def test_pieces_come_when_they_are_asked_for() -> None:
    tracemalloc.start()
    try:
        value = Value(b"x" * (20 * PART))
        before = tracemalloc.get_traced_memory()[0]
        tracemalloc.reset_peak()
        for part in pieces(value):
            assert len(part) <= PART + 20
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert (
        peak - before < 1.9 * 20 * PART
    )  # the bytes of the value, room to grow while they are made, a few parts


def raw(frame: msgspec.Struct) -> bytes:
    body = msgspec.msgpack.encode(frame)
    return len(body).to_bytes(4, "big") + body


PART_OF = raw(messages.Part(values.dump("x" * 100)[:50]))
END_OF = raw(messages.ValueBody(b""))


@pytest.mark.parametrize(
    ("stream", "says"),
    [
        (END_OF, "in parts and whole, or neither"),
        (PART_OF + encode(Value([1])), "in parts and whole, or neither"),
        (PART_OF + encode(Value(1)), "without its end"),
        (PART_OF + encode(Value(OUTPUT)), "without its end"),
        (PART_OF + encode(End()), "without its end"),
        (PART_OF + encode(Welcome(1)), "without its end"),
        (PART_OF + END_OF, "no value of ours"),
        (raw(messages.Part(b"")), "no frame of ours"),
        (raw(messages.Part(b"x" * (PART + 1))), "no frame of ours"),
        (raw(messages.FailureBody(values.dump("no error"))), "a failure without an error"),
        (raw(messages.ValueBody(b"\xc1")), "no value of ours"),
    ],
)
def test_parts_that_do_not_fit(stream: bytes, says: str) -> None:
    with pytest.raises(BadFrame, match=says):
        list(Inbox("client").feed(stream))


def test_the_sum_of_all_parts_is_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (frames, inboxes):
        monkeypatch.setattr(module, "MAX_VALUE", 3 * PART)
    with pytest.raises(CannotCross, match=r"^the result takes 3,145,7\d\d bytes, and at most 3,145,728 go"):
        encode(Value(b"x" * 3 * PART), "the result")
    inbox = Inbox("client")
    part = raw(messages.Part(b"x" * PART))
    for _ in range(3):
        assert list(inbox.feed(part)) == []
    with pytest.raises(BadFrame, match="more than 3,145,728 bytes"):
        list(inbox.feed(part))


# ---------------------------------------------------------------------- what a peer could send


def call(*array: Any) -> bytes:
    body = msgspec.msgpack.encode(array)
    return len(body).to_bytes(4, "big") + body


GOOD = values.dump(["", 1])


@pytest.mark.parametrize(
    "data",
    [
        b"\x00\x00\x00\x00",
        b"\xff\xff\xff\xff",
        (MAX_FRAME + 1).to_bytes(4, "big"),
        b"\x00\x00\x00\x01\xc1",
        b"\x00\x00\x00\x02\xc0\xc0",
        b"\x00\x0f\x42\x40" + b"\x91" * 1_000_000,
        call(3, "call", ["device", 3, ""], "x", [], {}, 1),  # one too many
        call(3, "call", ["device", 3, "", 1], "x", []),
        call(3, "call", ["device", 3, ""], "x" * 300, []),
        call(3, "call", ["device", -1, ""], "x", []),
        call(3, "call", ["device", 2**60, ""], "x", []),
        call(3, "call", ["device", "3", ""], "x", []),
        call(3, "call", ["devices", 3, ""], "x", []),
        call(3, "get", ["device", 3, ""], "x", []),
        call(3, "call", ["device", 3, ""], "x", b""),
        call(3, "call", ["device", 3, ""], "x", [[]]),
        call(3, "call", ["device", 3, ""], "x", [b""]),
        call(3, "call", ["device", 3, ""], "x", [], {1: 2}),
        call(3, "call", ["device", 3, ""], "x", [], {"a": {}}),
        call(7, "call", ["device", 3, ""], "x", GOOD, 1),
        call(7, "call", ["device", 3, ""], "x"),
        call(7, "call", ["device", 3, ""], "x", "text"),
        call(7, "call", ["device", 3, ""], "x" * 300, GOOD),
        call(7, "get", ["device", 3, ""], "x", GOOD),
        call(7, "call", ["device", 3, ""], "x", b""),
        call(7, "call", ["device", 3, ""], "x", values.dump(1)),
        call(7, "call", ["device", 3, ""], "x", values.dump([])),
        call(7, "call", ["device", 3, ""], "x", values.dump([1])),
        call(7, "call", ["device", 3, ""], "x", values.dump(["a,b", 1])),
        call(7, "call", ["device", 3, ""], "x", values.dump(["a,a", 1, 2])),
        call(7, "call", ["device", 3, ""], "x", b"\x91" * 1_000_000),
        call("call", 3),
        call(3),
        call(99),
        call(),
    ],
)
def test_nonsense_ends_it_for_good(data: bytes) -> None:
    inbox = Inbox("server")
    with pytest.raises(BadFrame, match=r"^what another process sent is ") as caught:
        list(inbox.feed(data))
    assert inbox.pending == 0
    with pytest.raises(BadFrame) as again:
        list(inbox.feed(encode(Cancel())))
    assert str(again.value) == str(caught.value)


@pytest.mark.parametrize("nonce", [b"", bytes(15), bytes(65), "text"])
def test_numbers_that_are_too_short_or_too_long(nonce: Any) -> None:
    for frame in (Hello(1, nonce, 1, "x"), Proof(nonce)):
        with pytest.raises(BadFrame):
            list(Inbox("porter").feed(encode(frame)))


def test_frames_before_a_bad_one_are_seen() -> None:
    stream = encode(Next()) + encode(Leave()) + b"\xff\xff\xff\xff" + encode(Next())
    for cut in range(len(stream) + 1):
        inbox, seen = Inbox("server"), []
        for data in (stream[:cut], stream[cut:]):
            try:
                for frame in inbox.feed(data):
                    seen.append(frame)
            except BadFrame:
                break
        else:
            pytest.fail("it was taken")
        assert seen == [Next(), Leave()]


def test_a_length_is_refused_before_its_frame_comes() -> None:
    inbox = Inbox("porter", limit=100)
    with pytest.raises(BadFrame, match="a frame of 101 bytes; at most 100 are taken"):
        list(inbox.feed((101).to_bytes(4, "big")))
    assert list(Inbox("porter", limit=100).feed(encode(Proof(NONCE)))) == [Proof(NONCE)]
    with pytest.raises(BadFrame, match="at most 30 are taken"):
        list(Inbox("porter", limit=30).feed(encode(Proof(NONCE))))


def test_memory_is_bounded_by_what_came() -> None:
    announced = MAX_FRAME.to_bytes(4, "big")
    tracemalloc.start()
    try:
        inboxes = [Inbox("server") for _ in range(100)]
        for inbox in inboxes:
            assert list(inbox.feed(announced + b"x" * 100)) == []
        held = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert held < 200_000


def framed(wire: msgspec.Struct) -> bytes:
    body = msgspec.msgpack.encode(wire)
    return len(body).to_bytes(4, "big") + body


def array(count: int, body: bytes) -> bytes:
    return b"\xdd" + count.to_bytes(4, "big") + body


@pytest.mark.parametrize(
    "body",
    [
        array(1_000_000, b"\x90" * 1_000_000),
        array(1_000, array(1_000, b"\x80" * 1_000) * 1_000),
        array(1_000_000, b"\xa1x" * 500_000),  # and half of them are missing
    ],
    ids=["lists", "dicts in lists", "texts"],
)
def test_a_call_of_too_many_values_is_not_made(body: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inboxes, "MAX_ELEMENTS", 50_000)
    data = framed(messages.CallBody("call", DEVICE, "configure", body))
    inbox = Inbox("server")
    tracemalloc.start()
    try:
        with pytest.raises(BadFrame, match=r"more than 50,000 values"):
            list(inbox.feed(data))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 6 * len(data)


def test_a_long_call_in_the_short_form_is_not_made() -> None:
    data = framed(Call("call", DEVICE, "configure", ("x",) * 600_000))
    with pytest.raises(BadFrame):
        list(Inbox("server").feed(data))
    [call] = Inbox("server").feed(
        encode(Call("call", DEVICE, "configure", ("x",) * 600_000))
    )  # the other form
    assert isinstance(call, Call)


def test_a_call_with_too_many_values_is_not_sent() -> None:
    lines = ["interface Loopback0"] * 300_000
    [call] = Inbox("server").feed(encode(Call("call", DEVICE, "configure", (lines,))))
    assert isinstance(call, Call)
    assert call.args == (lines,)
    with pytest.raises(CannotCross, match=r"arguments of configure hold more than 1,000,000 values"):
        encode(Call("call", DEVICE, "configure", ([None] * MAX_ELEMENTS,)))


@examples(200)
@given(any_value)
def test_values_are_counted_as_they_are_decoded(value: Any) -> None:
    body = values.dump(value)

    def elements(raw: Any) -> int:
        if isinstance(raw, dict):
            return 1 + sum(elements(part) for pair in raw.items() for part in pair)
        return 1 + sum(map(elements, raw)) if isinstance(raw, list) else 1

    assert codec.count(body, 10**9) == elements(msgspec.msgpack.decode(body))


@pytest.mark.parametrize("size", [0, 1, 15, 16, 31, 32, 255, 256, 65_535, 65_536])
def test_values_of_every_size_are_counted(size: int) -> None:
    extension = msgspec.msgpack.Ext(5, bytes(size))
    for value in ("x" * size, bytes(size), extension):
        assert codec.count(msgspec.msgpack.encode([value, 1]), 10**9) == 3
    assert codec.count(msgspec.msgpack.encode([[None] * size, 1]), 10**9) == 3 + size
    assert (
        codec.count(msgspec.msgpack.encode([dict.fromkeys(map(str, range(size))), 1]), 10**9) == 3 + 2 * size
    )


def test_a_large_frame_in_small_pieces() -> None:
    inbox = Inbox("client")
    frame = encode(Value("x" * 200_000))
    seen = [one for at in range(0, len(frame), 7) for one in inbox.feed(frame[at : at + 7])]
    assert seen == [Value("x" * 200_000)]


def test_cancelled_stands_for_a_cancelled_call() -> None:
    assert encode(Failure(asyncio.CancelledError())) == encode(Cancelled())
