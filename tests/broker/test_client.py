# SPDX-License-Identifier: Apache-2.0
"""The side that asks: wires, threads that share them, blocks, and all that goes wrong on the way."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from aioconn.broker import wire as wire_module
from aioconn.broker import wires as wires_module
from aioconn.broker.client import RemoteEstate, estate_of
from aioconn.broker.estate import Address
from aioconn.broker.frames import (
    Alive,
    Call,
    Cancel,
    Cancelled,
    Failure,
    Frame,
    Inbox,
    Leave,
    Target,
    Value,
    Welcome,
    encode,
)
from aioconn.broker.handshake import Host, new_token
from aioconn.errors import (
    AioconnError,
    BrokerGone,
    BrokerRefused,
    CannotCross,
    LimitReached,
    SessionClosed,
    UnknownAlias,
    UsageError,
    UsedAfterRelease,
)
from aioconn.home import Leash
from tests.broker.conftest import Shared
from tests.forking import in_child

ENOUGH = 20.0


@pytest.fixture
def estate(shared: Shared) -> Iterator[RemoteEstate]:
    estate = RemoteEstate(shared.address)
    yield estate
    estate.close()
    gc.collect()


@pytest.fixture
def r1(shared: Shared, estate: RemoteEstate) -> Target:
    """The target of a device that is connected."""
    target = shared.target("r1")
    estate.call(target, "connect")
    return target


class TestCalls:
    def test_a_command_of_a_device(self, estate: RemoteEstate, r1: Target):
        output = estate.call(r1, "execute", ("show version",), {})
        assert "Version" in output
        assert output.command == "show version"
        assert estate.ask(r1, "connected") is True
        assert "r1" in estate.ask(r1, "repr")

    def test_what_the_device_refuses_is_raised_here(self, estate: RemoteEstate, r1: Target):
        with pytest.raises(AioconnError, match="show nothing") as raised:
            estate.call(r1, "execute", ("show nothing at all",))
        assert raised.value.command == "show nothing at all"  # type: ignore[attr-defined]
        with pytest.raises(UnknownAlias):
            estate.ask(r1, "get", ("nobody",))
        assert "Version" in estate.call(r1, "execute", ("show version",))

    def test_one_wire_serves_one_thread(self, estate: RemoteEstate, r1: Target):
        for _ in range(5):
            estate.call(r1, "execute", ("show version",))
        found = estate.statistics()
        assert (found["wires"], found["idle"], found["waiting"]) == (1, 1, 0)
        assert repr(estate) == f"<RemoteEstate of process {os.getpid()}, 1 wires, 1 idle>"

    def test_threads_have_wires_of_their_own(self, estate: RemoteEstate, r1: Target):
        estate.call(r1, "connect", (), {"alias": "pool", "pool_size": 3})
        pool = Target("connection", r1.key, "pool")
        with ThreadPoolExecutor(8) as threads:
            found = list(
                threads.map(lambda n: estate.call(pool, "execute", (f"show run | include {n}",)), range(64))
            )
        assert [output.command for output in found] == [f"show run | include {n}" for n in range(64)]
        assert 1 <= estate.statistics()["wires"] <= 8

    def test_a_wire_from_before_the_device_had_a_home_is_not_kept(self, estate: RemoteEstate, shared: Shared):
        target = shared.target("r2")
        assert estate.ask(target, "connected") is False
        assert estate.statistics()["wires"] == 0
        estate.call(target, "connect")
        estate.call(target, "execute", ("show version",))
        assert estate.statistics()["idle"] == 1

    def test_the_testbed(self, estate: RemoteEstate, shared: Shared):
        assert set(estate.ask(shared.target(), "names")) == {"r1", "r2"}
        assert estate.statistics()["idle"] == 1
        results = estate.call(shared.target(), "execute", ("show version",))
        assert results.ok
        assert set(results) == {"r1", "r2"}

    def test_what_cannot_cross_is_not_sent(self, estate: RemoteEstate, r1: Target):
        with pytest.raises(CannotCross, match="argument 1 of execute"):
            estate.call(r1, "execute", (lambda: None,))
        assert estate.call(r1, "execute", ("show version",))

    async def test_not_in_a_thread_that_runs_a_loop(self, shared: Shared):
        estate = RemoteEstate(shared.address)
        with pytest.raises(UsageError, match="event loop"):
            estate.ask(shared.target(), "names")
        with pytest.raises(UsageError, match="event loop"):
            estate.enter(shared.target("r1"), "exclusive")
        with pytest.raises(UsageError, match="event loop"):
            next(estate.iterate(shared.target(), "fan_out", (None, "show version")))
        assert await asyncio.to_thread(estate.ask, shared.target(), "name") is not None
        await asyncio.to_thread(estate.close)

    def test_large_questions_and_answers(self, estate: RemoteEstate, r1: Target):
        name = "x" * 3_000_000
        with pytest.raises(UnknownAlias) as raised:
            estate.ask(r1, "get", (name,))
        assert name in raised.value.message

    def test_the_same_estate_for_the_same_address(self, shared: Shared):
        assert estate_of(shared.address) is estate_of(shared.address)
        assert shared.address.token.hex() not in repr(estate_of(shared.address))


class TestBlocks:
    def test_a_session_of_a_pool(self, estate: RemoteEstate, r1: Target):
        estate.call(r1, "connect", (), {"alias": "pool", "pool_size": 2})
        pool = Target("connection", r1.key, "pool")
        with estate.enter(pool, "acquire") as session:
            assert session.open
            assert session.value.device == "r1"
            assert "Version" in session.call("execute", ("show version",))
            assert session.ask("repr")
            assert in_use(estate, pool) == 1
        assert not session.open
        assert in_use(estate, pool) == 0
        with pytest.raises(UsedAfterRelease):
            session.call("execute", ("show version",))
        session.leave()
        assert estate.statistics()["idle"] == estate.statistics()["wires"] == 1

    def test_calls_of_the_thread_are_inside(self, estate: RemoteEstate, r1: Target):
        with estate.enter(r1, "exclusive"):
            assert estate.call(r1, "execute", ("show version",), {"timeout": 5})
            with pytest.raises(AioconnError, match="exclusive"), ThreadPoolExecutor(1) as other:
                other.submit(estate.call, r1, "execute", ("show version",), {"timeout": 0.3}).result()
            with estate.enter(r1, "exclusive") as again:
                assert again.open
        assert estate.call(r1, "execute", ("show version",), {"timeout": 5})

    def test_left_in_any_order(self, estate: RemoteEstate, r1: Target):
        estate.call(r1, "connect", (), {"alias": "pool", "pool_size": 3})
        pool = Target("connection", r1.key, "pool")
        first = estate.enter(pool, "acquire")
        second = estate.enter(pool, "acquire")
        assert first.wire is second.wire
        third = estate.enter(pool, "acquire", routed=False)
        first.leave()
        assert "Version" in second.call("execute", ("show version",))
        assert in_use(estate, pool) == 2
        third.leave()
        second.leave()
        assert in_use(estate, pool) == 0
        assert estate.statistics()["wires"] == 1

    def test_one_that_does_not_draw_the_thread_to_its_wire(self, estate: RemoteEstate, r1: Target):
        estate.call(r1, "connect", (), {"alias": "pool", "pool_size": 2})
        pool = Target("connection", r1.key, "pool")
        with (
            estate.enter(pool, "acquire", routed=False) as first,
            estate.enter(pool, "acquire", routed=False) as second,
        ):
            assert first.wire is not second.wire
            assert estate.route() is None

    def test_what_cannot_be_entered(self, estate: RemoteEstate, r1: Target):
        with pytest.raises(AioconnError):
            estate.enter(Target("connection", r1.key, "nobody"), "acquire")
        with pytest.raises(TypeError, match="nonsense"):
            estate.enter(r1, "exclusive", (), {"nonsense": 1})
        assert estate.route() is None
        assert estate.statistics()["wires"] == estate.statistics()["idle"]

    def test_a_forgotten_one_is_left(self, estate: RemoteEstate, shared: Shared, r1: Target):
        block = estate.enter(r1, "exclusive")
        assert block.open
        del block
        gc.collect()
        assert estate.call(r1, "execute", ("show version",), {"timeout": 5})

    def test_a_forgotten_one_inside_another(self, estate: RemoteEstate, r1: Target):
        estate.call(r1, "connect", (), {"alias": "pool", "pool_size": 1})
        pool = Target("connection", r1.key, "pool")
        with estate.enter(r1, "exclusive"):
            session = estate.enter(pool, "acquire")
            assert session.open
            del session
            gc.collect()
            with estate.enter(pool, "acquire", (), {"timeout": 5}) as session:
                assert session.call("execute", ("show version",))

    def test_threads_share_a_session_in_turns(self, estate: RemoteEstate, r1: Target):
        estate.call(r1, "connect", (), {"alias": "pool", "pool_size": 1})
        with (
            estate.enter(Target("connection", r1.key, "pool"), "acquire") as session,
            ThreadPoolExecutor(4) as threads,
        ):
            commands = [f"show run | include {number}" for number in range(16)]
            found = list(threads.map(lambda command: session.call("execute", (command,)), commands))
        assert [output.command for output in found] == commands

    def test_a_block_of_a_session(self, estate: RemoteEstate, r1: Target):
        connection = Target("connection", r1.key, "default")
        with estate.enter(connection, "transaction") as transaction:
            assert estate.call(connection, "execute", ("show version",), {"timeout": 5})
            pieces = "".join(estate.iterate(connection, "stream", ("show version",)))
            assert "Version" in pieces
            assert transaction.open
        estate.call(r1, "connect", (), {"alias": "pool", "pool_size": 1})
        with estate.enter(Target("connection", r1.key, "pool"), "acquire") as session:
            assert "Version" in "".join(session.iterate("stream", ("show version",)))


class TestIterations:
    def test_a_fan_out(self, estate: RemoteEstate, shared: Shared):
        results = list(estate.iterate(shared.target(), "fan_out", (["r1", "r2"], "show version")))
        assert sorted(result.device for result in results) == ["r1", "r2"]
        assert all(result.ok for result in results)
        assert estate.statistics()["wires"] == estate.statistics()["idle"] == 1

    def test_nothing_is_asked_before_the_first_step(self, estate: RemoteEstate, shared: Shared):
        iteration = estate.iterate(shared.target(), "fan_out", (["r1"], "show version"))
        assert "not begun" in repr(iteration)
        iteration.close()
        assert list(iteration) == []
        assert estate.statistics()["opened"] == 0

    def test_left_early(self, estate: RemoteEstate, r1: Target):
        with estate.iterate(r1, "stream", ("show version",)) as pieces:
            assert next(pieces)
        assert list(pieces) == []
        assert estate.statistics()["wires"] == estate.statistics()["idle"] == 1
        assert "Version" in estate.call(r1, "execute", ("show version",))

    def test_forgotten(self, estate: RemoteEstate, r1: Target):
        for piece in estate.iterate(r1, "stream", ("show version",)):
            assert piece
            break
        gc.collect()
        assert "Version" in estate.call(r1, "execute", ("show version",), {"timeout": 5})

    def test_two_side_by_side(self, estate: RemoteEstate, shared: Shared, r1: Target):
        target = shared.target()
        ways = zip(
            estate.iterate(target, "fan_out", (["r1", "r2"], "show version")),
            estate.iterate(target, "fan_out", (["r1", "r2"], "show ip route")),
            strict=True,
        )
        assert len(list(ways)) == 2

    def test_an_error_ends_it(self, estate: RemoteEstate, r1: Target):
        iteration = estate.iterate(Target("connection", r1.key, "nobody"), "stream", ("show version",))
        with pytest.raises(AioconnError):
            list(iteration)
        assert list(iteration) == []
        assert estate.call(r1, "execute", ("show version",))


def in_use(estate: RemoteEstate, pool: Target) -> int:
    return int(estate.ask(pool, "statistics")["busy"])


def stream_for_ever(estate: RemoteEstate, target: Target) -> None:
    while True:
        assert list(estate.iterate(target, "stream", ("show version",)))


@contextlib.contextmanager
def interrupted(after: float) -> Iterator[None]:
    """Ctrl-C, for the main thread, in so many seconds."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, after)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


