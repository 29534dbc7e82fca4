# SPDX-License-Identifier: Apache-2.0
"""From `SshOptions` to what asyncssh wants, prepared once for all links that share the options.

Preparing reads files and checks names; a connection afterwards only copies the result (2 us) and puts its own
host and keys in. The order of algorithms is by cost: group exchange makes the client test primes (0.2 s of
CPU), so it comes last, and GCM is the fastest cipher for bulk.
"""

from __future__ import annotations

import asyncio
import copy
import functools
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import asyncssh
from asyncssh.encryption import get_encryption_algs
from asyncssh.kex import get_kex_algs
from asyncssh.mac import get_mac_algs
from asyncssh.public_key import get_default_certificate_algs, get_public_key_algs

from aioconn.credentials import Credential, Secret
from aioconn.errors import (
    AioconnError,
    AuthenticationFailed,
    InvalidOption,
    MissingDependency,
    MissingValue,
    nearest,
)
from aioconn.home.locks import Lock
from aioconn.transport.hostkeys import HostKeys, Known, store_for
from aioconn.transport.ssh_options import METHODS, SshOptions

KEX = (
    "curve25519-sha256",
    "curve25519-sha256@libssh.org",
    "ecdh-sha2-nistp256",
    "ecdh-sha2-nistp384",
    "ecdh-sha2-nistp521",
    "mlkem768x25519-sha256",
    "diffie-hellman-group14-sha256",
    "diffie-hellman-group16-sha512",
    "diffie-hellman-group14-sha1",
    "diffie-hellman-group18-sha512",
    "diffie-hellman-group-exchange-sha256",
)
LEGACY_KEX = ("diffie-hellman-group-exchange-sha1", "diffie-hellman-group1-sha1")
CIPHERS = (
    "aes128-gcm@openssh.com",
    "aes256-gcm@openssh.com",
    "aes128-ctr",
    "aes192-ctr",
    "aes256-ctr",
    "chacha20-poly1305@openssh.com",
)
LEGACY_CIPHERS = ("aes128-cbc", "aes192-cbc", "aes256-cbc", "3des-cbc", "blowfish-cbc")
MACS = (
    "hmac-sha2-256-etm@openssh.com",
    "hmac-sha2-512-etm@openssh.com",
    "hmac-sha1-etm@openssh.com",
    "hmac-sha2-256",
    "hmac-sha2-512",
    "hmac-sha1",
)
LEGACY_MACS = ("hmac-md5", "hmac-sha1-96", "hmac-md5-96")
HOST_KEYS = (
    "ssh-ed25519",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "rsa-sha2-512",
    "rsa-sha2-256",
    "ssh-ed448",
)
LEGACY_HOST_KEYS = ("ssh-rsa", "ssh-dss")

_NOTHING = Known()

Files = tuple[tuple[str, int, int], ...]


