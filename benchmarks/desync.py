# SPDX-License-Identifier: Apache-2.0
"""Commands that end early, on us and on the peers: `python -m benchmarks.desync [--cuts N] [TOOL ...]`.

Simulated devices run in a process of their own, each tool in another. A command is cut at a random moment of its
answer, by the tool's own timeout or by cancelling the task; then two other commands follow, whose answers only they
have. Counted for each 100 cuts: wrong answers and errors, of the 200 that could be right, and sessions that had to be
opened again. `next` is the median time until a following command has its own answer, in milliseconds.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import random
import statistics
import subprocess
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from importlib import import_module
from typing import Any

from benchmarks import clients
from benchmarks.environments import CannotInstall, python_for
from benchmarks.target import ROOT

_SESSIONS = 10
_WORDS = 60
_FOLLOWERS = 2
_WAIT = 8.0
_USER, _PASSWORD = "admin", "admin"
_CHILD_TIMEOUT = 900.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """A kind of device: when it echoes, and the longest time that it thinks, in seconds."""

    echo: str
    think: float

    def __str__(self) -> str:
        where = "as it reads" if self.echo == "reader" else "at once"
        return f"echo {where}, thinks up to {1000 * self.think:.0f} ms"


CELLS = [Cell(echo=echo, think=think) for echo in ("reader", "typing") for think in (0.06, 0.4)]


@dataclass(slots=True)
class Count:
    """What became of one tool's cuts in one cell."""

    cuts: int = 0
    wrong: int = 0
    errors: int = 0
    lost: int = 0
    waits: list[float] = field(default_factory=list)


def lines_of(word: str) -> list[str]:
    """What a device answers to `show WORD`."""
    return [f"{word} line {number}" for number in range(1 + int(word[-2:]) % 7)]


# ---------------------------------------------------------------------- the tools


class CutShort(Exception):
    """The command ended early, as it was meant to."""


class Tool(ABC):
    """One session of a tool, driven from a thread; `ask` raises CutShort if `limit` was its end.

    `replaced` counts sessions that it has opened anew by itself.
    """

    name: str
    client: str  # whose environment it needs
    replaced = 0

    @abstractmethod
    def open(self, port: int, host_name: str) -> None: ...

    @abstractmethod
    def ask(self, command: str, limit: float | None) -> str: ...

    @abstractmethod
    def close(self) -> None: ...


class Netmiko(Tool):
    name = "netmiko"
    client = "netmiko"
    expects = False

    def open(self, port: int, host_name: str) -> None:
        self._prompt = f"{host_name}#"
        self._session = import_module("netmiko").ConnectHandler(
            device_type="cisco_xe", host="127.0.0.1", port=port, username=_USER, password=_PASSWORD
        )

    def ask(self, command: str, limit: float | None) -> str:
        keys = {"expect_string": self._prompt} if self.expects else {}
        try:
            text: str = self._session.send_command(command, read_timeout=limit or _WAIT, **keys)
        except import_module("netmiko").ReadTimeout:
            if limit is None:
                raise
            raise CutShort from None
        return text

    def close(self) -> None:
        self._session.disconnect()


class NetmikoExpecting(Netmiko):
    name = "netmiko, expect_string"
    expects = True


class LoopTool(Tool):
    """A tool with coroutines, in a loop of its own for each thread."""

    cancels = False

    def __init__(self) -> None:
        self._runner = asyncio.Runner()

    @abstractmethod
    async def connect(self, port: int) -> Any: ...

    @abstractmethod
    async def execute(self, session: Any, command: str, timeout: float) -> str: ...

    @abstractmethod
    async def disconnect(self, session: Any) -> None: ...

    def is_timeout(self, error: Exception) -> bool:
        return isinstance(error, TimeoutError)

    def open(self, port: int, host_name: str) -> None:
        self._session = self._runner.run(self.connect(port))

    def ask(self, command: str, limit: float | None) -> str:
        return self._runner.run(self._ask(command, limit))

    async def _ask(self, command: str, limit: float | None) -> str:
        if limit is not None and self.cancels:
            task = asyncio.ensure_future(self.execute(self._session, command, _WAIT))
            done, _ = await asyncio.wait({task}, timeout=limit)
            if done:
                return task.result()
            task.cancel()
            await asyncio.wait({task}, timeout=_WAIT)
            raise CutShort
        try:
            async with asyncio.timeout(2 * _WAIT):  # for one that does not keep its own
                return await self.execute(self._session, command, limit or _WAIT)
        except Exception as error:
            if limit is not None and self.is_timeout(error):
                raise CutShort from None
            raise

    def close(self) -> None:
        try:
            self._runner.run(asyncio.wait_for(self.disconnect(self._session), _WAIT))
        finally:
            self._runner.close()