class TestInterruptions:
    def test_a_call(self, estate: RemoteEstate, r1: Target):
        with pytest.raises(KeyboardInterrupt), interrupted(0.2):
            estate.call(r1, "expect", ("never",), {"timeout": 30})
        assert estate.statistics()["idle"] == 1, "the wire is in step"
        assert "Version" in estate.call(r1, "execute", ("show version",))
        assert estate.statistics()["opened"] <= 2

    def test_inside_a_block(self, estate: RemoteEstate, r1: Target):
        with estate.enter(r1, "exclusive") as block:
            with pytest.raises(KeyboardInterrupt), interrupted(0.2):
                estate.call(r1, "expect", ("never",), {"timeout": 30})
            assert block.open
            assert "Version" in estate.call(r1, "execute", ("show version",), {"timeout": 5})

    def test_while_entering(self, estate: RemoteEstate, shared: Shared, r1: Target):
        other = RemoteEstate(shared.address)
        with other.enter(r1, "exclusive"), pytest.raises(KeyboardInterrupt), interrupted(0.2):
            estate.enter(r1, "exclusive")
        other.close()
        assert estate.route() is None
        with estate.enter(r1, "exclusive", (), {"timeout": 5}):
            pass

    def test_a_step_of_an_iteration(self, estate: RemoteEstate, r1: Target):
        with estate.enter(r1, "exclusive"):
            steps = estate.iterate(r1, "stream", ("show version",))
            assert next(steps)
            with pytest.raises(KeyboardInterrupt), interrupted(0.05):
                stream_for_ever(estate, r1)
            steps.close()
            assert "Version" in estate.call(r1, "execute", ("show version",), {"timeout": 5})

    def test_a_leash(self, estate: RemoteEstate, r1: Target):
        leash = Leash()

        def work() -> None:
            with leash:
                estate.call(r1, "expect", ("never",), {"timeout": 30})

        with ThreadPoolExecutor(1) as threads:
            future = threads.submit(work)
            cutter = threading.Timer(0.2, leash.cut, (TimeoutError("enough"),))
            cutter.start()
            with pytest.raises(TimeoutError, match="enough"):
                future.result(ENOUGH)
            cutter.join()
            with pytest.raises(TimeoutError, match="enough"):
                threads.submit(work).result(ENOUGH)
        assert "Version" in estate.call(r1, "execute", ("show version",))

    @pytest.mark.parametrize("for_good", [False, True])
    def test_closed_by_another_thread(self, estate: RemoteEstate, r1: Target, for_good: bool):
        reason = RuntimeError("that is all")
        with ThreadPoolExecutor(4) as threads:
            calls = [threads.submit(estate.call, r1, "expect", ("never",), {"timeout": 30}) for _ in range(4)]
            while estate.statistics()["wires"] < 4:
                assert not any(call.done() for call in calls)
            estate.close(reason, for_good=for_good)
            for call in calls:
                assert call.exception(ENOUGH) is reason
        assert estate.statistics()["wires"] == 0
        if for_good:
            with pytest.raises(RuntimeError, match="that is all"):
                estate.ask(r1, "connected")
        else:
            assert estate.ask(r1, "connected")


