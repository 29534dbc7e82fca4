# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import asyncio
import json
import os
import re
from typing import Any

import msgspec
import pytest

from aioconn import errors
from aioconn.broker import failures, values
from aioconn.broker.frames import Cancelled, Failure, Inbox, encode
from aioconn.credentials import Secret
from aioconn.errors import (
    AioconnError,
    BadFrame,
    CommandRejected,
    ConnectError,
    PoolTimeout,
    RemoteError,
    SessionBroken,
    TestbedError,
    UnknownDevice,
    UsageError,
)
from tests.broker.samples import ERRORS, OUTPUT, same

OURS = [cls for cls in vars(errors).values() if isinstance(cls, type) and issubclass(cls, AioconnError)]


def carried(error: BaseException) -> Any:
    """As the client gets it, with the note of where it was raised."""
    [frame] = Inbox("client").feed(encode(Failure(error)))
    assert isinstance(frame, Failure)
    return frame.error


def fields(error: BaseException) -> dict[str, Any]:
    return {name: value for name, value in vars(error).items() if name != "__notes__"}


def alike(one: BaseException | None, other: BaseException | None) -> bool:
    if one is None or other is None:
        return one is other
    mine, others = fields(one), fields(other)
    return (
        type(one) is type(other)
        and str(one) == str(other)
        and same(one.args, other.args)
        and mine.keys() == others.keys()
        and all(
            alike(value, others[name]) if isinstance(value, BaseException) else same(value, others[name])
            for name, value in mine.items()
        )
    )


def raised(error: BaseException) -> BaseException:
    try:
        raise error
    except BaseException as caught:
        return caught


@pytest.mark.parametrize("cls", OURS)
def test_every_error_of_ours_arrives_with_its_fields(cls: type[AioconnError]) -> None:
    error = cls("no", device="r1", path="cli", seen="\udcff", hint="do", extra=[1, (2,)], more=OUTPUT)
    assert alike(carried(error), error)
    assert alike(carried(cls("no")), cls("no"))


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_an_error_arrives_as_it_was(error: Exception) -> None:
    arrived = carried(error)
    assert alike(arrived, error)
    assert alike(values.load(values.dump([error]))[0], error)
    if isinstance(error, OSError) and type(error).__module__ == "builtins":
        assert (arrived.errno, arrived.filename, arrived.filename2) == (
            error.errno,
            error.filename,
            error.filename2,
        )


def test_what_python_keeps_beside_the_arguments() -> None:
    with pytest.raises(AttributeError) as caught:
        _ = object().nothing  # type: ignore[attr-defined]
    arrived = carried(caught.value)
    assert alike(arrived, caught.value)
    assert (arrived.name, arrived.obj) == ("nothing", None)
    arrived = carried(ImportError("none", name="x", path="/x"))
    assert (arrived.name, arrived.path) == ("x", "/x")


@pytest.mark.parametrize("kind", [UnknownDevice, PoolTimeout, SessionBroken])
def test_it_is_caught_as_before(kind: type[AioconnError]) -> None:
    arrived = carried(kind("no"))
    with pytest.raises(kind.__mro__[1]):
        raise arrived
    assert isinstance(arrived, KeyError) == (kind is UnknownDevice)
    assert isinstance(arrived, TimeoutError) == (kind is PoolTimeout)


def test_causes_and_contexts() -> None:
    try:
        try:
            try:
                raise KeyError("first")
            except KeyError:
                raise ConnectionResetError(104, "reset")  # noqa: B904  its context is what is tested
        except OSError as error:
            raise ConnectError("no session", device="r1") from error
    except ConnectError as error:
        whole = PoolTimeout("none free")
        whole.__cause__ = error
    arrived = carried(whole)
    assert alike(arrived.__cause__, whole.__cause__)
    assert arrived.__suppress_context__
    connect = arrived.__cause__
    assert connect is not None
    assert alike(connect.__cause__, ConnectionResetError(104, "reset"))
    assert connect.__context__ is connect.__cause__
    assert alike(connect.__cause__.__context__, KeyError("first"))
    assert not connect.__cause__.__suppress_context__


def test_a_suppressed_context_stays_suppressed() -> None:
    try:
        try:
            raise KeyError("x")
        except KeyError:
            raise UsageError("y") from None
    except UsageError as error:
        arrived = carried(error)
    assert arrived.__suppress_context__
    assert arrived.__cause__ is None


