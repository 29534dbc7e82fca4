# SPDX-License-Identifier: Apache-2.0
"""What a user may set about SSH. No SSH library is imported here: whoever only declares options stays
light."""

from __future__ import annotations

import functools
from dataclasses import dataclass, fields
from typing import Literal

from aioconn.credentials import Secret

METHODS = ("publickey", "password", "keyboard-interactive")


@dataclass(frozen=True, kw_only=True)  # no slots: connection classes inherit it next to other option sets
class SshOptions:
    """How an SSH link is made. Everything has a default that suits a current device.

    `auth_methods` are tried in this order; a method without the means for it (no key, no password) is passed
    over, and a password that was refused is not sent again by another method. Where somebody answers further
    questions (one-time codes) keyboard-interactive comes before password, unless another order than the default
    is given. `private_key` and `certificate` are file paths, `passphrase` opens the keys. `agent` asks the agent
    behind `SSH_AUTH_SOCK`. `ssh_config` is True for `~/.ssh/config` or a path; no configuration file is read otherwise.

    `known_hosts` is the one file to read and to write; None stands for aioconn's own store, besides which
    `~/.ssh/known_hosts` and `/etc/ssh/ssh_known_hosts` are read. `host_key` pins keys (`ssh-ed25519 AAAA...`
    or `SHA256:...`), and then nothing else counts. `host_key_policy`: an unknown key is remembered, refused
    (strict), or nothing is checked at all (ignore). A key that differs from the known one is refused by the
    first two.

    `kex`, `ciphers`, `macs` and `host_key_algorithms` replace the defaults; a first name that begins with
    `+`, `^` or `-` appends to them, goes before them, or takes away from them, as in ssh_config. `legacy`
    appends what only old devices speak (group1, ssh-rsa, cbc, 3des, hmac-md5), for this connection alone.
    `keepalive` is in seconds, 0 switches it off.
    """

    auth_methods: tuple[str, ...] = METHODS
    private_key: tuple[str, ...] = ()
    passphrase: Secret | None = None
    certificate: str | None = None
    agent: bool = False
    ssh_config: bool | str = False
    known_hosts: str | None = None
    host_key: tuple[str, ...] = ()
    host_key_policy: Literal["remember", "strict", "ignore"] = "remember"
    kex: tuple[str, ...] = ()
    ciphers: tuple[str, ...] = ()
    macs: tuple[str, ...] = ()
    host_key_algorithms: tuple[str, ...] = ()
    legacy: bool = False
    keepalive: float = 30.0
    compression: bool = False

    def __post_init__(self) -> None:
        unknown = [method for method in self.auth_methods if method not in METHODS]
        if unknown or not self.auth_methods:
            raise ValueError(f"auth_methods: {', '.join(unknown) or 'none'} is none of {', '.join(METHODS)}")
        if self.keepalive < 0:
            raise ValueError(f"keepalive: {self.keepalive} is negative")

    @functools.cached_property
    def public(self) -> SshOptions:
        """Only what SSH is about, and without the secret, whose hash would ask the user: what tells profiles and links
        apart."""
        names = (field.name for field in fields(SshOptions) if field.name != "passphrase")
        return SshOptions(**{name: getattr(self, name) for name in names})