class TestTheOtherSide:
    def test_it_has_ended(self, estate: RemoteEstate, shared: Shared, r1: Target):
        block = estate.enter(r1, "exclusive")
        with ThreadPoolExecutor(1) as threads:
            call = threads.submit(estate.call, r1, "expect", ("never",), {"timeout": 30})
            assert shared.lab.wait_for(
                lambda: any(
                    "expect" in (process["busy"] or "") for process in shared.broker.statistics()["processes"]
                )
            )
            shared.estate.stop()
            with pytest.raises(BrokerGone, match="may have been executed"):
                call.result(ENOUGH)
        with pytest.raises(BrokerGone, match=f"process {os.getpid()}"):
            estate.call(r1, "execute", ("show version",))  # inside the block: not done outside of it
        block.leave()
        with pytest.raises(BrokerGone):
            estate.call(r1, "execute", ("show version",))
        assert estate.statistics()["wires"] == 0

    def test_it_is_another_one_by_now(self, estate: RemoteEstate, shared: Shared):
        wrong = Address(path=shared.address.path, token=new_token(), estate=shared.address.estate)
        with pytest.raises(BrokerRefused):
            RemoteEstate(wrong).ask(shared.target(), "names")


Script = Callable[[socket.socket, Inbox], None]


class Scripted:
    """Lets everybody in, and then follows a script."""

    def __init__(self, folder: Path) -> None:
        self.address = Address(path=str(folder / "sock"), token=new_token(), estate="1-scripted")
        self.wires = 0
        self.script: Script = lambda sock, inbox: None
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(self.address.path)
        self._listener.listen(100)
        self._socks: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._thread = threading.Thread(target=self._accept)
        self._thread.start()

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            self.wires += 1
            self._socks.append(sock)
            self._threads.append(threading.Thread(target=self._serve, args=(sock,)))
            self._threads[-1].start()

    def _serve(self, sock: socket.socket) -> None:
        host = Host(self.address.token)
        porter, inbox = Inbox("porter"), Inbox("server")
        with contextlib.suppress(OSError), sock:
            sock.sendall(encode(host.challenge(next(porter.feed(sock.recv(4096))))))  # type: ignore[arg-type]
            assert host.believes(next(porter.feed(sock.recv(4096))))  # type: ignore[arg-type]
            sock.sendall(encode(Welcome(7)))
            self.script(sock, inbox)

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join(ENOUGH)
        self._listener.close()
        for sock in self._socks:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(ENOUGH)


