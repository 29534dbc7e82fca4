# SPDX-License-Identifier: Apache-2.0
"""What a forked child has of its parent's descriptors: nothing, and nothing that it does to them arrives there."""

from __future__ import annotations

import asyncio
import errno
import gc
import os
import select
import selectors
import socket
import threading
import time
from collections.abc import Iterator

import pytest

from aioconn.home import LoopThread, descriptors
from aioconn.home.descriptors import keep, keep_number, keep_selector, making
from aioconn.home.locks import Lock
from tests.forking import Child, in_child, links
from tests.home.conftest import ENOUGH, Factory

pytestmark = pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="looks into /proc")

Pair = tuple[socket.socket, socket.socket]


@pytest.fixture
def pair() -> Iterator[Pair]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.settimeout(ENOUGH)
        yield ours, theirs


def look_later(child: Child) -> dict[int, str]:
    child.wait()
    return links()


class TestKeep:
    def test_a_child_has_nothing_in_its_place(self, pair: Pair):
        ours, theirs = pair
        kept = keep(ours)
        before = links()
        number, other = ours.fileno(), theirs.fileno()
        seen, flag, inheritable = in_child(lambda: (links(), kept.left_behind, os.get_inheritable(number)))
        assert seen[number] == os.devnull
        assert seen[other] == before[other], "what is not kept is the child's as well"
        assert flag
        assert not inheritable
        assert not kept.left_behind
        assert links()[number] == before[number]
        ours.send(b"still here")
        assert theirs.recv(100) == b"still here"

    def test_the_other_end_hears_at_once_of_the_end(self, pair: Pair):
        ours, theirs = pair
        keep(ours)
        with Child(lambda child: child.wait()):
            ours.close()
            assert theirs.recv(1) == b""

    def test_what_is_closed_is_no_longer_kept(self, pair: Pair):
        ours, _ = pair
        keep(ours)
        number = ours.fileno()
        ours.close()
        with socket.socket() as other:
            assert other.fileno() == number
            assert in_child(links)[number].startswith("socket:")

    def test_a_number_that_means_something_else_by_now(self):
        """An epoll has no inode of its own: it is to be forgotten when it is closed."""
        first = select.epoll()
        kept = keep(first)
        number = first.fileno()
        first.close()
        kept.drop()
        kept.drop()
        with select.epoll() as second:
            assert second.fileno() == number
            assert in_child(links)[number] == "anon_inode:[eventpoll]"

    def test_what_was_closed_before_is_nothing(self, pair: Pair):
        ours, _ = pair
        ours.close()
        assert not keep(ours).is_there
        assert not keep_number(-1).is_there
        assert in_child(lambda: True)

    def test_nothing_is_held_alive(self):
        ours, theirs = socket.socketpair()
        keep(ours)
        ours.close()
        with theirs:
            assert theirs.recv(1) == b""

    def test_a_child_of_a_child(self, pair: Pair):
        ours, theirs = pair
        keep(ours)
        number = ours.fileno()

        def child() -> tuple[str, str, str]:
            mine, other = socket.socketpair()
            keep(mine)
            third = in_child(links)
            mine.send(b"x")
            return third[number], third[mine.fileno()], other.recv(1).decode()

        assert in_child(child) == (os.devnull, os.devnull, "x")
        ours.send(b"x")
        assert theirs.recv(1) == b"x"

    def test_no_number_is_free_in_the_child(self, pair: Pair, monkeypatch: pytest.MonkeyPatch):
        ours, theirs = pair
        keep(ours)
        number = ours.fileno()

        def refuse(*_: object, **__: object) -> int:
            raise OSError(errno.EMFILE, "too many open files")

        with monkeypatch.context() as patched:
            patched.setattr(os, "open", refuse)
            child = Child(look_later)
        with child:
            ours.close()
            assert theirs.recv(1) == b"", "the child has not let go of it"
            child.go()
            assert not child.result().get(number, "").startswith("socket:")


class TestSelectors:
    def test_all_that_a_selector_watches(self, pair: Pair):
        ours, theirs = pair
        selector = selectors.EpollSelector()
        keep_selector(selector)
        selector.register(ours, selectors.EVENT_READ)
        numbers = (ours.fileno(), selector.fileno())

        def child() -> list[str]:
            seen = links()
            selector.unregister(ours)
            selector.close()
            return [seen[number] for number in numbers]

        assert in_child(child) == [os.devnull, os.devnull]
        theirs.send(b"x")
        assert [key.fileobj for key, _ in selector.select(ENOUGH)] == [ours]
        selector.close()
        assert in_child(lambda: True), "a closed one is nothing"

    def test_one_without_a_number(self, pair: Pair):
        ours, theirs = pair
        selector = selectors.PollSelector()
        keep_selector(selector)
        selector.register(ours, selectors.EVENT_READ)
        number = ours.fileno()
        assert in_child(lambda: links()[number]) == os.devnull
        theirs.send(b"x")
        assert selector.select(ENOUGH)
        selector.close()

    def test_an_epoll_of_somebody_else_becomes_private(self, pair: Pair):
        """It watches a socket of ours, and is closed in the child in all good order."""
        ours, theirs = pair
        left, right = socket.socketpair()
        with left, right, select.epoll() as foreign:
            keep(ours)
            foreign.register(ours, select.EPOLLIN)
            foreign.register(left, select.EPOLLIN)

            def child() -> tuple[bool, list[int]]:
                with pytest.raises(OSError):  # noqa: PT011 - one or another: it is not there
                    foreign.unregister(ours)
                right.send(b"x")
                events = foreign.poll(ENOUGH)
                foreign.unregister(left)
                foreign.close()
                return True, [number for number, _ in events]

            assert in_child(child) == (True, [left.fileno()])
            left.recv(1)
            theirs.send(b"x")
            assert foreign.poll(ENOUGH) == [(ours.fileno(), select.EPOLLIN)]
            ours.recv(1)
            right.send(b"x")
            assert foreign.poll(ENOUGH) == [(left.fileno(), select.EPOLLIN)]

    def test_so_does_one_that_watches_nothing_of_ours(self, pair: Pair):
        ours, theirs = pair
        keep(ours)
        with select.epoll() as foreign:
            foreign.register(theirs, select.EPOLLIN)
            in_child(lambda: foreign.unregister(theirs))
            ours.send(b"x")
            assert foreign.poll(0) == [(theirs.fileno(), select.EPOLLIN)]

    def test_where_nothing_is_kept_everything_stays_as_it_is(self, pair: Pair):
        _, theirs = pair
        descriptors._kept.clear()
        with select.epoll() as foreign:
            foreign.register(theirs, select.EPOLLIN)
            in_child(lambda: foreign.unregister(theirs))
            pair[0].send(b"x")
            assert foreign.poll(0) == []


