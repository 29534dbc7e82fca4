# SPDX-License-Identifier: Apache-2.0
"""Who is let in, and where a broker listens."""

from __future__ import annotations

import logging
import os
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

import aioconn
from aioconn.broker import porter
from aioconn.broker.estate import Address, Estate
from aioconn.broker.folder import is_abandoned, private_file, runtime_directory, sweep
from aioconn.broker.frames import (
    VERSION,
    Call,
    Challenge,
    Frame,
    Hello,
    Inbox,
    Proof,
    Refused,
    Target,
    Welcome,
    encode,
)
from aioconn.broker.handshake import NONCE, Guest, new_token
from aioconn.broker.origin import Origin, origin_of
from aioconn.broker.server import Broker
from aioconn.errors import BrokerRefused, UsageError
from tests.broker.caller import PATIENCE, Wire
from tests.broker.conftest import Shared
from tests.lab_thread import LabThread


class Knock:
    """A socket that says what it is told to, well-behaved or not."""

    def __init__(self, address: Address) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(PATIENCE)
        self.sock.connect(address.path)
        self._inbox = Inbox("client")

    def __enter__(self) -> Knock:
        return self

    def __exit__(self, *_: object) -> None:
        self.sock.close()

    def say(self, *frames: Frame) -> Frame | None:
        """The next frame that comes; None at the end."""
        self.sock.sendall(b"".join(map(encode, frames)))
        return self.hear()

    def hear(self) -> Frame | None:
        try:
            while data := self.sock.recv(4096):
                for frame in self._inbox.feed(data):
                    return frame
        except ConnectionError:
            pass
        return None


def refused(shared: Shared, kind: str, times: int = 1) -> bool:
    return LabThread.wait_for(lambda: shared.broker.refused[kind] == times)


# ---------------------------------------------------------------------- the handshake


def test_a_wrong_token(shared: Shared, caplog: pytest.LogCaptureFixture) -> None:
    address = shared.address
    wrong = Address(path=address.path, token=new_token(), estate=address.estate)
    with pytest.raises(BrokerRefused, match="does not know the token"):
        Wire(wrong, shared.target())
    # one who does not look at the challenge
    for _ in range(2):
        with Knock(address) as thief:
            assert isinstance(thief.say(Guest(address.token).hello()), Challenge)
            assert thief.say(Proof(b"p" * 32)) == Refused("the token is wrong")
            assert thief.hear() is None
    assert shared.broker.refused["token"] == 2
    assert [record.getMessage() for record in caplog.records].count(caplog.messages[0]) == 1
    assert shared.wire(shared.target()).ask("names")


def test_a_proof_of_an_earlier_handshake(shared: Shared) -> None:
    guest = Guest(shared.address.token)
    with Knock(shared.address) as first:
        challenge = first.say(guest.hello())
        proof = guest.take(challenge)
        assert isinstance(proof, Proof)
        assert isinstance(first.say(proof), Welcome)
    with Knock(shared.address) as second:
        assert isinstance(second.say(guest.hello()), Challenge)
        assert isinstance(second.say(proof), Refused)
    assert refused(shared, "token")


def test_a_reflected_challenge(shared: Shared) -> None:
    with Knock(shared.address) as one, Knock(shared.address) as other:
        challenge = one.say(Hello(VERSION, b"n" * NONCE, 1, "thief"))
        assert isinstance(challenge, Challenge)
        answer = other.say(Hello(VERSION, challenge.nonce, 1, "thief"))
        assert isinstance(answer, Challenge)
        assert isinstance(one.say(Proof(answer.mac)), Refused)
        assert isinstance(other.say(Proof(challenge.mac)), Refused)
    assert refused(shared, "token", 2)


