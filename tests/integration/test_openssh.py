# SPDX-License-Identifier: Apache-2.0
"""Every way to log in to OpenSSH, and to be refused by it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import aioconn
from aioconn.errors import (
    AuthenticationFailed,
    ConnectError,
    HostKeyChanged,
    HostKeyUnknown,
    HostUnreachable,
    KeyExchangeFailed,
    Phase,
)
from tests.integration.conftest import Load
from tests.integration.servers import openssh as ssh
from tests.integration.servers.openssh import BANNER, OpenSsh
from tests.integration.servers.site import Site

pytestmark = pytest.mark.integration

LEGACY = (
    "KexAlgorithms diffie-hellman-group1-sha1,diffie-hellman-group14-sha1",
    "HostKeyAlgorithms ssh-rsa",
    "Ciphers aes128-cbc,3des-cbc",
    "MACs hmac-sha1,hmac-md5",
)


def shell(openssh: OpenSsh, port: int, *, password: str | None = None, **options: Any) -> dict[str, Any]:
    """A Linux device that the servers' user logs in to; `password=""` gives none."""
    login = {"username": openssh.user.name, "password": password or openssh.user.password}
    if password == "":
        del login["password"]
    path = {"protocol": "ssh", "host": "127.0.0.1", "port": port, "arguments": options}
    return {"os": "linux", "connections": {"cli": path}, "credentials": {"default": login}}


async def whoami(device: aioconn.Device) -> str:
    return str(await device.execute("id -un"))


async def test_password(load: Load, openssh: OpenSsh) -> None:
    server = openssh.server("password", ssh.PASSWORD)
    r1 = load(r1=shell(openssh, server.port))["r1"]
    await r1.connect()
    assert await whoami(r1) == openssh.user.name


async def test_one_line_is_enough(openssh: OpenSsh) -> None:
    server = openssh.server("password", ssh.PASSWORD)
    user = openssh.user
    url = f"ssh://{user.name}@127.0.0.1:{server.port}"
    async with aioconn.device(url, os="linux", password=user.password) as device:
        assert await whoami(device) == user.name


@pytest.mark.parametrize("lines", [(ssh.PASSWORD,), (ssh.QUESTIONS,), (ssh.PASSWORD, ssh.QUESTIONS)])
async def test_a_wrong_password_is_tried_once(load: Load, openssh: OpenSsh, lines: tuple[str, ...]) -> None:
    server = openssh.server(f"refusing-{len(''.join(lines))}", *lines)
    before = server.logins_refused()
    with pytest.raises(AuthenticationFailed, match="check user name and password") as caught:
        await load(r1=shell(openssh, server.port, password="not-the-one"))["r1"].connect()
    assert server.logins_refused() == before + 1
    assert "not-the-one" not in str(caught.value)
    assert caught.value.phase is Phase.AUTH


async def test_keyboard_interactive(load: Load, openssh: OpenSsh) -> None:
    server = openssh.server("questions", ssh.QUESTIONS)
    r1 = load(r1=shell(openssh, server.port))["r1"]
    await r1.connect()
    assert await whoami(r1) == openssh.user.name


async def test_a_second_question_goes_to_answers(load: Load, openssh: OpenSsh) -> None:
    server = openssh.server("totp", ssh.QUESTIONS, pam=openssh.totp_service())
    asked: list[str] = []

    def code(question: str) -> str:
        asked.append(question)
        return ssh.totp()

    r1 = load(r1=shell(openssh, server.port))["r1"]
    await r1.connect(answers=code)
    assert await whoami(r1) == openssh.user.name
    assert len(asked) == 1
    assert "one-time password" in asked[0].lower()


async def test_a_second_question_that_nobody_answers_is_told(load: Load, openssh: OpenSsh) -> None:
    server = openssh.server("totp", ssh.QUESTIONS, pam=openssh.totp_service())
    with pytest.raises(AuthenticationFailed, match=r"(?i)one-time password.*give an answer"):
        await load(r1=shell(openssh, server.port))["r1"].connect()


async def test_key(load: Load, openssh: OpenSsh) -> None:
    server = openssh.server("key", ssh.KEY)
    r1 = load(r1=shell(openssh, server.port, password="", private_key=str(openssh.key("user"))))["r1"]
    await r1.connect()
    assert await whoami(r1) == openssh.user.name


