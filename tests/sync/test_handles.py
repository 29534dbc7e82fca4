# SPDX-License-Identifier: Apache-2.0
"""What handles have in common: they are equal, hash, print and pickle by what they stand for."""

from __future__ import annotations

import copy
import gc
import pickle
import weakref
from collections.abc import Callable
from typing import Any

import pytest

import aioconn.sync
from aioconn.broker import estate
from aioconn.errors import CannotCross, UsageError
from aioconn.sync import Device, Testbed, load
from tests.lab_thread import LabThread


@pytest.fixture
def r1(testbed_of: Callable[..., Testbed]) -> Device:
    return testbed_of("r1", "r2")["r1"]


def there_and_back(thing: Any) -> Any:
    return pickle.loads(pickle.dumps(thing))  # noqa: S301


def test_in_its_own_process_a_handle_is_the_same_again(r1: Device) -> None:
    testbed = r1.testbed
    connection, pool = r1.connect(), r1.connect(alias="pool", pool_size=1)
    for handle in (testbed, r1, connection, pool):
        assert copy.copy(handle) is handle
        assert copy.deepcopy([handle])[0] is handle
        assert estate.here().broker is None  # for nobody's sake so far
    for handle in (testbed, r1, connection, pool):
        assert there_and_back(handle) is handle
    assert there_and_back(r1.manager) == r1


def test_bound_methods_go_with_their_handle(r1: Device) -> None:
    connection = r1.connect()
    assert there_and_back(r1.execute) == r1.execute
    assert "UTC" in there_and_back(connection.execute)("show clock")
    assert "UTC" in there_and_back(r1.default.execute)("show clock")


def test_all_of_them_by_name_go_as_well(r1: Device) -> None:
    assert r1.testbed is not None
    r1.connect()
    devices, connections = r1.testbed.devices, r1.connections
    assert there_and_back(devices) == devices == {"r1": r1, "r2": r1.testbed["r2"]}
    assert there_and_back(connections) == connections == {"default": r1.default}
    assert repr(connections) == f"{{'default': {r1.default!r}}}"
    assert not hasattr(devices, "__setitem__")


def test_before_something_is_connected_the_hint_is_to_connect(r1: Device) -> None:
    with pytest.raises(AttributeError, match=r"no connection or service 'default': connect\(\) it first"):
        _ = r1.default


def test_equality_is_about_the_thing(r1: Device) -> None:
    testbed = r1.testbed
    assert testbed is not None
    connection = r1.connect()
    assert r1 == testbed["r1"] != testbed["r2"]
    assert r1.manager == r1.manager
    assert r1 != connection
    assert connection != r1.connect(alias="other")
    assert len({r1, testbed["r1"], testbed["r2"], connection, r1.default, r1["other"]}) == 4
    assert r1 != "r1"


def test_a_handle_is_the_same_as_long_as_somebody_has_it(r1: Device) -> None:
    r1.connect()
    number = id(r1.default)
    kept = r1.default
    assert r1.default is kept
    gone = weakref.ref(kept)
    del kept
    gc.collect()
    assert gone() is None
    assert number
    assert r1.default is r1["default"]


def test_a_session_stays_where_it_was_lent(r1: Device) -> None:
    with r1.connect(pool_size=1).acquire() as session:
        with pytest.raises(CannotCross, match=r"is lent to this process -> hand over its device or pool"):
            pickle.dumps(session)
        assert "UTC" in session.execute("show clock")


def test_what_no_longer_exists(lab: LabThread) -> None:
    lab.add("r1")
    testbed = load(lab.file)
    text = pickle.dumps(testbed["r1"])
    assert pickle.loads(text) is testbed["r1"]  # noqa: S301
    del testbed
    gc.collect()
    with pytest.raises(UsageError, match="no longer exists"):
        pickle.loads(text)  # noqa: S301


def test_secrets_are_in_no_text(r1: Device) -> None:
    connection = r1.connect()
    address = estate.here().address()
    for thing in (r1, r1.testbed, r1.manager, connection, r1._reach, address):
        assert "admin" not in repr(thing)
        assert repr(address.token) not in repr(thing)


def test_every_name_is_there() -> None:
    for name in aioconn.sync.__all__:
        assert getattr(aioconn.sync, name).__module__.startswith("aioconn.")
    assert set(aioconn.sync.__all__) <= set(dir(aioconn.sync))
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = aioconn.sync.nothing