def select(
    option: str, wanted: Sequence[str], defaults: Sequence[str], legacy: Sequence[str], known: Iterable[bytes]
) -> list[str]:
    """The names of algorithms to offer, best first. Raises ValueError for a name that does not exist."""
    available = [name.decode() for name in known]
    names = [name.strip() for entry in wanted for name in entry.split(",") if name.strip()]
    sign = names[0][0] if names and names[0][0] in "+^-" else ""
    if sign:
        names[0] = names[0][1:]
    for name in names:
        if name not in available and sign != "-":
            raise ValueError(f"{option}: {name!r} does not exist, {nearest(name, available)}")
    usable = [name for name in (*defaults, *legacy) if name in available]
    if sign == "-":
        return [name for name in usable if name not in names]
    ordered = {"": [*names, *legacy] if names else usable, "+": [*usable, *names], "^": [*names, *usable]}[
        sign
    ]
    return list(dict.fromkeys(name for name in ordered if name in available))


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """Options made ready. `keys` are private keys, each with its certificate if there is one."""

    options: SshOptions
    base: asyncssh.SSHClientConnectionOptions
    host_key_algorithms: tuple[str, ...]
    keys: tuple[asyncssh.SSHKey | tuple[asyncssh.SSHKey, asyncssh.SSHCertificate], ...]
    agent: str | None
    store: HostKeys | None
    pinned: tuple[str | asyncssh.SSHKey, ...]

    def known(self, host: str, port: int) -> Known:
        """What is known about a host; nothing where pinned keys decide or nothing is checked."""
        return self.store.find(host, port) if self.store is not None else _NOTHING

    def connection_options(
        self, host: str, port: int, user: str | None, known: Known, *, answered: bool = False
    ) -> asyncssh.SSHClientConnectionOptions:
        """A copy for one connection.

        Key types that the host is known by are asked for first, so that a host which shows another type to
        others still shows us the one that we can check. Certificates are only asked for where an authority is
        known. `answered`: further questions can be answered, which only keyboard-interactive asks.
        """
        options = copy.copy(self.base)
        options.orig_host = options.host = host
        options.port = port
        if user is not None:
            options.username = user
        if answered and self.options.auth_methods == METHODS:
            options.preferred_auth = ["publickey", "keyboard-interactive", "password"]
        # Key pairs remember which signature the last server took: each connection needs its own.
        keys = list(self.keys) if "publickey" in self.options.auth_methods else []
        options.client_keys = list(asyncssh.load_keypairs(keys)) if keys else ()
        options.agent_path = self.agent
        algorithms: Sequence[str] = self.host_key_algorithms
        expected = [entry.key for entry in (*known.trusted, *known.elsewhere)]
        expected += [pin for pin in self.pinned if not isinstance(pin, str)]
        if expected:
            types = {name.decode() for key in expected for name in key.sig_algorithms}
            algorithms = sorted(algorithms, key=lambda name: name not in types)
        if known.authorities:
            algorithms = [*(name.decode() for name in get_default_certificate_algs()), *algorithms]
        options.server_host_key_algs = algorithms
        if self.options.host_key_policy == "ignore" and not self.pinned:
            options.known_hosts = None
        else:
            revoked = [entry.key for entry in known.revoked]
            options.known_hosts = ([], [entry.key for entry in known.authorities], revoked)  # type: ignore[assignment]
        return options


async def prepare(
    options: SshOptions, credential: Credential, host: str, port: int, *, device: str, path: str
) -> Profile:
    """The profile of these options and keys, from the cache if the files have not changed.

    Raises `MissingValue`, `AuthenticationFailed` or `InvalidOption` for keys and names that cannot be used,
    before anything is sent. Reading goes through a thread the first time: opening an encrypted key takes 0.1
    s.
    """
    passphrase = options.passphrase or credential.passphrase
    options = options.public
    keys = (*options.private_key, *((credential.key,) if credential.key else ()))
    certificate = options.certificate or credential.certificate
    config = options.ssh_config or None
    if config is True:
        config = os.path.expanduser("~/.ssh/config")  # noqa: ASYNC240 - no file is touched by that
    agent = os.environ.get("SSH_AUTH_SOCK") if options.agent else None
    if options.agent and not agent:
        raise MissingValue(
            "no SSH agent",
            device=device,
            path=path,
            hint="SSH_AUTH_SOCK is not set: start one, or agent: false",
        )
    try:
        files = tuple(_identify(name) for name in (*keys, certificate, config) if name)
        target = (
            (host, port) if config else None
        )  # a configuration file may say something about this host only
        request = (options, keys, certificate, passphrase if keys else None, config, agent, files, target)
        if (profile := _cached(request)) is None:
            profile = await asyncio.to_thread(_make, request)
        return profile
    except OSError as error:
        raise MissingValue(
            f"{error.filename} cannot be read: {error.strerror}",
            device=device,
            path=path,
            hint="check the path",
        ) from error
    except (asyncssh.KeyEncryptionError, asyncssh.KeyImportError) as error:
        raise _key_error(error, keys, passphrase, device=device, path=path) from error
    except (ValueError, asyncssh.ConfigParseError) as error:
        raise InvalidOption(str(error), device=device, path=path) from error


def _key_error(
    error: ValueError, keys: tuple[str, ...], passphrase: Secret | None, *, device: str, path: str
) -> AioconnError:
    files, text = ", ".join(keys), str(error)
    if "bcrypt" in text:
        message = f"an encrypted OpenSSH key takes bcrypt to open: {files}"
        return MissingDependency(message, device=device, path=path, hint="pip install bcrypt")
    if passphrase is None and "assphrase" in text:
        message = f"a private key is encrypted and there is no passphrase: {files}"
        return MissingValue(message, device=device, path=path, hint="give `passphrase`, or use the agent")
    if isinstance(error, asyncssh.KeyEncryptionError) or "decrypt" in text:
        message, hint = f"the passphrase does not open {files}", "check the passphrase of the key"
        return AuthenticationFailed(message, device=device, path=path, hint=hint)
    return AuthenticationFailed(f"not a usable key: {files}", device=device, path=path, seen=text)