def test_endless_and_long_chains_end() -> None:
    one, two = ValueError("one"), ValueError("two")
    one.__cause__, two.__cause__ = two, one
    assert alike(carried(one).__cause__, two)
    assert carried(one).__cause__.__cause__ is None
    link: BaseException = ValueError("0")
    for number in range(1, 2000):
        above = ValueError(str(number))
        above.__cause__ = above.__context__ = link
        link = above
    arrived, length = carried(link), 0
    while arrived is not None:
        arrived, length = arrived.__cause__, length + 1
    assert 10 <= length <= 20
    assert len(encode(Failure(link))) < 5000


def test_groups_with_members_of_all_kinds() -> None:
    inner = ExceptionGroup("inner", [ValueError("x"), TestbedError("wrong")])
    group = BaseExceptionGroup(
        "several",
        [CommandRejected("no", output=OUTPUT), inner, asyncio.CancelledError(), KeyboardInterrupt()],
    )
    arrived = carried(group)
    assert type(arrived) is ExceptionGroup
    assert arrived.message == "several"
    first, second, third, fourth = list[Any](arrived.exceptions)
    assert alike(first, group.exceptions[0])
    assert type(second) is ExceptionGroup
    assert all(map(alike, second.exceptions, inner.exceptions))
    assert (type(third), third.type_name) == (RemoteError, "asyncio.exceptions.CancelledError")
    assert (type(fourth), fourth.type_name) == (RemoteError, "KeyboardInterrupt")


def test_groups_in_groups_end() -> None:
    group: ExceptionGroup[Any] = ExceptionGroup("0", [ValueError("innermost")])
    for number in range(1, 500):
        group = ExceptionGroup(str(number), [group])
    arrived, depth = carried(group), 0
    while isinstance(arrived, ExceptionGroup):
        arrived, depth = arrived.exceptions[0], depth + 1
    assert 10 <= depth <= 20
    assert isinstance(arrived, RemoteError)


class Strange(Exception):
    def __init__(self, one: int, two: int) -> None:
        super().__init__(f"{one} and {two}")
        self.one = one
        self.two = object()


