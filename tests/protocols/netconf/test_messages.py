# SPDX-License-Identifier: Apache-2.0
"""What servers say, understood; and what they must not say."""

from __future__ import annotations

import pickle
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from aioconn.protocols.netconf import messages, xml
from aioconn.protocols.netconf.capabilities import BASE_1_0, BASE_1_1, Capabilities
from aioconn.protocols.netconf.messages import BadMessage, Head, Hello, Refusal, RpcReply
from aioconn.protocols.netconf.values import Notification, Reply

BASE = xml.BASE
ERROR = """<rpc-error><error-type>{type}</error-type><error-tag>{tag}</error-tag>
<error-severity>{severity}</error-severity><error-app-tag> too-many </error-app-tag>
<error-path xmlns:t="http://example.com/t">/t:top/t:a[t:name='x']</error-path>
<error-message xml:lang="en">MTU value
   25000 is not within range</error-message>
<error-info><bad-element>mtu</bad-element><session-id>7</session-id></error-info></rpc-error>"""


def hello(content: str) -> bytes:
    return f'<hello xmlns="{BASE}">{content}</hello>'.encode()


def reply(content: str, attributes: str = 'message-id="1"') -> RpcReply:
    found = messages.read(f'<rpc-reply xmlns="{BASE}" {attributes}>{content}</rpc-reply>'.encode())
    assert isinstance(found, RpcReply)
    return found


def error(tag: str = "invalid-value", severity: str = "error") -> str:
    return ERROR.format(type="application", tag=tag, severity=severity)


# ------------------------------------------------------------------ hello


def test_a_hello() -> None:
    found = messages.read(
        hello(
            f"<!-- who --><capabilities>\n<capability> {BASE_1_0} </capability><capability>{BASE_1_1}</capability>"
            "<capability/></capabilities><session-id> 4294967295 </session-id>"
        )
    )
    assert isinstance(found, Hello)
    assert found.session_id == 2**32 - 1
    assert list(found.capabilities) == [BASE_1_0, BASE_1_1]


@pytest.mark.parametrize("number", ["", "0", "-1", "4294967296", "1 2", "abc", "9" * 5000, "\u0661"])
def test_a_hello_with_a_wrong_number(number: str) -> None:
    with pytest.raises(BadMessage, match="session-id"):
        messages.read(hello(f"<capabilities/><session-id>{number}</session-id>"))


def test_a_hello_without_a_number() -> None:
    with pytest.raises(BadMessage, match="session-id"):
        messages.read(hello("<capabilities/>"))


def test_devices_of_a_kind_share_what_they_announce() -> None:
    said = "<capabilities><capability>urn:a</capability></capabilities><session-id>{}</session-id>"
    one, two = (messages.read(hello(said.format(number))) for number in (7, 80))
    other = messages.read(hello(said.format(7).replace("urn:a", "urn:b")))
    assert isinstance(one, Hello)
    assert isinstance(two, Hello)
    assert isinstance(other, Hello)
    assert (one.session_id, two.session_id, other.session_id) == (7, 80, 7)
    assert one.capabilities is two.capabilities
    assert list(other.capabilities) == ["urn:b"]
    commented = "<!-- <session-id>5</session-id> --><capabilities/><session-id>6</session-id>"
    found = messages.read(hello(commented))
    assert isinstance(found, Hello)
    assert found.session_id == 6
    for wrong in (said.format(7) + "<a>", "<capabilities/><x><session-id>7</session-id></x>"):
        with pytest.raises(BadMessage):
            messages.read(hello(wrong))
    with pytest.raises(BadMessage, match="kind"):
        messages.read(hello(said.format(7)).replace(BASE.encode(), b"urn:x"))


def test_our_hello_is_one() -> None:
    root = etree.fromstring(messages.hello((BASE_1_0, "urn:a?b&c")))
    assert [element.text for element in root.iter(f"{{{BASE}}}capability")] == [BASE_1_0, "urn:a?b&c"]