class TestLoops:
    def test_a_child_may_take_a_loop_apart(self, factory: Factory, pair: Pair):
        """Whatever loop it is, and whoever runs it: the parent goes on hearing from it."""
        ours, theirs = pair
        ours.setblocking(False)
        loop = factory()
        keep(ours)
        heard: list[bytes] = []

        def read() -> None:
            heard.append(ours.recv(100))
            loop.stop()

        loop.add_reader(ours, read)
        loop.run_until_complete(asyncio.sleep(0))

        def child() -> bool:
            loop.remove_reader(ours)
            loop.close()
            gc.collect()
            return True

        assert in_child(child)
        theirs.send(b"still here")
        loop.run_forever()
        assert heard == [b"still here"]
        # and it wakes up for other threads
        waker = threading.Timer(0.05, loop.call_soon_threadsafe, (loop.stop,))
        waker.start()
        loop.run_forever()
        waker.join()
        loop.remove_reader(ours)
        loop.close()

    def test_a_loop_thread(self, pair: Pair):
        ours, theirs = pair
        ours.setblocking(False)
        thread = LoopThread("home under test")
        thread.start()
        heard: list[bytes] = []
        event = threading.Event()
        begun = threading.Event()

        def read() -> None:
            heard.append(ours.recv(100))
            event.set()

        def begin() -> None:
            thread.loop.add_reader(ours, read)
            begun.set()

        thread.loop.call_soon_threadsafe(begin)
        assert begun.wait(ENOUGH)
        number = ours.fileno()

        def child() -> tuple[str, int]:
            seen = links()  # it is registered with the loop's selector: nobody had to keep it
            thread.loop.remove_reader(ours)
            thread.loop.call_soon_threadsafe(lambda: None)
            return seen[number], sum("eventpoll" in link for link in seen.values())

        others = sum("eventpoll" in link for link in links().values()) - 1
        assert in_child(child) == (os.devnull, others)
        theirs.send(b"still here")
        assert event.wait(ENOUGH)
        assert heard == [b"still here"]
        thread.loop.call_soon_threadsafe(thread.loop.remove_reader, ours)
        assert thread.stop()


class TestMaking:
    def test_a_fork_waits_for_what_is_being_made(self):
        made: list[socket.socket] = []
        inside = threading.Event()

        def make() -> None:
            with making:
                made.extend(socket.socketpair())
                inside.set()
                time.sleep(0.1)
                keep(made[0])

        thread = threading.Thread(target=make)
        thread.start()
        assert inside.wait(ENOUGH)
        seen = in_child(links)
        thread.join()
        assert seen[made[0].fileno()] == os.devnull
        for sock in made:
            sock.close()

    def test_a_fork_in_the_middle_of_it(self):
        """As from a signal handler, or a finalizer."""
        with making:
            assert in_child(make)
        assert take_turns()

    def test_somebody_does_not_come_to_an_end_with_it(self, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setattr(descriptors, "PATIENCE", 0.01)
        inside, go_on = threading.Event(), threading.Event()

        def make() -> None:
            with making:
                inside.set()
                go_on.wait(ENOUGH)

        thread = threading.Thread(target=make)
        thread.start()
        assert inside.wait(ENOUGH)
        try:
            assert in_child(take_turns)
        finally:
            go_on.set()
            thread.join()
        assert take_turns()


def make() -> bool:
    with making:
        return True


def take_turns() -> bool:
    """Whether another thread, and then this one, may make something."""
    thread = threading.Thread(target=make, daemon=True)
    thread.start()
    thread.join(ENOUGH)
    return not thread.is_alive() and make()


class TestLock:
    def test_it_is_a_lock(self):
        lock = Lock()
        with lock:
            assert lock.locked()
            assert not lock.acquire(blocking=False)
            assert not lock.acquire(timeout=0.001)
        assert not lock.locked()
        assert lock.acquire()
        lock.release()
        with pytest.raises(RuntimeError):
            lock.release()

    def test_a_child_finds_it_free(self):
        lock = Lock()
        inside, go_on = threading.Event(), threading.Event()

        def hold() -> None:
            with lock:
                inside.set()
                go_on.wait(ENOUGH)

        thread = threading.Thread(target=hold)
        thread.start()
        assert inside.wait(ENOUGH)
        try:
            assert in_child(lambda: lock.acquire(timeout=0))
            assert lock.locked()
        finally:
            go_on.set()
            thread.join()
        assert not lock.locked()

    def test_a_fork_by_the_one_who_holds_it(self):
        lock = Lock()

        def fork() -> int:
            with lock:
                child = Child(lambda _: lock.locked())
            return child.result()

        assert fork() is False
        assert not lock.locked()