class Aioconn(LoopTool):
    name = "aioconn"
    client = "aioconn"

    async def connect(self, port: int) -> Any:
        import aioconn

        device = aioconn.device(f"ssh://{_USER}@127.0.0.1:{port}", os="iosxe", password=_PASSWORD)
        session = await device.connect(host_key_policy="ignore")
        device.listeners.add(self._heard)
        return session

    def _heard(self, event: Any) -> None:
        self.replaced += type(event).__name__ == "Opened"

    async def execute(self, session: Any, command: str, timeout: float) -> str:
        text: str = await session.execute(command, timeout=timeout)
        return text

    async def disconnect(self, session: Any) -> None:
        await session.close()


class AioconnCancelled(Aioconn):
    name = "aioconn, cancelled"
    cancels = True


class Scrapli(LoopTool):
    name = "scrapli 2"
    client = "scrapli"

    async def connect(self, port: int) -> Any:
        scrapli = import_module("scrapli")
        session = scrapli.Cli(
            "127.0.0.1",
            port=port,
            definition_file_or_name="cisco_iosxe",
            auth_options=scrapli.AuthOptions(username=_USER, password=_PASSWORD),
            transport_options=scrapli.TransportSsh2Options(),
        )
        await session.open_async()
        return session

    async def execute(self, session: Any, command: str, timeout: float) -> str:
        result = await session.send_input_async(command, operation_timeout_ns=int(timeout * 1e9))
        text: str = result.result
        return text

    async def disconnect(self, session: Any) -> None:
        await session.close_async()

    def is_timeout(self, error: Exception) -> bool:
        return "timeout" in f"{type(error).__name__} {error}".lower()


class ScrapliCancelled(Scrapli):
    name = "scrapli 2, cancelled"
    cancels = True


TOOLS: dict[str, type[Tool]] = {
    tool.name: tool
    for tool in (Aioconn, AioconnCancelled, Netmiko, NetmikoExpecting, Scrapli, ScrapliCancelled)
}

# ---------------------------------------------------------------------- one tool, in its own process


def drive(kind: type[Tool], cell: Cell, port: int, host_name: str, cuts: int, seed: int) -> Count:
    """One session: cut, ask, ask, and again. What does not answer twice in a row is opened again."""
    rng, count = random.Random(seed), Count()
    words = [f"{host_name}w{number:02d}" for number in range(_WORDS)]
    rng.shuffle(words)
    tool = kind()
    tool.open(port, host_name)
    place = 0

    def ask(limit: float | None) -> bool:
        nonlocal place
        word = words[place := (place + 1) % _WORDS]
        text = tool.ask(f"show {word}", limit)
        return [line.strip() for line in text.splitlines() if line.strip()] == lines_of(word)

    for _ in range(20 * cuts):
        if count.cuts >= cuts:
            break
        with contextlib.suppress(CutShort):
            ask(rng.uniform(0.001, cell.think))
            continue
        count.cuts += 1
        began, waited, failures = time.perf_counter(), None, 0
        for _ in range(_FOLLOWERS):
            try:
                right = ask(None)
                count.wrong += not right
                if right and waited is None:
                    waited = time.perf_counter() - began
            except Exception:
                failures += 1
                count.errors += 1
        if waited is not None:
            count.waits.append(waited)
        if failures == _FOLLOWERS:
            count.lost += 1 + tool.replaced
            with contextlib.suppress(Exception):
                tool.close()
            tool = kind()
            tool.open(port, host_name)
    count.lost += tool.replaced
    with contextlib.suppress(Exception):
        tool.close()
    return count


