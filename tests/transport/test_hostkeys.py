# SPDX-License-Identifier: Apache-2.0
"""Known hosts: the store by itself, and what a link makes of it."""

from __future__ import annotations

import base64
import hashlib
import hmac
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import asyncssh
import pytest

from aioconn.errors import HostKeyChanged, HostKeyUnknown
from aioconn.transport import hostkeys
from aioconn.transport.hostkeys import HostKeys, default_store, describe
from aioconn.transport.knownfile import KnownFile
from tests.transport.conftest import Connect, Serve, World


def new_key(kind: str = "ssh-ed25519") -> asyncssh.SSHKey:
    return asyncssh.generate_private_key(kind)


def line(key: asyncssh.SSHKey) -> str:
    return key.export_public_key().decode().strip()


KEY = new_key()


def replaced(store: Path, text: str) -> None:
    """Another file takes the place of the store."""
    new = store.with_name("new")
    new.write_text(text)
    new.replace(store)


def test_remember_and_find(store: Path) -> None:
    keys, key, other = HostKeys(store), new_key(), new_key()
    assert keys.find("r1", 22).trusted == ()
    assert keys.remember("R1", 22, key) is None
    assert keys.remember("r1", 2222, other) is None
    assert keys.find("r1", 22).accepts(key)
    assert not keys.find("r1", 22).accepts(other)
    assert keys.find("r1", 2222).trusted[0].place == f"{store}:2"
    assert keys.find("r1", 2222).accepts(key)  # known without its port: good enough to accept
    assert stat.S_IMODE(store.stat().st_mode) == 0o600
    assert stat.S_IMODE(store.parent.stat().st_mode) == 0o700
    assert HostKeys(store).find("r1", 22).accepts(key)
    assert keys.remember("r1", 22, key) is None
    assert len(store.read_text().splitlines()) == 2


