# SPDX-License-Identifier: Apache-2.0
"""Users of this machine and PAM services, for as long as the tests run.

Their names bear the number of the process that made them, so that two runs do not meet and what a killed one has left
behind is recognised and removed by the next.
"""

from __future__ import annotations

import os
import pwd
import subprocess
from dataclasses import dataclass
from pathlib import Path

import psutil

PAM = Path("/etc/pam.d")
_COMMENT = "integration tests of aioconn"
_SERVICE = "aioconn-test"


@dataclass(frozen=True, kw_only=True)
class User:
    name: str
    password: str

    @property
    def home(self) -> Path:
        return Path(pwd.getpwnam(self.name).pw_dir)

    @property
    def id(self) -> int:
        return pwd.getpwnam(self.name).pw_uid


class Accounts:
    """Makes them, and removes all that it made."""

    def __init__(self) -> None:
        self._users: dict[str, User] = {}
        self._services: list[Path] = []
        if os.geteuid() == 0:
            self._remove_orphans()

    def user(self, role: str, *, groups: tuple[str, ...] = ()) -> User:
        """The user for a role (a short word), with a password, a home and bash."""
        if role not in self._users:
            user = User(name=f"aio{os.getpid()}{role}", password=f"pw-{role}-{os.getpid()}")
            argv = ["useradd", "--create-home", "--shell", "/bin/bash", "--comment", _COMMENT]
            argv += ["--groups", ",".join(groups)] if groups else []
            _run([*argv, user.name])
            self._users[role] = user
            _run(["chpasswd"], f"{user.name}:{user.password}\n")
        return self._users[role]

    def expired_user(self, role: str) -> User:
        """One who has to change the password at the next login."""
        user = self.user(role)
        _run(["chage", "--lastday", "0", user.name])
        return user

    def service(self, name: str, *lines: str) -> str:
        """A PAM service; returns its name."""
        path = PAM / f"{_SERVICE}-{os.getpid()}-{name}"
        self._services.append(path)
        path.write_text("".join(f"{line}\n" for line in lines))
        return path.name

    def remove(self) -> None:
        for path in self._services:
            path.unlink(missing_ok=True)
        for user in self._users.values():
            _remove_user(user.name)

    def _remove_orphans(self) -> None:
        for entry in pwd.getpwall():
            number = "".join(filter(str.isdigit, entry.pw_name))
            if entry.pw_gecos == _COMMENT and not psutil.pid_exists(int(number)):
                _remove_user(entry.pw_name)
        for path in PAM.glob(f"{_SERVICE}-*"):
            if not psutil.pid_exists(int(path.name.removeprefix(f"{_SERVICE}-").partition("-")[0])):
                path.unlink(missing_ok=True)


def _remove_user(name: str) -> None:
    _run(["userdel", "--force", "--remove", name], check=False)


def _run(argv: list[str], text: str | None = None, *, check: bool = True) -> None:
    done = subprocess.run(argv, input=text, capture_output=True, text=True, check=False)
    if check and done.returncode:
        raise RuntimeError(f"{' '.join(argv)}: {done.stderr.strip()}")
