# SPDX-License-Identifier: Apache-2.0
"""What pyATS writes between the braces of `%ENC{}`, and where it keeps the key.

pyATS names the way it encodes in the section `[secrets]` of `pyats.conf`: `string.representer` and `string.key`,
and the same with another prefix for `%ENC{text, prefix=NAME}`. Without that it obscures the text: to each character
one of a key that everybody knows is added, modulo 256, and the result is written as UTF-8 in URL-safe base64. That
hides a password from a glance, and from nothing else. (pyATS documentation: "Secret Strings", "Configuration".)
"""

from __future__ import annotations

import base64
import binascii
import configparser
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import cycle

from aioconn.errors import MissingValue
from aioconn.testbed.keyfile import is_key

VARIABLE = "AIOCONN_PYATS_KEY"
PREFIX = "string"
_PUBLIC_KEY = "pyats_default_key"
_SIZE_LIMIT = 1024 * 1024  # bytes of one pyats.conf
_WAYS = {
    "FernetSecretStringRepresenter": "fernet",
    "ObscuringSecretStringRepresenter": "obscuring",
    "PlainTextSecretStringRepresenter": "plain",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class PyatsSecrets:
    """How the texts of one prefix are encoded. `way` is "fernet", "obscuring", "plain", or None: not said.

    `foreign` is the name of a class that only pyATS could run.
    """

    way: str | None = None
    key: str | None = field(default=None, repr=False)
    foreign: str | None = None

    @property
    def fernet_key(self) -> bytes | None:
        return self.key.encode("ascii") if self.key is not None and is_key(self.key) else None

    def reveal(self, text: str) -> str:
        """The text that was obscured. Raises `MissingValue` if it is damaged, or the key is not this one."""
        key = self.key if self.way == "obscuring" or self.fernet_key is None else None
        return _reveal(text, key or _PUBLIC_KEY)


def find_secrets(prefix: str = PREFIX) -> PyatsSecrets:
    """What `AIOCONN_PYATS_KEY` and the `pyats.conf` files say. Raises `MissingValue` if a file is broken."""
    settings = _settings()
    name = settings.get(f"{prefix}.representer", "").strip()
    short = name.rpartition(".")[2]
    key: str | None = settings.get(f"{prefix}.key", "").strip() or None
    if prefix == PREFIX:
        key = os.environ.get(VARIABLE, "").strip() or key
    elif not name:
        raise MissingValue(
            f"nothing says how texts with prefix={prefix} are encoded",
            hint=f"write {prefix}.representer and {prefix}.key under [secrets] of pyats.conf",
        )
    return PyatsSecrets(way=_WAYS.get(short), key=key, foreign=name if name and short not in _WAYS else None)


def _settings() -> Mapping[str, str]:
    """The section `[secrets]` of all files, where a later one wins."""
    found: dict[str, str] = {}
    for path in _files():
        parser = configparser.RawConfigParser(strict=False)
        try:
            with open(path, "rb") as file:
                data = file.read(_SIZE_LIMIT + 1)
            if len(data) > _SIZE_LIMIT:
                raise MissingValue(f"{path} has more than {_SIZE_LIMIT // 2**20} MiB: this is no pyats.conf")
            parser.read_string(data.decode("utf-8-sig"), source=path)
        except (FileNotFoundError, NotADirectoryError):
            continue
        except (OSError, ValueError) as error:  # ValueError: not UTF-8, a NUL in the name
            reason = getattr(error, "strerror", None) or "not UTF-8 text"
            raise MissingValue(f"{path} cannot be read: {reason}") from None
        except configparser.Error as error:
            line = getattr(error, "lineno", None) or next((n for n, _ in getattr(error, "errors", [])), None)
            place = path if line is None else f"{path}:{line}"
            raise MissingValue(f"{place}: this is no INI file, as a pyats.conf is") from None
        if parser.has_section("secrets"):
            found.update(parser.items("secrets"))
    return found


def _files() -> list[str]:
    environment = os.environ
    files = ["/etc/pyats.conf"]
    if folder := environment.get("VIRTUAL_ENV"):
        files.append(os.path.join(folder, "pyats.conf"))
    files.append(os.path.expanduser("~/.pyats/pyats.conf"))
    if file := environment.get("PYATS_CONFIGURATION"):
        files.append(os.path.expanduser(file))
    return files


def _reveal(text: str, key: str) -> str:
    try:
        hidden = base64.b64decode(text, altchars=b"-_", validate=True).decode("utf-8")
    except (ValueError, binascii.Error):
        raise MissingValue(
            "this is neither a text that aioconn encoded nor one that pyATS did",
            hint="copy the whole text again, or encode it anew by `aioconn secret encode`",
        ) from None
    found = "".join(
        chr((ord(one) - ord(other)) % 256) for one, other in zip(hidden, cycle(key), strict=False)
    )
    if not all(one.isprintable() or one in "\t\r\n" for one in found):
        raise MissingValue(
            "this was encoded by pyATS with another key, or it is damaged",
            hint=f"pyATS's key comes from {VARIABLE}, or string.key under [secrets] of pyats.conf",
        )
    return found
