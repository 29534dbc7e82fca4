# SPDX-License-Identifier: Apache-2.0
"""Starts nox on a machine that has Python and nothing else.

`python3 noxfile.py ...` comes here. Where this interpreter already has a recent nox, that one runs. Elsewhere
nox gets an environment of its own, `.nox/.self`, made once; nothing is ever installed outside of it, so it
does not matter whether the system lets pip install things. pip comes from the first of these that has one:

1. ensurepip, which most Pythons carry;
2. a pip of this interpreter or of another `python3*` on PATH, told to work on the new environment;
3. uv on PATH, told the same;
4. the pip wheel that Debian keeps for its own use;
5. Debian's package python3-venv, after which 1 and 4 are tried again (as root on a Debian-like system).

If nothing helps, one sentence says what to install.
"""

from __future__ import annotations

import fcntl
import importlib.metadata
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NoReturn

OLDEST_NOX = (2025, 2, 9)
NOX = "nox>=" + ".".join(map(str, OLDEST_NOX))
PIP_WHEELS = Path("/usr/share/python-wheels")


def start(noxfile: Path, arguments: list[str]) -> NoReturn:
    """Become nox, with these arguments."""
    python = sys.executable if _has_nox() else str(_own_environment(noxfile.parent / ".nox" / ".self"))
    os.execv(python, [python, "-m", "nox", "--noxfile", str(noxfile), *arguments])  # noqa: S606  no shell


def _has_nox() -> bool:
    try:
        version = importlib.metadata.version("nox")
    except importlib.metadata.PackageNotFoundError:
        return False
    return tuple(int(part) for part in version.split(".")[:3] if part.isdigit()) >= OLDEST_NOX


def _own_environment(folder: Path) -> Path:
    """A Python with nox, made now unless an earlier start did so for this interpreter."""
    python = folder / "bin" / "python"
    stamp = folder / "made-for"
    wanted = f"{NOX}\n{sys.version}\n{sys.base_prefix}\n"
    folder.parent.mkdir(exist_ok=True)
    with folder.with_name(".self.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not stamp.exists() or stamp.read_text() != wanted:
            _say(f"making {folder} with nox in it, this once")
            _install(_find_pip(folder, python), python)
            stamp.write_text(wanted)
    return python


def _find_pip(folder: Path, python: Path) -> list[str]:
    """An installing command that works on the environment in `folder`, which it makes."""
    command = _environment_with_pip(folder, python)
    if command is None and os.geteuid() == 0 and shutil.which("apt-get"):
        _say("no pip anywhere: installing Debian's package python3-venv")
        quiet = {"DEBIAN_FRONTEND": "noninteractive"}
        _run("apt-get", "update", environment=quiet)
        _run("apt-get", "install", "-y", "--no-install-recommends", "python3-venv", environment=quiet)
        command = _environment_with_pip(folder, python)
    if command is None:
        sys.exit(
            f"noxfile: nox cannot be set up: {sys.executable} has no ensurepip and no pip was found."
            " Install your system's package for venv"
            " (Debian and Ubuntu: apt-get install python3-venv), then start again."
        )
    return command


def _environment_with_pip(folder: Path, python: Path) -> list[str] | None:
    if _make(folder):
        return [str(python), "-m", "pip", "install"]
    if not _make(folder, "--without-pip"):
        return None
    return next((command for probe, command in _pips(python) if _run(*probe) is None), None)


def _make(folder: Path, *options: str) -> bool:
    shutil.rmtree(folder, ignore_errors=True)
    return _run(sys.executable, "-m", "venv", *options, str(folder)) is None


def _pips(python: Path) -> Iterator[tuple[list[str], list[str]]]:
    """Pairs of commands: one that succeeds if this pip can work on `python`, one that installs there."""
    for interpreter in (sys.executable, *_pythons_on_path()):
        pip = [interpreter, "-m", "pip", "--python", str(python)]
        yield [*pip, "--version"], [*pip, "install"]
    if uv := shutil.which("uv"):
        yield [uv, "--version"], [uv, "pip", "install", "--python", str(python)]
    for wheel in sorted(PIP_WHEELS.glob("pip-*.whl"), reverse=True):
        pip = [str(python), f"{wheel}/pip"]
        yield [*pip, "--version"], [*pip, "install"]


def _pythons_on_path() -> list[str]:
    """Every `python3` and `python3.N` on PATH, in its order."""
    files = (file for folder in os.get_exec_path() for file in sorted(Path(folder).glob("python3*")))
    return [str(file) for file in files if re.fullmatch(r"python3(\.\d+)?", file.name)]


def _install(command: list[str], python: Path) -> None:
    if trouble := _run(*command, "--quiet", NOX):
        sys.exit(f"noxfile: nox could not be installed into {python.parent.parent}: {trouble}")
    # uv makes and fills environments several times faster. Where it does not exist, or does not reach the
    # package index that pip reaches by its own settings, nox works with virtualenv.
    if _run(*command, "--quiet", "uv") is None:
        uv = [str(python), "-m", "uv", "pip"]
        if _run(*uv, "compile", "--no-cache", "--quiet", "-", text="hatchling"):
            _run(*uv, "uninstall", "--python", str(python), "uv")


def _run(*command: str, text: str = "", environment: Mapping[str, str] | None = None) -> str | None:
    """Run a command in silence: None if it succeeds, else the last line of what it had to say."""
    variables = {**os.environ, "PIP_USER": "0", "PIP_DISABLE_PIP_VERSION_CHECK": "1", **(environment or {})}
    try:
        done = subprocess.run(command, input=text, capture_output=True, text=True, env=variables, check=False)
    except OSError as error:
        return str(error)
    if done.returncode == 0:
        return None
    said = (done.stderr.strip() or done.stdout.strip()).splitlines()
    return said[-1] if said else f"{command[0]} ended with status {done.returncode}"


def _say(text: str) -> None:
    print(f"noxfile: {text}", file=sys.stderr, flush=True)
