# SPDX-License-Identifier: Apache-2.0
"""Values of all kinds that cross, for tests: some by hand, all others by Hypothesis."""

from __future__ import annotations

import dataclasses
import datetime
import decimal
import enum
import ipaddress
import pathlib
import re
import uuid
from typing import Any

import msgspec
from hypothesis import strategies as st

from aioconn.broker import values
from aioconn.broker.values import ConnectionRef, DeviceRef
from aioconn.connection import State
from aioconn.credentials import Secret
from aioconn.errors import CircuitOpen, CommandRejected, ConnectTimeout, Phase, Problem, TestbedError
from aioconn.protocols.cli import Expected
from aioconn.results import Output, Result, Results


@values.register
class Colour(enum.Enum):
    RED = 1
    BLUE = "b"


@values.register
class Rights(enum.Flag):
    READ = 1
    WRITE = 2


@values.register
@dataclasses.dataclass(frozen=True)
class Row:
    name: str
    rest: Any = None
    twice: str = dataclasses.field(init=False, default="")

    def __post_init__(self) -> None:
        object.__setattr__(self, "twice", self.name * 2)


@values.register
class Leaf(msgspec.Struct, frozen=True):
    name: str
    rest: Any = None


OUTPUT = Output(
    "Cisco IOS\nuptime is 3 weeks",
    command="show version",
    elapsed=0.25,
    mode="privileged",
    failure=None,
    raw=(b"show version\r\n", b"\r\nr1#"),
)

MATCH = re.compile(r"(?P<up>up)time (is)|(never)", re.I).search(OUTPUT, 3)

SAMPLES: list[Any] = [
    None,
    True,
    0,
    -(2**63),
    2**64 - 1,
    2**64,
    -(2**200),
    1.5,
    float("-inf"),
    "",
    "naïve \U0001f600",
    "\udcff lone",
    b"\x00\xff",
    [],
    {},
    (),
    set(),
    frozenset(),
    [1, [2, (3, {4})]],
    {"a": {"b": [None, ()]}},
    {1: "x"},
    {5: {6: 7}},
    {1: 2, (3, "x"): {4}, None: True, b"k": 1.5},
    {"\udcff": 1, "a": 2**100},
    {2**100},
    datetime.datetime(2026, 1, 2, 3, 4, 5, 678901),
    datetime.datetime(2026, 1, 2, tzinfo=datetime.UTC),
    datetime.datetime(2026, 1, 2, fold=1, tzinfo=datetime.timezone(datetime.timedelta(hours=-3, seconds=7))),
    datetime.date(1, 1, 1),
    datetime.time(23, 59, fold=1),
    datetime.timedelta(days=-3, microseconds=1),
    decimal.Decimal("-1.10E+30"),
    decimal.Decimal("Infinity"),
    uuid.UUID(int=7),
    pathlib.Path("/tmp/x"),
    pathlib.PurePosixPath("a/\udcff"),
    pathlib.PureWindowsPath(r"c:\x"),
    ipaddress.ip_address("192.0.2.1"),
    ipaddress.ip_address("fe80::1%eth0"),
    ipaddress.ip_network("192.0.2.0/24"),
    ipaddress.ip_network("2001:db8::/32"),
    ipaddress.ip_interface("192.0.2.1/24"),
    ipaddress.ip_interface("2001:db8::1/64"),
    re.compile(r"(?i:x)\s", re.M | re.S),
    re.compile(rb"x", re.A),
    Colour.RED,
    Colour.BLUE,
    Rights.READ | Rights.WRITE,
    Rights(0),
    State.READY,
    Phase.KEX,
    Row(name="a", rest=[Leaf(name="b", rest={1})]),
    Secret("hunter2"),
    Secret(""),
    OUTPUT,
    Output("x", raw=b"raw", failure="% Invalid"),
    Result(device="r1", value=OUTPUT, elapsed=0.5),
    Results({"r1": Result(device="r1", value=[OUTPUT]), "r2": Result(device="r2", elapsed=2)}),
    ConnectionRef(
        key=1, alias="a", device="r1", kind="CliConnection", services=("x",), streams=(), pool=True
    ),
    DeviceRef(key=1, name="r1", alias="x", os="iosxe", platform=None, type=None),
    Problem(message="wrong", key="devices.r1", line=3),
]

