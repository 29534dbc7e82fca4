# SPDX-License-Identifier: Apache-2.0
"""Messages, without a connection: what plain values become, and what comes back of them."""

from __future__ import annotations

from typing import Any

import pytest
from google.protobuf.message import DecodeError
from hypothesis import given
from hypothesis import strategies as st

from aioconn.errors import BadReply, UsageError, Where
from aioconn.protocols.gnmi import messages, requests, values
from aioconn.protocols.gnmi.requests import Subscription
from aioconn.protocols.gnmi.results import Update

WHERE: Where = {"device": "r1", "path": "gnmi"}
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda below: st.lists(below, max_size=3) | st.dictionaries(st.text(), below, max_size=3),
    max_leaves=8,
)


def back(message: Any) -> Any:
    return values.plain(messages.TypedValue.FromString(message.SerializeToString()), WHERE)


@given(JSON)
def test_json_survives(value: Any) -> None:
    assert back(values.value_message(value, "json_ietf")) == value
    assert back(values.value_message(value, "json")) == value


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ("text", "string_val"),
        (-5, "int_val"),
        (2**64 - 1, "uint_val"),
        (True, "bool_val"),
        (1.5, "double_val"),
        (b"\x00\xff", "bytes_val"),
        (["a", 1], "leaflist_val"),
        ([], "leaflist_val"),
    ],
)
def test_single_values_have_their_own_kinds(value: Any, kind: str) -> None:
    message = values.value_message(value, "proto")
    assert message.WhichOneof("one") == kind
    assert back(message) == value


@pytest.mark.parametrize(
    ("value", "encoding"),
    [
        ({1, 2}, "json"),
        (float("nan"), "json_ietf"),
        ({"a": 1}, "proto"),
        ([[1]], "proto"),
        (2**64, "proto"),
        (1, "ascii"),
        ("text", "bytes"),
    ],
)
def test_what_an_encoding_cannot_say_is_refused_before_it_is_sent(value: Any, encoding: Any) -> None:
    with pytest.raises(UsageError):
        values.value_message(value, encoding)


def test_the_other_kinds_of_values_are_read() -> None:
    typed = messages.TypedValue
    assert back(typed(ascii_val="hello")) == "hello"
    assert back(typed(float_val=0.5)) == 0.5
    assert back(typed(proto_bytes=b"x")) == b"x"
    assert back(typed()) is None
    assert back(typed(json_val=b"")) is None
    decimal = typed()
    decimal.decimal_val.digits, decimal.decimal_val.precision = -125, 2
    assert back(decimal) == -1.25
    unknown = typed()
    unknown.any_val.value = b"y"
    assert back(unknown) == b"y"


@pytest.mark.parametrize("text", [b"{", b"\xff", b"[" * 100_000, b"1" * 10_000])
def test_json_that_is_none_is_a_bad_reply(text: bytes) -> None:
    with pytest.raises(BadReply, match="no JSON"):
        back(messages.TypedValue(json_ietf_val=text))


def test_lists_without_end_are_a_bad_reply() -> None:
    value = messages.TypedValue()
    inner = value
    for _ in range(80):
        inner = inner.leaflist_val.element.add()
    inner.int_val = 1
    with pytest.raises(BadReply, match="levels"):
        values.plain(value, WHERE)


def test_a_notification_in_updates() -> None:
    notification = messages.Notification(timestamp=7, atomic=True)
    notification.prefix.origin, notification.prefix.target = "openconfig", "r1"
    notification.prefix.elem.add(name="interfaces")
    notification.delete.add().elem.add(name="old")
    changed = notification.update.add(duplicates=3)
    changed.path.elem.add(name="interface").key["name"] = "eth0"
    changed.val.string_val = "up"
    common: dict[str, Any] = {"timestamp": 7, "atomic": True, "target": "r1"}
    assert list(values.updates_of(notification, WHERE)) == [
        Update(path="openconfig:/interfaces/old", deleted=True, **common),
        Update(path="openconfig:/interfaces/interface[name=eth0]", value="up", duplicates=3, **common),
    ]


