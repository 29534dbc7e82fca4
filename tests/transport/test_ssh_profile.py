# SPDX-License-Identifier: Apache-2.0
"""Options made ready: names and order of algorithms, what is shared, what a configuration file may say."""

from __future__ import annotations

from pathlib import Path

import asyncssh
import pytest

from aioconn.credentials import Credential, Secret
from aioconn.errors import InvalidOption, MissingValue
from aioconn.transport.hostkeys import Known
from aioconn.transport.ssh_options import SshOptions
from aioconn.transport.ssh_profile import KEX, Profile, prepare, select
from tests.transport.conftest import Connect, Serve

KNOWN = [b"a", b"b", b"c", b"d", b"old"]


async def ready(credential: Credential | None = None, **options: object) -> Profile:
    chosen = SshOptions(**options)  # type: ignore[arg-type]
    return await prepare(chosen, credential or Credential(), "192.0.2.1", 22, device="r1", path="cli")


def test_select() -> None:
    assert select("kex", (), ("b", "a", "missing"), ("old",), KNOWN) == ["b", "a", "old"]
    assert select("kex", ("c,d",), ("b",), (), KNOWN) == ["c", "d"]
    assert select("kex", ("+c", "d"), ("b",), (), KNOWN) == ["b", "c", "d"]
    assert select("kex", ("^c",), ("b", "c"), (), KNOWN) == ["c", "b"]
    assert select("kex", ("-b", "nothing"), ("b", "c"), (), KNOWN) == ["c"]
    with pytest.raises(ValueError, match="kex: 'x' does not exist"):
        select("kex", ("x",), (), (), KNOWN)


async def test_group_exchange_comes_last_and_gcm_first() -> None:
    base = (await ready()).base
    assert base.kex_algs[0] == b"curve25519-sha256"
    assert base.kex_algs[-1] == b"diffie-hellman-group-exchange-sha256" == KEX[-1].encode()
    assert b"gcm" in base.encryption_algs[0]
    assert b"ssh-rsa" not in [name.encode() for name in (await ready()).host_key_algorithms]
    legacy = await ready(legacy=True)
    assert legacy.base.kex_algs[-1] == b"diffie-hellman-group1-sha1"
    assert "ssh-rsa" in legacy.host_key_algorithms


async def test_one_profile_for_many_devices(tmp_path: Path) -> None:
    first = await ready(Credential(username="ann", password=Secret("x")))
    assert await ready(Credential(username="bob", password=Secret("y"))) is first
    assert await ready(legacy=True) is not first
    settings = first.connection_options("h", 830, "ann", Known())
    assert (settings.host, settings.port, settings.username, first.base.host) == ("h", 830, "ann", "")
    asyncssh.generate_private_key("ssh-ed25519").write_private_key(tmp_path / "id")
    keyed = await ready(Credential(key=str(tmp_path / "id")))
    one, other = (keyed.connection_options("h", 22, "ann", Known()) for _ in range(2))
    assert one.client_keys is not None
    assert other.client_keys is not None
    assert one.client_keys[0] is not other.client_keys[0]  # a pair remembers the server's signature algorithm
    asyncssh.generate_private_key("ssh-ed25519").write_private_key(tmp_path / "id")
    assert await ready(Credential(key=str(tmp_path / "id"))) is not keyed


async def test_a_passphrase_without_a_key_is_not_asked_for() -> None:
    def source() -> str:
        raise AssertionError("asked")

    await ready(Credential(passphrase=Secret(source)))
    await ready(passphrase=Secret(source))


@pytest.mark.parametrize(
    "options",
    [{"kex": ("curve25519-sha257",)}, {"host_key": ("nonsense",)}, {"certificate": "CERT"}],
)
async def test_what_cannot_be(options: dict[str, object], tmp_path: Path) -> None:
    if "certificate" in options:
        key = asyncssh.generate_private_key("ssh-ed25519")
        key.generate_user_certificate(key, "x").write_certificate(tmp_path / "cert")
        options = {"certificate": str(tmp_path / "cert")}
    with pytest.raises(InvalidOption):
        await ready(None, **options)


def test_options_check_themselves() -> None:
    with pytest.raises(ValueError, match="auth_methods: passwort is none of"):
        SshOptions(auth_methods=("passwort",))
    with pytest.raises(ValueError, match="keepalive"):
        SshOptions(keepalive=-1)


async def test_agent_must_be_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    with pytest.raises(MissingValue, match="agent"):
        await ready(agent=True)


async def test_a_configuration_file_counts_only_when_asked(
    serve: Serve, connect: Connect, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = await serve()
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".ssh").mkdir()
    config = tmp_path / ".ssh" / "config"
    config.write_text(f"Host edge\n  HostName 127.0.0.1\n  Port {world.port}\n  User bob\n")
    link = await connect(22, host="edge", ssh_config=True)
    assert link.peer.startswith(f"127.0.0.1:{world.port}")
    await connect(22, host="edge", ssh_config=str(config))
    config.write_text("Host edge\n  ProxyJump other\n")
    with pytest.raises(InvalidOption, match="ProxyJump"):
        await connect(22, host="edge", ssh_config=True)
