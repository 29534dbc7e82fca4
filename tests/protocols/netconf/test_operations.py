# SPDX-License-Identifier: Apache-2.0
"""Operations as XML, and what is refused before anything is sent."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from lxml import etree

from aioconn.errors import InvalidOption, NotCapable, Where
from aioconn.protocols.netconf import messages, xml
from aioconn.protocols.netconf.capabilities import STANDARD, Capabilities
from aioconn.protocols.netconf.operations import MONITORING, NMDA, Operations

WHERE: Where = {"device": "r1", "path": "nc"}
ALL = [
    f"{STANDARD}:{name}"
    for name in (
        "writable-running:1.0",
        "candidate:1.0",
        "confirmed-commit:1.1",
        "rollback-on-error:1.0",
        "validate:1.1",
        "startup:1.0",
        "url:1.0?scheme=file",
        "xpath:1.0",
        "notification:1.0",
        "with-defaults:1.0?basic-mode=explicit&also-supported=report-all,trim",
    )
] + [MONITORING, NMDA]
Work = Callable[[Operations], str]

CALLS: list[tuple[Work, str]] = [
    (
        lambda o: o.get(),
        "<get/>",
    ),
    (
        lambda o: o.get("<a/>"),
        '<get><filter type="subtree"><a xmlns=""/></filter></get>',
    ),
    (
        lambda o: o.get('<filter><a xmlns="urn:a"/></filter>'),
        '<get><filter type="subtree"><a xmlns="urn:a"/></filter></get>',
    ),
    (
        lambda o: o.get(xpath='/p:a[b="1"]', namespaces={"p": "urn:p"}),
        '<get><filter type="xpath" xmlns:p="urn:p" select="/p:a[b=&quot;1&quot;]"/></get>',
    ),
    (
        lambda o: o.get_config("startup"),
        "<get-config><source><startup/></source></get-config>",
    ),
    (
        lambda o: o.get_config("file:///a&b"),
        "<get-config><source><url>file:///a&amp;b</url></source></get-config>",
    ),
    (
        lambda o: o.get_config(with_defaults="trim"),
        "<get-config><source><running/></source>"
        '<with-defaults xmlns="urn:ietf:params:xml:ns:yang:ietf-netconf-with-defaults">'
        "trim</with-defaults></get-config>",
    ),
    (
        lambda o: o.edit_config("<config><a xmlns='urn:a'/></config>"),
        '<edit-config><target><candidate/></target><config><a xmlns="urn:a"/></config></edit-config>',
    ),
    (
        lambda o: o.edit_config(
            {"a": None},
            target="running",
            default_operation="none",
            test_option="test-only",
            error_option="rollback-on-error",
        ),
        "<edit-config><target><running/></target><default-operation>none</default-operation>"
        "<test-option>test-only</test-option><error-option>rollback-on-error</error-option>"
        '<config><a xmlns=""/></config></edit-config>',
    ),
    (
        lambda o: o.edit_config(url="ftp://h/f"),
        "<edit-config><target><candidate/></target><url>ftp://h/f</url></edit-config>",
    ),
    (
        lambda o: o.copy_config("running", "startup"),
        "<copy-config><target><startup/></target><source><running/></source></copy-config>",
    ),
    (
        lambda o: o.copy_config("<a xmlns='urn:u'/>", "candidate"),
        '<copy-config><target><candidate/></target><source><config><a xmlns="urn:u"/></config>'
        "</source></copy-config>",
    ),
    (
        lambda o: o.delete_config("startup"),
        "<delete-config><target><startup/></target></delete-config>",
    ),
    (
        lambda o: o.validate("candidate"),
        "<validate><source><candidate/></source></validate>",
    ),
    (
        lambda o: o.commit(),
        "<commit/>",
    ),
    (
        lambda o: o.commit(confirmed=True, confirm_timeout=5, persist="a<b"),
        "<commit><confirmed/><confirm-timeout>5</confirm-timeout><persist>a&lt;b</persist></commit>",
    ),
    (
        lambda o: o.commit(persist_id="x"),
        "<commit><persist-id>x</persist-id></commit>",
    ),
    (
        lambda o: o.cancel_commit("x"),
        "<cancel-commit><persist-id>x</persist-id></cancel-commit>",
    ),
    (
        lambda o: o.kill_session(5),
        "<kill-session><session-id>5</session-id></kill-session>",
    ),
    (
        lambda o: o.get_schema("m", "2020-01-01", "yang"),
        f'<get-schema xmlns="{MONITORING}"><identifier>m</identifier><version>'
        "2020-01-01</version><format>yang</format></get-schema>",
    ),
    (
        lambda o: o.get_data(config=False, max_depth=2),
        f'<get-data xmlns="{NMDA}">'
        '<datastore xmlns:ds="urn:ietf:params:xml:ns:yang:ietf-datastores">'
        "ds:operational</datastore><config-filter>false</config-filter><max-depth>"
        "2</max-depth></get-data>",
    ),
    (
        lambda o: o.create_subscription("NETCONF", start=datetime(2026, 1, 1, tzinfo=UTC)),
        '<create-subscription xmlns="urn:ietf:params:xml:ns:netconf:notification:1.0"><stream>'
        "NETCONF</stream><startTime>2026-01-01T00:00:00+00:00</startTime>"
        "</create-subscription>",
    ),
    (
        lambda o: o.other("get-chassis-inventory"),
        "<get-chassis-inventory/>",
    ),
    (
        lambda o: o.other({"a": {"@xmlns": "urn:a", "b": 1}}),
        '<a xmlns="urn:a"><b>1</b></a>',
    ),
    (
        lambda o: o.other(f'<rpc xmlns="{xml.BASE}" message-id="99"><a xmlns="urn:a"/></rpc>'),
        '<a xmlns="urn:a"/>',
    ),
]


@pytest.mark.parametrize(("work", "wanted"), CALLS)
def test_operations(work: Work, wanted: str) -> None:
    def canonical(operation: str) -> str:
        return etree.tostring(
            etree.fromstring(messages.rpc(operation, "1")), method="c14n", exclusive=True
        ).decode()

    written = work(Operations(Capabilities(ALL), WHERE))
    assert canonical(written) == canonical(wanted)


@pytest.mark.parametrize(
    ("work", "capability"),
    [
        (lambda o: o.get(xpath="/a"), ":xpath"),
        (lambda o: o.get_config("candidate"), ":candidate"),
        (lambda o: o.get_config("startup"), ":startup"),
        (lambda o: o.get_config("file:///a"), ":url"),
        (lambda o: o.get_config(with_defaults="trim"), ":with-defaults"),
        (lambda o: o.edit_config("<a/>"), ":writable-running"),
        (lambda o: o.edit_config("<a/>", target="candidate"), ":candidate"),
        (lambda o: o.lock("candidate"), ":candidate"),
        (lambda o: o.validate("running"), ":validate"),
        (lambda o: o.commit(), ":candidate"),
        (lambda o: o.discard_changes(), ":candidate"),
        (lambda o: o.cancel_commit(), ":confirmed-commit:1.1"),
        (lambda o: o.get_schema("a"), MONITORING),
        (lambda o: o.get_data(), NMDA),
        (lambda o: o.create_subscription(), ":notification"),
    ],
)
def test_what_is_not_announced(work: Work, capability: str) -> None:
    with pytest.raises(NotCapable) as caught:
        work(Operations(Capabilities(), WHERE))
    assert caught.value.capability == capability
    assert caught.value.device == "r1"
    assert caught.value.path == "nc"


@pytest.mark.parametrize(
    ("work", "missing"),
    [
        (lambda o: o.commit(confirmed=True), "confirmed-commit"),
        (lambda o: o.commit(persist_id="x"), "confirmed-commit"),
        (lambda o: o.edit_config("<a/>", test_option="set"), "validate"),
        (lambda o: o.edit_config("<a/>", error_option="rollback-on-error"), "rollback-on-error"),
    ],
)
def test_what_is_announced_in_part(work: Work, missing: str) -> None:
    rest = [uri for uri in ALL if missing not in uri]
    with pytest.raises(NotCapable, match=missing):
        work(Operations(Capabilities(rest), WHERE))


def test_older_versions_of_a_capability() -> None:
    uris = [f"{STANDARD}:{name}:1.0" for name in ("candidate", "confirmed-commit", "validate")]
    old = Operations(Capabilities(uris), WHERE)
    assert "<confirmed/>" in old.commit(confirmed=True)
    assert old.validate("candidate")
    with pytest.raises(NotCapable):
        old.commit(confirmed=True, persist="x")
    with pytest.raises(NotCapable):
        old.edit_config("<a/>", test_option="test-only")
    with pytest.raises(NotCapable):
        Operations(Capabilities(ALL), WHERE).get(with_defaults="report-all-tagged")


@pytest.mark.parametrize(
    "work",
    [
        lambda o: o.get("<a>"),
        lambda o: o.get("</filter><filter>"),
        lambda o: o.get("<a/>", xpath="/a"),
        lambda o: o.get(xpath="/a\x00"),
        lambda o: o.get(xpath="/a", namespaces={"a b": "urn"}),
        lambda o: o.get_config("run ning"),
        lambda o: o.get_config("<running/>"),
        lambda o: o.edit_config(),
        lambda o: o.edit_config("<a/>", url="file:///a"),
        lambda o: o.edit_config("<a/>", default_operation="delete"),
        lambda o: o.edit_config("just text"),
        lambda o: o.delete_config("running"),
        lambda o: o.commit(confirm_timeout=5),
        lambda o: o.commit(persist="x"),
        lambda o: o.commit(confirmed=True, confirm_timeout=0),
        lambda o: o.kill_session(0),
        lambda o: o.get_data("a b"),
        lambda o: o.get_data(max_depth=0),
        lambda o: o.create_subscription(stop=datetime(2026, 1, 1, tzinfo=UTC)),
        lambda o: o.create_subscription(start=datetime(2026, 1, 1)),
        lambda o: o.other("show version"),
        lambda o: o.other(""),
        lambda o: o.other("<a/><b/>"),
        lambda o: o.other("<a/></rpc><rpc><b/>"),
    ],
)
def test_calls_that_make_no_sense(work: Callable[[Any], str]) -> None:
    with pytest.raises(InvalidOption) as caught:
        work(Operations(Capabilities(ALL), WHERE))
    assert caught.value.device == "r1"