class Mute(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no text")

    __repr__ = __str__


def test_an_error_of_an_unknown_class() -> None:
    arrived = carried(Strange(1, 2))
    assert type(arrived) is RemoteError
    assert arrived.type_name == "tests.broker.test_failures.Strange"
    assert arrived.message == "1 and 2"
    assert vars(arrived)["one"] == 1
    assert re.fullmatch("<object object at .*>", vars(arrived)["two"])
    with pytest.raises(json.JSONDecodeError) as caught:
        json.loads("{")
    assert carried(caught.value).type_name == "json.decoder.JSONDecodeError"
    assert carried(StopIteration(3)).type_name == "StopIteration"
    again = carried(arrived)
    assert alike(again, arrived)


def test_nothing_in_an_error_keeps_it_from_crossing() -> None:
    error = UsageError(5, hint="x", mute=Mute(), lock=object(), fine={1})  # type: ignore[arg-type]
    error.__dict__.update({"not a name": 1, "add_note": 2, "\udcff": 3, "device": 7})
    arrived = carried(error)
    assert (arrived.message, arrived.device, arrived.fine) == ("5", None, {1})
    assert type(arrived.mute) is RemoteError
    assert arrived.mute.message == "Mute"
    assert callable(arrived.add_note)
    assert "not a name" not in vars(arrived)
    assert "<function" in carried(ValueError(Mute(), lambda: 1)).args[1]
    deep: Any = []
    for _ in range(3000):
        deep = [deep]
    assert isinstance(carried(ValueError(deep)), ValueError)
    assert type(carried(Mute())) is RemoteError

    def refuse() -> str:
        raise errors.MissingValue("none")

    assert carried(UsageError("x", secret=Secret(refuse))).secret == "Secret(***)"


def test_an_error_that_no_arguments_make_again() -> None:
    error = UnicodeDecodeError("utf-8", b"ab", 0, 1, "x")
    error.start, error.end = 0, 1
    error.args = ()
    arrived = carried(error)
    assert type(arrived) is RemoteError
    assert arrived.type_name == "UnicodeDecodeError"
    assert arrived.message == str(error)


class Mine(UsageError):
    code: int = 0


def test_a_registered_error() -> None:
    assert carried(Mine("x", code=3)).type_name == "tests.broker.test_failures.Mine"
    values.register(Mine)
    values.register(Mute)
    assert alike(carried(Mine("x", code=3)), Mine("x", code=3))
    assert type(carried(Mute("x"))) is Mute
    with pytest.raises(UsageError, match="registered as 'CircuitOpen' already"):
        values.register(Mine, "CircuitOpen")


# ---------------------------------------------------------------------- notes


def test_notes_cross_and_the_place_is_one_more() -> None:
    error = ValueError("x")
    error.add_note("mine")
    arrived = carried(raised(error))
    first, second = arrived.__notes__
    assert first == "mine"
    assert second.startswith(f"In process {os.getpid()} (most recent call last):\n  File ")
    assert second.endswith(", in raised")
    assert __file__ in second
    assert error.__notes__ == ["mine"]
    assert carried(ValueError("never raised")).__dict__ == {}


def test_the_place_tells_no_values_and_few_lines() -> None:
    def dive(depth: int, password: str) -> None:
        if depth == 0:
            raise ValueError("deep")
        dive(depth - 1, password)

    with pytest.raises(ValueError, match="deep") as caught:
        dive(200, "hunter2")
    [note] = carried(caught.value).__notes__
    assert note.count("\n") == failures.FRAMES
    assert "hunter2" not in note


# ---------------------------------------------------------------------- what never crosses


@pytest.mark.parametrize(
    "error", [asyncio.CancelledError("x"), KeyboardInterrupt(), SystemExit(3), GeneratorExit()]
)
def test_what_ends_a_task_or_a_process_never_crosses(error: BaseException) -> None:
    [frame] = Inbox("client").feed(encode(Failure(error)))
    assert type(frame) is Cancelled
    assert type(values.load(values.dump(error))) is RemoteError
    holder = ValueError("x")
    holder.__context__ = error
    assert type(carried(holder).__context__) is RemoteError


# ---------------------------------------------------------------------- what a peer could send


def sent(
    name: Any = "UsageError",
    message: Any = "no",
    args: Any = (),
    fields: Any = None,
    notes: Any = (),
    links: Any = (None, None, False),
) -> Any:
    packed = {failures.ERROR: [name, message, args, fields or {}, notes, *links]}
    return values.load(msgspec.msgpack.encode(packed))


@pytest.mark.parametrize(
    "name",
    [
        "SystemExit",
        "builtins:SystemExit",
        "builtins:KeyboardInterrupt",
        "os:system",
        "builtins:StopIteration",
        "x",
    ],
)
def test_no_class_is_made_for_its_name(name: str) -> None:
    error = sent(name)
    assert type(error) is RemoteError
    assert error.type_name == name.removeprefix("builtins:").replace(":", ".")


def test_fields_that_no_error_has_are_left_out() -> None:
    hostile = {
        "add_note": 1,
        "with_traceback": 1,
        "args": 1,
        "__class__": 1,
        "__dict__": {},
        "__traceback__": 1,
        "_x": 1,
        "a b": 1,
        "": 1,
        "default_phase": "x",
        "device": 5,
        "phase": "kex",
        "hint": [1],
        "message": 6,
    }
    error = sent(fields=hostile)
    assert str(error) == "no"
    assert error.args == ("no",)
    assert vars(error) == vars(UsageError("no")) | {"default_phase": "x"}
    assert error.add_note("x") is None
    assert sent("AuthenticationFailed", fields={"certain": "yes"}).certain is True
    assert sent("CircuitOpen", fields={"last_error": "x", "retry_in": 3}).retry_in == 3
    assert sent("builtins:KeyError", args=["x"], fields={"args": 1, "mine": 2}).mine == 2
    assert callable(sent("builtins:KeyError", args=["x"], fields={"add_note": 1}).add_note)


@pytest.mark.parametrize(
    "parts",
    [
        {"name": 5},
        {"message": None},
        {"args": {}},
        {"fields": {1: 2, 3: 4}},
        {"notes": [1]},
        {"notes": None},
        {"links": ("x", None, False)},
        {"links": (None, 5, False)},
        {"links": (None, None, None)},
        {"links": (None, None)},
    ],
)
def test_nonsense_is_told_as_such(parts: dict[str, Any]) -> None:
    with pytest.raises(BadFrame):
        sent(**parts)


@pytest.mark.parametrize(
    "args", [["utf-8", b"", 0, 1, "x"], ["utf-8", b"ab", 1, 99, "x"], ["utf-8", b"ab", -2, 1, "x"], [1], []]
)
def test_a_unicode_error_out_of_bounds_is_not_made(args: list[Any]) -> None:
    assert type(sent("builtins:UnicodeDecodeError", "text", args)) is RemoteError


def test_every_builtin_error_bears_any_arguments() -> None:
    odd = [[], [None], [1, 2], ["x", {"a": 1}], [b"x", 1, 2, 3, 4], [1, 2, 3, 4, 5, 6, 7]]
    known = [name for name in failures._classes if not name.startswith("tests.")]
    assert len(known) > 80
    for name in known:
        for args in odd:
            error = sent(name, "text", args, {"name": "x", "path": 5})
            assert isinstance(error, Exception)
            str(error), repr(error)
