# SPDX-License-Identifier: Apache-2.0
"""The engine of a client without any I/O: bytes of one answer in, text out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from benchmarks.clients.base import DeviceClient
from benchmarks.goals import Goal
from benchmarks.meter import Meter, resident
from benchmarks.reasons import ENGINE
from benchmarks.target import PROMPT, Target, bulk
from benchmarks.workloads.base import MEGABYTE, Case, Column, Metrics, Sizes, Workload, require

_LINE = b"GigabitEthernet1/0/1 is up, line protocol is up, 5 minute input rate 0 b\r\n"
_PER_SIZE = 20  # megabytes; a small output is taken several times, for the clock's sake


class Engine(Workload[DeviceClient]):
    name = "engine"
    title = "The engine alone"
    about = (
        "The bytes of one answer in chunks, then its text. The floor appends them to a buffer and looks whether it ends"
        " with the prompt; aioconn makes text of what is long while it arrives. Feeding is what must be flat."
    )
    goals = (
        Goal(
            words="the same per MB at any size, 1 KiB at a time (within a half)",
            key="feed",
            bound=1.5,
            against="sizes",
            cases="in 1 KiB",
            why=ENGINE,
        ),
        Goal(
            words="the same per MB at any size, 4 KiB at a time (within a half)",
            key="feed",
            bound=1.5,
            against="sizes",
            cases="in 4 KiB",
            why=ENGINE,
        ),
        Goal(
            words="the same per MB at any size, 32 KiB at a time (within a half)",
            key="feed",
            bound=1.5,
            against="sizes",
            cases="in 32 KiB",
            why=ENGINE,
        ),
    )
    columns = (
        Column(key="feed", title="feed ms/MB", digits=3, ratio="feed"),
        Column(key="text", title="text ms/MB", digits=3),
        Column(key="share", title="memory ÷ output"),
    )
    takes = 25.0

    def cases(self, sizes: Sizes) -> Sequence[Case]:
        return [
            Case(
                title=f"{size} MB in {chunk} KiB",
                needs="engine",
                amounts={"megabytes": size, "chunk": chunk * 1024},
            )
            for chunk in sizes.engine_kibibytes
            for size in sizes.engine_megabytes
        ]

    def run(self, client: DeviceClient, case: Case, targets: Sequence[Target]) -> Metrics:
        size, chunk = case.amounts["megabytes"] * MEGABYTE, case.amounts["chunk"]
        command = bulk(size)
        rounds = max(1, _PER_SIZE * MEGABYTE // size)
        fed = made = 0.0
        share = 0.0
        for _ in range(rounds):
            collector = client.collector(command)
            pieces = list(answer(command, size, chunk))
            feeding, making = Meter(), Meter()
            done = False
            before = resident()
            with feeding:
                for piece in pieces:
                    done = collector.feed(piece)
            held = resident() - before
            with making:
                text = collector.text()
            if not done:
                raise RuntimeError("wrong answer: the prompt was not found")
            require(len(text), size * 97 // 100, "output")
            fed += feeding.cpu
            made += making.cpu
            share = max(share, feeding.peak / size, (held + making.peak) / size)
            del collector, text
        megabytes = rounds * case.amounts["megabytes"]
        return {"feed": fed / megabytes * 1e3, "text": made / megabytes * 1e3, "share": share}


def answer(command: str, size: int, chunk: int) -> Iterator[bytes]:
    """Not more pieces than a line has bytes, again and again: they take no memory, and end anywhere in a line."""
    yield command.encode() + b"\r\n"
    block = _LINE * (2 + chunk // len(_LINE))
    starts = [block[at : at + chunk] for at in range(len(_LINE))]
    at = 0
    for _ in range(size // chunk):
        yield starts[at]
        at = (at + chunk) % len(_LINE)
    rest = block[at : at + size % chunk]
    yield rest + b"\r\n" + PROMPT.encode()