def frames(sock: socket.socket, inbox: Inbox) -> Iterator[Frame]:
    while data := sock.recv(65536):
        yield from inbox.feed(data)


def listen(sock: socket.socket, inbox: Inbox) -> None:
    """And say nothing."""
    for _ in frames(sock, inbox):
        pass


@pytest.fixture
def scripted(folder: Path) -> Iterator[Scripted]:
    scripted = Scripted(folder)
    yield scripted
    scripted.close()
    os.unlink(scripted.address.path)
    folder.rmdir()


DEVICE = Target("device", 1)


@pytest.fixture
def client(scripted: Scripted) -> Iterator[RemoteEstate]:
    estate = RemoteEstate(scripted.address)
    yield estate
    estate.close()
    gc.collect()


class TestBadWires:
    def test_an_idle_one_that_died_is_replaced(self, scripted: Scripted, client: RemoteEstate):
        def once(sock: socket.socket, inbox: Inbox) -> None:
            next(frames(sock, inbox))
            sock.sendall(encode(Value("one")))

        scripted.script = once
        for _ in range(3):
            assert client.call(DEVICE, "execute") == "one"
            for thread in scripted._threads:
                thread.join(ENOUGH)  # the wire is closed there
        assert scripted.wires == 3
        assert client.statistics()["replaced"] == 2

    def test_a_question_is_not_asked_twice(self, scripted: Scripted, client: RemoteEstate):
        asked: list[Frame] = []
        scripted.script = lambda sock, inbox: asked.append(next(frames(sock, inbox)))
        with pytest.raises(BrokerGone, match="may have been executed") as raised:
            client.call(DEVICE, "execute")
        assert raised.value.maybe_executed  # type: ignore[attr-defined]
        assert len(asked) == 1
        assert client.statistics()["wires"] == 0

    def test_silence(self, scripted: Scripted, client: RemoteEstate, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setattr(wire_module, "SILENCE", 0.5)
        pause = threading.Event()

        def slow_once(sock: socket.socket, inbox: Inbox) -> None:
            asked = frames(sock, inbox)
            next(asked)
            for _ in range(5):
                pause.wait(0.125)
                sock.sendall(encode(Alive()))
            sock.sendall(encode(Value("late")))
            next(asked)
            pause.wait(ENOUGH)

        scripted.script = slow_once
        assert client.call(DEVICE, "execute") == "late"
        with pytest.raises(BrokerGone, match=r"does not answer; [^;]* executed -> it may be stopped"):
            client.call(DEVICE, "execute")
        pause.set()
        assert client.statistics()["wires"] == 0

    @pytest.mark.parametrize(
        "answer",
        [b"\x00\x00\x00\x04rubbish", b"\xff\xff\xff\xff", encode(Welcome(1)), encode(Value(1))[:-1]],
    )
    def test_nonsense(self, scripted: Scripted, client: RemoteEstate, answer: bytes):
        answers = [encode(Value("well")), answer]

        def talk(sock: socket.socket, inbox: Inbox) -> None:
            next(frames(sock, inbox))
            sock.sendall(answers.pop())

        scripted.script = talk
        with pytest.raises(BrokerGone):
            client.call(DEVICE, "execute")
        assert client.call(DEVICE, "execute") == "well"

    def test_cancelled_at_the_other_end(self, scripted: Scripted, client: RemoteEstate):

        def cancel(sock: socket.socket, inbox: Inbox) -> None:
            next(frames(sock, inbox))
            sock.sendall(encode(Cancelled()))

        scripted.script = cancel
        with pytest.raises(SessionClosed, match="cancelled"):
            client.call(DEVICE, "execute")

    def test_what_comes_in_spite_of_a_cancel(self, scripted: Scripted, client: RemoteEstate):
        """It was entered when the interruption came: it is left."""
        seen: list[Frame] = []

        def late(sock: socket.socket, inbox: Inbox) -> None:
            for frame in frames(sock, inbox):
                seen.append(frame)
                if isinstance(frame, Cancel | Leave):
                    sock.sendall(encode(Value(None)))

        scripted.script = late
        with pytest.raises(KeyboardInterrupt), interrupted(0.2):
            client.enter(DEVICE, "exclusive")
        assert [type(frame) for frame in seen] == [Call, Cancel, Leave]
        assert seen[2] == Leave(1)
        assert client.statistics()["idle"] == 1

    def test_nothing_comes_after_a_cancel(
        self, scripted: Scripted, client: RemoteEstate, monkeypatch: pytest.MonkeyPatch
    ):
        monkeypatch.setattr(wire_module, "PATIENCE", 0.2)
        scripted.script = listen
        with pytest.raises(KeyboardInterrupt), interrupted(0.2):
            client.call(DEVICE, "execute")
        assert client.statistics()["wires"] == 0

    def test_all_wires_are_busy(
        self, scripted: Scripted, client: RemoteEstate, monkeypatch: pytest.MonkeyPatch
    ):
        monkeypatch.setattr(wires_module, "MOST", 2)
        go_on = threading.Event()

        def wait(sock: socket.socket, inbox: Inbox) -> None:
            for frame in frames(sock, inbox):
                assert isinstance(frame, Call)
                go_on.wait(ENOUGH)
                sock.sendall(encode(Failure(ValueError(frame.name))))

        scripted.script = wait
        with ThreadPoolExecutor(5) as threads:
            calls = [threads.submit(client.call, DEVICE, f"number {number}") for number in range(4)]
            while client.statistics()["waiting"] < 2:
                assert not any(call.done() for call in calls)
            with monkeypatch.context() as patched:
                patched.setattr(wires_module, "WAIT", 0.05)
                with pytest.raises(LimitReached, match="2 calls of this process"):
                    client.call(DEVICE, "one too many")
            with pytest.raises(KeyboardInterrupt), interrupted(0.05):
                client.call(DEVICE, "one too many")
            go_on.set()
            assert [str(call.exception(ENOUGH)) for call in calls] == [f"number {n}" for n in range(4)]
        assert client.statistics() == {
            "wires": 2,
            "idle": 2,
            "waiting": 0,
            "opened": 2,
            "replaced": 0,
        }

    def test_a_child_has_none_of_them(self, scripted: Scripted, client: RemoteEstate):
        def answer(sock: socket.socket, inbox: Inbox) -> None:
            for frame in frames(sock, inbox):
                sock.sendall(encode(Value(type(frame).__name__)))

        gc.unfreeze()
        gc.collect()  # estates of earlier tests, which would begin to listen for the children of a fork
        scripted.script = answer
        block = client.enter(DEVICE, "exclusive")

        def child() -> list[object]:
            failures: list[object] = [block.open, client.route(), client.statistics()["wires"]]
            with pytest.raises(SessionClosed, match="forked"):
                block.call("execute")
            block.leave()
            failures.append(client.call(DEVICE, "execute"))
            return failures

        assert in_child(child) == [False, None, 0, "Call"]
        assert block.open
        assert block.call("execute") == "Call"
        block.leave()
        assert scripted.wires == 2
