# SPDX-License-Identifier: Apache-2.0
"""Light device servers in a process of their own, so that a client's CPU is a client's alone.

The process prints its ports as JSON, then answers each line of its stdin with its CPU seconds so far, and ends with its
stdin. Every connection is a device of its own: a Cisco-like shell that echoes what it reads behind its prompt.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import logging
import os
import re
import resource
import subprocess
import sys
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Any

from benchmarks.fakes import netconf
from benchmarks.fakes.answering import Answering
from benchmarks.fakes.postgres import Postgres
from benchmarks.fakes.resp import Resp
from benchmarks.fakes.web import Web
from benchmarks.target import (
    DELAY,
    ECHOES,
    HOST_NAME,
    PASSWORD,
    ROOT,
    THINKING,
    USER,
    WORDS,
    Target,
    lines_of,
    slow_device,
    word,
)

_BACKLOG = 2048
_PIECE = 32 * 1024
_LINE = b"GigabitEthernet1/0/1 is up, line protocol is up, 5 minute input rate 0 b\r\n"
_BLOCK = _LINE * (1 + (1 << 20) // len(_LINE))
_CISCO_OPTIONS = bytes(
    (255, 251, 1, 255, 251, 3, 255, 253, 24, 255, 253, 31)
)  # WILL ECHO, SGA; DO TTYPE, NAWS
_LINE_END = re.compile(rb"\r\n|\r\0|\r|\n")
_VERSION = b"".join(
    (
        b"Cisco IOS XE Software, Version 17.09.04a\r\n",
        b"Cisco IOS Software [Cupertino], Virtual XE Software, Version 17.9.4a, RELEASE SOFTWARE (fc3)\r\n",
        *(
            b"%-24s : package %02d of the boot image, verified and running\r\n" % (b"slot %d" % n, n)
            for n in range(20)
        ),
        HOST_NAME.encode() + b" uptime is 2 weeks, 3 days, 4 hours, 5 minutes\r\n",
        b"Configuration register is 0x2102\r\n",
    )
)
ANSWERS = {
    b"show version": _VERSION,
    b"show clock": b"*10:11:12.345 UTC Fri Jan 2 2026\r\n",
}
_SILENT = (b"terminal ", b"term ", b"!", b"enable", b"disable")


_numbers = itertools.count(1)


class Shell:
    """One device's command line: bytes in, pieces of the answer out; None ends the session.

    Each has a name of its own: what a client learns about one device's prompt is of no use for the next.
    """

    def __init__(self) -> None:
        self.prompt = b"edge-%04d#" % next(_numbers)
        self._typed = b""

    def feed(self, data: bytes) -> Iterator[bytes | None]:
        *lines, rest = data.replace(b"\0", b"").replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
        for line in lines:
            typed, self._typed = self._typed + line, b""
            yield from self._run(typed.strip(), line + b"\r\n")
        if rest:
            self._typed += rest
            yield rest

    def _run(self, line: bytes, echo: bytes) -> Iterator[bytes | None]:
        prompt = self.prompt
        if line in (b"exit", b"logout"):
            yield echo
            yield None
        elif line.startswith(b"show bulk "):
            yield echo
            yield from _output(int(line.split()[2]))
            yield prompt
        elif not line or line.startswith(_SILENT):
            yield echo + prompt
        else:
            yield echo + ANSWERS.get(line, b"% Invalid input detected at '^' marker.\r\n") + prompt


def _output(size: int) -> Iterator[bytes]:
    """Whole lines, `size` bytes of them."""
    while size > _PIECE:
        at = size % len(_LINE)  # the piece before ended there
        begin = (len(_LINE) - at) % len(_LINE)
        yield _BLOCK[begin : begin + _PIECE]
        size -= _PIECE
    yield _BLOCK[len(_BLOCK) - size :]


class Pump:
    """Writes what a shell answers, no faster than it is read."""

    def __init__(self, write: Callable[[bytes], Any], end: Callable[[], None]) -> None:
        self._shell = Shell()
        self.prompt = self._shell.prompt
        self._write, self._end = write, end
        self._pending: list[Iterator[bytes | None]] = []
        self._paused = False

    def feed(self, data: bytes) -> None:
        self._pending.append(self._shell.feed(data))
        self._run()

    def pause(self) -> None:
        self._paused = True

    def resume(self) -> None:
        self._paused = False
        self._run()

    def _run(self) -> None:
        while self._pending and not self._paused:
            piece = next(self._pending[0], b"")
            if piece is None:
                self._pending.clear()
                self._end()
            elif piece:
                self._write(piece)
            else:
                del self._pending[0]


class TelnetDevice(asyncio.Protocol):
    """A login, then the shell. Negotiation is said and what is answered to it is not looked at."""

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        self._asked = ["Username: ", "Password: "]
        self._typed = b""
        self._pump = Pump(transport.write, transport.close)
        transport.max_size = 16 * 1024
        transport.write(_CISCO_OPTIONS + b"\r\nUser Access Verification\r\n\r\n" + self._asked[0].encode())

    def data_received(self, data: bytes) -> None:
        if b"\xff" in data:
            data = _without_options(data)
        if not self._asked:
            self._pump.feed(data)
            return
        self._typed += data
        while self._asked and (found := _LINE_END.search(self._typed)):
            typed, self._typed = self._typed[: found.start()], self._typed[found.end() :]
            expected = USER if self._asked.pop(0) == "Username: " else PASSWORD
            if typed != expected.encode():
                self._transport.close()
            elif self._asked:
                self._transport.write(typed + b"\r\n" + self._asked[0].encode())
            else:
                self._transport.write(b"\r\n\r\n" + self._pump.prompt)
                self._pump.feed(self._typed)

    def pause_writing(self) -> None:
        self._pump.pause()

    def resume_writing(self) -> None:
        self._pump.resume()


def _without_options(data: bytes) -> bytes:
    """Commands are taken to arrive whole, as every client here sends them."""
    plain = bytearray()
    while (at := data.find(b"\xff")) >= 0:
        plain += data[:at]
        end = data.find(b"\xff\xf0", at) + 2 if data[at + 1 : at + 2] == b"\xfa" else at + 3
        data = data[max(end, at + 2) :]
    return bytes(plain + data)


async def listen_ssh() -> int:
    """Start the SSH device; the port. One key exchange and one cipher, so that every client does the same work."""
    import asyncssh

    class Server(asyncssh.SSHServer):
        def begin_auth(self, username: str) -> bool:
            return True

        def password_auth_supported(self) -> bool:
            return True

        def validate_password(self, username: str, password: str) -> bool:
            return (username, password) == (USER, PASSWORD)

        def session_requested(self) -> Any:
            return Session()

    class Session(asyncssh.SSHServerSession[bytes]):
        def connection_made(self, chan: Any) -> None:
            self._channel = chan
            self._pump = Pump(chan.write, self._end)

        def _end(self) -> None:
            self._channel.exit(0)

        def pty_requested(self, term_type: str, term_size: Any, term_modes: Any) -> bool:
            return True

        def shell_requested(self) -> bool:
            return True

        def session_started(self) -> None:
            self._channel.write(self._pump.prompt)

        def data_received(self, data: bytes, datatype: int | None) -> None:
            self._pump.feed(data)

        def eof_received(self) -> bool:
            return False

        def pause_writing(self) -> None:
            self._pump.pause()

        def resume_writing(self) -> None:
            self._pump.resume()

    acceptor = await asyncssh.listen(
        "127.0.0.1",
        0,
        server_factory=Server,
        server_host_keys=[asyncssh.generate_private_key("ssh-ed25519")],
        kex_algs=["curve25519-sha256", "curve25519-sha256@libssh.org"],
        encryption_algs=["aes128-gcm@openssh.com"],
        compression_algs=["none"],
        encoding=None,
        line_editor=False,
        x11_forwarding=False,
        agent_forwarding=False,
        login_timeout=0,
        backlog=_BACKLOG,
    )
    _listening.append(acceptor)
    return int(acceptor.get_port())


async def listen_netconf() -> int:
    acceptor = await netconf.listen(_BACKLOG)
    _listening.append(acceptor)
    return int(acceptor.get_port())


_listening: list[Any] = []  # whoever lets go of a listener ends it


async def listen(protocol: type[TelnetDevice | Answering[Any]]) -> int:
    server = await asyncio.get_running_loop().create_server(protocol, "127.0.0.1", 0, backlog=_BACKLOG)
    _listening.append(server)
    return int(server.sockets[0].getsockname()[1])


async def _serve() -> None:
    from aioconn.lab import Faults, Lab
    from benchmarks.fakes import gnmi, snmp  # not above: other clients' environments do not have its library

    raise_descriptor_limit()
    logging.disable(logging.CRITICAL)  # clients that hang up without a word are their own business
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
        slow = {}
        for echo in ECHOES:
            for thinking in THINKING:
                name = slow_device(echo, thinking)
                slow[name] = await lab.add(
                    f"{HOST_NAME}-{echo}-{thinking}",
                    protocols=("ssh",),
                    username=USER,
                    password=PASSWORD,
                    faults=Faults(latency=thinking / 2e3, jitter=thinking / 2e3),
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
            "lab": device.ssh_port,
            "http": await listen(Web),
            "redis": await listen(Resp),
            "postgres": await listen(Postgres),
            "snmp": agent_port,
            "netconf": await listen_netconf(),
            "gnmi": gnmi_port,
        }
        print(json.dumps(ports), flush=True)
        loop = asyncio.get_running_loop()
        while await loop.run_in_executor(None, sys.stdin.readline):
            used = resource.getrusage(resource.RUSAGE_SELF)
            print(used.ru_utime + used.ru_stime, flush=True)
        agent.close()
        await gnmi_target.stop(0)


def raise_descriptor_limit() -> None:
    """A session is a descriptor at least, on both sides."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 65536 if hard == resource.RLIM_INFINITY else hard
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(wanted, 65536), hard))


class Servers:
    """The process of the servers, as the benchmark sees it; a context manager."""

    def __enter__(self) -> Servers:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.servers"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        said = self._read()
        if not said:
            raise RuntimeError("the device servers did not start")
        self.ports: dict[str, int] = json.loads(said)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()

    def cpu(self) -> float:
        """CPU seconds that the servers have taken so far."""
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        return float(self._read())

    def targets(self, server: str, count: int) -> list[Target]:
        protocol = "ssh" if server.startswith("lab") else server
        return [Target(name=f"r{n + 1}", protocol=protocol, port=self.ports[server]) for n in range(count)]

    def _read(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline()


if __name__ == "__main__":
    asyncio.run(_serve())