async def test_a_key_that_the_testbed_names(load: Load, openssh: OpenSsh, tmp_path: Path) -> None:
    server = openssh.server("key", ssh.KEY)
    described = shell(openssh, server.port)
    described["credentials"]["default"] = {"username": openssh.user.name, "key": str(openssh.key("user"))}
    r1 = load(r1=described)["r1"]
    await r1.connect()
    assert await whoami(r1) == openssh.user.name


async def test_key_and_then_keyboard_interactive(load: Load, openssh: OpenSsh) -> None:
    both = "AuthenticationMethods publickey,keyboard-interactive:pam"
    server = openssh.server("key-and-questions", ssh.KEY, ssh.QUESTIONS, both)
    key = str(openssh.key("user"))
    r1 = load(r1=shell(openssh, server.port, private_key=key))["r1"]
    await r1.connect()
    assert await whoami(r1) == openssh.user.name
    await r1.disconnect()
    with pytest.raises(AuthenticationFailed):
        await load(r1=shell(openssh, server.port))["r1"].connect()


async def test_certificates_of_user_and_host(load: Load, openssh: OpenSsh, tmp_path: Path) -> None:
    server = openssh.server(
        "certificates",
        ssh.KEY,
        f"TrustedUserCAKeys {openssh.key('user_ca.pub')}",
        f"HostCertificate {openssh.key('host-cert.pub')}",
        "AuthorizedKeysFile none",
    )
    known = tmp_path / "known_hosts"
    known.write_text(f"@cert-authority [127.0.0.1]:{server.port} {openssh.public('host_ca')}\n")
    options = {
        "private_key": str(openssh.key("user")),
        "certificate": str(openssh.key("user-cert.pub")),
        "known_hosts": str(known),
        "host_key_policy": "strict",
    }
    r1 = load(r1=shell(openssh, server.port, password="", **options))["r1"]
    await r1.connect()
    assert await whoami(r1) == openssh.user.name
    assert len(known.read_text().splitlines()) == 1
    known.write_text(f"@cert-authority [127.0.0.1]:{server.port} {openssh.public('user_ca')}\n")
    with pytest.raises(ConnectError) as caught:
        await load(r2=shell(openssh, server.port, password="", **options))["r2"].connect()
    assert caught.value.phase is Phase.KEX


@pytest.mark.filterwarnings("ignore:Diffie-Hellman over finite fields")
@pytest.mark.filterwarnings("ignore:TripleDES")
async def test_legacy_algorithms_are_asked_for_and_stay_with_who_asked(load: Load, openssh: OpenSsh) -> None:
    old = openssh.server("legacy", ssh.PASSWORD, *LEGACY, host_key="host_rsa")
    testbed = load(old=shell(openssh, old.port, legacy=True), careful=shell(openssh, old.port))
    await testbed["old"].connect()
    assert await whoami(testbed["old"]) == openssh.user.name
    with pytest.raises(KeyExchangeFailed, match="legacy: true"):
        await testbed["careful"].connect()
    await testbed["old"].disconnect()


async def test_a_banner_that_looks_like_a_prompt(load: Load, openssh: OpenSsh) -> None:
    path = openssh.folder / "banner"
    path.write_text(BANNER)
    server = openssh.server("banner", ssh.PASSWORD, f"Banner {path}")
    r1 = load(r1=shell(openssh, server.port))["r1"]
    await r1.connect()
    assert await r1.execute(["id -un", "id -un"]) == [openssh.user.name] * 2


async def test_a_message_of_the_day_that_looks_like_a_prompt(load: Load, openssh: OpenSsh) -> None:
    # printed by the shell's start, a while before its own prompt
    path = openssh.folder / "motd.sh"
    path.write_text("printf '*** use r1# or root@r1:~$ with care\\nr1# '; sleep 0.4; echo; exec bash -i\n")
    server = openssh.server("motd", ssh.PASSWORD, f"ForceCommand bash {path}")
    r1 = load(r1=shell(openssh, server.port))["r1"]
    await r1.connect()
    assert await r1.execute(["id -un", "id -un"]) == [openssh.user.name] * 2


