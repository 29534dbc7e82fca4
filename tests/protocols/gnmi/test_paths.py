# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aioconn.errors import UsageError
from aioconn.protocols.gnmi import messages, values
from aioconn.protocols.gnmi.paths import LONGEST, Element, GnmiPath, parse

TEXT = st.text(alphabet=st.one_of(st.sampled_from("/[]=\\:*. a"), st.characters(codec="utf-8")), max_size=12)
NAME = TEXT.filter(bool)
ELEMENT = st.builds(
    lambda name, keys: Element(name, tuple(sorted(keys.items()))),
    NAME,
    st.dictionaries(NAME, TEXT, max_size=3),
)
PATH = st.builds(
    lambda origin, elements: GnmiPath(origin=origin, elements=tuple(elements)),
    st.sampled_from(("", "openconfig", "ietf-interfaces", "cli")),
    st.lists(ELEMENT, max_size=4),
)


def names(path: GnmiPath) -> list[str]:
    return [each.name for each in path.elements]


def test_a_path_in_parts() -> None:
    path = parse("/interfaces/interface[name=Ethernet1/1]/config")
    assert names(path) == ["interfaces", "interface", "config"]
    assert path.elements[1].keys == (("name", "Ethernet1/1"),)
    assert str(path) == "/interfaces/interface[name=Ethernet1/1]/config"


@pytest.mark.parametrize(
    ("text", "origin", "expected"),
    [
        ("", "", []),
        ("/", "", []),
        ("openconfig:/", "openconfig", []),
        ("openconfig:", "openconfig", []),
        ("openconfig:/a/b", "openconfig", ["a", "b"]),
        ("a/b/", "", ["a", "b"]),
        ("/ietf-interfaces:interfaces/interface", "", ["ietf-interfaces:interfaces", "interface"]),
        ("ietf-interfaces:interfaces", "", ["ietf-interfaces:interfaces"]),
        ("cli:/show version", "cli", ["show version"]),
        ("/a:/b", "", ["a:", "b"]),
        ("/.../*", "", ["...", "*"]),
        (r"/a\/b/c\[d", "", ["a/b", "c[d"]),
    ],
)
def test_origins_and_names(text: str, origin: str, expected: list[str]) -> None:
    path = parse(text)
    assert (path.origin, names(path)) == (origin, expected)


def test_escapes_in_keys() -> None:
    (element,) = parse(r"/list[a\=b=x\]y\\z][k=[=]").elements
    assert dict(element.keys) == {"a=b": "x]y\\z", "k": "[="}


@pytest.mark.parametrize(
    ("text", "place", "what"),
    [
        ("/a//b", 4, "no name"),
        ("//", 2, "no name"),
        ("/a[", 3, "[name=value]"),
        ("/a[name", 3, "[name=value]"),
        ("/a[name]", 8, "[name=value]"),
        ("/a[=x]", 4, "no name"),
        ("/a[name=x", 3, "never closed"),
        ("/a[name=x]b", 11, "expected /"),
        ("/a[n=1][n=2]", 8, "twice"),
        ("/a\\", 3, "follows"),
        ("[x=1]", 1, "no name"),
    ],
)
def test_what_is_no_path_is_refused_with_its_place(text: str, place: int, what: str) -> None:
    with pytest.raises(UsageError, match=f"at character {place}: ") as caught:
        parse(text)
    assert what in caught.value.message


def test_other_things_are_refused() -> None:
    with pytest.raises(UsageError, match="not int"):
        parse(7)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="at most"):
        parse("/" + "a" * LONGEST)


@given(PATH)
def test_every_path_survives_being_written(path: GnmiPath) -> None:
    assert parse(str(path)) == path


@given(PATH)
def test_every_path_survives_being_sent(path: GnmiPath) -> None:
    sent = values.path_message(path).SerializeToString()
    assert values.path_of(messages.Path.FromString(sent)) == path


@given(TEXT)
def test_any_text_is_a_path_or_refused(text: str) -> None:
    try:
        path = parse(text)
    except UsageError:
        return
    assert parse(str(path)) == path


def test_a_path_below_a_prefix() -> None:
    below = parse("/c[k=v]").below(parse("openconfig:/a/b"))
    assert str(below) == "openconfig:/a/b/c[k=v]"
