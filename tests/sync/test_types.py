# SPDX-License-Identifier: Apache-2.0
"""Signatures: each word takes what its asynchronous namesake takes, and gives what that gives when it is awaited."""

from __future__ import annotations

import inspect
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import aioconn
import aioconn.sync
from aioconn import connection, manager, pool
from aioconn.protocols import cli
from aioconn.protocols.gnmi.connection import GnmiConnection
from aioconn.protocols.netconf.connection import NetconfConnection
from aioconn.protocols.rest.commands import CommandsConnection
from aioconn.protocols.rest.connection import RestConnection
from aioconn.protocols.restconf.connection import RestconfConnection
from aioconn.protocols.snmp.connection import SnmpConnection
from aioconn.sync import handle
from aioconn.testbed import testbed

PAIRS = [
    (aioconn.sync.Testbed, aioconn.Testbed),
    (aioconn.sync.Device, aioconn.Device),
    (aioconn.sync.ConnectionManager, manager.ConnectionManager),
    (aioconn.sync.Connection, connection.BaseConnection),
    (aioconn.sync.CliConnection, cli.CliConnection),
    (aioconn.sync.ConnectionPool, pool.ConnectionPool),
    (aioconn.sync.CliPool, pool.pool_type(cli.CliConnection)),
    *(
        (getattr(aioconn.sync, kind.__name__), kind)
        for kind in (
            CommandsConnection,
            GnmiConnection,
            NetconfConnection,
            RestConnection,
            RestconfConnection,
            SnmpConnection,
        )
    ),
]

# For connections, pools and managers among themselves, for the loop, and for who makes them.
NOT_FOR_SCRIPTS = {
    *(
        "abort",
        "begin_transaction",
        "check",
        "claim_home",
        "class_of",
        "device_gone",
        "lose_all",
        "clean",
        "closing",
        "connect_gate",
        "defaults",
        "tied",
        "end_transaction",
        "from_spec",
    ),
    *(
        "give_back",
        "give_up_idle",
        "hop",
        "idle_since",
        "jump",
        "kind",
        "lease",
        "lend",
        "link",
        "loop",
        "manager_of",
        "named_wrappers",
        "occupant",
    ),
    *(
        "options_type",
        "owns_name",
        "path_changed",
        "platform_hint",
        "relieve",
        "residence",
        "settle",
        "take_back",
    ),
    "timeout",
}
# What has another type here, because it is something else.
BY_HAND = {
    "bash_console",
    "connections",
    "device",
    "devices",
    "manager",
    "testbed",
    "release",
    "acquire",
    "transaction",
    "using_alias",
    "locked",
}

FUNCTIONS = [
    (aioconn.sync.load, testbed.load),
    (aioconn.sync.device, aioconn.device),
    (aioconn.sync.Device, aioconn.Device),
]


def public(kind: type) -> set[str]:
    return {name for name in dir(kind) if not name.startswith("_")}


@pytest.mark.parametrize(("ours", "theirs"), PAIRS, ids=[ours.__name__ for ours, _ in PAIRS])
def test_no_word_is_missing_and_none_is_new(ours: type, theirs: type) -> None:
    assert public(theirs) - NOT_FOR_SCRIPTS <= public(ours)
    of_handles = {*public(handle.Handle), "session_type"}
    more = public(ours) - public(theirs) - of_handles - {"platform"}  # which the others set on instances
    assert more <= {"belongs_to", "connection", "elsewhere", "of", "of_testbed_elsewhere", "redirected"}


@pytest.mark.parametrize(("ours", "theirs"), PAIRS, ids=[ours.__name__ for ours, _ in PAIRS])
def test_signatures(ours: type, theirs: type) -> None:
    compared = 0
    for name in sorted(public(theirs) & public(ours)):
        mine, its = inspect.getattr_static(ours, name), inspect.getattr_static(theirs, name)
        if isinstance(its, property):
            assert isinstance(mine, property), name
            if name not in BY_HAND:
                assert returned(mine.fget) == returned(its.fget), name
        elif inspect.isfunction(its) and name != "using_alias":
            assert not inspect.iscoroutinefunction(mine), name
            same_parameters(mine, its)
            if name not in BY_HAND | {"instantiate", "get"}:
                assert returned(mine) == returned(its), name
        compared += 1
    assert compared > 5


@pytest.mark.parametrize(("ours", "theirs"), FUNCTIONS, ids=["load", "device", "Device"])
def test_functions(ours: Any, theirs: Any) -> None:
    same_parameters(ours, theirs)


def same_parameters(mine: Any, its: Any) -> None:
    """Names, kinds, defaults and types; where it lives is said in other words."""
    wanted = inspect.signature(its).parameters
    given = inspect.signature(mine).parameters
    where = f"{mine.__qualname__}: {list(given)} {list(wanted)}"
    if "keys" in wanted and "keys" not in given:  # a tunnel that has overloads in front of it
        assert list(given)[:2] == list(wanted)[:2], where
        return
    assert list(given) == list(wanted), where
    for name, parameter in wanted.items():
        if name in ("self", "loop"):
            continue
        assert given[name].kind is parameter.kind, f"{where}: {name}"
        assert given[name].default == parameter.default, f"{where}: {name}"
        if mine.__name__ not in BY_HAND:
            assert translated(given[name].annotation) == translated(parameter.annotation), f"{where}: {name}"


def returned(function: Any) -> str:
    return translated(inspect.signature(inspect.unwrap(function)).return_annotation)


def translated(annotation: Any) -> str:
    text = str(annotation).replace("'", '"')
    for pattern, replacement in (
        (r"^AsyncIterator\[(.*)\]$", r"Iteration[\1]"),
        (r"^AsyncGenerator\[(.*), None\]$", r"Iteration[\1]"),
        (r"^(AbstractAsyncContextManager\[Any\]|ExclusiveWork)$", "AbstractContextManager[None]"),
        (r"^O_co$", "BaseOptions"),
        (r"^Connection$", "Any"),
        (r" \| Workers$", ""),
    ):
        text = re.sub(pattern, replacement, text)
    return text


SCRIPT = """
from aioconn.sync import CliPool, device, load
with load("lab.yaml") as testbed:
    r1 = testbed["r1"]
    reveal_type(testbed)
    reveal_type(r1.execute("show version"))
    reveal_type(r1.execute(["show version"]))
    reveal_type(testbed.execute("show version"))
    reveal_type(next(r1.stream("show tech")))
    pool: CliPool = r1.connect(pool_size=3)
    with pool.acquire() as session:
        reveal_type(session)
        reveal_type(session.configure(["interface Loopback0"]))
    reveal_type(pool.parse("show version"))
    with r1.vty_1.transaction() as connection:
        pass
    r1.configure(line="x")
"""


@pytest.mark.programs
def test_what_a_type_checker_sees(tmp_path: Path) -> None:
    if shutil.which("pyright", path=str(Path(sys.executable).parent)) is None:
        pytest.skip("pyright is not installed in this environment")
    script = tmp_path / "script.py"
    script.write_text(SCRIPT, encoding="utf-8")
    command = [str(Path(sys.executable).parent / "pyright"), "--pythonpath", sys.executable, str(script)]
    said = subprocess.run(command, check=False, capture_output=True, text=True, cwd=tmp_path).stdout
    assert re.findall(r'information: Type of ".*" is "(.*)"', said) == [
        "Testbed",
        "Output",
        "list[Output]",
        "Results[Any]",
        "str",
        "CliSession",
        "Output",
        "list[dict[str, Any]]",
    ]
    assert 'No parameter named "line"' in said
