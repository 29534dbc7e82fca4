# SPDX-License-Identifier: Apache-2.0
"""Results, credentials, events and options: values that other layers pass around."""

from __future__ import annotations

import pickle
from dataclasses import dataclass
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aioconn.credentials import Credential, Credentials, Secret
from aioconn.errors import AioconnError, InvalidOption, MissingValue
from aioconn.events import Closed, Event, Listeners
from aioconn.options import build, convert
from aioconn.path import Path
from aioconn.results import Output, Result, Results


def test_output_is_a_text_with_its_circumstances() -> None:
    output = Output("a\nb", command="show", elapsed=0.5, mode="exec", raw=(b"show\r\n", b"\r\nr1#"))
    assert output == "a\nb"
    assert output.raw == b"show\r\na\r\nb\r\nr1#"
    copy = pickle.loads(pickle.dumps(output))  # noqa: S301  our own
    assert (copy, copy.command, copy.elapsed, copy.mode, copy.failure, copy.raw) == (
        "a\nb", "show", 0.5, "exec", None, output.raw,
    )  # fmt: skip


def test_results() -> None:
    error = AioconnError("no", device="b")
    results = Results({"a": Result(device="a", value=1), "b": Result[int](device="b", error=error)})
    assert (results.ok, results.failed, list(results)) == ({"a": 1}, {"b": error}, ["a", "b"])
    assert repr(results) == "<Results 1 ok, 1 failed>"
    with pytest.raises(AioconnError, match="no"):
        results["b"].unwrap()
    with pytest.raises(BaseExceptionGroup) as caught:
        results.raise_for_errors()
    assert caught.value.exceptions == (error,)
    fine = Results({"a": Result(device="a", value=1)})
    assert fine.raise_for_errors() is fine


@given(st.text(alphabet="qxzjQXZJ0123456789", min_size=3))
def test_a_secret_never_shows(text: str) -> None:
    secret = Secret(text)
    for shown in (repr(secret), str(secret), f"{secret}", f"{secret!r}", repr(Credential(password=secret))):
        assert text not in shown
    assert secret.reveal() == text


def test_a_deferred_secret_is_asked_once_and_late() -> None:
    asked: list[int] = []

    def source() -> str:
        asked.append(1)
        return "word"

    secret = Secret(source)
    assert (secret.known, asked) == (None, [])
    assert (secret.reveal(), secret.reveal(), len(asked)) == ("word", "word", 1)


def test_credentials_fall_back_by_layer_and_by_name() -> None:
    device = {"default": Credential(username="dev", password=Secret("dev-pass"))}
    testbed = {
        "default": Credential(username="lab", password=Secret("lab-pass")),
        "enable": Credential(password=Secret("enable-pass")),
    }
    both = Credentials(device, testbed)
    assert both.get().user == "dev"
    assert both.get("ssh").user == "dev"
    assert both.enable_password() == "enable-pass"
    assert both.under({"ssh": Credential(username="special")}).get("ssh").user == "special"
    assert both.redact("dev-pass and enable-pass") == "*** and ***"
    with pytest.raises(MissingValue, match=r"credentials\.default\.password"):
        Credentials({}).require_password("default")
    assert "pass" not in repr(both)


def test_listeners() -> None:
    heard: list[tuple[str, Event]] = []
    parent = Listeners()
    child = Listeners(parent)
    assert not child
    remove = parent.add(lambda event: heard.append(("parent", event)))
    child.add(lambda event: heard.append(("child", event)))
    event = Closed(device="r1")
    child.emit(event)
    remove()
    child.emit(event)
    assert heard == [("child", event), ("parent", event), ("child", event)]


def test_a_listener_that_fails_is_logged_and_disturbs_nobody(caplog: pytest.LogCaptureFixture) -> None:
    heard: list[Event] = []
    listeners = Listeners()
    listeners.add(lambda event: 1 / 0)  # type: ignore[arg-type]
    listeners.add(heard.append)
    listeners.emit(Closed(device="r1"))
    assert len(heard) == 1
    assert "failed on Closed" in caplog.text


@dataclass(frozen=True, kw_only=True)
class Some:
    count: int = 1
    ratio: float | None = None
    flag: bool = False
    kind: Literal["a", "b"] = "a"
    names: tuple[str, ...] = ()
    word: Secret | None = None
    more: Any = None


def test_options_come_from_four_places_and_later_ones_win() -> None:
    path = Path(
        name="cli",
        options={"count": "2", "foreign": 1},
        settings={"ratio": 3, "UNICON": 1},
        arguments={"count": 4},
    )
    some = build(Some, path, {"flag": "yes", "names": "one"}, device="r1")
    assert some == Some(count=4, ratio=3.0, flag=True, names=("one",))


@pytest.mark.parametrize(
    ("value", "hint", "expected"),
    [
        ("5", int, 5),
        (5, float, 5.0),
        ("off", bool, False),
        (None, float | None, None),
        (["a", "b"], tuple[str, ...], ("a", "b")),
        ("x", Any, "x"),
        ({"a": 1}, dict[str, int], {"a": 1}),
    ],
)
def test_convert(value: Any, hint: Any, expected: Any) -> None:
    assert convert(value, hint) == expected


@pytest.mark.parametrize(
    ("value", "hint", "words"),
    [
        ("many", int, "not a number"),
        (True, int, "is not a int"),
        ("maybe", bool, "not true or false"),
        ("c", Literal["a", "b"], "none of 'a', 'b'"),
        (5, str, "is not a str"),
    ],
)
def test_what_cannot_be_converted(value: Any, hint: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        convert(value, hint)


def test_connections_with_the_same_options_share_them() -> None:
    path = Path(name="cli", protocol="ssh")

    def built(**arguments: Any) -> Some:
        return build(Some, path, arguments, device="r1")

    assert built(kind="a") is built(kind="a")
    assert built(kind="a") is not built(kind="b")
    assert built(flag=True) != built(flag=False)

    def ask() -> str:
        raise AssertionError("nobody needs the word")

    assert built(word=(deferred := Secret(ask))).word is deferred
    assert built(more=("a", deferred)) is not built(more=("a", deferred))
    assert built(more=("a", ["b"])).more == ("a", ["b"])


def test_every_problem_of_the_options_at_once() -> None:
    path = Path(name="cli", options={"count": "x"}, arguments={"flg": True}, origin="t.yaml:7")
    with pytest.raises(InvalidOption) as caught:
        build(Some, path, {"kind": "c"}, device="r1")
    for words in ("count:", "arguments.flg: unknown option, did you mean 'flag'?", "kind:", "t.yaml:7"):
        assert words in str(caught.value)