def test_another_version(shared: Shared) -> None:
    with Knock(shared.address) as other:
        answer = other.say(Hello(VERSION + 1, b"n" * NONCE, 1, "newer"))
        assert isinstance(answer, Refused)
        assert f"version {VERSION + 1}" in answer.reason
        assert other.hear() is None
    assert refused(shared, "version")


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b"\xff" * 4096,
        (1 << 30).to_bytes(4, "big") + b"x",
        encode(Proof(b"p" * 32)),
        encode(Call("call", Target("testbed", 1), "disconnect")),
        encode(Guest(b"t" * 32).hello()) * 2,
        encode(Guest(b"t" * 32).hello())[:-1] + b"\xc1",
    ],
    ids=["http", "ones", "huge", "proof first", "call first", "twice", "malformed"],
)
def test_garbage_before_the_handshake(shared: Shared, data: bytes) -> None:
    with Knock(shared.address) as other:
        other.sock.sendall(data)
        assert not isinstance(other.hear(), Welcome)
        assert other.hear() is None
    assert refused(shared, "garbage")
    assert shared.wire(shared.target()).ask("names")


def test_half_a_handshake_has_a_deadline(shared: Shared, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(porter, "TIMEOUT", 0.1)
    with Knock(shared.address) as silent, Knock(shared.address) as slow:
        slow.sock.sendall(encode(Guest(shared.address.token).hello())[:9])
        assert silent.hear() is None
        assert slow.hear() is None
    assert refused(shared, "silence", 2)


def test_what_a_process_says_it_is_called_is_fit_to_print(shared: Shared) -> None:
    guest = Guest(shared.address.token, shared.target())
    hello = guest.hello()
    with Knock(shared.address) as other:
        proof = guest.take(
            other.say(Hello(hello.version, hello.nonce, 1, "\x1b[2J" + "x" * 200, hello.target))
        )
        assert isinstance(proof, Proof)
        assert isinstance(other.say(proof), Welcome)
        [process] = shared.broker.statistics()["processes"]
    assert process["program"] == "?[2J" + "x" * 60
    assert process["pid"] == os.getpid()  # the system knows better


def test_somebody_who_only_looks_is_nobody(shared: Shared, caplog: pytest.LogCaptureFixture) -> None:
    for _ in range(3):
        with Knock(shared.address):
            pass
    assert shared.wire(shared.target()).ask("names")
    assert not shared.broker.refused
    assert not caplog.records
    assert shared.broker.statistics()["handshakes"] == 1


def test_more_at_once_than_are_looked_at(shared: Shared, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(porter, "AT_ONCE", 4)
    knocks = [Knock(shared.address) for _ in range(8)]
    hello = Guest(shared.address.token).hello()
    for knock in knocks:
        knock.sock.sendall(encode(hello))
    assert all(isinstance(knock.hear(), Challenge) for knock in knocks[:4])
    knocks[7].sock.settimeout(0.1)
    with pytest.raises(TimeoutError):
        knocks[7].hear()
    for knock in knocks[:4]:
        knock.sock.close()
    knocks[7].sock.settimeout(PATIENCE)
    assert all(isinstance(knock.hear(), Challenge) for knock in knocks[4:])
    for knock in knocks[4:]:
        knock.sock.close()
    assert shared.wire(shared.target()).ask("names")


def test_the_end_comes_in_the_middle_of_handshakes(folder: Path) -> None:
    """Also of such as have not begun."""
    estate = Estate()
    for _ in range(30):
        address = estate.serve(directory=folder).address
        knocks = [Knock(address) for _ in range(8)]
        estate.stop()
        for knock in knocks:
            with knock:
                assert knock.hear() is None
    folder.rmdir()


def test_no_descriptor_left(shared: Shared, monkeypatch: pytest.MonkeyPatch) -> None:
    import errno

    monkeypatch.setattr(porter, "NO_ROOM", 0.05)
    broker_porter = shared.broker._porter
    assert broker_porter is not None
    listener = broker_porter._listener
    failures = iter([OSError(errno.EMFILE, "too many open files")] * 2)

    class Full:
        def accept(self) -> object:
            if (error := next(failures, None)) is not None:
                raise error
            return listener.accept()

        def __getattr__(self, name: str) -> object:
            return getattr(listener, name)

    monkeypatch.setattr(broker_porter, "_listener", Full())
    assert shared.wire(shared.target()).ask("names")
    assert shared.broker.refused["descriptors"] == 2
    monkeypatch.undo()


# ---------------------------------------------------------------------- users


def test_the_system_says_who_is_there() -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX)
    with ours, theirs:
        assert origin_of(ours) == Origin(uid=os.getuid(), pid=os.getpid())


def test_another_user_is_refused_before_a_word(shared: Shared, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(porter, "origin_of", lambda sock: Origin(uid=os.getuid() + 1, pid=os.getpid()))
    with Knock(shared.address) as other:
        assert other.hear() is None
    assert refused(shared, "user")
    assert shared.broker.statistics()["handshakes"] == 0


_AS_NOBODY = """
import os, socket, sys
os.setgroups([]); os.setgid(65534); os.setuid(65534)
sock = socket.socket(socket.AF_UNIX)
sock.settimeout(10)
try:
    sock.connect(sys.argv[1])
except PermissionError:
    print("closed")
else:
    try:
        sock.sendall(bytes.fromhex(sys.argv[2]))
        print("heard", len(sock.recv(4096)))
    except ConnectionError:
        print("heard 0")
"""


def as_nobody(shared: Shared) -> str:
    hello = encode(Guest(shared.address.token).hello()).hex()
    arguments = [sys.executable, "-c", _AS_NOBODY, shared.address.path, hello]
    return subprocess.run(
        arguments, capture_output=True, text=True, check=True, timeout=PATIENCE
    ).stdout.strip()


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become somebody else")
def test_another_user_in_fact(shared: Shared) -> None:
    """Folder, socket and porter refuse, each by itself."""
    assert as_nobody(shared) == "closed"
    os.chmod(shared.folder, 0o711)  # noqa: S103
    assert as_nobody(shared) == "closed"
    os.chmod(shared.address.path, 0o666)  # noqa: S103
    assert as_nobody(shared) == "heard 0"
    assert refused(shared, "user")


# ---------------------------------------------------------------------- the folder


def test_the_socket_is_private(shared: Shared) -> None:
    status = os.stat(shared.address.path)
    assert stat.S_ISSOCK(status.st_mode)
    assert stat.S_IMODE(status.st_mode) == 0o600
    assert os.path.basename(shared.address.path).startswith(f"{os.getpid()}-")
    assert os.listdir(shared.folder) == [os.path.basename(shared.address.path)]


def test_where_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    with pytest.raises(UsageError, match="no folder"):
        runtime_directory(make=False)
    assert runtime_directory() == tmp_path / "aioconn" == runtime_directory(make=False)
    assert stat.S_IMODE((tmp_path / "aioconn").stat().st_mode) == 0o700
    other = tmp_path / "tmp"
    other.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(other))
    for value in ("", "relative", str(tmp_path / "not there")):
        monkeypatch.setenv("XDG_RUNTIME_DIR", value)
        assert runtime_directory() == other / f"aioconn-{os.getuid()}"


def loose(path: Path) -> None:
    path.mkdir(mode=0o700)
    path.chmod(0o750)


def linked(path: Path) -> None:
    (path.parent / "elsewhere").mkdir(mode=0o700)
    path.symlink_to(path.parent / "elsewhere")


def foreign(path: Path) -> None:
    path.mkdir(mode=0o700)
    if os.getuid():
        pytest.skip("only root can give a folder away")
    os.chown(path, 65534, 65534)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (loose, "others may look"),
        (linked, "is no folder"),
        (Path.touch, "is no folder"),
        (foreign, "belongs to"),
    ],
    ids=["loose", "linked", "file", "foreign"],
)
def test_a_folder_that_is_not_private_is_refused(
    tmp_path: Path, make: Callable[[Path], None], words: str
) -> None:
    path = tmp_path / "it"
    make(path)
    with pytest.raises(UsageError, match=words):
        runtime_directory(path)
    estate = Estate()
    with pytest.raises(UsageError, match=words):
        estate.serve(directory=path)
    assert estate.broker is None


