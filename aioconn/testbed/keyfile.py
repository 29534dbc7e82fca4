# SPDX-License-Identifier: Apache-2.0
"""The file with the keys of `%ENC{}`: one to a line, the newest first. It must be private.

A key is 32 random bytes in URL-safe base64. The first one encodes, all of them decode: a new key is put in front
of the old ones, which can go when nothing is left that they encoded. Empty lines and lines that begin with `#` do
not count.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import os
import secrets
import stat
from pathlib import Path

from aioconn.errors import MissingValue, UsageError

VARIABLE = "AIOCONN_KEY_FILE"
DEFAULT = "~/.config/aioconn/key"
KEY_BYTES = 32
_SIZE_LIMIT = 64 * 1024  # more than a thousand keys


def is_key(text: str | bytes) -> bool:
    """Whether this is a key, as far as its form tells."""
    try:
        return len(text) == 44 and len(base64.b64decode(text, altchars=b"-_", validate=True)) == KEY_BYTES
    except (ValueError, binascii.Error):
        return False


def new_key() -> bytes:
    return base64.urlsafe_b64encode(secrets.token_bytes(KEY_BYTES))


class KeyFile:
    """Where the keys are. Without a path: what `AIOCONN_KEY_FILE` names, else `~/.config/aioconn/key`."""

    __slots__ = ("path",)

    def __init__(self, path: str | os.PathLike[str] | None = None) -> None:
        self.path = Path(os.path.expanduser(os.fspath(path or os.environ.get(VARIABLE) or DEFAULT)))

    def __repr__(self) -> str:
        return f"<KeyFile {self.path}>"

    def exists(self) -> bool:
        """Whether something is there, readable or not."""
        return os.path.lexists(self.path)

    def keys(self) -> tuple[bytes, ...]:
        """All keys, the one that encodes first. Raises `MissingValue`: no file, not private, or no key in it."""
        try:
            # a pipe in its place must not be waited for
            number = os.open(self.path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
        except FileNotFoundError:
            raise self._missing(
                "is not there", f"`aioconn secret key` makes it; {VARIABLE} names another one"
            ) from None
        except (OSError, ValueError) as error:
            raise self._unreadable(error) from None
        try:
            self._require_private(os.fstat(number))
            data = os.read(number, _SIZE_LIMIT + 1)
        except OSError as error:
            raise self._unreadable(error) from None
        finally:
            os.close(number)
        return self._parse(data)

    def create(self) -> None:
        """Make the file with one new key, for the own user alone. Raises `UsageError` if there is one already."""
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._write(self.path, new_key() + b"\n")
        except FileExistsError as error:
            if not self.exists():
                raise self._unwritable(error) from None  # a file where a folder should be
            raise UsageError(
                f"there is a key file already: {self.path}",
                hint="--add puts a new key in front of those in it",
            ) from None
        except (OSError, ValueError) as error:
            raise self._unwritable(error) from None

    def add(self) -> None:
        """Put a new key in front. The old ones go on decoding; the file is replaced in one step."""
        old = self.keys()
        draft = self.path.with_name(f"{self.path.name}.{secrets.token_hex(8)}")
        try:
            self._write(draft, b"\n".join((new_key(), *old)) + b"\n")
            os.replace(draft, self.path)
        except (OSError, ValueError) as error:
            with contextlib.suppress(OSError, ValueError):
                draft.unlink(missing_ok=True)
            raise self._unwritable(error) from None

    @staticmethod
    def _write(path: Path, data: bytes) -> None:
        number = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with open(number, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(number)

    def _require_private(self, found: os.stat_result) -> None:
        if not stat.S_ISREG(found.st_mode):
            raise self._missing("is not a regular file")
        if os.name != "posix":
            return
        if found.st_uid != os.geteuid():
            raise self._missing("belongs to somebody else, and is not used", "use a file of your own")
        if found.st_mode & 0o077:
            raise self._missing(
                f"is open to others (mode {stat.S_IMODE(found.st_mode):04o}), and is not used",
                f"chmod 600 {self.path}",
            )

    def _parse(self, data: bytes) -> tuple[bytes, ...]:
        if len(data) > _SIZE_LIMIT:
            raise self._missing(f"has more than {_SIZE_LIMIT // 1024} KiB: this is no key file")
        found: list[bytes] = []
        for number, line in enumerate(data.splitlines(), 1):
            text = line.strip()
            if not text or text.startswith(b"#"):
                continue
            if not is_key(text):
                raise self._missing(
                    f"has no key in line {number}", "a key is 44 characters; make one by `aioconn secret key`"
                )
            found.append(text)
        if not found:
            raise self._missing("has no key in it", "delete it, and call `aioconn secret key`")
        return tuple(found)

    def _missing(self, what: str, hint: str | None = None) -> MissingValue:
        return MissingValue(f"the key file {self.path} {what}", hint=hint)

    def _unreadable(self, error: Exception) -> MissingValue:
        return self._missing(f"cannot be read: {getattr(error, 'strerror', None) or 'not a file name'}")

    def _unwritable(self, error: Exception) -> UsageError:
        reason = getattr(error, "strerror", None) or "not a file name"
        return UsageError(f"the key file {self.path} cannot be written: {reason}")
