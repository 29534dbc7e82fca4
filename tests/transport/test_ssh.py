# SPDX-License-Identifier: Apache-2.0
"""Links and their streams, against real servers on loopback."""

from __future__ import annotations

import asyncio
import gc
import os
import socket
from pathlib import Path
from typing import Any

import asyncssh
import pytest

from aioconn.credentials import Credential, Secret
from aioconn.errors import (
    AuthenticationFailed,
    HostUnknown,
    HostUnreachable,
    KeyExchangeFailed,
    MissingValue,
    Phase,
    SessionBroken,
    ShellRefused,
)
from aioconn.transport.base import Progress, Terminal
from aioconn.transport.outbox import Outbox
from aioconn.transport.ssh import SshLink, SshOptions
from aioconn.transport.ssh_errors import authentication_error
from tests.transport.conftest import PASSWORD, Connect, Record, Serve, Server, World


async def settled(turns: int = 12) -> None:
    for _ in range(turns):
        await asyncio.sleep(0)


async def test_shell(serve: Serve, connect: Connect) -> None:
    world = await serve()
    progress = Progress()
    link = await connect(world, progress=progress)
    assert progress.phase is Phase.AUTH
    assert link.peer.startswith(f"127.0.0.1:{world.port} SSH-2.0-")
    record = Record()
    shell = await link.open_shell(record, Terminal())
    await record.sees(b"hello ('vt100', 500, 1000)\xff> ")  # not UTF-8, and the channel lives
    shell.write(b"show\n")
    await record.sees(b"SHOW\n")
    await shell.close()
    assert record.ends == [None]
    shell.write(b"late")
    await link.close()
    assert link.closed
    assert record.ends == [None]
    await settled()
    assert world.open_channels == 0


async def test_several_shells_and_a_subsystem_on_one_link(serve: Serve, connect: Connect) -> None:
    world = await serve()
    link = await connect(world)
    records = [Record() for _ in range(3)]
    for record in records[:2]:
        await link.open_shell(record, Terminal())
    await link.open_subsystem("netconf", records[2])
    await records[2].sees(b"hello None")
    with pytest.raises(ShellRefused, match="subsystem 'nothing'"):
        await link.open_subsystem("nothing", Record())
    assert world.accepted == 1
    await link.close()
    assert [record.ends for record in records] == [[None]] * 3


async def test_the_device_ends_the_shell(serve: Serve, connect: Connect) -> None:
    link = await connect(await serve())
    record = Record()
    shell = await link.open_shell(record, Terminal())
    shell.write(b"exit\n")
    assert await record.ended() is None
    assert not link.closed
    await shell.close()
    assert record.ends == [None]


async def test_the_device_ends_the_connection(serve: Serve, connect: Connect) -> None:
    link = await connect(await serve())
    record = Record()
    lost: list[Exception | None] = []
    link.on_lost(lost.append)
    link.on_lost(lambda _: pytest.fail("withdrawn"))()
    shell = await link.open_shell(record, Terminal())
    shell.write(b"die\n")
    error = await record.ended()
    assert isinstance(error, SessionBroken)
    assert error.device == "r1"
    assert error.path == "cli"
    assert link.closed
    assert isinstance(lost[0], SessionBroken)
    assert len(lost) == 1
    link.on_lost(lost.append)
    await settled(2)
    assert len(lost) == 2
    with pytest.raises(SessionBroken):
        await link.open_shell(Record(), Terminal())


async def test_abort_of_a_stream_is_told_once_although_the_peer_says_nothing(
    serve: Serve, connect: Connect
) -> None:
    world = await serve()
    link = await connect(world)
    record = Record()
    shell = await link.open_shell(record, Terminal())
    shell.abort()
    shell.abort()
    assert record.ends == []
    await settled(2)
    assert record.ends == [None]
    await link.close()
    assert record.ends == [None]


async def test_pause_and_resume(serve: Serve, connect: Connect) -> None:
    link = await connect(await serve())
    record = Record()
    shell = await link.open_shell(record, Terminal())
    await record.sees(b"> ")
    shell.pause_reading()
    shell.write(b"abc")
    await asyncio.sleep(0.05)
    assert b"ABC" not in record.data
    shell.resume_reading()
    await record.sees(b"ABC")


# Who we are