Request = tuple[
    SshOptions,
    tuple[str, ...],
    str | None,
    Secret | None,
    str | None,
    str | None,
    Files,
    tuple[str, int] | None,
]
_profiles: dict[Request, Profile] = {}
_making = Lock()
_MAX_PROFILES = 4096  # past this the oldest go: hosts behind an ssh_config, files that change all the time


def _cached(request: Request) -> Profile | None:
    return _profiles.get(request)


def _identify(name: str) -> tuple[str, int, int]:
    status = os.stat(os.path.expanduser(name))
    return name, status.st_mtime_ns, status.st_size


def _make(request: Request) -> Profile:
    with _making:  # the others wait and then find it
        if (profile := _profiles.get(request)) is None:
            while len(_profiles) >= _MAX_PROFILES:
                del _profiles[next(iter(_profiles))]
            profile = _profiles[request] = _build(request)
        return profile


def _build(request: Request) -> Profile:
    options, key_files, certificate_file, passphrase, config, agent, _, target = request
    legacy = options.legacy
    host_keys = select(
        "host_key_algorithms",
        options.host_key_algorithms,
        HOST_KEYS,
        LEGACY_HOST_KEYS if legacy else (),
        get_public_key_algs(),
    )
    base = asyncssh.SSHClientConnectionOptions(
        config=[config] if config else None,
        host=target[0] if target else "",
        port=target[1] if target and target[1] != 22 else (),
        kex_algs=select("kex", options.kex, KEX, LEGACY_KEX if legacy else (), get_kex_algs()),
        encryption_algs=select(
            "ciphers", options.ciphers, CIPHERS, LEGACY_CIPHERS if legacy else (), get_encryption_algs()
        ),
        mac_algs=select("macs", options.macs, MACS, LEGACY_MACS if legacy else (), get_mac_algs()),
        compression_algs=["zlib@openssh.com", "zlib", "none"] if options.compression else ["none"],
        preferred_auth=[
            *options.auth_methods,
            *(m for m in SshOptions.auth_methods if m not in options.auth_methods),
        ],
        known_hosts=None,
        client_keys=None,
        agent_path=None,
        x509_trusted_certs=None,
        x509_trusted_cert_paths=[],
        gss_host=None,
        host_based_auth=False,
        keepalive_interval=0,  # see `Keepalive`
        login_timeout=0,  # the caller holds the deadline
        connect_timeout=None,
        encoding=None,  # anything else closes the connection on the first byte that is not UTF-8
    )
    if base.proxy_command or base.tunnel:
        raise ValueError(
            f"{config}: ProxyJump and ProxyCommand of an SSH configuration are not followed;"
            " use `proxy:` of the path"
        )
    secret = passphrase.reveal() if passphrase is not None else None
    certificate = (
        asyncssh.read_certificate(os.path.expanduser(certificate_file)) if certificate_file else None
    )
    identities = base.config.get("IdentityFile", ()) if config else ()
    keys: list[asyncssh.SSHKey | tuple[asyncssh.SSHKey, asyncssh.SSHCertificate]] = []
    for name in (*key_files, *(str(identity) for identity in identities)):  # type: ignore[attr-defined]
        key = _private_key(_identify(name), secret)
        keys.append((key, certificate) if certificate and certificate.key == key.convert_to_public() else key)
    if certificate is not None and not any(isinstance(key, tuple) for key in keys):
        raise ValueError(f"certificate {certificate_file} belongs to none of the private keys given")
    pinned = tuple(_pin(text) for text in options.host_key)
    checked = options.host_key_policy != "ignore" and not pinned
    return Profile(
        options=options,
        base=base,
        host_key_algorithms=tuple(host_keys),
        keys=tuple(keys),
        agent=agent,
        store=store_for(options.known_hosts) if checked else None,
        pinned=pinned,
    )


@functools.lru_cache(maxsize=256)
def _private_key(file: tuple[str, int, int], passphrase: str | None) -> asyncssh.SSHKey:
    """A private key, by path, time of change and size."""
    return asyncssh.read_private_key(os.path.expanduser(file[0]), passphrase)


def _pin(text: str) -> str | asyncssh.SSHKey:
    if text.startswith("SHA256:"):
        return text
    try:
        return asyncssh.import_public_key(text)
    except asyncssh.KeyImportError:
        raise ValueError(f"host_key: {text!r} is neither a public key nor SHA256:...") from None
