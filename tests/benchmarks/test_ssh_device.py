# SPDX-License-Identifier: Apache-2.0
"""The light SSH device is a server like others, and whoever does not speak SSH to it is told so."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncssh
import pytest

from benchmarks.fakes.shell import Pump
from benchmarks.fakes.ssh import SshDevice
from benchmarks.fakes.ssh_kex import GREETING, plain
from benchmarks.target import PASSWORD, USER

VERSION = b"SSH-2.0-test\r\n"
LOGIN: dict[str, Any] = {"username": USER, "password": PASSWORD}
QUICK: dict[str, Any] = {"known_hosts": None, "client_keys": None, "agent_path": None, "config": None}


@asynccontextmanager
async def listening(kind: type[SshDevice] = SshDevice) -> AsyncIterator[int]:
    server = await asyncio.get_running_loop().create_server(kind, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        await server.wait_closed()


@asynccontextmanager
async def connected(
    kind: type[SshDevice] = SshDevice, **options: Any
) -> AsyncIterator[asyncssh.SSHClientConnection]:
    async with (
        listening(kind) as port,
        asyncssh.connect("127.0.0.1", port, **{**QUICK, **LOGIN, **options}) as connection,
    ):
        yield connection


async def shell(connection: asyncssh.SSHClientConnection, **options: Any) -> tuple[Any, bytes]:
    """A process with a terminal, and its prompt."""
    process = await connection.create_process(term_type="vt100", encoding=None, **options)
    return process, await process.stdout.readuntil(b"#")


async def asked(process: Any, prompt: bytes, command: bytes) -> bytes:
    process.stdin.write(command + b"\n")
    return await until(process, prompt)


async def until(process: Any, prompt: bytes) -> bytes:
    answer = bytearray()
    while not answer.endswith(prompt):
        answer += await process.stdout.read(1 << 20) or pytest.fail("it has ended")
    return bytes(answer)


async def test_a_strict_client_is_served() -> None:
    async with listening() as port:
        key = await asyncssh.get_server_host_key("127.0.0.1", port, config=None)
        assert key is not None
        options = {**QUICK, **LOGIN, "known_hosts": ([key], [], [])}
        algorithms: dict[str, Any] = {
            "kex_algs": ["curve25519-sha256"],
            "encryption_algs": ["aes128-gcm@openssh.com"],
            "server_host_key_algs": ["ssh-ed25519"],
            "compression_algs": ["none"],
        }
        async with asyncssh.connect("127.0.0.1", port, **options, **algorithms) as connection:
            assert connection.get_extra_info("send_cipher") == "aes128-gcm@openssh.com"
            process, prompt = await shell(connection, env={"A": "b"})
            process.change_terminal_size(200, 50)
            assert await asked(process, prompt, b"show clock") == (
                b"show clock\r\n*10:11:12.345 UTC Fri Jan 2 2026\r\n" + prompt
            )


async def test_keepalives_are_answered() -> None:
    async with connected(keepalive_interval=0.01, keepalive_count_max=1) as connection:
        process, prompt = await shell(connection)
        assert (await asked(process, prompt, b"show wait 100")).endswith(prompt)


async def test_what_comes_byte_by_byte_is_understood() -> None:
    class Slow(SshDevice):
        def data_received(self, data: bytes) -> None:
            for byte in data:
                super().data_received(bytes((byte,)))

    async with connected(Slow) as connection:
        process, prompt = await shell(connection)
        assert b"IOS XE" in await asked(process, prompt, b"show version")


async def test_a_wrong_password_is_refused() -> None:
    with pytest.raises(asyncssh.PermissionDenied):
        async with connected(password="wrong"):
            raise AssertionError("it was let in")


async def test_the_status_of_an_exit_comes_after_all_answers() -> None:
    async with connected() as connection:
        process, prompt = await shell(connection)
        process.stdin.write(b"show clock\nexit\nshow version\n")
        assert (await process.stdout.read()).endswith(prompt + b"exit\r\n")
        assert (await process.wait()).exit_status == 0


async def test_the_end_of_the_input_is_an_exit() -> None:
    async with connected() as connection:
        process, prompt = await shell(connection)
        process.stdin.write(b"show wait 20\nshow bulk 100000\n")
        process.stdin.write_eof()
        answer = await process.stdout.read()
        assert answer.endswith(prompt)
        assert len(answer) > 100_000
        assert (await process.wait()).exit_status == 0


async def test_several_shells_on_one_connection() -> None:
    async with connected() as connection:
        shells = [await shell(connection) for _ in range(5)]
        assert len({prompt for _, prompt in shells}) == 5
        (first, _), *others = shells
        first.stdin.write(b"exit\n")
        await first.wait()
        answers = await asyncio.gather(
            *(asked(process, prompt, b"show wait 10") for process, prompt in others)
        )
        assert all(
            answer.endswith(b"2026\r\n" + prompt) for answer, (_, prompt) in zip(answers, others, strict=True)
        )


async def test_what_there_is_not_is_denied() -> None:
    async with connected() as connection:
        with pytest.raises(asyncssh.ChannelOpenError):
            await connection.create_process("show clock")  # a command without a shell
        with pytest.raises(asyncssh.ChannelOpenError, match="sessions"):
            await connection.open_connection("127.0.0.1", 9)
        process, prompt = await shell(connection)
        assert (await asked(process, prompt, b"show clock")).endswith(prompt)


async def test_no_more_is_sent_than_the_window_takes() -> None:
    """Of one channel, whose reader takes his time; the others go on. The client refuses what is too much."""
    size = 300_000
    async with connected() as connection:
        process, prompt = await shell(connection, window=20_000, max_pktsize=3_000)
        other, its_prompt = await shell(connection)
        process.stdin.write(b"show bulk %d\n" % size)
        for _ in range(3):
            assert (await asked(other, its_prompt, b"show version")).endswith(its_prompt)
        answer = await until(process, prompt)
        echo = b"show bulk %d\r\n" % size
        assert len(answer) == len(echo) + size + len(prompt)
        assert len(set(answer.split(b"\r\n")[2:-1])) == 1  # no line is cut, doubled or lost


async def test_no_more_is_written_than_the_socket_takes() -> None:
    """The window is wider than what is said, but nobody reads."""
    paused = asyncio.Event()

    class Watched(SshDevice):
        def pause_writing(self) -> None:
            super().pause_writing()
            waiting.append(self._transport.get_write_buffer_size())
            paused.set()

    waiting: list[int] = []
    size = 30_000_000
    async with connected(Watched) as connection:
        process, prompt = await shell(connection, window=2 * size)
        answer = await asked(process, prompt, b"show bulk %d" % size)
        assert len(answer) == len(b"show bulk %d\r\n" % size) + size + len(prompt)
    assert paused.is_set()
    assert max(waiting) < size // 10


async def test_a_wider_window_does_not_hurry_who_thinks() -> None:
    said: list[bytes] = []
    ended = asyncio.Event()
    pump = Pump(said.append, ended.set)
    pump.feed(b"show wait 20\nexit\n")
    pump.pause()
    pump.resume()
    assert said == [b"show wait 20\r\n"]
    await ended.wait()
    assert said[-1] == b"exit\r\n"


async def test_a_second_key_exchange_ends_the_connection() -> None:
    async def talk(connection: asyncssh.SSHClientConnection) -> None:
        process, prompt = await shell(connection)
        while True:
            await asked(process, prompt, b"! " + 100 * b"x")

    async with connected(rekey_bytes=10_000) as connection:
        with pytest.raises(asyncssh.ProtocolError, match="message 20 is not expected"):
            await talk(connection)


async def test_a_packet_that_was_changed_ends_the_connection() -> None:
    class Changing(SshDevice):
        """What it hears after the login."""

        def data_received(self, data: bytes) -> None:
            if self._channels:
                data = data[:-1] + bytes((data[-1] ^ 1,))
            super().data_received(data)

    async with connected(Changing) as connection:
        with pytest.raises(asyncssh.ProtocolError, match="InvalidTag"):
            await shell(connection)


def kexinit(*names: bytes) -> bytes:
    return (
        bytes((20,)) + bytes(16) + b"".join(struct.pack(">I", len(name)) + name for name in names) + bytes(5)
    )


KEX, HOST_KEY, CIPHER, NONE = b"curve25519-sha256", b"ssh-ed25519", b"aes128-gcm@openssh.com", b"none"
OFFER = kexinit(KEX, HOST_KEY, CIPHER, CIPHER, b"hmac-sha2-256", b"hmac-sha2-256", NONE, NONE, b"", b"")
OTHERS = OFFER.replace(CIPHER, b"aes256-gcm@openssh.com")
GARBAGE = {
    "http": (b"GET / HTTP/1.1\r\n\r\n", "this is not SSH 2"),
    "version 1": (b"SSH-1.5-old\r\n", "this is not SSH 2"),
    "a line": (b"SSH\r\n", "this is not SSH 2"),
    "no end": (b"SSH-2.0-" + b"x" * 300, "this is not SSH 2"),
    "huge": (VERSION + b"\xff" * 100, "a packet of 4294967295 bytes"),
    "empty": (VERSION + bytes(100), "not understood"),
    "short": (VERSION + plain(OFFER[:40]), "not understood"),
    "too long a string": (VERSION + plain(OFFER[:17] + b"\0\1\0\0"), "longer than its message"),
    "out of turn": (VERSION + plain(b"\x32" + bytes(20)), "message 50 is not expected"),
    "nothing in common": (VERSION + plain(OTHERS), "nothing but aes128-gcm"),
    "a guess": (VERSION + plain(OFFER[:-5] + b"\1" + bytes(4)), "guessed"),
    "no key": (VERSION + plain(OFFER) + plain(b"\x1e\0\0\0\2no"), "not a public key"),
    "a weak key": (VERSION + plain(OFFER) + plain(b"\x1e\0\0\0\x20" + bytes(32)), "not a public key"),
}


@pytest.mark.parametrize(("said", "why"), GARBAGE.values(), ids=GARBAGE)
async def test_garbage_is_refused(said: bytes, why: str) -> None:
    async with listening() as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(said)
        answer = await reader.read()
        writer.close()
        await writer.wait_closed()
    assert answer.startswith(GREETING)
    (size,) = struct.unpack_from(">I", answer, len(GREETING))
    assert len(answer) == len(GREETING) + 4 + size
    assert answer[len(GREETING) + 5] == 1  # disconnect
    assert why in answer.decode("latin-1")
