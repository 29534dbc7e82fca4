# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import collections
import dataclasses
import datetime
import enum
import re
import subprocess
import sys
import traceback
import types
import zoneinfo
from typing import Any, NamedTuple

import msgspec
import pytest
from hypothesis import given

from aioconn.broker import codec, objects, standard, values
from aioconn.credentials import Secret
from aioconn.errors import AioconnError, BadFrame, CannotCross, MissingValue, UsageError
from aioconn.protocols.cli import Expected
from tests.broker.samples import MATCH, SAMPLES, Row, any_value, same
from tests.examples import examples


def carried(value: Any) -> Any:
    return values.load(values.dump(value))


@pytest.mark.parametrize("value", SAMPLES, ids=lambda value: f"{type(value).__name__} {value!r:.40}")
def test_a_value_arrives_as_it_was(value: Any) -> None:
    assert same(carried(value), value)
    assert same(carried([value, {"x": (value,)}]), [value, {"x": (value,)}])


@examples(150)
@given(any_value)
def test_any_value_arrives_as_it_was(value: Any) -> None:
    assert same(carried(value), value)


def test_nan_arrives() -> None:
    assert str(carried(float("nan"))) == "nan"


@pytest.mark.parametrize(
    "match",
    [
        MATCH,
        re.match("(a)(x)?", "ab"),
        re.fullmatch("a|ab", "ab"),
        list(re.finditer("(?<=a)b", "ab ab"))[-1],
        re.compile("^b", re.M).search("a\nb", 1, 3),
        re.search(rb"\d+", b"a12"),
    ],
)
def test_a_match_arrives_with_its_groups(match: re.Match[Any]) -> None:
    expected = carried(Expected(index=2, match=match, text="x"))
    assert type(expected) is Expected
    assert same(expected.match, match)
    assert expected.match.groupdict() == match.groupdict()


class Pair(NamedTuple):
    a: int
    b: int


class Title(str):
    """A text with a class of its own, as templates make them."""

    def __str__(self) -> str:
        return "something else"


@pytest.mark.parametrize(
    ("value", "arrives"),
    [
        (Title("x"), "x"),
        (collections.OrderedDict(a=1), {"a": 1}),
        (collections.defaultdict(list, a=[1]), {"a": [1]}),
        (types.MappingProxyType({"a": (1,)}), {"a": (1,)}),
        (collections.ChainMap({"a": 1}), {"a": 1}),
        (Pair(1, 2), (1, 2)),
        (bytearray(b"x"), b"x"),
        (memoryview(b"xyz")[::2], b"xz"),
        (type("Number", (int,), {})(2**70), 2**70),
        ({Title("k"): Title("v")}, {"k": "v"}),
    ],
)
def test_a_subclass_arrives_as_what_it_is_at_heart(value: Any, arrives: Any) -> None:
    assert same(carried(value), arrives)


def test_a_time_zone_arrives_as_its_offset() -> None:
    there = datetime.datetime(2026, 7, 1, tzinfo=zoneinfo.ZoneInfo("Etc/GMT-2"))
    assert carried(there) == there
    assert carried(there).tzinfo == datetime.timezone(datetime.timedelta(hours=2))


def test_a_secret_is_revealed_on_the_wire_only() -> None:
    asked: list[int] = []

    def ask() -> str:
        asked.append(1)
        return "hunter2"

    arrived = carried({"password": Secret(ask)})["password"]
    assert type(arrived) is Secret
    assert arrived.reveal() == "hunter2"
    assert str(arrived) == "***"
    assert asked == [1]


def test_a_secret_that_has_no_value_says_so_itself() -> None:
    def ask() -> str:
        raise MissingValue("no PASSWORD in the environment", hint="set it")

    with pytest.raises(MissingValue, match="no PASSWORD"):
        values.dump([Secret(ask)])


class Shade(enum.StrEnum):
    DARK = "dark"


class Open:
    pass


@dataclasses.dataclass
class Unregistered:
    inner: Any = None