def test_a_path_that_is_too_long(tmp_path: Path) -> None:
    path = tmp_path / ("x" * 100)
    with pytest.raises(UsageError, match="longer than the system allows"):
        Estate().serve(directory=path)


def test_abandoned_sockets_are_swept(folder: Path, shared: Shared) -> None:
    alive = Path(shared.address.path)

    def left(name: str) -> Path:
        with socket.socket(socket.AF_UNIX) as sock:
            sock.bind(str(folder / name))
        return folder / name

    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    dead = [left(f"{gone.pid}-{'0' * 16}.sock"), left(f"{gone.pid}-{'1' * 16}.new")]
    kept = [left("named.sock"), left(f"{os.getpid()}-{'0' * 16}.new"), folder / "named.token"]
    kept[-1].touch()
    sweep(folder)
    assert not any(path.exists() for path in dead)
    assert all(path.exists() for path in [*kept, alive])
    assert is_abandoned(kept[0])
    assert not is_abandoned(alive)
    for path in kept:
        path.unlink()


def test_a_name_is_taken_by_one_at_a_time(folder: Path) -> None:
    first, second, third = Estate(), Estate(), Estate()
    broker = first.serve(directory=folder, name="lab", token=b"t" * 32)
    assert broker.path == str(folder / "lab.sock")
    assert first.address().token == b"t" * 32
    with pytest.raises(UsageError, match="listens at"):
        second.serve(directory=folder, name="lab")
    first.stop()
    assert list(folder.iterdir()) == []
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(broker.path)  # as one that was killed leaves it
    second.serve(directory=folder, name="lab")
    with pytest.raises(UsageError, match="listens already"):
        second.serve(directory=folder, name="other")
    second.stop()
    for wrong in ("", "../up", "a/b", ".hidden"):
        with pytest.raises(UsageError, match="no name"):
            third.serve(directory=folder, name=wrong)
    with pytest.raises(UsageError, match="32 bytes"):
        third.serve(directory=folder, token=b"short")
    folder.rmdir()