async def test_an_expired_password_says_so(load: Load, openssh: OpenSsh, site: Site) -> None:
    pam = (
        "auth required pam_unix.so nodelay",
        "account required pam_unix.so",
        "password required pam_unix.so sha512",
        "session required pam_permit.so",
    )
    server = openssh.server("expired", ssh.QUESTIONS, pam=pam)
    user = site.accounts.expired_user("expired")
    described = shell(openssh, server.port)
    described["credentials"]["default"] = {"username": user.name, "password": user.password}
    with pytest.raises(AuthenticationFailed, match="has expired") as caught:
        await load(r1=described)["r1"].connect()
    assert user.password not in str(caught.value)


# ---------------------------------------------------------------------------------------- the host's key


async def test_a_new_host_is_remembered_and_a_changed_one_refused(
    load: Load, openssh: OpenSsh, tmp_path: Path
) -> None:
    server = openssh.server("changing", ssh.PASSWORD)
    store = tmp_path / "known_hosts"
    r1 = load(r1=shell(openssh, server.port, known_hosts=str(store)))["r1"]
    await r1.connect()
    assert openssh.public("host") in store.read_text()
    await r1.disconnect()
    await r1.connect()
    assert store.read_text().count(openssh.public("host")) == 1
    await r1.disconnect()

    openssh.stop("changing")
    server = openssh.server("changing", ssh.PASSWORD, host_key="other_host", port=server.port)
    with pytest.raises(HostKeyChanged) as caught:
        await r1.connect()
    assert str(store) in str(caught.value)
    assert server.daemon.log().count("Accepted") == 0
    assert openssh.public("other_host") not in store.read_text()
    openssh.stop("changing")


async def test_strict_refuses_an_unknown_host_and_shows_its_fingerprint(load: Load, openssh: OpenSsh) -> None:
    server = openssh.server("password", ssh.PASSWORD)
    with pytest.raises(HostKeyUnknown, match="SHA256:"):
        await load(r1=shell(openssh, server.port, host_key_policy="strict"))["r1"].connect()


async def test_a_pinned_key_is_the_only_one_that_counts(load: Load, openssh: OpenSsh) -> None:
    server = openssh.server("password", ssh.PASSWORD)
    right, wrong = openssh.public("host"), openssh.public("other_host")
    r1 = load(r1=shell(openssh, server.port, host_key=right))["r1"]
    await r1.connect()
    assert await whoami(r1) == openssh.user.name
    with pytest.raises(HostKeyChanged):
        await load(r2=shell(openssh, server.port, host_key=wrong))["r2"].connect()


# ---------------------------------------------------------------------------------------- limits


async def test_a_server_that_allows_one_session_per_link(load: Load, openssh: OpenSsh) -> None:
    server = openssh.server("one-session", ssh.PASSWORD, "MaxSessions 1")
    r1 = load(r1=shell(openssh, server.port))["r1"]
    await r1.connect()
    other: Any = await r1.connect(alias="other")
    assert await whoami(r1) == await other.execute("id -un") == openssh.user.name


async def test_too_many_logins_at_once_are_results_not_hangs(load: Load, openssh: OpenSsh) -> None:
    server = openssh.server("few-startups", ssh.PASSWORD, "MaxStartups 3:100:3")
    testbed = load(**{f"r{number}": shell(openssh, server.port) for number in range(24)})
    results = await testbed.execute("id -un", timeout=20)
    assert len(results) == 24
    assert results.ok
    assert set(results.ok.values()) == {openssh.user.name}
    for error in results.failed.values():
        assert isinstance(error, HostUnreachable), error
    assert await testbed.execute("id -un", limit=2, timeout=20)


async def test_keys_are_exchanged_again_in_the_middle(load: Load, openssh: OpenSsh) -> None:
    server = openssh.server("rekeying", ssh.PASSWORD, "RekeyLimit 100K")
    r1 = load(r1=shell(openssh, server.port))["r1"]
    await r1.connect()
    assert await r1.execute("seq 1 200000") == "\n".join(map(str, range(1, 200001)))
    assert await whoami(r1) == openssh.user.name


async def test_no_shell_here(load: Load, openssh: OpenSsh) -> None:
    server = openssh.server("no-shell", ssh.PASSWORD, "ForceCommand /usr/sbin/nologin")
    with pytest.raises(ConnectError, match="not available"):
        await load(r1=shell(openssh, server.port))["r1"].connect()
