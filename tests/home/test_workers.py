# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterator
from concurrent.futures import Future

import pytest

from aioconn.home.workers import Workers
from tests.home.conftest import ENOUGH


@pytest.fixture
def workers() -> Iterator[Workers]:
    workers = Workers("test", most=3)
    yield workers
    workers.shutdown(wait=False, cancel_futures=True)
    assert workers.join(ENOUGH)


def test_results_and_errors(workers: Workers) -> None:
    assert workers.submit(pow, 2, 10).result(ENOUGH) == 1024
    assert workers.submit(int, "f", base=16).result(ENOUGH) == 15
    with pytest.raises(ZeroDivisionError):
        workers.submit(divmod, 1, 0).result(ENOUGH)


def test_at_most_so_many_threads_at_once_and_nothing_is_left_undone(workers: Workers) -> None:
    lock, now, peak = threading.Lock(), 0, 0
    together = threading.Barrier(3)

    def work(number: int) -> int:
        nonlocal now, peak
        with lock:
            now += 1
            peak = max(peak, now)
        if number < 3:
            together.wait(ENOUGH)  # three are there at the same time
        with lock:
            now -= 1
        return number

    futures = [workers.submit(work, number) for number in range(50)]
    assert [future.result(ENOUGH) for future in futures] == list(range(50))
    assert peak == 3


def test_a_thread_that_is_free_is_used_again(workers: Workers) -> None:
    idents = set()
    for _ in range(20):
        idents.add(workers.submit(threading.get_ident).result(ENOUGH))
    assert len(idents) <= 3


def test_one_that_blocks_keeps_nobody_else_waiting(workers: Workers) -> None:
    go_on = threading.Event()
    blocked = [workers.submit(go_on.wait, ENOUGH) for _ in range(2)]
    assert workers.submit(pow, 2, 3).result(ENOUGH) == 8
    go_on.set()
    assert all(future.result(ENOUGH) for future in blocked)


def test_what_has_not_begun_can_be_cancelled(workers: Workers) -> None:
    go_on = threading.Event()
    begun = [workers.submit(go_on.wait, ENOUGH) for _ in range(3)]
    late: Future[int] = workers.submit(pow, 2, 3)
    assert late.cancel()
    go_on.set()
    assert [future.result(ENOUGH) for future in begun] == [True] * 3
    assert workers.submit(pow, 2, 4).result(ENOUGH) == 16


def test_nothing_is_taken_after_the_end(workers: Workers) -> None:
    workers.submit(pow, 2, 3).result(ENOUGH)
    workers.shutdown()
    with pytest.raises(RuntimeError, match="ended"):
        workers.submit(pow, 2, 3)


async def test_a_loop_takes_it(workers: Workers) -> None:
    loop = asyncio.get_running_loop()
    loop.set_default_executor(workers)
    assert await loop.run_in_executor(None, pow, 2, 5) == 32
    assert await loop.getaddrinfo("127.0.0.1", 22, type=socket.SOCK_STREAM)


def test_the_process_does_not_wait_for_it() -> None:
    script = """
        import threading, time
        from aioconn.home.workers import Workers

        begun = threading.Event()
        Workers("w").submit(lambda: (begun.set(), time.sleep(60)))
        assert begun.wait(20)
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(script)], check=True, timeout=ENOUGH)
