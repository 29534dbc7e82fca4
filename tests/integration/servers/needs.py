# SPDX-License-Identifier: Apache-2.0
"""What a server needs of the machine: without it tests are skipped and say why, or fail where none may be missing."""

from __future__ import annotations

import os
import shutil
import sys
from typing import NoReturn

import pytest

REQUIRED = os.environ.get("AIOCONN_INTEGRATION") == "required"
_SYSTEM_FOLDERS = "/usr/sbin:/sbin:/usr/lib/frr"


def program(name: str, package: str) -> str:
    """The path of a program of a Debian package."""
    found = shutil.which(name, path=f"{os.environ.get('PATH', '')}:{_SYSTEM_FOLDERS}")
    return found or missing(f"{name} is not installed: apt-get install --no-install-recommends {package}")


def root(what: str) -> None:
    if sys.platform != "linux":
        missing(f"{what} is started on Linux only")
    if os.geteuid() != 0:
        missing(f"{what} needs root")


def missing(reason: str) -> NoReturn:
    if REQUIRED:
        pytest.fail(f"{reason} (and AIOCONN_INTEGRATION=required)", pytrace=False)
    pytest.skip(reason)
