# SPDX-License-Identifier: Apache-2.0
"""An HTTP/2 connection that is told anything, cut anywhere: requests fail or wait, and nothing else happens."""

from __future__ import annotations

import asyncio
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from aioconn.protocols.rest.http2_link import FRAME, LINK_WINDOW, WINDOW, Full, Http2Link
from tests.http2_front import SETTINGS, frame, goaway

HEADERS = [(":method", "GET"), (":scheme", "https"), (":authority", "r1"), (":path", "/")]

frames = st.builds(
    frame,
    st.integers(0, 12),
    st.one_of(
        st.binary(max_size=40),
        st.sampled_from(
            [b"", bytes(4), b"\x00\x00\x00\x01", bytes(5), bytes(8), b"\x88", b"\x88\x5c\x013", b"abc"]
        ),
        st.binary(min_size=6, max_size=6).map(lambda value: b"\x00" + value[1:]),
    ),
    flags=st.sampled_from([0, 1, 4, 5, 8, 0x20, 0x2D, 255]),
    stream=st.sampled_from([0, 1, 1, 1, 3, 3, 5, 2, 99, 2**31 - 1]),
)
goodbyes = st.builds(goaway, st.sampled_from([0, 1, 3, 2**31 - 1]), st.integers(0, 20), st.binary(max_size=9))
talk = st.lists(
    st.one_of(frames, goodbyes, st.just(frame(1, b"\x88", flags=4, stream=1)), st.binary(max_size=20)),
    max_size=12,
)


class Wire(asyncio.Transport):
    """Takes all, and tells its protocol of its end."""

    def __init__(self, link: Http2Link) -> None:
        super().__init__({"ssl_object": self})
        self.link = link
        self.first = b""
        self.taken = 0
        self.closed = False

    def write(self, data: Any) -> None:
        assert not self.closed
        self.first = self.first or bytes(data)
        self.taken += len(data)

    def selected_alpn_protocol(self) -> str:
        return "h2"

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        if not self.closed:
            self.closed = True
            asyncio.get_running_loop().call_soon(self.link.connection_lost, None)

    def abort(self) -> None:
        self.close()


async def test_windows_are_kept_by_both() -> None:
    link = Http2Link(lambda _: None)
    wire = Wire(link)
    link.connection_made(wire)
    link.data_received(SETTINGS)
    slow, quick = (link.send(HEADERS, "GET", "/", None) for _ in range(2))
    link.data_received(frame(1, b"\x88", flags=4, stream=1) + frame(1, b"\x88", flags=4, stream=3))
    full = [frame(0, bytes(FRAME), stream=number) for number in (1, 3)]
    for _ in range(WINDOW // FRAME):
        link.data_received(full[0])
    for _ in range(4 * LINK_WINDOW // FRAME):  # nobody takes the one, and the other goes on
        link.data_received(full[1])
        assert len(link.take(quick)) == FRAME
    assert link.usable
    assert len(slow.come) == WINDOW
    link.data_received(full[0])
    assert slow.failure is not None
    assert slow.failure.wrong
    assert "low control" in str(slow.failure.seen)
    assert not link.usable
    await asyncio.sleep(0)
    assert wire.closed


async def test_padding_is_given_back() -> None:
    link = Http2Link(lambda _: None)
    link.connection_made(Wire(link))
    link.data_received(SETTINGS)
    stream = link.send(HEADERS, "GET", "/", None)
    link.data_received(frame(1, b"\x88", flags=4, stream=1))
    for _ in range(WINDOW // 256 + 1000):  # 256 bytes each, with nothing in them
        link.data_received(frame(0, b"\xff" + bytes(255), flags=8, stream=1))
    link.data_received(frame(0, b"x", flags=1, stream=1))
    assert link.take(stream) == b"x"
    assert stream.ended
    link.abort()
    await asyncio.sleep(0)


async def test_the_table_of_headers_does_not_grow_as_the_device_likes() -> None:
    link = Http2Link(lambda _: None)
    wire = Wire(link)
    link.connection_made(wire)
    link.data_received(frame(4, b"\x00\x01\x7f\xff\xff\xff"))
    sizes = []
    for number in [*range(1000, 1200), 1000]:
        before = wire.taken
        link.leave(link.send([*HEADERS, ("x-own", f"{number}" * 100)], "GET", "/", None))
        sizes.append(wire.taken - before)
    assert sizes[-1] > 200, "the first is still remembered"
    link.abort()
    await asyncio.sleep(0)


@given(
    talk=talk, begins=st.sampled_from([SETTINGS, SETTINGS, SETTINGS, b""]), cuts=st.lists(st.integers(1, 30))
)
def test_anything(talk: list[bytes], begins: bytes, cuts: list[int]) -> None:
    async def run() -> None:
        link = Http2Link(lambda _: None)
        wire = Wire(link)
        link.connection_made(wire)
        assert wire.first.startswith(b"PRI * HTTP/2.0"), "the device may speak before us"
        streams = [link.send(HEADERS, "GET", "/", body) for body in (None, b"x" * 100_000, None)]
        data = begins + b"".join(talk)
        for cut in cuts:
            if wire.closed:
                break
            link.data_received(data[:cut])
            data = data[cut:]
        if not wire.closed:
            link.data_received(data)
        for stream in streams[:2]:
            if stream.come:
                link.take(stream)
            link.leave(stream)
            assert stream.over
        if link.usable:
            try:
                streams.append(link.send(HEADERS, "GET", "/", None))
            except Full:
                assert link.usable
        assert wire.taken < 500_000
        link.abort()
        await asyncio.sleep(0)
        assert wire.closed
        assert not link.usable
        assert all(stream.over for stream in streams)
        assert link.ready.done()

    asyncio.run(run())
