# SPDX-License-Identifier: Apache-2.0
"""A certification authority for simulated devices, made when it is needed."""

from __future__ import annotations

import datetime
import functools
import ipaddress
import ssl
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

DAY = datetime.timedelta(days=1)
NAMES = ("localhost", "127.0.0.1")


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """A certificate and its key, both PEM."""

    certificate: bytes
    key: bytes

    def write(self, file: str | Path) -> Path:
        """Both into one file."""
        file = Path(file)
        file.write_bytes(self.certificate + self.key)
        return file

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the certificate, in hexadecimal digits."""
        return x509.load_pem_x509_certificate(self.certificate).fingerprint(hashes.SHA256()).hex()

    def load_into(self, context: ssl.SSLContext) -> None:
        with tempfile.NamedTemporaryFile(prefix="aioconn-lab-") as file:  # only files can be loaded
            file.write(self.certificate + self.key)
            file.flush()
            context.load_cert_chain(file.name)


class Authority:
    """Signs certificates that are valid for a day."""

    def __init__(self, name: str = "aioconn lab") -> None:
        self._name = _name(name)
        self._key = ec.generate_private_key(ec.SECP256R1())
        own = self._builder(self._name, self._key.public_key(), -DAY, 365 * DAY)
        own = own.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        usage = x509.KeyUsage(
            digital_signature=True,
            key_cert_sign=True,
            crl_sign=True,
            content_commitment=False,
            key_encipherment=False,
            data_encipherment=False,
            key_agreement=False,
            encipher_only=False,
            decipher_only=False,
        )
        own = own.add_extension(usage, critical=True)
        self._certificate = own.sign(self._key, hashes.SHA256())
        self.pem = self._certificate.public_bytes(serialization.Encoding.PEM)

    def issue(
        self,
        names: Sequence[str] = NAMES,
        *,
        client: bool = False,
        expired: bool = False,
    ) -> Identity:
        """A certificate for these names and addresses."""
        key = ec.generate_private_key(ec.SECP256R1())
        begins, ends = (-3 * DAY, -DAY) if expired else (-DAY, DAY)
        builder = self._builder(_name(names[0]), key.public_key(), begins, ends)
        builder = builder.add_extension(
            x509.SubjectAlternativeName([_general(name) for name in names]), critical=False
        )
        purpose = ExtendedKeyUsageOID.CLIENT_AUTH if client else ExtendedKeyUsageOID.SERVER_AUTH
        builder = builder.add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
        builder = builder.add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False
        )
        return Identity(
            certificate=builder.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM),
            key=key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            ),
        )

    def _builder(
        self,
        subject: x509.Name,
        key: ec.EllipticCurvePublicKey,
        begins: datetime.timedelta,
        ends: datetime.timedelta,
    ) -> x509.CertificateBuilder:
        now = datetime.datetime.now(datetime.UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now + begins)
            .not_valid_after(now + ends)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
        )


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _general(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


@functools.cache
def authority() -> Authority:
    """The one of this process."""
    return Authority()


@functools.cache
def identity() -> Identity:
    """The certificate that simulated devices of this process show."""
    return authority().issue()


def context(shown: Identity | None = None, *, clients: Authority | None = None) -> ssl.SSLContext:
    """The context of a server; with `clients` it wants a certificate of that authority."""
    found = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    (shown or identity()).load_into(found)
    if clients is not None:
        found.load_verify_locations(cadata=clients.pem.decode())
        found.verify_mode = ssl.CERT_REQUIRED
    return found
