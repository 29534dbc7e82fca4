# SPDX-License-Identifier: Apache-2.0
"""The `credentials` of testbed, device and connection, and the older `tacacs` and `passwords`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aioconn.credentials import Credential, Secret
from aioconn.testbed import keys
from aioconn.testbed.section import Section, describe
from aioconn.testbed.tree import Scalar, Table
from aioconn.testbed.values import option, secret, written

_FIELDS = ("username", "password", "key", "private_key", "passphrase", "certificate")
_CHOICE = "login_creds"  # which of them log in; no credential itself


def read_logins(section: Section) -> dict[str, Credential]:
    """The named credentials of a server or connection. One that is missing is no problem yet."""
    return {**_legacy(section, {}), **_named(section)}


def read_layers(
    section: Section, older: Mapping[str, Credential]
) -> tuple[dict[str, Credential], Mapping[str, Credential]]:
    """The credentials of a testbed or device; and, beneath those of both, what `tacacs` and `passwords` add to `older`,
    which is the testbed's: as in pyATS, they count where there is no credential of that name."""
    legacy = "tacacs" in section.node.entries or "passwords" in section.node.entries
    return _named(section), _legacy(section, older) if legacy else older


def _named(section: Section) -> dict[str, Credential]:
    found: dict[str, Credential] = {}
    if (credentials := section.section("credentials")) is not None:
        if _CHOICE in credentials.node.entries:
            node = credentials.node
            entries = {name: entry for name, entry in node.entries.items() if name != _CHOICE}
            credentials = Section(
                Table(node.file, node.line, node.column, entries), credentials.key, section.report
            )
        for name, entry in credentials.sections("a credential (username, password)", keys.CREDENTIAL):
            found[name] = _credential(entry)
    return found


def chosen_in(section: Section) -> tuple[str, ...]:
    """`login_creds` where it stands among the credentials, as one finds it in unicon's documentation."""
    credentials = section.section("credentials") if "credentials" in section.node.entries else None
    return credentials.texts(_CHOICE) if credentials is not None else ()


def older_credential(section: Section) -> Credential:
    """`username` and `password` that stand in a section by themselves."""
    return Credential(username=_username(section, "username"), password=_secret(section, "password"))


def _credential(section: Section) -> Credential:
    section.misspelled(keys.CREDENTIAL)
    extra: dict[str, Any] = {}
    for name, (_, node) in section.node.entries.items():
        if name not in _FIELDS:
            # Every other text is a secret: it may well be a password under a name that we do not know.
            extra[name] = (
                secret(node, section.path(name))
                if isinstance(node, Scalar)
                else option(node, section.path(name), name)
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


def _legacy(section: Section, base: Mapping[str, Credential]) -> dict[str, Credential]:
    """`tacacs.username` with `passwords.tacacs` is the default; the other passwords stand for themselves.

    What is missing comes from `base`, value by value.
    """
    tacacs, passwords = section.section("tacacs"), section.section("passwords")
    default = base.get("default", Credential())
    username = _username(tacacs, "username") if tacacs is not None else None
    username = default.username if username is None else username
    password = _secret(tacacs, "password") if tacacs is not None else None
    found = dict(base)
    if passwords is not None:
        password = _secret(passwords, "tacacs") or password
        for name in passwords.node.entries:
            if name != "tacacs":
                user = username if name in ("line", "linux") else None
                found[name] = Credential(username=user, password=_secret(passwords, name))
    password = default.password if password is None else password
    if username is not None or password is not None:
        found["default"] = Credential(username=username, password=password)
    return found