async def test_wrong_password_is_sent_once(serve: Serve, connect: Connect) -> None:
    world = await serve(
        methods={"password", "keyboard-interactive"}, rounds=[[("Password: ", False)]], wanted=[("x",)]
    )
    with pytest.raises(AuthenticationFailed) as caught:
        await connect(world, password="wrong")
    text = str(caught.value)
    assert "tried password;" in text
    assert "allows password, keyboard-interactive" in text
    assert "r1 via cli [auth]" in text
    assert "wrong" not in text
    assert len(world.replies) + len(world.passwords) == 1
    world.passwords.clear()
    with pytest.raises(AuthenticationFailed, match="tried keyboard-interactive;"):
        await connect(world, password="wrong", auth_methods=("keyboard-interactive", "password"))
    assert world.passwords == []


@pytest.mark.parametrize("method", ["password", "keyboard-interactive"])
@pytest.mark.parametrize(
    ("words", "certain"), [(None, False), ("Idle timeout", False), ("Too many authentication failures", True)]
)
async def test_a_connection_that_ends_at_the_password_is_no_certain_refusal(
    serve: Serve,
    connect: Connect,
    monkeypatch: pytest.MonkeyPatch,
    method: str,
    words: str | None,
    certain: bool,
) -> None:
    asked: list[Any] = []

    def end(server: Server, user: str, answer: Any) -> bool:
        asked.append(answer)
        if words is None:
            server.world.connections[-1].abort()
        else:
            server.world.connections[-1].disconnect(2, words)  # SSH_DISCONNECT_PROTOCOL_ERROR
        return False

    monkeypatch.setattr(Server, "validate_password", end)
    monkeypatch.setattr(Server, "validate_kbdint_response", end)
    world = await serve(methods={method}, rounds=[[("Password: ", False)]])
    with pytest.raises(AuthenticationFailed, match=f"tried {method};") as caught:
        await connect(world)
    assert caught.value.certain is certain
    assert asked in ([PASSWORD], [[PASSWORD]])


@pytest.mark.parametrize("methods", [{"password"}, {"keyboard-interactive"}])
async def test_what_the_device_has_refused_is_certain(
    serve: Serve, connect: Connect, methods: set[str]
) -> None:
    world = await serve(methods=methods, rounds=[[("Password: ", False)]], wanted=[("x",)])
    with pytest.raises(AuthenticationFailed) as caught:
        await connect(world, password="wrong")
    assert caught.value.certain


@pytest.mark.parametrize("refused", [True, False])
def test_a_refusal_and_the_end_in_one_breath(refused: bool) -> None:
    error = authentication_error(
        asyncssh.ConnectionLost("Connection lost"),
        device="r1",
        path="cli",
        user="ann",
        tried=["password"],
        allowed=["password"],
        expired=None,
        unanswered=None,
        refused=refused,
    )
    assert isinstance(error, AuthenticationFailed)
    assert error.certain is refused


async def test_no_password_none_is_sent(serve: Serve, connect: Connect) -> None:
    world = await serve()
    with pytest.raises(
        AuthenticationFailed, match="had nothing to try; the device allows password"
    ) as caught:
        await connect(world, password=None)
    assert caught.value.hint == "give a password or a private key"
    assert world.passwords == []


async def test_keyboard_interactive_one_question(serve: Serve, connect: Connect) -> None:
    world = await serve(
        methods={"keyboard-interactive"}, rounds=[[("Password: ", False)], []], wanted=[(PASSWORD,), ()]
    )
    await connect(world)
    assert world.replies == [(PASSWORD,), ()]  # the last round has no question, as PAM does


@pytest.mark.parametrize("together", [True, False])
async def test_keyboard_interactive_two_questions(serve: Serve, connect: Connect, together: bool) -> None:
    questions = [("Password: ", False), ("Verification code: ", True)]
    world = await serve(
        methods={"keyboard-interactive", "password"},
        rounds=[questions] if together else [[question] for question in questions],
        wanted=[(PASSWORD, "123456")] if together else [(PASSWORD,), ("123456",)],
    )
    asked: list[str] = []

    def answers(prompt: str) -> str:
        asked.append(prompt)
        return "123456"

    await connect(world, answers=answers)
    assert asked == ["Verification code:"]
    assert world.passwords == []
    world.replies.clear()
    with pytest.raises(AuthenticationFailed) as caught:
        await connect(world, auth_methods=("keyboard-interactive",))
    assert caught.value.seen == "Verification code:"


