# SPDX-License-Identifier: Apache-2.0
"""Paths, documents and events of RESTCONF: without a network."""

from __future__ import annotations

import contextlib
import itertools
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aioconn.errors import UsageError
from aioconn.protocols.restconf import documents
from aioconn.protocols.restconf.events import Events, TooLarge
from aioconn.protocols.restconf.paths import parse


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("", ""),
        ("/", ""),
        ("a:b", "a:b"),
        ("/a:b/c", "a:b/c"),
        ("a:b/c[d='1/2']/e", "a:b/c=1%2F2/e"),
        ('a:b/c[d="it\'s"]', "a:b/c=it%27s"),
        ("a:b/c[d=1/2]/e", "a:b/c=1%2F2/e"),
        ("a:b/c[x:d='1'][e='2,3']", "a:b/c=1,2%2C3"),
        ("a:b/c=1%2F2,3/x:e", "a:b/c=1%2F2,3/x:e"),
        ("a:b/c[.='y z']", "a:b/c=y%20z"),
        ("a:b/c=", "a:b/c="),
        ("a:b/c=,x", "a:b/c=,x"),
        ("a:b/c[d='ü']", "a:b/c=%C3%BC"),
        ("a:b/c[ d = 'x]y' ]", "a:b/c=x%5Dy"),
    ],
)
def test_paths(text: str, url: str) -> None:
    assert parse(text).url == url


@pytest.mark.parametrize(
    "text",
    [
        "b",
        "a:b/",
        "a:b//c",
        "a:b/c[",
        "a:b/c[d]",
        "a:b/c[d='1]",
        "a:b/c[1='x']",
        "a:b/..",
        "a:b/c d",
        "a:b/c=[",
        "a:b#c",
        "a:b?c",
        "a::b",
        ":b",
        "a:",
        "a:b/c='x'y[",
        "7:b",
        "a:b/c=\n",
    ],
)
def test_what_is_no_path(text: str) -> None:
    with pytest.raises(UsageError):
        parse(text)


@given(st.text(alphabet=st.characters(exclude_categories=("Cs", "Cc"), exclude_characters="'\ufffe\uffff")))
def test_any_key_arrives_as_it_is(key: str) -> None:
    url = parse(f"a:b/c[d='{key}']/e").url
    assert url.isascii()
    first, second, third = url.split("/")
    assert (first, third) == ("a:b", "e")
    assert unquote(second.removeprefix("c=")) == key
    assert not set(second.removeprefix("c=")) & set(",/?#[]'\" ")


@given(st.text(max_size=60))
def test_any_text_is_a_path_or_is_refused(text: str) -> None:
    with contextlib.suppress(UsageError):
        path = parse(text)
        assert parse(path.url) == path


def test_a_path_of_any_length_is_refused_or_read_at_once() -> None:
    with pytest.raises(UsageError):
        parse("a:b/" + "c" * 100_000)
    with pytest.raises(UsageError):
        parse("a:b" + "[c=" * 20_000)
    assert len(parse("a:b" + "/c" * 20_000).steps) == 20_001


@given(st.binary(max_size=200), st.sampled_from(["application/json", "text/xml", "", "text/html"]))
def test_any_document_is_errors_or_none(data: bytes, kind: str) -> None:
    for error in documents.errors(data, kind):
        assert all(isinstance(name, str) for name in error)
    documents.root_of(data, kind)


def test_errors_of_both_kinds() -> None:
    json = b"""{"ietf-restconf:errors": {"error": [{"error-type": "protocol", "error-tag": "lock-denied",
        "error-app-tag": "x", "error-path": "/a:b", "error-message": "no", "error-info": {"session": 7}}]}}"""
    xml = b"""<?xml version="1.0"?><errors xmlns="urn:ietf:params:xml:ns:yang:ietf-restconf"><!-- x --><error>
        <error-type>protocol</error-type><error-tag>lock-denied</error-tag><error-app-tag>x</error-app-tag>
        <error-path xmlns:a="urn:a">/a:b</error-path><error-message xml:lang="en">no</error-message>
        <error-info><session>7</session></error-info></error></errors>"""
    both = [documents.errors(json, documents.JSON)[0], documents.errors(xml, documents.XML)[0]]
    for error in both:
        assert {key: error[key] for key in ("type", "tag", "app_tag", "path", "message")} == {
            "type": "protocol",
            "tag": "lock-denied",
            "app_tag": "x",
            "path": "/a:b",
            "message": "no",
        }
    assert both[0]["info"] == {"session": 7}
    assert "<session>7</session>" in both[1]["info"] or "session" in both[1]["info"]


def test_values_are_wrapped_once() -> None:
    assert documents.wrapped("a:c", 7, entry=False) == {"a:c": 7}
    assert documents.wrapped("a:c", {"x": 1, "y": 2}, entry=True) == {"a:c": [{"x": 1, "y": 2}]}
    assert documents.wrapped("a:c", {"a:c": [{"x": 1}]}, entry=True) == {"a:c": [{"x": 1}]}
    assert documents.wrapped("a:c", {"c": [{"x": 1}]}, entry=True) == {"a:c": [{"x": 1}]}
    assert documents.wrapped("a:c", {"x": 1}, entry=False) == {"a:c": {"x": 1}}


STREAM = "\ufeff: hello\r\n\r\ndata: one\r\nid: 7\r\n\r\ndata:two\rdata: lines\r\rdata\n\nevent: x\n\ndata: ü\n\nrest"


@given(st.lists(st.integers(0, len(STREAM.encode())), max_size=8))
def test_events_however_they_are_cut(cuts: list[int]) -> None:
    data = STREAM.encode()
    events = Events()
    found: list[str] = []
    places = [0, *sorted(cuts), len(data)]
    for start, end in itertools.pairwise(places):
        found += events.feed(data[start:end])
    assert found == ["one", "two\nlines", "", "ü"]


@given(st.lists(st.binary(max_size=40), max_size=8))
def test_any_bytes_are_events_or_none(pieces: list[bytes]) -> None:
    events = Events()
    for piece in pieces:
        assert all(isinstance(text, str) for text in events.feed(piece))


def test_an_event_has_a_limit() -> None:
    for piece in (b"data: " + b"x" * 100, b"data: xxxxxxxxxx\n" * 10):
        events = Events(most=50)
        with pytest.raises(TooLarge):
            events.feed(piece)
    events = Events(most=50)
    for _ in range(100):
        assert events.feed(b"data: x\n\n") == ["x"]
