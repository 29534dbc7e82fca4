# SPDX-License-Identifier: Apache-2.0
"""The `credentials` of testbed, device and connection, and the older `tacacs` and `passwords`."""

from __future__ import annotations

from typing import Any

from aioconn.credentials import Credential, Secret
from aioconn.testbed.section import Section, describe
from aioconn.testbed.tree import Scalar
from aioconn.testbed.values import secret, written

_FIELDS = ("username", "password", "key", "private_key", "passphrase", "certificate")
_SPELLINGS = (*_FIELDS, "enable_password")


def read_logins(section: Section) -> dict[str, Credential]:
    """The named credentials of a testbed, device or connection. One that is missing is no problem yet."""
    found = _legacy(section)
    if (credentials := section.section("credentials")) is not None:
        for name, entry in credentials.sections("a credential (username, password)"):
            found[name] = _credential(entry)
    return found


def _credential(section: Section) -> Credential:
    section.misspelled(_SPELLINGS)
    extra: dict[str, Any] = {}
    for name, (_, node) in section.node.entries.items():
        if name not in _FIELDS:
            # Every other text is a secret: it may well be a password under a name that we do not know.
            extra[name] = (
                secret(node, section.path(name)) if isinstance(node, Scalar) else section.options()[name]
            )
    return Credential(
        username=_username(section, "username"),
        password=_secret(section, "password"),
        key=section.text("key") or section.text("private_key"),
        passphrase=_secret(section, "passphrase"),
        certificate=section.text("certificate"),
        extra=extra,
    )


def _username(section: Section, name: str) -> str | Secret | None:
    node = section.get(name)
    if node is None:
        return None
    if (value := written(node, section.path(name))) is None:
        section.problem(name, f"expected a text, found {describe(node, name)}")
    return value


def _secret(section: Section, name: str) -> Secret | None:
    entry = section.node.entries.get(name)  # not get(): a password may read `null`
    if entry is None:
        return None
    if not isinstance(entry[1], Scalar):
        section.problem(name, f"expected a text, found {describe(entry[1], name)}", "put it in quotes")
    return secret(entry[1], section.path(name))


def _legacy(section: Section) -> dict[str, Credential]:
    """`tacacs.username` with `passwords.tacacs` is the default; the other passwords stand for themselves."""
    tacacs, passwords = section.section("tacacs"), section.section("passwords")
    username = _username(tacacs, "username") if tacacs is not None else None
    found: dict[str, Credential] = {}
    own = _secret(tacacs, "password") if tacacs is not None else None
    if passwords is not None:
        own = _secret(passwords, "tacacs") or own
        for name in passwords.node.entries:
            if name != "tacacs":
                user = username if name in ("line", "linux") else None
                found[name] = Credential(username=user, password=_secret(passwords, name))
    if username is not None or own is not None:
        found["default"] = Credential(username=username, password=own)
    return found