def test_capabilities_by_short_names() -> None:
    known = Capabilities(
        [
            "urn:ietf:params:xml:ns:netconf:base:1.0",
            "urn:ietf:params:netconf:capability:confirmed-commit:1.1",
            "urn:ietf:params:netconf:capability:with-defaults:1.0?basic-mode=explicit&amp;also-supported=trim,report-all",
            "http://example.com/m?module=m&revision=2020-01-01",
        ]
    )
    assert BASE_1_0 in known
    assert ":confirmed-commit" in known
    assert ":confirmed-commit:1.1" in known
    assert ":confirmed-commit:1.0" not in known
    assert ":candidate" not in known
    assert "http://example.com/m" in known
    assert known.parameters(":with-defaults")["also-supported"] == "trim,report-all"
    assert known.parameters(":url") == {}
    assert len(known) == 4


# ------------------------------------------------------------------ answers


def test_an_answer_with_data() -> None:
    answer = messages.answer(
        reply('<data><a:top xmlns:a="urn:a">\u00fc</a:top></data>', 'xmlns:b="urn:b" message-id="x&amp;y"'),
        elapsed=1.5,
    )
    assert isinstance(answer, Reply)
    assert answer.data.tag == f"{{{BASE}}}data"
    assert answer.data[0].text == "\u00fc"
    assert (answer.message_id, answer.elapsed, answer.warnings) == ("x&y", 1.5, ())
    again = pickle.loads(pickle.dumps(answer))  # noqa: S301  our own
    assert (again, again.message_id, again.elapsed) == (answer, "x&y", 1.5)
    assert isinstance(again, Reply)


def test_each_who_asks_gets_an_element_of_his_own() -> None:
    read = reply("<data><x/></data>")
    answer = messages.answer(read)
    assert isinstance(answer, Reply)
    first, second = answer.data, answer.data
    assert first is read.root  # parsed once
    assert first is not second
    assert etree.tostring(first) == etree.tostring(second) == answer.encode()
    assert first.getroottree().getroot() is first
    read = reply("<data><x/></data>")
    answer = messages.answer(read)
    assert isinstance(answer, Reply)
    assert read.fresh is not None
    read.fresh.clear()
    assert answer.data is not read.root
    assert etree.tostring(answer.data) == answer.encode()


def test_other_answers() -> None:
    assert str(messages.answer(reply("<ok/>"))).startswith("<ok")
    assert messages.answer(reply("")) == ""
    several = messages.answer(reply('<a xmlns="urn:x"/>\n<b xmlns="urn:x"/>'))
    assert isinstance(several, Reply)
    assert [child.tag for child in several.data] == ["{urn:x}a", "{urn:x}b"]


@pytest.mark.parametrize(
    "text",
    [
        '<rpc-reply message-id="1"><ok/></rpc-reply>',
        f'<n:rpc-reply xmlns:n="{BASE}" message-id="1"><n:ok/></n:rpc-reply>',
    ],
)
def test_servers_that_forget_the_namespace_or_use_a_prefix(text: str) -> None:
    found = messages.read(text.encode())
    assert isinstance(found, RpcReply)
    assert found.message_id == "1"


def test_an_error_with_all_its_parts() -> None:
    refusal = messages.answer(reply(error()))
    assert isinstance(refusal, Refusal)
    (fields,) = refusal.errors
    assert fields["error_type"] == "application"
    assert fields["error_tag"] == "invalid-value"
    assert fields["error_severity"] == "error"
    assert fields["error_app_tag"] == "too-many"
    assert fields["error_path"] == "/t:top/t:a[t:name='x']"
    assert fields["error_message"].startswith("MTU value")
    info = xml.elements(fields["info"])
    assert [xml.local_name(element) for element in info] == ["bad-element", "session-id"]
    assert refusal.message == "MTU value 25000 is not within range (invalid-value) at /t:top/t:a[t:name='x']"


def test_several_errors_and_a_warning_among_them() -> None:
    refusal = messages.answer(reply(error("first", "warning") + error("second") + error("third")))
    assert isinstance(refusal, Refusal)
    assert [fields["error_tag"] for fields in refusal.errors] == ["second", "third"]
    assert refusal.message.endswith("and 1 more")


