# SPDX-License-Identifier: Apache-2.0
"""TLS of gRPC, and why a connection did not come about: gRPC itself says little of either.

gRPC has a TLS of its own, which takes PEM texts. What it cannot do, trusting one certificate by its fingerprint or
trusting any, is done by looking at the target's certificate first, and trusting that one alone.
"""

from __future__ import annotations

import asyncio
import functools
import ipaddress
import os
import ssl
from typing import Any, NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.x509.oid import NameOID

from aioconn.errors import ConnectError, HostUnreachable, InvalidOption, KeyExchangeFailed, Phase, Where
from aioconn.protocols.gnmi.library import grpc
from aioconn.protocols.gnmi.options import GnmiOptions
from aioconn.protocols.gnmi.way import Way
from aioconn.protocols.tls import context_for, handshake_error
from aioconn.transport.base import Progress

GREETING = 1.0
"""Seconds in which a target says something after a handshake."""

_ADDRESSES = (ipaddress.IPv4Address, ipaddress.IPv6Address)


class Trust(NamedTuple):
    """Credentials of a channel, and the name that the certificate must have if it is not the host's."""

    credentials: Any
    name: str


async def trust(options: GnmiOptions, way: Way, where: Where, progress: Progress) -> Trust:
    """What a channel with TLS is made with. Raises `InvalidOption` for files that do not serve, and a ConnectError
    if the certificate has to be seen first, and is refused or cannot be seen."""
    roots: bytes | None
    name = options.server_name or ""
    context = context_for(options, **where)  # checks the files, and is shared
    if not options.verify or (options.fingerprint is not None and options.ca_file is None):
        seen = await _certificate(context, options, way, where, progress)
        roots, name = ssl.DER_cert_to_PEM_cert(seen).encode(), _name_in(seen) or name
    elif options.ca_file is not None:
        roots = _read(options.ca_file)
        if options.fingerprint is not None:
            await _certificate(context, options, way, where, progress)
    else:
        roots = _system_roots()
    key, chain = _identity(options, where)
    return Trust(grpc.ssl_channel_credentials(roots, key, chain), name)


async def diagnosis(options: GnmiOptions, way: Way, where: Where, progress: Progress) -> ConnectError:
    """Why gRPC could not connect, found by connecting without it. The deadline is the caller's."""
    peer = f"{way.host} port {way.port}"
    try:
        if options.insecure:
            (await way.connect(progress)).close()
        else:
            await _certificate(context_for(options, **where), options, way, where, progress)
    except ConnectError as error:
        return error
    if options.insecure:
        return KeyExchangeFailed(
            f"{peer}: what answers does not speak gRPC", **where, hint="does it want TLS (insecure: false)?"
        )
    return HostUnreachable(f"{peer}: what answers does not speak gRPC over TLS", **where, phase=Phase.KEX)


async def _certificate(
    context: ssl.SSLContext, options: GnmiOptions, way: Way, where: Where, progress: Progress
) -> bytes:
    """The target's certificate (DER), from a handshake that ends there."""
    host, port = way.host, way.port
    sock = await way.connect(progress)
    progress.phase = Phase.KEX
    name = options.server_name or host.partition("%")[0]
    writer: asyncio.StreamWriter | None = None
    try:
        reader, writer = await asyncio.open_connection(sock=sock, ssl=context, server_hostname=name)
        found: bytes | None = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
        # In TLS 1.3 a target says what it thinks of our certificate after the handshake; else it greets.
        try:
            async with asyncio.timeout(GREETING):
                await reader.read(1)
        except TimeoutError:
            pass
    except ssl.SSLError as error:
        raise handshake_error(error, host=host, port=port, **where) from error
    except OSError as error:
        what = f"{host} port {port}: ended the connection in the TLS handshake"
        raise HostUnreachable(what, **where, phase=Phase.KEX) from error
    finally:
        if writer is not None:
            writer.transport.abort()
    if not found:
        raise KeyExchangeFailed(f"{host} port {port}: shows no certificate", **where)
    return found


def _name_in(certificate: bytes) -> str:
    """A name that the certificate is for; empty if it has none."""
    seen = x509.load_der_x509_certificate(certificate)
    try:
        names = seen.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        common = seen.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
        return str(common[0].value) if common else ""
    known: list[str] = names.get_values_for_type(x509.DNSName)
    addresses = names.get_values_for_type(x509.IPAddress)
    known += [str(each) for each in addresses if isinstance(each, _ADDRESSES)]
    return known[0].replace("*", "any", 1) if known else ""


def _identity(options: GnmiOptions, where: Where) -> tuple[bytes | None, bytes | None]:
    """Our key and certificate, in PEM; gRPC opens no key that is encrypted."""
    if options.client_certificate is None:
        return None, None
    chain = _read(options.client_certificate)
    key = _read(options.client_key or options.client_certificate)
    if options.client_passphrase is None:
        return key, chain
    try:
        opened = serialization.load_pem_private_key(key, options.client_passphrase.reveal().encode())
    except (ValueError, TypeError):
        raise InvalidOption("client_key: cannot be opened with this passphrase", **where) from None
    form = serialization.PrivateFormat.PKCS8
    plain = opened.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())
    return plain, chain


def _read(name: str) -> bytes:
    with open(os.path.expanduser(name), "rb") as file:
        return file.read()


@functools.cache
def _system_roots() -> bytes | None:
    """The authorities that the system trusts; None, which means gRPC's own list, if it names none."""
    found = ssl.create_default_context().get_ca_certs(binary_form=True)
    return "".join(map(ssl.DER_cert_to_PEM_cert, found)).encode() or None
