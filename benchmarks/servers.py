# SPDX-License-Identifier: Apache-2.0
"""Light device servers in processes of their own, so that a client's CPU is a client's alone.

A process prints its ports as JSON, then answers each line of its stdin with what it has counted so far, and ends with
its stdin. Every connection is a device of its own: a Cisco-like shell that echoes what it reads behind its prompt.
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
from contextlib import suppress
from types import TracebackType
from typing import Any

from benchmarks.fakes import netconf, ssh
from benchmarks.fakes.answering import Answering
from benchmarks.fakes.postgres import Postgres
from benchmarks.fakes.resp import Resp
from benchmarks.fakes.telnet import TelnetDevice
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
_PATIENCE = 30.0  # seconds
_CROWD = 2  # processes; a descriptor is not the only thing of which a session takes one
_listening: list[Any] = []  # whoever lets go of a listener ends it


async def listen(protocol: type[TelnetDevice | Answering[Any]], host: str = "127.0.0.1") -> int:
    server = await asyncio.get_running_loop().create_server(protocol, host, 0, backlog=_BACKLOG)
    _listening.append(server)
    return int(server.sockets[0].getsockname()[1])


async def listen_ssh(host: str = "127.0.0.1", *, jump: bool = False) -> int:
    acceptor = await ssh.listen(host, _BACKLOG, jump=jump)
    _listening.append(acceptor)
    return int(acceptor.get_port())


async def listen_netconf() -> int:
    acceptor = await netconf.listen(_BACKLOG)
    _listening.append(acceptor)
    return int(acceptor.get_port())


async def _serve_crowd(host: str) -> None:
    """Devices alone, for sessions in large numbers."""
    await _run({"ssh": await listen_ssh(host), "telnet": await listen(TelnetDevice, host)})


async def _run(ports: dict[str, int]) -> None:
    """Until stdin ends."""
    print(json.dumps(ports), flush=True)
    loop = asyncio.get_running_loop()
    while await loop.run_in_executor(None, sys.stdin.readline):
        used = resource.getrusage(resource.RUSAGE_SELF)
        counted = {"server_cpu": used.ru_utime + used.ru_stime, "jump_links": ssh.jump_links}
        print(json.dumps(counted), flush=True)


async def _serve() -> None:
    from aioconn.lab import Faults, Lab
    from benchmarks.fakes import gnmi, snmp  # not above: other clients' environments do not have its library

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
        ports = {
            **{name: device.ssh_port for name, device in slow.items()},
            "ssh": await listen_ssh(),
            "telnet": await listen(TelnetDevice),
            "jump": await listen_ssh(jump=True),
            "lab": device.ssh_port,
            "http": await listen(Web),
            "redis": await listen(Resp),
            "postgres": await listen(Postgres),
            "snmp": agent_port,
            "netconf": await listen_netconf(),
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
    """One process of servers, as the benchmark sees it. `host` makes it one of a crowd's."""

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
        self.host = host or "127.0.0.1"

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
        self._processes = [_Process()]
        try:
            self._processes[0].start()
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
        ports = self._processes[0].ports
        if server == "jump":
            found: dict[str, Any] = {"protocol": "ssh", "port": ports["ssh"], "jump": ports["jump"]}
        else:
            found = {"protocol": "ssh" if server.startswith("lab") else server, "port": ports[server]}
        return [Target(name=f"r{n + 1}", **found) for n in range(count)]

    def _crowd(self, protocol: str, count: int) -> list[Target]:
        if len(self._processes) == 1:
            # an address each: from one to another there are some 28,000 ports to call from
            self._processes += [_Process(f"127.0.0.{2 + number}") for number in range(_CROWD)]
            for process in self._processes[1:]:
                process.start()
        crowd = self._processes[1:]
        listed = [crowd[number % len(crowd)] for number in range(count)]
        return [
            Target(name=f"r{number + 1}", protocol=protocol, host=one.host, port=one.ports[protocol])
            for number, one in enumerate(listed)
        ]


if __name__ == "__main__":
    raise_descriptor_limit()
    logging.disable(logging.CRITICAL)  # clients that hang up without a word are their own business
    asyncio.run(_serve_crowd(sys.argv[1]) if sys.argv[1:] else _serve())
