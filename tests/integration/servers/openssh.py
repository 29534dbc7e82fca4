# SPDX-License-Identifier: Apache-2.0
"""OpenSSH servers in any number of set-ups, with keys, certificates and users to log in with."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.integration.servers import needs, sockets
from tests.integration.servers.daemon import Daemon
from tests.integration.servers.site import Site

TOTP_SECRET = "3132333435363738393031323334353637383930"
BANNER = "\n*** Authorized access only #1 >\nsecond-line#\n"

# sshd takes the first value of a keyword, so that a set-up's own lines come first
_DEFAULTS = """
ListenAddress 127.0.0.1
PidFile none
StrictModes no
PrintMotd no
PrintLastLog no
UseDNS no
UsePAM yes
PasswordAuthentication no
KbdInteractiveAuthentication no
PubkeyAuthentication no
"""
PASSWORD = "PasswordAuthentication yes"
KEY = "PubkeyAuthentication yes"
QUESTIONS = "KbdInteractiveAuthentication yes"

_PAM = (
    "auth required pam_unix.so nodelay",
    "account required pam_permit.so",
    "session required pam_permit.so",
)


@dataclass(frozen=True, kw_only=True)
class Sshd:
    port: int
    daemon: Daemon

    def logins_refused(self) -> int:
        """How often a password or key was refused, to be asked when nobody is connected."""
        self.daemon.wait_idle()
        return self.daemon.log().count("Failed ")


class OpenSsh:
    """`server(name, ...)` starts one set-up, the first time that it is asked for."""

    def __init__(self, site: Site, sshd: str) -> None:
        self._site = site
        self._sshd = sshd
        self._servers: dict[str, Sshd] = {}
        self.folder = site.folder / "ssh"
        self.folder.mkdir(mode=0o755)
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)  # sshd wants an empty folder there
        self.user = site.accounts.user("ssh")
        for name in ("host", "other_host", "host_ca", "user_ca", "user"):
            self.make_key(name)
        self.make_key("host_rsa", "rsa", "2048")
        self.sign("user_ca", "user", self.user.name)
        self.sign("host_ca", "host", "127.0.0.1", "-h")
        self.authorize(self.key("user"))

    def key(self, name: str) -> Path:
        return self.folder / name

    def public(self, name: str) -> str:
        """`ssh-ed25519 AAAA...`, without the comment."""
        return " ".join((self.folder / f"{name}.pub").read_text().split()[:2])

    def make_key(self, name: str, kind: str = "ed25519", bits: str = "256", passphrase: str = "") -> Path:
        path = self.key(name)
        _run(["ssh-keygen", "-q", "-t", kind, "-b", bits, "-N", passphrase, "-C", name, "-f", str(path)])
        return path

    def sign(self, authority: str, name: str, principal: str, *options: str) -> None:
        signer, public = str(self.key(authority)), str(self.key(f"{name}.pub"))
        _run(
            ["ssh-keygen", "-q", "-s", signer, "-I", name, "-n", principal, "-V", "-5m:+1d", *options, public]
        )

    def authorize(self, *keys: Path) -> None:
        path = self.folder / "authorized_keys"
        path.write_text("".join(Path(f"{key}.pub").read_text() for key in keys))
        path.chmod(0o644)

    def server(
        self,
        name: str,
        *lines: str,
        pam: tuple[str, ...] = _PAM,
        host_key: str = "host",
        port: int | None = None,
    ) -> Sshd:
        if name not in self._servers:
            port = port or sockets.free_port()
            settings = [*lines, f"Port {port}", f"HostKey {self.key(host_key)}"]
            settings.append(f"AuthorizedKeysFile {self.folder / 'authorized_keys'}")
            if not any(line.startswith("MaxStartups") for line in lines):
                settings.append("MaxStartups 500:30:1000")
            configuration = self.folder / f"{name}.conf"
            configuration.write_text("\n".join(settings) + _DEFAULTS)
            # sshd's PAM service is the name that it was started by
            program = self.folder / self._site.accounts.service(name, *pam)
            program.unlink(missing_ok=True)
            program.symlink_to(self._sshd)
            argv = [str(program), "-D", "-e", "-o", "LogLevel=VERBOSE", "-f", str(configuration)]
            self._servers[name] = Sshd(port=port, daemon=self._site.start(f"sshd-{name}", argv, port=port))
        return self._servers[name]

    def stop(self, name: str) -> None:
        self._site.stop(self._servers.pop(name).daemon)

    def totp_service(self) -> tuple[str, ...]:
        """PAM lines that ask for the password, then for a one-time code."""
        oath = self.folder / "users.oath"
        oath.write_text(f"HOTP/T30/6 {self.user.name} - {TOTP_SECRET}\n")
        oath.chmod(0o600)
        second = f"auth required pam_oath.so usersfile={oath} window=20 digits=6"
        return (_PAM[0], second, *_PAM[1:])


def totp() -> str:
    """The code of this moment."""
    argv = [needs.program("oathtool", "oathtool"), "--totp", TOTP_SECRET]
    return subprocess.run(argv, capture_output=True, text=True, check=True).stdout.strip()


def start(site: Site) -> OpenSsh:
    needs.root("OpenSSH's server")
    needs.program("ssh-keygen", "openssh-client")
    return OpenSsh(site, needs.program("sshd", "openssh-server"))


def _run(argv: list[str]) -> None:
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(argv)}: {done.stderr.strip()}")