@pytest.mark.parametrize(
    ("value", "says"),
    [
        (object(), "the result of x is an object, which cannot go to another process"),
        ([1, {"a": (number for number in range(0))}], "the result of x[1]['a'] is a generator"),
        ({"a": [0, {1, Open}]}, "the result of x['a'][1] as a member is a type"),
        ({(1, Open): 1}, "the result of x as a key[1] is a type"),
        (Row(name="a", rest=[Open()]), r"the result of x.rest[0] is a tests.broker.test_values.Open"),
        (lambda: 1, "the result of x is a function"),
        ([Shade.DARK], "the result of x[0] is a tests.broker.test_values.Shade"),
        (Unregistered(), "the result of x is a tests.broker.test_values.Unregistered"),
        ({"k" * 50: range(3)}, "the result of x[<str>] is a range"),
    ],
)
def test_what_cannot_cross_is_named_with_its_place(value: Any, says: str) -> None:
    with pytest.raises(CannotCross) as caught:
        values.dump(value, "the result of x")
    assert says in str(caught.value)


def test_advice_on_what_cannot_cross() -> None:
    with pytest.raises(CannotCross, match="make a list of it first"):
        values.dump(iter([1]))
    with pytest.raises(CannotCross, match=r"values\.register\(\) lets its class cross"):
        values.dump(Shade.DARK)


def nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


def test_nesting_has_an_end() -> None:
    assert carried(nested(codec.DEPTH)) == nested(codec.DEPTH)
    endless: list[Any] = []
    endless.append({"x": (endless,)})
    for value in (nested(codec.DEPTH + 2), nested(100_000), endless):
        with pytest.raises(CannotCross, match="nested"):
            values.dump(value)


@pytest.mark.parametrize(
    "wrap", [lambda x: (x,), lambda x: {1: x}, lambda x: {"k": x}, lambda x: Row("n", x)]
)
def test_what_was_let_out_is_let_in(wrap: Any) -> None:
    value: Any = 1
    while True:
        try:
            data = values.dump(value)
        except CannotCross:
            break
        assert values.load(data) == value
        value = wrap(value)
    assert len(repr(value)) > 2 * codec.DEPTH


def test_near_the_end_of_the_stack_it_is_still_an_error_of_ours() -> None:
    value, data = nested(60), values.dump(nested(60))
    seen: set[type] = set()

    def dive() -> None:
        try:
            values.dump(value)
            values.load(data)
        except AioconnError as error:
            seen.add(type(error))
        dive()

    with pytest.raises(RecursionError):
        dive()
    assert seen <= {CannotCross, BadFrame}


# ---------------------------------------------------------------------- registering


def test_a_class_that_is_known_here_only() -> None:
    @dataclasses.dataclass
    class Fresh:
        x: int

    values.register(Fresh, "tests.fresh")
    data = values.dump([Fresh(1)])
    assert values.load(data) == [Fresh(1)]
    with pytest.raises(CannotCross, match=r"a value of tests\.Fresh came from another process"):
        values.load(data.replace(b"tests.fresh", b"tests.Fresh"))


def test_fields_that_the_class_here_does_not_have() -> None:
    data = values.dump(Row(name="a"))
    with pytest.raises(CannotCross, match="with these fields"):
        values.load(data.replace(b"rest", b"west"))


def test_what_may_be_registered() -> None:
    with pytest.raises(UsageError, match="no dataclass, struct, enum or exception"):
        values.register(Open)
    values.register(Row)  # again
    with pytest.raises(UsageError, match="another class is registered as 'tests"):
        values.register(Unregistered, objects.name_of(Row))


def test_a_subclass_of_a_registered_class_is_not_registered() -> None:
    @dataclasses.dataclass(frozen=True)
    class Wide(Row):
        more: int = 0

    with pytest.raises(CannotCross, match="Wide"):
        values.dump(Wide(name="x"))


def test_loading_it_loads_little() -> None:
    # what decodes a State or an Expected loads their modules then, and no sooner
    code = (
        "import sys; from aioconn.broker import frames; "
        "assert not {'asyncssh', 'asyncio', 'aioconn.protocols.cli'} & set(sys.modules); "
        "assert frames.values.load(bytes.fromhex(sys.argv[1])).name == 'READY'; "
        "assert 'aioconn.connection.skeleton' in sys.modules"
    )
    from aioconn.connection import State

    data = values.dump(State.READY)
    subprocess.run([sys.executable, "-c", code, data.hex()], check=True, timeout=50)


# ---------------------------------------------------------------------- what a peer could send