ERRORS: list[Exception] = [
    CommandRejected(
        "no", device="r1", path="cli", seen="%", hint="do", output=OUTPUT, line="% Invalid", command="sho"
    ),
    ConnectTimeout("no session within 3 s", device="r1", phase=Phase.KEX),
    CircuitOpen("not tried", device="r1", last_error=ConnectTimeout("late"), retry_in=3.5),
    TestbedError([Problem(message="wrong", key="devices.r1", source="t.yaml", line=3)], device="x"),
    ValueError("a", 1, (2, [b"x"])),
    KeyError(("a", 1)),
    FileNotFoundError(2, "No such file", "/x"),
    OSError(5, "Input/output error", "/x", None, "/y"),
    ConnectionResetError("gone"),
    UnicodeDecodeError("utf-8", b"ab\xff", 2, 3, "invalid start byte"),
    UnicodeEncodeError("ascii", "ab\udcff", 2, 3, "ordinal not in range"),
    ImportError("none", name="x", path="/x"),
    SyntaxError("wrong", ("f.py", 1, 2, "x =", 1, 3)),
    TimeoutError(),
    re.error("missing )", "(", 0),
]

_plain = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(min_value=-(2**70), max_value=2**70)
    | st.floats(allow_nan=False)
    | st.text(st.characters(exclude_categories=()), max_size=20)
    | st.binary(max_size=20)
)

_outputs = st.builds(
    Output,
    st.text(max_size=30),
    command=st.text(max_size=10),
    elapsed=st.floats(0, 1e6),
    mode=st.sampled_from(["", "exec"]),
    failure=st.none() | st.text(max_size=5),
    raw=st.binary(max_size=10) | st.tuples(st.binary(max_size=4), st.binary(max_size=4)),
)

_hashable = st.recursive(
    _plain
    | st.datetimes(timezones=st.none() | st.just(datetime.UTC))
    | st.dates()
    | st.times()
    | st.timedeltas()
    | st.decimals(allow_nan=False)
    | st.uuids()
    | st.ip_addresses()
    | st.sampled_from([*Colour, State.BROKEN, Phase.AUTH, pathlib.PurePosixPath("x"), Secret("geheim")])
    | _outputs,
    lambda inner: (
        st.tuples(inner, inner)
        | st.frozensets(inner, max_size=3)
        | st.builds(Row, name=st.text(max_size=3), rest=inner)
    ),
    max_leaves=6,
)

any_value: st.SearchStrategy[Any] = st.recursive(
    _hashable,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(max_size=5), inner, max_size=4)
        | st.dictionaries(_hashable, inner, max_size=3)
        | st.sets(_hashable, max_size=3)
        | st.tuples(inner)
        | st.builds(Result, device=st.text(max_size=3), value=inner, elapsed=st.floats(0, 9))
        | st.builds(Leaf, name=st.text(max_size=3), rest=inner)
        | st.builds(
            lambda match, rest: [Expected(index=0, match=match, text="a"), rest],
            st.sampled_from(
                [next(re.finditer(pattern, "abc")) for pattern in ("b", "(a)|b", "(?=c)", "c?$")]
            ),
            inner,
        )
    ),
    max_leaves=12,
)


def same(one: Any, other: Any) -> bool:
    """Equal in value and in type, all the way down."""
    if type(one) is not type(other):
        return False
    if isinstance(one, Output):
        return str(one) == str(other) and one.__reduce__() == other.__reduce__()
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, Results):
        return same(dict(one), dict(other))
    if isinstance(one, dict):
        return len(one) == len(other) and all(map(same, one.items(), other.items()))
    if isinstance(one, Result):
        return same(vars(one), vars(other))
    if isinstance(one, set | frozenset):
        return len(one) == len(other) and all(any(same(a, b) for b in other) for a in one)
    if isinstance(one, re.Match):
        return repr(one) == repr(other) and one.regs == other.regs and same(one.string, other.string)
    if isinstance(one, Row | Leaf):
        return same(one.name, other.name) and same(one.rest, other.rest)
    if isinstance(one, Expected):
        return one.index == other.index and same(one.match, other.match) and same(one.text, other.text)
    if isinstance(one, datetime.datetime | datetime.time):
        return bool(one == other) and one.fold == other.fold and one.utcoffset() == other.utcoffset()
    return bool(one == other)