def child() -> None:
    """Drive all sessions of one tool; the order comes as JSON on stdin, the counts go out as the last line."""
    order = json.load(sys.stdin)
    kind = TOOLS[order["tool"]]
    totals = {str(cell): Count() for cell in CELLS}
    with ThreadPoolExecutor(len(order["devices"])) as threads:
        runs = []
        for number, (place, port, host_name) in enumerate(order["devices"]):
            cell = CELLS[place]
            run = threads.submit(drive, kind, cell, port, host_name, order["cuts"], number)
            runs.append((cell, run))
        for cell, run in runs:
            one, total = run.result(), totals[str(cell)]
            for key in ("cuts", "wrong", "errors", "lost"):
                setattr(total, key, getattr(total, key) + getattr(one, key))
            total.waits += one.waits
    print("\n" + json.dumps({name: asdict(total) for name, total in totals.items()}), flush=True)


# ---------------------------------------------------------------------- the devices, in theirs


async def serve() -> None:
    """Simulated devices until stdin ends; the first line says where they listen."""
    from aioconn.lab import Faults, Lab

    async with Lab() as lab:
        places = []
        for place, cell in enumerate(CELLS):
            for number in range(_SESSIONS):
                name = f"r{place}x{number}"
                words = [f"{name}w{index:02d}" for index in range(_WORDS)]
                device = await lab.add(
                    name,
                    protocols=("ssh",),
                    commands={f"show {word}": "\n".join(lines_of(word)) + "\n" for word in words},
                    echo=cell.echo,
                    faults=Faults(latency=cell.think / 2, jitter=cell.think / 2),
                )
                places.append((place, device.ssh_port, name))
        print(json.dumps(places), flush=True)
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


@contextlib.contextmanager
def devices() -> Iterator[list[Any]]:
    command = [sys.executable, "-m", "benchmarks.desync", "--serve"]
    with subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as server:
        assert server.stdout is not None
        try:
            yield json.loads(server.stdout.readline())
        finally:
            server.terminate()


def measure(name: str, places: list[Any], cuts: int) -> dict[str, Any]:
    """The counts of one tool in each cell. Raises CannotInstall."""
    python = python_for(clients.load(TOOLS[name].client))
    order = json.dumps({"tool": name, "devices": places, "cuts": -(-cuts // _SESSIONS)})
    done = subprocess.run(
        [python, "-m", "benchmarks.desync", "--child"],
        cwd=ROOT,
        input=order,
        capture_output=True,
        text=True,
        timeout=_CHILD_TIMEOUT,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"{name}: {done.stderr.strip()[-2000:]}")
    counts: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return counts


def row(name: str, count: dict[str, Any]) -> str:
    per_cut = 100 / max(1, count["cuts"])
    wait = f"{1000 * statistics.median(count['waits']):.0f}" if count["waits"] else "-"
    wrong, errors, lost = (count[key] * per_cut for key in ("wrong", "errors", "lost"))
    return f"  {name:<24}{count['cuts']:>6}{wrong:>9.1f}{errors:>9.1f}{lost:>8.1f}{wait:>9}"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.desync", description=__doc__)
    parser.add_argument("tools", nargs="*", metavar="tool", help=f"some of: {'; '.join(TOOLS)}")
    parser.add_argument(
        "--cuts", type=int, default=100, help="for each tool and kind of device, 100 by default"
    )
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.serve:
        asyncio.run(serve())
        return
    if asked.child:
        child()
        return
    if unknown := set(asked.tools) - TOOLS.keys():
        parser.error(f"there is no {unknown.pop()!r}; there are {'; '.join(TOOLS)}")
    found: dict[str, dict[str, Any]] = {}
    with devices() as places:
        for name in asked.tools or TOOLS:
            print(f"{name} ...", file=sys.stderr, flush=True)
            try:
                found[name] = measure(name, places, asked.cuts)
            except (CannotInstall, RuntimeError, subprocess.TimeoutExpired) as error:
                print(f"{name}: {error}", file=sys.stderr)
    for cell in CELLS:
        print(f"{cell}\n  {'':<24}{'cuts':>6}{'wrong':>9}{'errors':>9}{'lost':>8}{'next ms':>9}")
        for name, counts in found.items():
            print(row(name, counts[str(cell)]))


if __name__ == "__main__":
    main()
