# SPDX-License-Identifier: Apache-2.0
"""TLS towards devices: what a user may set, contexts that connections share, and refusals in plain words."""

from __future__ import annotations

import functools
import hashlib
import os
import re
import ssl
from dataclasses import dataclass
from typing import Any, Literal

from aioconn.credentials import Secret
from aioconn.errors import CertificateRefused, ConnectError, InvalidOption, KeyExchangeFailed

TlsVersion = Literal["1.0", "1.1", "1.2", "1.3"]

_VERSIONS = {
    "1.0": ssl.TLSVersion.TLSv1,
    "1.1": ssl.TLSVersion.TLSv1_1,
    "1.2": ssl.TLSVersion.TLSv1_2,
    "1.3": ssl.TLSVersion.TLSv1_3,
}
_CONTEXTS = 256  # kept at a time; a context with the system's authorities takes 1 MiB and 60 ms


@dataclass(frozen=True, kw_only=True)
class TlsOptions:
    """Options of TLS. The peer's certificate is verified unless `verify` is False.

    `ca_file` are the authorities to trust instead of the system's (PEM). `fingerprint` is the SHA-256 digest of the
    peer's certificate, in hexadecimal digits, with or without colons: it stands for authority, name and time, unless a
    `ca_file` is given as well. `client_certificate` and `client_key` (PEM files; one may hold both) say who we are,
    `client_passphrase` opens the key. `server_name` is the name to ask for and to verify, by default the host's.
    Old devices may need `tls_minimum` below 1.2 and `tls_ciphers` (OpenSSL's list, as `AES128-SHA:@SECLEVEL=0`).
    """

    verify: bool = True
    ca_file: str | None = None
    fingerprint: str | None = None
    client_certificate: str | None = None
    client_key: str | None = None
    client_passphrase: Secret | None = None
    server_name: str | None = None
    tls_minimum: TlsVersion | None = None
    tls_ciphers: str | None = None

    def __post_init__(self) -> None:
        if self.fingerprint is not None and _digest(self.fingerprint) is None:
            raise ValueError(
                f"fingerprint: {self.fingerprint[:80]!r} is no SHA-256 digest of 64 hexadecimal digits"
            )
        if self.client_key is not None and self.client_certificate is None:
            raise ValueError("client_key: without client_certificate")


@dataclass(frozen=True, slots=True)
class _Profile:
    """What makes two contexts the same: options, and the state of the files that they name."""

    verify: bool
    ca_file: str | None
    fingerprint: bytes | None
    client_certificate: str | None
    client_key: str | None
    client_passphrase: str | None
    tls_minimum: str | None
    tls_ciphers: str | None
    protocols: tuple[str, ...]
    files: tuple[Any, ...]

    def __repr__(self) -> str:
        return "_Profile()"


def context_for(
    options: TlsOptions, *, device: str, path: str, protocols: tuple[str, ...] = ()
) -> ssl.SSLContext:
    """The context of a client with these options; connections with the same options share one.

    `protocols` is what it offers to speak on top (ALPN, RFC 7301).

    Raises `InvalidOption` if a file cannot be read or a key not be opened, and for ciphers that OpenSSL does not know.
    """
    where: Any = {"device": device, "path": path}
    passphrase = options.client_passphrase
    names = [
        os.path.expanduser(name) if name is not None else None
        for name in (options.ca_file, options.client_certificate, options.client_key)
    ]
    try:
        profile = _Profile(
            options.verify,
            names[0],
            _digest(options.fingerprint) if options.fingerprint is not None else None,
            names[1],
            names[2],
            passphrase.reveal() if passphrase is not None else None,
            options.tls_minimum,
            options.tls_ciphers,
            protocols,
            tuple(_state(name) for name in names if name is not None),
        )
        return _context(profile)
    except OSError as error:  # ssl.SSLError among them
        name = getattr(error, "filename", None)
        reason = getattr(error, "reason", None) or error.strerror or str(error)
        what = f"{name}: {reason}" if name else f"TLS options: {reason}"
        raise InvalidOption(what, **where) from None


@functools.lru_cache(maxsize=_CONTEXTS)
def _context(profile: _Profile) -> ssl.SSLContext:
    pin = profile.fingerprint
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if not profile.verify or (pin is not None and profile.ca_file is None):
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    elif profile.ca_file is not None:
        try:
            context.load_verify_locations(cafile=profile.ca_file)
        except ssl.SSLError:
            raise OSError(0, "holds no certificate in PEM form", profile.ca_file) from None
    else:
        context.load_default_certs()
    if pin is not None:
        context.sslobject_class = _pinned(pin)
    if profile.protocols:
        context.set_alpn_protocols(profile.protocols)
    if profile.tls_minimum is not None:
        context.minimum_version = _VERSIONS[profile.tls_minimum]
    if profile.tls_ciphers is not None:
        try:
            context.set_ciphers(profile.tls_ciphers)
        except ssl.SSLError:
            raise OSError(0, f"none of {profile.tls_ciphers[:80]!r} is known", "tls_ciphers") from None
    if profile.client_certificate is not None:
        try:
            context.load_cert_chain(
                profile.client_certificate,
                profile.client_key,
                # never None: OpenSSL would ask at the terminal
                profile.client_passphrase if profile.client_passphrase is not None else "",
            )
        except (ssl.SSLError, ValueError) as error:
            reason = "certificate and key do not belong together, or the passphrase is wrong"
            raise OSError(
                0,
                f"{reason} ({getattr(error, 'reason', None) or 'unreadable'})",
                profile.client_key or profile.client_certificate,
            ) from None
    return context