def test_a_private_file(tmp_path: Path) -> None:
    path = tmp_path / "it"
    for data in (b"one", b"two"):
        private_file(path, data)
        assert path.read_bytes() == data
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_a_broker_is_used_once(folder: Path) -> None:
    broker = Broker(Estate(), directory=folder)
    with pytest.raises(UsageError, match="not started"):
        _ = broker.address
    broker.start()
    with pytest.raises(UsageError, match="once"):
        broker.start()
    assert str(folder) in repr(broker)
    broker.stop()
    broker.stop()
    with pytest.raises(UsageError, match="once"):
        broker.start()
    folder.rmdir()


def test_the_log_says_each_kind_once(shared: Shared, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        for _ in range(5):
            with Knock(shared.address) as other:
                other.sock.sendall(b"\xff" * 100)
                assert other.hear() is None
        assert refused(shared, "garbage", 5)
    assert len(caplog.records) == 1


def test_all_is_served_in_time_after_abuse(shared: Shared) -> None:
    """Sockets that were opened and left are no hindrance."""
    knocks = [Knock(shared.address) for _ in range(30)]
    started = time.monotonic()
    assert shared.wire(shared.target()).ask("names")
    assert time.monotonic() - started < PATIENCE
    for knock in knocks:
        knock.sock.close()


def test_sharing_does_not_need_a_connection(folder: Path) -> None:
    device = aioconn.Device("r1", connections={"cli": {"protocol": "telnet", "ip": "192.0.2.1"}})
    estate = Estate()
    key = estate.enroll(device)
    estate.serve(directory=folder)
    with Wire(estate.address(), Target("device", key)) as wire:
        assert wire.home == 0
        assert wire.ask("connected") is False
    estate.stop()
    folder.rmdir()