@pytest.mark.parametrize("kind", ["password", "keyboard-interactive"])
async def test_expired_password(serve: Serve, connect: Connect, kind: str) -> None:
    world = await serve(
        methods={kind}, expired=True, rounds=[[("Password: ", False)], [("New password: ", False)]]
    )
    with pytest.raises(AuthenticationFailed, match="has expired"):
        await connect(world)
    assert len(world.replies) <= 1
    assert len(world.passwords) <= 1


async def test_private_key_with_passphrase_and_its_errors(
    serve: Serve, connect: Connect, tmp_path: Path
) -> None:
    key = asyncssh.generate_private_key("ssh-ed25519")
    file = tmp_path / "id"
    key.write_private_key(file, "pkcs8-pem", "open sesame")
    world = await serve(methods={"publickey", "password"}, user_keys=[key.convert_to_public()])
    await connect(world, private_key=(str(file),), passphrase=Secret("open sesame"))
    assert world.passwords == []
    accepted = world.accepted
    with pytest.raises(AuthenticationFailed, match="passphrase does not open"):
        await connect(world, private_key=(str(file),), passphrase=Secret("wrong"))
    with pytest.raises(MissingValue, match="no passphrase"):
        await connect(world, private_key=(str(file),))
    with pytest.raises(MissingValue, match="cannot be read: No such file"):
        await connect(world, private_key=(str(tmp_path / "nothing"),))
    (tmp_path / "garbage").write_text("not a key\n")
    with pytest.raises(AuthenticationFailed, match="not a usable key"):
        await connect(world, private_key=(str(tmp_path / "garbage"),))
    assert world.accepted == accepted  # nothing was sent


async def test_a_refused_key_falls_back_to_the_password(
    serve: Serve, connect: Connect, tmp_path: Path
) -> None:
    key = asyncssh.generate_private_key("ssh-rsa", key_size=2048)
    key.write_private_key(tmp_path / "id")
    world = await serve(methods={"publickey", "password"})
    await connect(
        world, credential=Credential(username="ann", password=Secret(PASSWORD), key=str(tmp_path / "id"))
    )
    with pytest.raises(AuthenticationFailed, match="tried publickey; the device allows publickey, password"):
        await connect(world, password=None, private_key=(str(tmp_path / "id"),))


async def test_user_certificate(serve: Serve, connect: Connect, tmp_path: Path) -> None:
    authority = asyncssh.generate_private_key("ssh-ed25519")
    key = asyncssh.generate_private_key("ssh-ed25519")
    key.write_private_key(tmp_path / "id")
    authority.generate_user_certificate(key, "ann", principals=["ann"]).write_certificate(tmp_path / "cert")
    world = await serve(methods={"publickey"}, user_authorities=[authority.convert_to_public()])
    await connect(world, private_key=(str(tmp_path / "id"),), certificate=str(tmp_path / "cert"))
    with pytest.raises(AuthenticationFailed):
        await connect(world, private_key=(str(tmp_path / "id"),))


async def test_a_missing_value_behind_the_password_comes_out_as_it_is(serve: Serve, connect: Connect) -> None:
    def source() -> str:
        raise MissingValue("%ENV{PASSWORD} is not set")

    with pytest.raises(MissingValue, match="ENV"):
        await connect(await serve(), credential=Credential(username="ann", password=Secret(source)))


# How far it gets


@pytest.mark.filterwarnings("ignore:Diffie-Hellman over finite fields")
@pytest.mark.filterwarnings("ignore:TripleDES")
async def test_no_common_algorithm_and_legacy_for_one_connection_only(serve: Serve, connect: Connect) -> None:
    world = await serve(
        kex_algs=["diffie-hellman-group1-sha1"],
        encryption_algs=["3des-cbc"],
        mac_algs=["hmac-md5"],
        signature_algs=["ssh-rsa"],
        host_key=asyncssh.generate_private_key("ssh-rsa", key_size=2048),
    )
    for _ in range(2):
        with pytest.raises(KeyExchangeFailed) as caught:
            await connect(world)
        assert "curve25519-sha256" in str(caught.value)
        assert "group1-sha1" in str(caught.value)
        assert "legacy: true" in str(caught.value)
        await (await connect(world, legacy=True)).close()