def _state(name: str) -> tuple[int, int, int]:
    status = os.stat(name)
    return status.st_mtime_ns, status.st_size, status.st_ino


def _digest(text: str) -> bytes | None:
    plain = re.sub(r"[:\s-]", "", text.strip().lower().removeprefix("sha256:").removeprefix("sha-256:"))
    return bytes.fromhex(plain) if re.fullmatch(r"[0-9a-f]{64}", plain) else None


class FingerprintMismatch(ssl.SSLCertVerificationError):
    """The certificate is another one than the one that was pinned. `seen` is its SHA-256 digest."""

    seen: str = ""


def _pinned(pin: bytes) -> type[ssl.SSLObject]:
    """TLS that ends its handshake only with that certificate, so that nothing is said to anybody else."""

    class Pinned(ssl.SSLObject):
        def do_handshake(self) -> None:
            super().do_handshake()
            certificate = self.getpeercert(binary_form=True) or b""
            seen = hashlib.sha256(certificate).digest()
            if seen != pin:
                error = FingerprintMismatch("certificate fingerprint mismatch")
                error.seen = seen.hex(":")
                raise error

    return Pinned


# ---------------------------------------------------------------------- refusals

# the numbers of X509_V_ERR_*, x509_vfy.h
_EXPIRED, _NOT_YET, _SELF_SIGNED, _WRONG_NAME, _WRONG_ADDRESS = 10, 9, 18, 62, 64

# What a server's alert says of our certificate (RFC 8446, section 6.2)
_OURS = {
    "CERTIFICATE_REQUIRED": "the device wants a certificate of ours",
    "BAD_CERTIFICATE": "the device does not accept our certificate, or wants one",
    "UNKNOWN_CA": "the device does not know the authority of our certificate",
    "CERTIFICATE_EXPIRED": "our certificate has expired",
    "CERTIFICATE_REVOKED": "our certificate was revoked",
    "CERTIFICATE_UNKNOWN": "the device does not accept our certificate",
    "UNSUPPORTED_CERTIFICATE": "the device cannot use our certificate",
    "ACCESS_DENIED": "the device denies access to our certificate",
}


def handshake_error(error: ssl.SSLError, *, host: str, port: int, device: str, path: str) -> ConnectError:
    """The error that says why a TLS handshake failed, or a connection ended right after it."""
    where: dict[str, Any] = {"device": device, "path": path}
    peer = f"{host} port {port}"
    if isinstance(error, FingerprintMismatch):
        return CertificateRefused(
            f"{peer}: the certificate has another fingerprint than the one it is known by",
            **where,
            seen=f"sha256:{error.seen}",
            hint="if the device has a new certificate, set `fingerprint` to it",
        )
    if isinstance(error, ssl.SSLCertVerificationError):
        return _not_verified(error, peer, where)
    reason = (error.reason or "").upper()
    for alert, words in _OURS.items():
        if reason.endswith(alert):
            hint = "set client_certificate and client_key"
            return CertificateRefused(f"{peer}: {words}", **where, seen=reason, hint=hint)
    if "WRONG_VERSION_NUMBER" in reason or "HTTP_REQUEST" in reason or "RECORD_LAYER_FAILURE" in reason:
        return KeyExchangeFailed(
            f"{peer}: what answers does not speak TLS",
            **where,
            seen=reason,
            hint="is the port that of plain HTTP?",
        )
    if any(
        word in reason
        for word in ("HANDSHAKE_FAILURE", "PROTOCOL", "VERSION", "CIPHER", "DH_KEY", "LEGACY", "EE_KEY")
    ):
        hint = "an old device may need tls_minimum: '1.0' and tls_ciphers: 'DEFAULT:@SECLEVEL=0'"
        if reason.endswith("HANDSHAKE_FAILURE"):
            hint += "; one that wants a certificate of ours, client_certificate"
        return KeyExchangeFailed(
            f"{peer}: no common version or cipher of TLS", **where, seen=reason, hint=hint
        )
    return KeyExchangeFailed(f"{peer}: the TLS handshake failed", **where, seen=reason or str(error))


def _not_verified(
    error: ssl.SSLCertVerificationError, peer: str, where: dict[str, Any]
) -> CertificateRefused:
    code = getattr(error, "verify_code", 0)
    seen = getattr(error, "verify_message", "") or str(error)
    if code == _EXPIRED:
        what, hint = "the certificate has expired", "renew it, or pin it by its `fingerprint`"
    elif code == _NOT_YET:
        what, hint = "the certificate is not valid yet", "compare the clocks, here and there"
    elif code in (_WRONG_NAME, _WRONG_ADDRESS):
        what, hint = "the certificate is for another name", "set `server_name` to a name that stands in it"
    elif code == _SELF_SIGNED:
        what = "the certificate is signed by itself"
        hint = "pin it by its `fingerprint`, or give it as `ca_file`"
    else:
        what = "the certificate is of an authority that is not trusted here"
        hint = "give the authority as `ca_file`, or pin the certificate by its `fingerprint`"
    return CertificateRefused(f"{peer}: {what}", **where, seen=seen, hint=hint)
