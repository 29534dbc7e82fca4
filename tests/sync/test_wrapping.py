# SPDX-License-Identifier: Apache-2.0
"""Service wrappers of scripts without a loop: attached by the same word, and called where the device lives."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from aioconn.errors import CommandRejected, CommandTimeout, UsageError, WrapperFailed
from aioconn.sync import Device, Testbed
from aioconn.wrapping import Call, Proceed
from tests.forking import in_child
from tests.sync.greeter import Greeter, serving

pytestmark = pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")


class Shout:
    """Makes every answer loud, and notes where it was asked."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.threads: set[threading.Thread] = set()

    def applies(self, connection: Any, service: str) -> bool:
        return service != "expect"

    async def call(self, call: Call, proceed: Proceed) -> Any:
        self.calls.append(call)
        self.threads.add(threading.current_thread())
        if call.args == ("forbidden",):
            raise CommandRejected("forbidden", device=call.device, command="forbidden")
        if call.args == ("broken",):
            raise KeyError("broken")
        if call.args == ("hang",):
            await asyncio.get_running_loop().create_future()
        return str(await proceed(call)).upper()

    async def stream(self, call: Call, proceed: Callable[..., AsyncIterator[Any]]) -> AsyncIterator[Any]:
        async for piece in proceed(call):
            yield piece.upper()


@pytest.fixture
def r1(testbed_of: Callable[..., Testbed]) -> Device:
    device = testbed_of("r1", protocols=("telnet",))["r1"]
    device.connect()
    device.connect(alias="pool", pool_size=2)
    return device


def test_it_is_attached_by_the_same_word(r1: Device) -> None:
    shout = Shout()
    with r1.wrap(shout, order=3) as handle:
        assert "VERSION" in r1.execute("show version")
        with ThreadPoolExecutor(4) as threads:
            assert all("UTC" in output for output in threads.map(r1.pool.execute, ["show clock"] * 8))
        with r1.pool.acquire() as session, r1.transaction() as same:
            assert "VERSION" in session.execute("show version")
            assert "VERSION" in same.execute("show version")
        assert "VERSION" in "".join(r1.stream("show version"))
        assert len(shout.calls) == 11
        assert {call.service for call in shout.calls} == {"execute"}
        assert {call.alias for call in shout.calls} == {"default", "pool"}
        (home,) = shout.threads
        assert home is not threading.current_thread()
        with pytest.raises(CommandRejected, match="forbidden"):
            r1.execute("forbidden")
        with pytest.raises(WrapperFailed, match=r"Shout failed around execute: KeyError"):
            r1.execute("broken")
        with pytest.raises(CommandTimeout, match=r"with the wrapper .*Shout"):
            r1.execute("hang", timeout=0.1)
    assert "Version" in r1.execute("show version")
    handle.unwrap()
    with r1.manager.wrap(Shout()):
        assert "VERSION" in r1.execute("show version")
    testbed = r1.testbed
    assert testbed is not None
    with testbed.wrap(Shout()):
        assert "VERSION" in r1.execute("show version")
    assert "Version" in r1.execute("show version")


def test_a_plain_call_is_refused_in_so_many_words(r1: Device) -> None:
    class Plain(Shout):
        def call(self, call: Call, proceed: Proceed) -> Any:
            return None

    with pytest.raises(UsageError, match="write `async def call`, in scripts without a loop as well"):
        r1.wrap(Plain())


def test_calls_of_child_processes_go_through_the_wrappers_of_the_parent(r1: Device) -> None:
    def child() -> str:
        with pytest.raises(UsageError, match="in that process alone"):
            r1.wrap(Shout())
        with pytest.raises(WrapperFailed) as caught:
            r1.execute("broken")
        assert caught.value.wrapper.endswith("Shout")
        assert caught.value.service == "execute"
        with r1.pool.acquire() as session:
            assert "VERSION" in session.execute("show version")
        assert "VERSION" in r1.pool.execute("show version")
        assert "VERSION" in "".join(r1.stream("show version"))
        return str(r1.execute("show version"))

    shout = Shout()
    with r1.wrap(shout):
        assert "VERSION" in in_child(child)
    assert [(call.service, call.alias) for call in shout.calls] == [
        ("execute", "default"),
        ("execute", "pool"),
        ("execute", "pool"),
        ("execute", "default"),
    ]


def test_the_class_of_somebody_else_is_wrapped() -> None:
    with serving() as path:
        device = Device("greeted", connections={"a": path})
        shout = Shout()
        device.wrap(shout)
        device.connect(cls=Greeter)
        assert device.greet("bob") == "HELLO BOB"
        assert list(device.greet_all(["ann"])) == ["HELLO ANN"]
        assert [call.service for call in shout.calls] == ["greet", "greet"]
        device.destroy_all()
