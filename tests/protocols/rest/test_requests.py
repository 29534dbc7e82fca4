# SPDX-License-Identifier: Apache-2.0
"""What is sent, and what an answer is: without a network."""

from __future__ import annotations

import contextlib
from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aioconn.errors import UsageError
from aioconn.protocols.rest.requests import Base, prepare, retry_after
from aioconn.protocols.rest.response import Response

BASE = Base(scheme="https", host="192.0.2.1", port=443)


@given(st.text(max_size=80), st.dictionaries(st.text(max_size=8), st.text(max_size=8), max_size=3))
def test_a_url_is_of_this_device_whatever_is_asked(path: str, params: dict[str, str]) -> None:
    with contextlib.suppress(UsageError):
        url = BASE.url(path, params)
        parts = urlsplit(url)
        assert (parts.scheme, parts.netloc) == ("https", "192.0.2.1")
        assert url.isascii()
        assert url.isprintable()
        assert " " not in url


@given(st.dictionaries(st.text(min_size=1, max_size=8), st.text(max_size=8), max_size=3))
def test_parameters_arrive_as_they_are(params: dict[str, str]) -> None:
    query = urlsplit(BASE.url("/a", params)).query
    assert parse_qsl(query, keep_blank_values=True, strict_parsing=bool(query)) == list(params.items())


@given(st.text(max_size=60))
def test_a_redirect_never_leads_elsewhere(location: str) -> None:
    target = BASE.follow("https://192.0.2.1/a", location)
    if target is not None:
        parts = urlsplit(target)
        assert (parts.scheme, parts.hostname, parts.port or 443) == ("https", "192.0.2.1", 443)


@pytest.mark.parametrize(
    "location",
    [
        "https://192.0.2.2/",
        "//192.0.2.2/",
        "http://192.0.2.1/",
        "https://192.0.2.1:8443/",
        "https://u@192.0.2.1/",
        "https://192.0.2.1.example/",
        "https://[::1",
        "javascript:1",
        "https:\\\\192.0.2.2",
    ],
)
def test_redirects_that_are_not_followed(location: str) -> None:
    target = BASE.follow("https://192.0.2.1/a", location)
    assert target is None or target.startswith("https://192.0.2.1/")
    assert target is None or "192.0.2.2" not in urlsplit(target).netloc


def test_from_clear_text_to_an_encrypted_one() -> None:
    plain = Base(scheme="http", host="r1", port=80)
    assert plain.follow("http://r1/a", "https://r1/a") == "https://r1/a"


@given(st.text(max_size=30))
def test_retry_after_is_seconds_or_nothing(text: str) -> None:
    found = retry_after(text, 0.0)
    assert found is None or found >= 0


def test_retry_after_in_both_forms() -> None:
    assert retry_after(" 120 ", 0) == 120
    assert retry_after("Thu, 01 Jan 1970 00:02:00 GMT", 60) == 60
    assert retry_after("soon", 0) is None


@pytest.mark.parametrize(
    "charset",
    ["UNDEFINED", "idna", "punycode", "unicode.escape", "raw_unicode_escape", "hex", "rot13", "zlib", "-"],
)
def test_what_python_decodes_for_other_purposes_is_no_charset(charset: str) -> None:
    answer = Response(
        status=200, headers={"content-type": f"text/plain; charset={charset}"}, body=b"\\q\x80-\xc3\xa9"
    )
    assert answer.text == "\\q\N{REPLACEMENT CHARACTER}-é"


@given(st.binary(max_size=60), st.text(max_size=20))
def test_an_answer_has_a_text_whatever_it_is(body: bytes, kind: str) -> None:
    answer = Response(status=200, body=body, headers={"content-type": f"text/plain; charset={kind}"})
    assert isinstance(answer.text, str)
    with contextlib.suppress(ValueError):
        answer.json()


def test_json_without_end() -> None:
    with pytest.raises(ValueError, match="deep"):
        Response(status=200, body=b"[" * 1_000_000).json()


def test_bodies() -> None:
    assert prepare(BASE, "post", "/a", body={"a": None}).body == b'{"a": null}'
    assert prepare(BASE, "post", "/a", body="é").headers == {"Content-Type": "application/json"}
    assert prepare(BASE, "post", "/a", body=b"", headers={"content-type": "x/y"}).headers == {
        "content-type": "x/y"
    }
    with pytest.raises(UsageError):
        prepare(BASE, "post", "/a", body={"a": float("nan")})
