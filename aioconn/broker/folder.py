# SPDX-License-Identifier: Apache-2.0
"""The private folder where brokers listen, and the files in it."""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import socket
import stat
import tempfile
from pathlib import Path

from aioconn.errors import UsageError
from aioconn.home.descriptors import keep, making

BACKLOG = 128

PATH_LIMIT = 100
"""Bytes of a socket's path that every system takes."""

SWEEP_LIMIT = 256
"""Files that are looked at when abandoned ones are removed."""

_OURS = re.compile(r"(\d+)-[0-9a-f]{16}\.(?:sock|new)")


def runtime_directory(directory: str | os.PathLike[str] | None = None, *, make: bool = True) -> Path:
    """The private folder of this user: `directory`, else `$XDG_RUNTIME_DIR/aioconn`, else `<temp>/aioconn-<uid>`.

    It must be a folder of ours that nobody else may look into. Else, and without `make` if it is not there, it is a
    `UsageError`.
    """
    uid = os.getuid()
    if directory is not None:
        path = Path(directory)
    else:
        runtime = os.environ.get("XDG_RUNTIME_DIR", "")
        inside = bool(runtime) and os.path.isabs(runtime) and _is_ours(Path(runtime))
        path = Path(runtime) / "aioconn" if inside else Path(tempfile.gettempdir()) / f"aioconn-{uid}"
    if make:
        with contextlib.suppress(FileExistsError):
            path.mkdir(mode=0o700)
    try:
        status = path.lstat()
    except FileNotFoundError:
        raise UsageError(f"there is no folder {path}: nobody listens there") from None
    if not stat.S_ISDIR(status.st_mode):
        raise UsageError(f"{path} is no folder", hint="remove it")
    if status.st_uid != uid:
        raise UsageError(
            f"the folder {path} belongs to user {status.st_uid}, not to {uid}",
            hint="set XDG_RUNTIME_DIR to a private folder",
        )
    if stat.S_IMODE(status.st_mode) & 0o077:
        raise UsageError(f"others may look into the folder {path}", hint=f"chmod 700 {path}")
    return path


def _is_ours(path: Path) -> bool:
    try:
        status = path.stat()
    except OSError:
        return False
    return stat.S_ISDIR(status.st_mode) and status.st_uid == os.getuid()


def private_file(path: str | os.PathLike[str], data: bytes) -> None:
    """Write a file that only this user can read, all of it at once: who reads it finds the old one or the new one."""
    path = Path(path)
    new = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
    number = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        with open(number, "wb") as file:
            file.write(data)
        new.replace(path)
    except BaseException:
        new.unlink(missing_ok=True)
        raise


def sweep(directory: Path) -> None:
    """Remove the sockets of processes that have ended without doing so."""
    with contextlib.suppress(OSError), os.scandir(directory) as entries:
        for entry, _ in zip(entries, range(SWEEP_LIMIT), strict=False):
            match = _OURS.fullmatch(entry.name)
            if match is None or _is_alive(int(match[1])):
                continue
            if is_abandoned(Path(entry.path)):
                with contextlib.suppress(OSError):
                    os.unlink(entry.path)


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        pass
    return True


def is_abandoned(path: Path) -> bool:
    """Whether nobody listens at a socket. One that cannot be asked counts as somebody's."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)
        try:
            probe.connect(str(path))
        except (ConnectionRefusedError, FileNotFoundError):
            return True
        except OSError:
            return False
        return False


def listen(new: Path, path: Path) -> socket.socket:
    """Found under its name only when it listens: who looks for abandoned ones may not take it for one."""
    if len(os.fsencode(new)) > PATH_LIMIT:
        raise UsageError(
            f"the path of a socket in {new.parent} would be longer than the system allows",
            hint="set XDG_RUNTIME_DIR to a private folder with a shorter name",
        )
    with making:
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        keep(listener)
    try:
        listener.bind(str(new))
        os.chmod(new, 0o600)
        listener.listen(BACKLOG)
        listener.setblocking(False)
        os.rename(new, path)
    except BaseException:
        listener.close()
        new.unlink(missing_ok=True)
        raise
    return listener
