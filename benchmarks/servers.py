# SPDX-License-Identifier: Apache-2.0
"""Light device servers in processes of their own, so that a client's CPU is a client's alone.

Devices over SSH and telnet have a process, on uvloop where it is installed, a crowd of them has more, and all other
servers share one. A process prints its ports as JSON, then answers each line of its stdin with what it has counted so
far, and ends with its stdin. Every connection is a device of its own: a Cisco-like shell that echoes what it reads
behind its prompt.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import resource
import select
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Any

from benchmarks.fakes import jump, netconf
from benchmarks.fakes.postgres import Postgres
from benchmarks.fakes.resp import Resp
from benchmarks.fakes.web import Web
from benchmarks.target import (
    DELAY,
    ECHOES,
    HOST_NAME,
    PASSWORD,
    ROOT,
    STEADY,
    THINKING,
    USER,
    WORDS,
    Target,
    lines_of,
    slow_device,
    steady_device,
    word,
)

_BACKLOG = 2048
_HOST = "127.0.0.1"
_PATIENCE = 30.0  # seconds
_CROWD = 2  # processes; a descriptor is not the only thing of which a session takes one
_listening: list[Any] = []  # whoever lets go of a listener ends it


async def listen(protocol: type[asyncio.Protocol], host: str = _HOST) -> int:
    server = await asyncio.get_running_loop().create_server(protocol, host, 0, backlog=_BACKLOG)
    _listening.append(server)
    return int(server.sockets[0].getsockname()[1])


async def _serve_devices(host: str) -> None:
    # not above: other clients' environments do not have their library
    from benchmarks.fakes.ssh import SshDevice
    from benchmarks.fakes.telnet import TelnetDevice

    await _run({"ssh": await listen(SshDevice, host), "telnet": await listen(TelnetDevice, host)})


async def _run(ports: dict[str, int]) -> None:
    """Until stdin ends."""
    print(json.dumps(ports), flush=True)
    loop = asyncio.get_running_loop()
    while await loop.run_in_executor(None, sys.stdin.readline):
        used = resource.getrusage(resource.RUSAGE_SELF)
        counted = {"server_cpu": used.ru_utime + used.ru_stime, "jump_links": jump.links}
        print(json.dumps(counted), flush=True)


async def _serve() -> None:
    from aioconn.lab import Faults, Lab
    from benchmarks.fakes import gnmi, snmp  # not above either

    async with Lab() as lab:
        # a simulated device that can be interrupted in the middle of a command, as those above cannot
        device = await lab.add(
            HOST_NAME,
            protocols=("ssh",),
            username=USER,
            password=PASSWORD,
            faults=Faults(jitter=DELAY),
            max_vty=10_000,
            commands={f"show {word(number)}": word(number) + "\n" for number in range(WORDS)},
        )
        slow: dict[str, Any] = {}
        for echo in ECHOES:
            thoughts = {
                slow_device(echo, most): Faults(latency=most / 2e3, jitter=most / 2e3) for most in THINKING
            }
            thoughts[steady_device(echo)] = Faults(latency=STEADY / 1e3)
            for name, faults in thoughts.items():
                slow[name] = await lab.add(
                    f"{HOST_NAME}-{len(slow)}",
                    protocols=("ssh",),
                    username=USER,
                    password=PASSWORD,
                    faults=faults,
                    max_vty=10_000,
                    echo=echo,
                    commands={
                        f"show {word(number)}": "\n".join((*lines_of(word(number)), ""))
                        for number in range(WORDS)
                    },
                )
        agent, agent_port = await snmp.listen()
        gnmi_target, gnmi_port = await gnmi.listen()
        jump_host, netconf_server = await jump.listen(_BACKLOG), await netconf.listen(_BACKLOG)
        ports = {
            **{name: device.ssh_port for name, device in slow.items()},
            "jump": int(jump_host.get_port()),
            "lab": device.ssh_port,
            "http": await listen(Web),
            "redis": await listen(Resp),
            "postgres": await listen(Postgres),
            "snmp": agent_port,
            "netconf": int(netconf_server.get_port()),
            "gnmi": gnmi_port,
        }
        await _run(ports)
        agent.close()
        await gnmi_target.stop(0)


def raise_descriptor_limit() -> None:
    """A session is a descriptor at least, on both sides."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 65536 if hard == resource.RLIM_INFINITY else hard
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(wanted, 65536), hard))