def test_what_targets_of_version_3_say_is_read() -> None:
    notification = messages.Notification()
    update = notification.update.add()
    update.path.element.extend(["system", "hostname"])
    update.value.value = b'"r1"'
    (found,) = values.updates_of(notification, WHERE)
    assert (found.path, found.value) == ("/system/hostname", "r1")
    update.value.type = messages.number("Encoding", "bytes")
    (found,) = values.updates_of(notification, WHERE)
    assert found.value == b'"r1"'


@given(st.binary(max_size=60))
def test_any_bytes_are_a_message_or_refused(data: bytes) -> None:
    try:
        message = messages.SubscribeResponse.FromString(data)
    except DecodeError:
        return
    try:
        list(values.updates_of(message.update, WHERE))
    except BadReply:
        return


def test_a_request_that_is_made_again_is_the_same_and_a_wrong_one_is_wrong_again() -> None:
    given: dict[str, Any] = {
        "origin": "o",
        "type": "state",
        "encoding": "proto",
        "prefix": "/p",
        "target": "t",
    }
    wrong: list[Any] = ["/a[", 7, {}, "/" + "a" * 100_000]
    for _ in range(2):
        for wanted in ("/a[k=v]", ["/a[k=v]"], ("/a[k=v]",)):
            request = messages.GetRequest.FromString(requests.get(wanted, models=["m"], **given))
            (path,) = map(values.path_of, request.path)
            assert str(path) == "o:/a[k=v]"
            assert (request.type, request.encoding, request.prefix.target) == (2, 2, "t")
            assert str(values.path_of(request.prefix)) == "/p"
            assert [each.name for each in request.use_models] == ["m"]
        assert not messages.GetRequest.FromString(requests.get("/b", models=(), **given)).use_models
        for each in wrong:
            with pytest.raises(UsageError):
                requests.get([each], models=(), **given)
        with pytest.raises(UsageError):
            requests.get("/a", models=(), **{**given, "type": "all of it"})


def test_a_subscription_says_what_differs_from_the_call() -> None:
    request = requests.subscribe(
        ["/a", Subscription(path="/b", trigger="sample", interval=0.5, suppress_redundant=False)],
        mode="stream",
        common=Subscription(path="", trigger="on_change", heartbeat=60.0, suppress_redundant=True),
        encoding="proto",
        prefix=requests.prefix("/p", "r1"),
        origin="openconfig",
        updates_only=True,
    ).subscribe
    first, second = request.subscription
    assert (first.mode, first.sample_interval, first.heartbeat_interval) == (1, 0, 60 * 10**9)
    assert (second.mode, second.sample_interval, second.heartbeat_interval) == (2, 5 * 10**8, 60 * 10**9)
    assert (first.suppress_redundant, second.suppress_redundant) == (True, False)
    assert (first.path.origin, request.prefix.target, request.encoding) == ("openconfig", "r1", 2)
    assert request.updates_only


@pytest.mark.parametrize(
    "given",
    [{"mode": "always"}, {"trigger": "now"}, {"interval": -1.0}, {"interval": float("nan")}, {"wanted": []}],
)
def test_wrong_subscriptions_are_refused(given: dict[str, Any]) -> None:
    common = Subscription(path="", trigger=given.get("trigger"), interval=given.get("interval"))
    with pytest.raises(UsageError):
        requests.subscribe(
            given.get("wanted", ["/a"]),
            mode=given.get("mode", "stream"),
            common=common,
            encoding="json",
            prefix=None,
            origin="",
            updates_only=False,
        )


def test_the_descriptors_are_not_in_the_pool_that_all_share() -> None:
    from google.protobuf import descriptor_pool

    with pytest.raises(KeyError):
        descriptor_pool.Default().FindFileByName("aioconn/gnmi.proto")
    assert messages.GetRequest.DESCRIPTOR.file.pool is not descriptor_pool.Default()
