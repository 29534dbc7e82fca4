# SPDX-License-Identifier: Apache-2.0
"""The Python that a client runs in: this one, or for a peer one of its own under .nox, made when it is first needed."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from benchmarks.clients.base import Client
from benchmarks.target import ROOT

_INSTALL_TIMEOUT = 300.0
_NOX = ROOT / ".nox" / ".self" / "bin"


class CannotInstall(Exception):
    """A peer is not to be had here; says why in a line."""


def python_for(client: Client, say: Callable[[str], None] = lambda line: None) -> Path:
    """The interpreter to measure `client` with; `say` is told when it has to be made."""
    if not client.separate:
        return Path(sys.executable)
    folder = ROOT / ".nox" / f"bench-{client.name}"
    python, stamp = folder / "bin" / "python", folder / "installed"
    wanted = client.installs or client.packages[:1]
    if not (python.exists() and stamp.exists() and stamp.read_text().split() == list(wanted)):
        say(f"environment of {client.name}")
        _make(folder, python, wanted, client)
        stamp.write_text("\n".join(wanted))
    return python


def _make(folder: Path, python: Path, wanted: tuple[str, ...], client: Client) -> None:
    """With uv, which came with nox and takes a second where pip takes ten; with pip where that does not do."""
    uv = shutil.which("uv") or shutil.which("uv", path=_NOX)
    if uv is not None:
        try:
            _run([uv, "venv", "--quiet", "--clear", "--python", sys.executable, str(folder)], client)
            install = [uv, "pip", "install", "--quiet", "--compile-bytecode", "--python", str(python)]
            return _run([*install, *wanted], client)
        except CannotInstall:
            pass
    _run([sys.executable, "-m", "venv", "--clear", str(folder)], client)
    return _run([str(python), "-m", "pip", "install", "--quiet", *wanted], client)


def _run(command: list[str], client: Client) -> None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_INSTALL_TIMEOUT, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise CannotInstall(f"{client.name} cannot be installed: {error}") from error
    if done.returncode != 0:
        said = (done.stderr.strip() or done.stdout.strip() or "no reason given").splitlines()[-1]
        raise CannotInstall(f"{client.name} cannot be installed: {said}")