class ServersLost(Exception):
    """There is nothing to measure against any more."""


class _Process:
    """One process of servers, as the benchmark sees it. With a `host` to listen on it is one of devices."""

    def __init__(self, host: str = "") -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.servers", *([host] if host else [])],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            start_new_session=True,  # a Ctrl-C is for who started it, and he ends them
        )
        self.host = host

    def start(self) -> None:
        self.ports: dict[str, int] = json.loads(self._read())

    def counted(self) -> dict[str, float]:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write("\n")
            self._process.stdin.flush()
        except OSError as error:
            raise ServersLost(f"the device servers have ended: {error}") from error
        counted: dict[str, float] = json.loads(self._read())
        return counted

    def end(self, *, at_once: bool = False) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        if at_once:
            self._process.kill()
        with suppress(OSError):
            self._process.stdin.close()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()

    def _read(self) -> str:
        assert self._process.stdout is not None
        if not select.select([self._process.stdout], [], [], _PATIENCE)[0]:
            raise ServersLost(f"the device servers say nothing for {_PATIENCE:g} s")
        if not (said := self._process.stdout.readline()):
            raise ServersLost("the device servers did not start, or have ended")
        return said


class Servers:
    """The processes of the servers; a context manager. Those of the crowd are started when they are first needed."""

    def __enter__(self) -> Servers:
        self._processes = [_Process(), _Process(_HOST)]
        try:
            for process in self._processes:
                process.start()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        for process in self._processes:
            process.end(at_once=error is not None)

    def counted(self) -> dict[str, float]:
        """What the servers have counted so far, their CPU seconds above all."""
        found = [process.counted() for process in self._processes]
        return {key: sum(one[key] for one in found) for key in found[0]}

    def targets(self, server: str, count: int) -> list[Target]:
        """`server` is a port's name, or what it is that a crowd speaks: `crowd, telnet`."""
        if not count:
            return []
        if server.startswith("crowd, "):
            return self._crowd(server.removeprefix("crowd, "), count)
        ports = {name: port for process in self._processes[:2] for name, port in process.ports.items()}
        if server == "jump":
            found: dict[str, Any] = {"protocol": "ssh", "port": ports["ssh"], "jump": ports["jump"]}
        else:
            found = {"protocol": "ssh" if server.startswith("lab") else server, "port": ports[server]}
        return [Target(name=f"r{n + 1}", **found) for n in range(count)]

    def _crowd(self, protocol: str, count: int) -> list[Target]:
        if len(self._processes) == 2:
            # an address each: from one to another there are some 28,000 ports to call from
            self._processes += [_Process(f"127.0.0.{2 + number}") for number in range(_CROWD)]
            for process in self._processes[2:]:
                process.start()
        crowd = self._processes[2:]
        listed = [crowd[number % len(crowd)] for number in range(count)]
        return [
            Target(name=f"r{number + 1}", protocol=protocol, host=one.host, port=one.ports[protocol])
            for number, one in enumerate(listed)
        ]


def _new_loop() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """uvloop's, where it is installed, else asyncio's own: None."""
    try:
        import uvloop
    except ModuleNotFoundError:
        return None
    factory: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop
    return factory


if __name__ == "__main__":
    raise_descriptor_limit()
    logging.disable(logging.CRITICAL)  # clients that hang up without a word are their own business
    if sys.argv[1:]:
        with asyncio.Runner(loop_factory=_new_loop()) as runner:
            runner.run(_serve_devices(sys.argv[1]))
    else:
        asyncio.run(_serve())
