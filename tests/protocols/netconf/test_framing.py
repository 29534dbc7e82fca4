# SPDX-License-Identifier: Apache-2.0
"""Messages of NETCONF in both framings, cut at every place."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aioconn.protocols.netconf.framing import END, END_MARK, MAX_CHUNK, BadFraming, Decoder, encode

# made of what a mark or a header is made of, so that beginnings of both are everywhere
PAYLOAD = st.lists(
    st.sampled_from(
        [b"]", b"]]", b">", b"]]>", b"\n", b"#", b"##", b"\n#", b"\n##\n", b"\n#1\n", b"1", b"<a/>"]
    ),
    min_size=1,
    max_size=20,
).map(b"".join)
# the mark must not be there, nor come about where the mark behind the message begins
OLD = PAYLOAD.map(lambda payload: payload + b".").filter(lambda payload: END_MARK not in payload)


def messages(decoder: Decoder, pieces: list[bytes]) -> list[bytes]:
    """What comes out, joined; the last one is what has no end yet."""
    found = [b""]
    for piece in pieces:
        for part in decoder.feed(piece):
            if part is END:
                found.append(b"")
            else:
                assert part
                found[-1] += part
    return found


def cut(data: bytes, places: list[int]) -> list[bytes]:
    edges = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
    return [data[start:end] for start, end in itertools.pairwise(edges)]


def chunks(message: bytes, sizes: list[int]) -> bytes:
    framed, position = b"", 0
    while position < len(message):
        size = sizes[position % len(sizes)]
        piece = message[position : position + size]
        framed += b"\n#%d\n%b" % (len(piece), piece)
        position += size
    return framed + b"\n##\n"


@given(st.lists(OLD, min_size=1, max_size=4), st.lists(st.integers(0, 1000), max_size=12))
def test_end_of_message_at_any_split(sent: list[bytes], places: list[int]) -> None:
    data = b"".join(encode(message, chunked=False) for message in sent)
    decoder = Decoder()
    assert messages(decoder, cut(data, places)) == [*sent, b""]
    assert decoder.idle


@given(
    st.lists(PAYLOAD, min_size=1, max_size=4),
    st.lists(st.integers(1, 9), min_size=1, max_size=5),
    st.lists(st.integers(0, 1000), max_size=12),
)
def test_chunks_at_any_split(sent: list[bytes], sizes: list[int], places: list[int]) -> None:
    data = b"".join(chunks(message, sizes) for message in sent)
    decoder = Decoder(chunked=True)
    assert messages(decoder, cut(data, places)) == [*sent, b""]
    assert decoder.idle


@pytest.mark.parametrize("chunked", [False, True])
def test_byte_by_byte(chunked: bool) -> None:
    sent = [b"<hello/>", b"]]>]] >\n##", b"#" * 30]
    data = b"".join(encode(message, chunked=chunked) for message in sent)
    assert messages(Decoder(chunked=chunked), [data[n : n + 1] for n in range(len(data))]) == [*sent, b""]


@given(st.lists(st.integers(0, 100), max_size=6))
def test_the_framing_changes_behind_a_message(places: list[int]) -> None:
    data = b"<hello/>]]>]]>" + encode(b"<rpc-reply/>", chunked=True)
    decoder, found = Decoder(), [b""]
    for piece in cut(data, places):
        for part in decoder.feed(piece):
            if part is END:
                decoder.chunked = True
                found.append(b"")
            else:
                found[-1] += part
    assert found == [b"<hello/>", b"<rpc-reply/>", b""]


@pytest.mark.parametrize(
    "bad",
    [
        b"<rpc-reply/>",
        b"\n<",
        b"#3\nabc",
        b"\n#0\n",
        b"\n#01\nx",
        b"\n#-1\nx",
        b"\n#+1\nx",
        b"\n# 1\nx",
        b"\n#1 \nx",
        b"\n#1_0\nx",
        b"\n#\nx",
        b"\n##",
        b"\n##\n",
        b"\n#1\nx\n##x",
        b"\n#1\nxy",
        b"\n#1\nx\n#\xd9\xa1\n",
        b"\n#%d\n" % (MAX_CHUNK + 1),
        b"\n#99999999999999999999\n",
        b"\n#1\nx\n#" + b"1" * 13,
        b"\r\n#1\nx",
    ],
)
def test_bad_headers_of_chunks(bad: bytes) -> None:
    padded = bad + b"\n"  # so that what is cut off is not just waited for
    with pytest.raises(BadFraming) as whole:
        messages(Decoder(chunked=True), [padded])
    with pytest.raises(BadFraming):
        messages(Decoder(chunked=True), [padded[n : n + 1] for n in range(len(padded))])
    assert len(whole.value.seen) <= 80


def test_the_largest_chunk_costs_nothing_before_it_comes() -> None:
    decoder = Decoder(chunked=True)
    assert list(decoder.feed(b"\n#%d\n" % MAX_CHUNK)) == []
    assert list(decoder.feed(b"x" * 10)) == [b"x" * 10]
    assert not decoder.idle


@pytest.mark.parametrize("data", [b"<a", b"<a/>]]>]]", b"]"])
def test_a_message_that_is_cut_off_is_not_idle(data: bytes) -> None:
    decoder = Decoder()
    messages(decoder, [data])
    assert not decoder.idle


@pytest.mark.parametrize(
    "data", [b"\n", b"\n#", b"\n#5", b"\n#5\n", b"\n#5\nabc", b"\n#1\nx", b"\n#1\nx\n#", b"\n#1\nx\n##"]
)
def test_chunks_that_are_cut_off_are_not_idle(data: bytes) -> None:
    decoder = Decoder(chunked=True)
    messages(decoder, [data])
    assert not decoder.idle


@given(st.binary(max_size=200), st.booleans(), st.lists(st.integers(0, 200), max_size=8))
def test_anything_at_all_is_read_or_refused(data: bytes, chunked: bool, places: list[int]) -> None:
    def outcome(pieces: list[bytes]) -> list[bytes] | str:
        try:
            return messages(Decoder(chunked=chunked), pieces)
        except BadFraming as error:
            return str(error)

    whole, parts = outcome([data]), outcome(cut(data, places))
    assert isinstance(whole, str) == isinstance(parts, str)
    if not isinstance(whole, str):
        assert whole == parts


def test_many_small_messages_in_one_piece_are_not_copied_over_and_over() -> None:
    """Each part that comes out is as small as what it was cut from, and nothing is kept."""
    data = b"a]]>]]>" * 50_000
    decoder = Decoder()
    assert messages(decoder, [data]) == [b"a"] * 50_000 + [b""]
    assert decoder.idle


def test_what_the_old_framing_cannot_carry_is_refused() -> None:
    with pytest.raises(ValueError, match="ends a message"):
        encode(b"<!-- ]]>]]> -->", chunked=False)
    assert encode(b"]]>]]>", chunked=True) == b"\n#6\n]]>]]>\n##\n"


def test_a_message_that_comes_whole() -> None:
    whole = encode(b"<a/>\n##\n<b/>", chunked=True)
    assert Decoder(chunked=True).whole(whole) == b"<a/>\n##\n<b/>"
    for other in (
        whole[:-1],
        whole[1:],
        whole + whole,
        whole + b"\n",
        b"\n#2\nab\n#2\ncd\n##\n",
        b"\n##\n",
        b"",
    ):
        assert Decoder(chunked=True).whole(other) is None
    assert Decoder().whole(whole) is None
    for begun in (b"\n", b"\n#100\n", b"\n#1\nx"):
        decoder = Decoder(chunked=True)
        list(decoder.feed(begun))
        assert decoder.whole(whole) is None