def test_a_damaged_key_is_told_of(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (file := tmp_path / "known_hosts").write_text(
        f"* {line(KEY)}\nr1 {line(KEY)[:-9]}\n*.lab {line(KEY)}\nr2 {line(KEY)}\n"
    )
    keys = HostKeys(tmp_path / "own", [file])
    for _ in range(2):
        assert [known.line for known in keys.find("r1", 22).trusted] == [1]
    assert keys.find("r2", 22).accepts(KEY)
    assert [record.getMessage() for record in caplog.records] == [
        f"{file}:2: the key of r1 cannot be read, and does not count"
    ]


def test_another_process_was_faster(store: Path) -> None:
    ours, theirs = HostKeys(store), HostKeys(store)
    key = new_key()
    ours.find("r1", 22)
    theirs.remember("r1", 22, key)
    known = ours.remember("r1", 22, new_key())
    assert known is not None
    assert known.key.public_data == key.public_data
    assert len(store.read_text().splitlines()) == 1


def test_files_written_by_others(tmp_path: Path) -> None:
    key, authority, revoked = new_key(), new_key(), new_key()
    salt = b"0123456789abcdefghij"
    digest = hmac.new(salt, b"[hashed]:830", hashlib.sha1).digest()
    hashed = f"|1|{base64.b64encode(salt).decode()}|{base64.b64encode(digest).decode()}"
    file = tmp_path / "known_hosts"
    file.write_text(
        f"# comment\n\nbroken line\nshort\nRouter1,192.0.2.1 {line(key)}\n{hashed} {line(key)}\n"
        f"@cert-authority *.lab {line(authority)}\n@revoked * {line(revoked)}\n"
        f"@strange x {line(key)}\nlast {line(key)}"
    )
    keys = HostKeys(tmp_path / "own", [file])
    assert keys.find("router1", 22).trusted[0].line == 5
    assert keys.find("192.0.2.1", 22).accepts(key)
    assert keys.find("hashed", 830).accepts(key)
    assert not keys.find("hashed", 22).accepts(key)
    assert [known.key for known in keys.find("a.lab", 22).authorities] == [authority.convert_to_public()]
    assert [known.key for known in keys.find("a.lab", 2222).authorities] == [authority.convert_to_public()]
    assert [known.key for known in keys.find("b", 22).revoked] == [revoked.convert_to_public()]
    own = HostKeys(file)
    own.remember("next", 22, key)
    assert own.find("last", 22).accepts(key)
    assert own.find("next", 22).trusted[0].line == 11
    assert HostKeys(file).find("next", 22).trusted[0].line == 11


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many bytes were read, each time."""
    found: list[int] = []
    read = KnownFile.read

    def counted(self: KnownFile, offset: int) -> bytes:
        data = read(self, offset)
        found.append(len(data))
        return data

    monkeypatch.setattr(KnownFile, "read", counted)
    return found


def test_a_file_is_read_once_per_change(store: Path, reads: list[int]) -> None:
    keys = HostKeys(store)
    key = new_key()
    HostKeys(store).remember("r0", 22, key)
    reads.clear()
    for number in range(500):
        keys.find(f"r{number}", 22)
    assert len(reads) == 1
    HostKeys(store).remember("another", 22, key)
    reads.clear()
    assert keys.find("another", 22).accepts(key)
    assert len(reads) == 1


def test_of_a_file_that_grows_only_the_end_is_read(store: Path, reads: list[int]) -> None:
    ours, theirs, key = HostKeys(store), HostKeys(store), new_key()
    for number in range(100):
        ours.remember(f"ours{number}", 22, key)
        theirs.remember(f"theirs{number}", 22, key)
    assert sum(reads) < 10 * store.stat().st_size
    for keys in (ours, theirs):
        assert keys.find("theirs57", 22).trusted[0].place == f"{store}:116"
        assert keys.find("theirs99", 22).trusted[0].place == f"{store}:200"


@pytest.mark.parametrize("how", ["replaced", "cut", "in place", "as long", "long ago", "a line that goes on"])
def test_a_file_that_does_more_than_grow_is_read_again(
    store: Path, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = HostKeys(store)
    first, last, other, added = (f"{name} {line(new_key())}\n" for name in ("r1", "r2", "r1", "r3"))
    monkeypatch.setattr("aioconn.transport.knownfile.TAIL", len(last))
    store.parent.mkdir()
    if how == "a line that goes on":
        store.write_text(f"{last}{first[:-30]}")
        assert keys.find("r1", 22).trusted == ()
    else:
        store.write_text(first + last)
        assert line(keys.find("r1", 22).trusted[0].key) in first
    if how == "replaced":
        replaced(store, other + last + added)
    elif how == "cut":
        store.write_text(other)
    elif how == "in place":
        store.write_text(f"# changed\n{other}{last}{added}")
    elif how == "as long":
        store.write_text(other + last)
    elif how == "long ago":  # with nothing else that tells it from what was appended
        monkeypatch.setattr("aioconn.transport.knownfile.TRUST", -1.0)
        store.write_text(other + last + added)
    else:
        store.write_text(f"{last}{first}{added}")
        other = first
    assert line(keys.find("r1", 22).trusted[0].key) in other
    assert len(keys.find("r1", 22).trusted) == 1
    assert bool(keys.find("r3", 22).trusted) is (how not in ("cut", "as long"))
    assert bool(keys.find("r2", 22).trusted) is (how != "cut")


REMEMBER_MANY = """
import asyncssh, pathlib, sys
from aioconn.transport.hostkeys import HostKeys
keys, name, theirs = HostKeys(pathlib.Path(sys.argv[1])), sys.argv[2], sys.argv[3]
ours = asyncssh.generate_private_key("ssh-ed25519")
theirs = asyncssh.import_public_key(theirs)
print("ready", flush=True)
sys.stdin.readline()
for number in range(40):
    assert keys.remember(f"{name}-{number}", 22, ours) is None
    assert keys.remember(f"same-{number}", 22, theirs) is None
    known = keys.remember(f"clash-{number}", 22, ours)
    found = keys.find(f"clash-{number}", 22)
    assert found.accepts(ours) is (known is None)
    assert known is None or found.accepts(known.key)
    print("first" if known is None else "refused", flush=True)
"""


@pytest.mark.programs
def test_processes_write_at_once(store: Path) -> None:
    """Each its own hosts, all the same ones, and some of which the key is another one for each."""
    names = ["a", "b", "c"]
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", REMEMBER_MANY, str(store), name, line(KEY)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for name in names
    ]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    answers = [process.communicate(timeout=30)[0].split() for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0]
    assert [len(said) for said in answers] == [40, 40, 40]
    assert all(sorted(said) == ["first", "refused", "refused"] for said in zip(*answers, strict=True))
    lines = store.read_text().splitlines()
    assert {text.split()[0] for text in lines} == {
        f"{name}-{number}" for name in (*names, "same", "clash") for number in range(40)
    }
    assert len(lines) == 200
    assert all(len(text.split()) == 3 for text in lines)


@pytest.fixture
def before_locking(monkeypatch: pytest.MonkeyPatch) -> list[Callable[[], object]]:
    """What other processes do between the opening of the file and its lock, once for each time it is locked."""
    doings: list[Callable[[], object]] = []
    lock = hostkeys._exclusive

    def after_them(descriptor: int) -> None:
        if doings:
            doings.pop(0)()
        lock(descriptor)

    monkeypatch.setattr(hostkeys, "_exclusive", after_them)
    return doings


@pytest.mark.parametrize("how", ["replaced", "replaced twice", "removed"])
def test_a_file_that_is_replaced_before_it_is_locked_loses_nothing(
    store: Path, how: str, before_locking: list[Callable[[], object]]
) -> None:
    keys, key = HostKeys(store), new_key()
    keys.remember("gone", 22, KEY)
    keys.remember("stays", 22, KEY)

    def without_the_first() -> None:  # as `ssh-keygen -R` does
        replaced(store, "".join(store.read_text().splitlines(keepends=True)[1:]))

    doings: dict[str, list[Callable[[], object]]] = {
        "replaced": [without_the_first],
        "replaced twice": [without_the_first, lambda: replaced(store, f"other {line(KEY)}\n")],
        "removed": [store.unlink],
    }
    before_locking += doings[how]
    assert keys.remember("r1", 22, key) is None
    assert not before_locking
    others = {"replaced": ["stays"], "replaced twice": ["other"], "removed": []}[how]
    assert [text.split()[0] for text in store.read_text().splitlines()] == [*others, "r1"]
    assert HostKeys(store).find("r1", 22).accepts(key)
    assert keys.find("r1", 22).accepts(key)


def test_another_key_in_the_file_that_took_its_place_is_found(
    store: Path, before_locking: list[Callable[[], object]]
) -> None:
    keys = HostKeys(store)
    keys.remember("r1", 2222, KEY)
    before_locking.append(lambda: replaced(store, f"r1 {line(KEY)}\n"))
    known = keys.remember("r1", 22, new_key())
    assert known is not None
    assert known.key.public_data == KEY.public_data
    assert store.read_text() == f"r1 {line(KEY)}\n"


def test_a_file_that_is_replaced_again_and_again_is_given_up(
    store: Path, before_locking: list[Callable[[], object]], caplog: pytest.LogCaptureFixture
) -> None:
    keys, key = HostKeys(store), new_key()
    before_locking += [lambda: replaced(store, "")] * 1_000
    assert keys.remember("r1", 22, key) is None
    assert before_locking
    assert "cannot be remembered" in caplog.text
    assert keys.find("r1", 22).accepts(key)


def test_a_store_that_cannot_be_written_still_remembers(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("")
    keys, key = HostKeys(tmp_path / "file" / "known_hosts"), new_key()
    assert keys.remember("r1", 22, key) is None
    assert "cannot be remembered" in caplog.text
    assert keys.find("r1", 22).accepts(key)


def test_the_default_store(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert default_store() == tmp_path / "aioconn" / "known_hosts"
    monkeypatch.delenv("XDG_STATE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert default_store() == tmp_path / ".local/state/aioconn/known_hosts"


# What a link makes of it


async def test_changed_key(serve: Serve, connect: Connect, store: Path) -> None:
    world = await serve()
    await connect(world)
    before = store.read_text()
    known = HostKeys(store).find("127.0.0.1", world.port).trusted[0]
    store.write_text(f"[127.0.0.1]:{world.port} {line(new_key())}\n")
    text = store.read_text()
    for policy in ("remember", "strict"):
        with pytest.raises(HostKeyChanged) as caught:
            await connect(world, host_key_policy=policy)
        assert f"{store}:1" in str(caught.value)
        assert describe(known.key) in str(caught.value)
        assert str(caught.value).count("SHA256:") == 2
    assert store.read_text() == text
    assert world.passwords == [world.passwords[0]]
    await connect(world, host_key_policy="ignore")
    store.write_text(before)
    await connect(world, host_key_policy="strict")


async def test_strict_refuses_the_unknown(serve: Serve, connect: Connect, store: Path) -> None:
    world = await serve()
    with pytest.raises(HostKeyUnknown) as caught:
        await connect(world, host_key_policy="strict")
    assert "SHA256:" in str(caught.value)
    assert not store.exists()
    assert world.passwords == []


async def test_pinned_keys(serve: Serve, connect: Connect, store: Path) -> None:
    world = await serve()
    await connect(world, host_key=(line(world.host_key),), host_key_policy="strict")
    await connect(world, host_key=(world.host_key.get_fingerprint(),))
    with pytest.raises(HostKeyChanged, match="option host_key"):
        await connect(world, host_key=(line(new_key()),), host_key_policy="ignore")
    assert not store.exists()


async def test_a_host_known_by_another_key_type(serve: Serve, connect: Connect, store: Path) -> None:
    ecdsa = new_key("ecdsa-sha2-nistp256")
    world = await serve(server_host_keys=[new_key(), ecdsa])
    store.parent.mkdir()
    store.write_text(f"[127.0.0.1]:{world.port} {line(ecdsa)}\n")
    await connect(world, host_key_policy="strict")  # the type that is known is asked for first
    other = World()
    store.write_text(f"[127.0.0.1]:{(await serve(other)).port} {line(ecdsa)}\n")
    with pytest.raises(HostKeyChanged):
        await connect(other)


async def test_host_certificate_and_revocation(serve: Serve, connect: Connect, store: Path) -> None:
    authority, key = new_key(), new_key()
    certificate = authority.generate_host_certificate(key, "host", principals=["127.0.0.1"])
    world = await serve(server_host_keys=[(key, certificate)])
    store.parent.mkdir()
    store.write_text(f"@cert-authority [127.0.0.1]:* {line(authority)}\n")
    await connect(world, host_key_policy="strict")
    await connect(world, known_hosts=str(store.with_name("none")))  # unknown authority: the plain key counts
    store.write_text(f"@cert-authority * {line(authority)}\n@revoked * {line(key)}\n")
    with pytest.raises(HostKeyChanged, match="revoked"):
        await connect(world)
    wrong = await serve(
        server_host_keys=[(key, authority.generate_host_certificate(key, "x", principals=["x"]))]
    )
    store.write_text(f"@cert-authority * {line(authority)}\n")
    with pytest.raises(HostKeyUnknown, match="certificate"):
        await connect(wrong)