BOMBS = [
    b"\x91" * 10_000_000 + b"\xc0",
    b"\x81\xa1x" * 3_000_000 + b"\xc0",
    b"\x81\x20" * 3_000_000 + b"\xc0",
    b"\x91" * 250 + b"\xc0",
    b"\xdd\xff\xff\xff\xff",
    b"\xdf\xff\xff\xff\xff\xa1x\xc0",
    b"\xc6\xff\xff\xff\xff",
    b"\xdb\xff\xff\xff\xffx",
    b"\xc9\xff\xff\xff\xff\x01",
]


@pytest.mark.parametrize("data", BOMBS, ids=range(len(BOMBS)))
def test_bombs_do_not_go_off(data: bytes) -> None:
    with pytest.raises(BadFrame):
        values.load(data)


def tagged(number: int, payload: Any) -> bytes:
    return msgspec.msgpack.encode({number: payload})


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xc0\xc0",
        b"\xc1",
        b"\xa1\xff",
        b"\xc7\x01\x05a",  # an extension
        b"\xd6\xff\x00\x00\x00\x00",  # a timestamp
        msgspec.msgpack.encode({1: 2, 2: 3}),
        msgspec.msgpack.encode({"a": 1, 2: 3}),
        msgspec.msgpack.encode({None: 1}),
        msgspec.msgpack.encode({True: ["a", 1]}),
        msgspec.msgpack.encode({(1,): 1}),
        tagged(999, 1),
        tagged(-1, 1),
        tagged(codec.PAIRS, ["a"]),
        tagged(codec.PAIRS, [[], 1]),
        tagged(codec.INTEGER, "x"),
        tagged(codec.TEXT, b"\xff"),
        tagged(values.OUTPUT, "abcdef"),
        tagged(values.OUTPUT, ["a", "b", "c", "d", "e", b"f"]),
        tagged(values.OUTPUT, ["a", "b", 1.0, "d", "e", "f"]),
        tagged(values.OUTPUT, ["a", "b", 1.0, "d", "e", [b"f"]]),
        tagged(values.SECRET, 5),
        tagged(values.RESULT, ["r1", 1, "no error", 1.0]),
        tagged(values.RESULTS, {"r1": 1}),
        tagged(standard.SET, [[]]),
        tagged(standard.PATTERN, ["x", int(re.DEBUG)]),
        tagged(standard.PATTERN, ["(" * 5000, 32]),
        tagged(standard.PATTERN, ["x{1,99999999999999999999}", 32]),
        tagged(standard.MATCH, [{standard.PATTERN: ["x", 32]}, "y", 0, 1, [0, 1]]),
        tagged(standard.MATCH, [{standard.PATTERN: ["x", 32]}, "x", 0, 1, []]),
        tagged(standard.ADDRESS, [99, "::1"]),
        tagged(standard.ADDRESS, [0, 1]),
        tagged(standard.PATH, [0, b"x"]),
        tagged(standard.DATETIME, ["2026-13-01T00:00:00", 0]),
        tagged(standard.TIMEDELTA, [10**12, 0, 0]),
        tagged(standard.DECIMAL, "x"),
        tagged(standard.DECIMAL, 1.5),
        tagged(objects.MEMBER, ["Phase", "KEX", "x"]),
        tagged(objects.MEMBER, ["Problem", "x"]),
        tagged(objects.OBJECT, [["Problem"], {}]),
    ],
)
def test_nonsense_is_told_as_such(data: bytes) -> None:
    with pytest.raises(BadFrame, match="no value of ours") as caught:
        values.load(data)
    assert caught.value.__cause__ is None
    assert "hunter2" not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize(
    "data",
    [
        tagged(objects.OBJECT, ["os:system", {"command": "true"}]),
        tagged(objects.OBJECT, ["subprocess:Popen", {"args": ["true"]}]),
        tagged(objects.OBJECT, ["builtins:eval", {"source": "1"}]),
        tagged(objects.OBJECT, ["Phase", {"value": 1}]),
        tagged(objects.MEMBER, ["Phase", "__class__"]),
        tagged(objects.MEMBER, ["re:RegexFlag", "DEBUG"]),
        tagged(objects.MEMBER, ["Phase", 1]),
    ],
)
def test_only_what_is_registered_is_ever_made(data: bytes) -> None:
    with pytest.raises(CannotCross, match="came from another process"):
        values.load(data)