def test_warnings_are_no_errors() -> None:
    answer = messages.answer(reply(error("careful", "warning") + "<data><x/></data>"))
    assert isinstance(answer, Reply)
    assert answer.data.tag == f"{{{BASE}}}data"
    assert [fields["error_tag"] for fields in answer.warnings] == ["careful"]
    again = pickle.loads(pickle.dumps(answer))  # noqa: S301  our own
    assert again.warnings == answer.warnings


def test_an_error_without_a_severity_is_one() -> None:
    refusal = messages.answer(reply("<rpc-error/>"))
    assert isinstance(refusal, Refusal)
    assert refusal.message == "no reason given"


def test_errors_among_results_are_errors_and_data_that_looks_so_is_not() -> None:
    assert isinstance(messages.answer(reply(f"<commit-results>{error()}</commit-results>")), Refusal)
    assert isinstance(messages.answer(reply(f"<data>{error()}</data>")), Reply)


# ------------------------------------------------------------------ notifications


def event(content: str) -> Notification:
    found = messages.read(
        f'<notification xmlns="{messages.NOTIFICATION_NS}">{content}</notification>'.encode()
    )
    assert isinstance(found, Notification)
    return found


def test_a_notification() -> None:
    found = event(
        '<eventTime>2026-11-21T10:00:00Z</eventTime><link-down xmlns="urn:l"><if>1</if></link-down>'
    )
    assert found.event_time == datetime(2026, 11, 21, 10, tzinfo=UTC)
    assert found.name == "link-down"
    assert found.data.tag == "{urn:l}link-down"
    again = pickle.loads(pickle.dumps(found))  # noqa: S301  our own
    assert (again, again.event_time, again.name) == (found, found.event_time, "link-down")


@pytest.mark.parametrize("content", ["", "<eventTime/>", "<eventTime>yesterday</eventTime><a/>"])
def test_a_notification_with_a_wrong_time(content: str) -> None:
    assert event(content).event_time is None


# ------------------------------------------------------------------ what is no message


@pytest.mark.parametrize(
    "document",
    [
        b"<rpc/>",
        b"<html><body>login</body></html>",
        b'<rpc-reply xmlns="urn:other" message-id="1"/>',
        b'<hello xmlns="urn:other"/>',
        b"<!DOCTYPE rpc-reply><rpc-reply/>",
        b"Connection refused",
        b"<!-- nothing -->",
    ],
)
def test_what_is_no_message(document: bytes) -> None:
    with pytest.raises(BadMessage):
        messages.read(document)


@given(st.binary(max_size=200))
def test_anything_at_all_is_read_or_refused(document: bytes) -> None:
    try:
        messages.read(document)
    except BadMessage:
        pass


# ------------------------------------------------------------------ the beginning of a message

HEADS = [
    (b'<rpc-reply message-id="7"><data>', Head("rpc-reply", "7", "data")),
    (
        b'\n<?xml version="1.0"?>\n<!-- <x> --><n:rpc-reply xmlns:n="u" a=">" n:message-id="8" '
        b"message-id='9'>\n <n:rpc-error>",
        Head("rpc-reply", "9", "rpc-error"),
    ),
    (b'<rpc-reply xmlns="a/b" message-id="1" />', Head("rpc-reply", "1", "")),
    (b'<rpc-reply other-message-id="1"><!-- a --><ok/>', Head("rpc-reply", None, "ok")),
    (b'<notification xmlns="u"><eventTime>', Head("notification", None, "eventTime")),
]


@pytest.mark.parametrize(("document", "wanted"), HEADS)
def test_the_head_of_a_message_shows_as_soon_as_it_is_there(document: bytes, wanted: Head) -> None:
    found = [messages.head(document[:size]) for size in range(len(document) + 1)]
    assert set(found) <= {None, wanted}
    assert found[-1] == wanted
    assert found[len(document) // 3] is None


@pytest.mark.parametrize("filler", [b"<!-- ", b" ", b"<a b='", b"<a" + b" x='1'" * 5000, b"\x00", b"<?x "])
def test_a_message_that_never_shows_its_head(filler: bytes) -> None:
    size = messages.HEAD_LIMIT + 1
    beginning = (filler * (size // len(filler) + 1))[:size]
    assert messages.head(beginning) == messages.UNKNOWN