@pytest.mark.parametrize(
    ("said", "error", "seen"),
    [
        (b"", HostUnreachable, None),
        (b"Exceeded MaxStartups\r\n", HostUnreachable, "Exceeded MaxStartups"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", KeyExchangeFailed, "HTTP/1.1 400 Bad Request"),
        (b"\x00\xff" * 6000, KeyExchangeFailed, None),
        (b"SSH-1.5-old\r\n", KeyExchangeFailed, "SSH-1.5-old"),
        (b"SSH-2.0-x\r\ngarbage that is no packet at all", KeyExchangeFailed, None),
        (b"SSH-2.0-x\r\n", KeyExchangeFailed, None),
    ],
)
async def test_what_is_not_an_ssh_server(
    connect: Connect, said: bytes, error: type[Exception], seen: str
) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(said)
        await writer.drain()
        await reader.readline()
        writer.close()

    async with await asyncio.start_server(talk, "127.0.0.1", 0) as server:
        with pytest.raises(error) as caught:
            await connect(server.sockets[0].getsockname()[1])
    if seen is not None:
        assert seen in str(caught.value.seen)  # type: ignore[attr-defined]


async def test_refused_port_and_unknown_host(connect: Connect) -> None:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        with pytest.raises(HostUnreachable, match="refused"):
            await connect(sock.getsockname()[1])
    progress = Progress()
    with pytest.raises(HostUnknown, match=r"nosuchhost\.invalid"):
        await connect(22, host="nosuchhost.invalid", progress=progress)
    assert progress.phase is Phase.RESOLVE
    with pytest.raises(HostUnknown):
        await connect(22, host="a..b")


async def test_a_silent_port_is_left_by_the_callers_deadline(connect: Connect) -> None:
    closed = asyncio.Event()

    async def mute(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()
        closed.set()

    async with await asyncio.start_server(mute, "127.0.0.1", 0) as server:
        progress = Progress()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await connect(server.sockets[0].getsockname()[1], progress=progress)
        assert progress.phase is Phase.KEX
        async with asyncio.timeout(20):
            await closed.wait()


async def test_shell_refused(serve: Serve, connect: Connect) -> None:
    world = await serve(refuse_shell=True)
    link = await connect(world)
    record = Record()
    with pytest.raises(ShellRefused) as caught:
        await link.open_shell(record, Terminal())
    assert caught.value.seen == "session limit reached"
    assert caught.value.phase is Phase.SHELL
    world.refuse_shell = False
    await link.open_shell(record, Terminal())  # the link is as good as before
    world.shell = False
    with pytest.raises(ShellRefused):
        await link.open_shell(Record(), Terminal())
    assert record.ends == []


# Jump hosts


async def test_two_jumps_carry_several_devices(serve: Serve, connect: Connect) -> None:
    first, second, target = await serve(), await serve(), await serve()
    outer = await connect(first)
    inner = await connect(second, tunnel=outer)
    for _ in range(3):
        link = await connect(target, tunnel=inner)
        record = Record()
        await link.open_shell(record, Terminal())
        await record.sees(b"hello")
        await link.close()
    assert (first.accepted, second.accepted, target.accepted) == (1, 1, 3)
    record = Record()
    await (await connect(target, tunnel=inner)).open_shell(record, Terminal())
    outer.abort()
    assert isinstance(await record.ended(), SessionBroken)


async def test_what_several_devices_say_in_one_turn_leaves_their_jump_host_in_one_piece(
    serve: Serve, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = await serve()
    jump = await connect(await serve())
    links = [await connect(target, tunnel=jump) for _ in range(5)]
    send, sent = Outbox._send, 0

    def count(outbox: Outbox, data: bytes) -> None:
        nonlocal sent
        sent += outbox is jump._outbox
        send(outbox, data)

    monkeypatch.setattr(Outbox, "_send", count)
    await asyncio.gather(*(link.close() for link in links))
    assert 0 < sent < len(links)


async def test_what_a_jump_cannot_reach(serve: Serve, connect: Connect) -> None:
    world = await serve()
    jump = await connect(world)
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        with pytest.raises(HostUnreachable, match="through r1"):
            await connect(sock.getsockname()[1], tunnel=jump)
    world.forwarding = False
    with pytest.raises(HostUnreachable, match="forbids"):
        await connect(world, tunnel=jump)
    with pytest.raises(HostUnreachable, match="forbids"):
        await jump.open_tcp("127.0.0.1", world.port, Record())


async def test_a_tcp_stream_through_a_link(serve: Serve, connect: Connect) -> None:
    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(100):
            writer.write(data)
        writer.close()

    async with await asyncio.start_server(echo, "127.0.0.1", 0) as server:
        link = await connect(await serve())
        record = Record()
        stream = await link.open_tcp("127.0.0.1", server.sockets[0].getsockname()[1], record)
        stream.write(b"there and back")
        await record.sees(b"there and back")
        await stream.close()
        assert record.ends == [None]
        await link.close()


# Cancelled


def sockets() -> int:
    names = []
    for name in os.listdir("/proc/self/fd"):
        try:
            names.append(os.readlink(f"/proc/self/fd/{name}"))
        except OSError:
            continue
    return sum(name.startswith("socket:") for name in names)


async def cancelled_after(turns: int, opening: Any) -> bool:
    """Run `opening` for so many turns of the loop, then cancel it. True if it was done before."""
    task = asyncio.ensure_future(opening)
    for _ in range(turns):
        if task.done():
            break
        await asyncio.sleep(0)
    done = task.done()
    task.cancel()
    await asyncio.wait([task])
    if not task.cancelled():
        assert task.exception() is None
        task.result().abort()
    return done


@pytest.mark.parametrize("jump", [False, True])
async def test_open_cancelled_at_every_turn_leaves_nothing(
    serve: Serve, connect: Connect, store: Path, jump: bool
) -> None:
    world = await serve()
    tunnel = await connect(await serve()) if jump else None
    await (await connect(world)).close()
    await settled(30)
    before, tasks = sockets(), asyncio.all_tasks()
    options = SshOptions(known_hosts=str(store))
    credential = Credential(username="ann", password=Secret(PASSWORD))
    finished = 0
    for turns in range(400):
        opening = SshLink.open(
            "127.0.0.1",
            world.port,
            device="r1",
            path="cli",
            credential=credential,
            options=options,
            tunnel=tunnel,
            progress=Progress(),
        )
        finished += await cancelled_after(turns, opening)
        if finished == 3:
            break
    assert finished == 3
    async with asyncio.timeout(5):
        while sockets() > before or world.lost < world.accepted or asyncio.all_tasks() - tasks:
            await asyncio.sleep(0.01)
    gc.collect()
    assert tunnel is None or not tunnel.closed


async def test_open_shell_cancelled_at_every_turn_leaves_no_channel(serve: Serve, connect: Connect) -> None:
    world = await serve()
    link = await connect(world)
    tasks = asyncio.all_tasks()
    finished = 0
    for turns in range(100):
        record = Record()
        done = await cancelled_after(turns, link.open_shell(record, Terminal()))
        finished += done
        await settled(4)
        heard = record.data
        await settled(4)
        assert done or (record.data == heard and record.ends == [])
        if finished == 3:
            break
    assert finished == 3
    async with asyncio.timeout(5):
        while world.open_channels or asyncio.all_tasks() - tasks:
            await asyncio.sleep(0.01)
    record = Record()
    await link.open_shell(record, Terminal())
    await record.sees(b"hello")


async def test_a_shell_that_opens_after_the_cancel_is_closed_again(serve: Serve, connect: Connect) -> None:
    world = await serve(slow_channel=asyncio.Event())
    link = await connect(world)
    record = Record()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await link.open_shell(record, Terminal())
    assert world.slow_channel is not None
    world.slow_channel.set()
    async with asyncio.timeout(5):
        while world.channels == 0 or world.open_channels:
            await asyncio.sleep(0.01)
    assert record.data == b""
    assert record.ends == []


async def test_no_thread_and_no_file_per_connection(
    serve: Serve, connect: Connect, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    key = asyncssh.generate_private_key("ssh-ed25519")
    key.write_private_key(tmp_path / "id")
    world = await serve(methods={"publickey"}, user_keys=[key.convert_to_public()])
    await connect(world, password=None, private_key=(str(tmp_path / "id"),))

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("not per connection")

    monkeypatch.setattr(asyncio, "to_thread", refuse)
    monkeypatch.setattr(asyncssh.SSHClientConnectionOptions, "prepare", refuse)
    monkeypatch.setattr(asyncssh, "read_private_key", refuse)
    monkeypatch.setattr(Path, "read_text", refuse)
    for _ in range(3):
        await connect(world, password=None, private_key=(str(tmp_path / "id"),))


def test_links_tell_how_they_are() -> None:
    assert repr(SshLink(device="r1", path="cli", host="h", port=22)) == "<SshLink r1 h:22 open>"
    assert World().accepted == 0
