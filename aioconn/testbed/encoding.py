# SPDX-License-Identifier: Apache-2.0
"""`%ENC{}`: secrets that can stand in a file, because who reads it has not got the key.

The encoding is Fernet (AES-128-CBC under HMAC-SHA256, https://github.com/fernet/spec), which pyATS uses as well if
it is told to: with the same key both read the same file. The keys are in a `KeyFile`; what pyATS encoded in its own
way is decoded too.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

from aioconn.credentials import Secret
from aioconn.errors import MissingDependency, MissingValue, UsageError
from aioconn.testbed.keyfile import KeyFile, is_key
from aioconn.testbed.pyats_secrets import PREFIX, VARIABLE, PyatsSecrets, find_secrets

if TYPE_CHECKING:
    from cryptography.fernet import Fernet

_PREFIX = re.compile(r"\s*,\s*prefix\s*=\s*([\w.-]+)\s*\Z")
_BEGIN = "gAAAA"  # the version 0x80 and a time before the year 36812, in base64
_WRONG = "encode it anew by `aioconn secret encode`"


def encode(text: str, key: bytes) -> str:
    """What stands between the braces of `%ENC{}`. Raises `UsageError` if it is no text, or no key."""
    try:
        data = text.encode("utf-8")
    except UnicodeEncodeError:
        raise UsageError("this is not text: it cannot be written as UTF-8") from None
    if not is_key(key):
        raise UsageError("this is no key", hint="a key is 44 characters; `aioconn secret key` makes one")
    fernet, _ = _library()
    return fernet(key).encrypt(data).decode("ascii")


def decode(inside: str, keys: Iterable[bytes] | None = None) -> Secret:
    """The text that was encoded, from what stands between the braces.

    With `keys`, only what `encode` gave can be decoded, by any of them. Without, the key file and pyATS's key are
    looked for, each only if it is needed. Raises `MissingValue` (no key, another key, a damaged text) and
    `MissingDependency`.
    """
    body, prefix = _parts(inside)
    if not body:
        raise MissingValue("there is nothing between the braces of %ENC{}", hint=_WRONG)
    if keys is not None:
        return Secret(_open(body, tuple(keys), "none of the given keys"))
    if prefix is not None and prefix != PREFIX:
        return Secret(_foreign(body, find_secrets(prefix), prefix))
    if body.startswith(_BEGIN):
        return Secret(_token(body))
    return Secret(_foreign(body, find_secrets(), PREFIX))


def _parts(inside: str) -> tuple[str, str | None]:
    """The encoded text without the blanks that a folded line puts into it, and its prefix."""
    found = _PREFIX.search(inside)
    body = inside[: found.start()] if found else inside
    return "".join(body.split()), found[1] if found else None


def _token(body: str) -> str:
    """A Fernet token: ours, or one of pyATS. What tells them apart is which key opens it."""
    file = KeyFile()
    own: tuple[bytes, ...] = ()
    if file.exists():
        own = file.keys()
        if (text := _try(body, own)) is not None:
            return text
    theirs = find_secrets()
    if theirs.fernet_key is not None:
        where = f"neither a key in {file.path} nor pyATS's key" if own else "not the key of pyATS"
        return _open(body, (theirs.fernet_key,), where)
    own = own or file.keys()  # which says what is missing
    return _open(body, own, f"no key in {file.path}")


def _foreign(body: str, secrets: PyatsSecrets, prefix: str) -> str:
    if secrets.foreign is not None:
        raise MissingValue(f"this was encoded by {secrets.foreign}, which only pyATS can run", hint=_WRONG)
    if secrets.way == "plain":
        return body
    if secrets.way != "fernet":
        return secrets.reveal(body)
    if secrets.fernet_key is None:
        name = f"{prefix}.key" if prefix != PREFIX else f"{VARIABLE} or string.key"
        raise MissingValue(
            "pyATS encoded this with a key that is not there",
            hint=f"set {name} under [secrets] of pyats.conf",
        )
    return _open(body, (secrets.fernet_key,), "not the key of pyATS")


def _open(body: str, keys: tuple[bytes, ...], where: str) -> str:
    if (text := _try(body, keys)) is None:
        raise MissingValue(
            f"{where} decodes this: it was encoded with another one, or is damaged", hint=_WRONG
        )
    return text


def _try(body: str, keys: tuple[bytes, ...]) -> str | None:
    """The text, None if no key fits. Raises `MissingValue` if none could."""
    fernet, invalid = _library()
    if not _whole(body):
        raise MissingValue("the encoded text is not whole", hint="copy all of it, or encode it anew")
    for key in keys:
        try:
            return fernet(key).decrypt(body).decode("utf-8")
        except invalid:
            continue
        except UnicodeDecodeError:
            raise MissingValue("what was encoded is not text", hint=_WRONG) from None
    return None


def _whole(body: str) -> bool:
    """Whether it has the form of a token: version, time and vector, whole blocks of AES, a signature."""
    try:
        size = len(base64.b64decode(body, altchars=b"-_", validate=True))
    except (ValueError, binascii.Error):
        return False
    return size >= 1 + 8 + 16 + 16 + 32 and (size - (1 + 8 + 16 + 32)) % 16 == 0


def _library() -> tuple[type[Fernet], type[Exception]]:
    try:
        from cryptography.fernet import Fernet, InvalidToken
    except ImportError as error:
        raise MissingDependency("%ENC{} needs cryptography", hint="pip install cryptography") from error
    return Fernet, InvalidToken
