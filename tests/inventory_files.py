# SPDX-License-Identifier: Apache-2.0
"""Inventories in a folder of a test's own, and what was made of them as plain data."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from aioconn.credentials import Credential, Secret
from aioconn.errors import TestbedError
from aioconn.testbed.load import load_spec
from aioconn.testbed.model import DeviceSpec, TestbedSpec


def write(folder: Path, files: Mapping[str, str]) -> Path:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")
    return folder


def load(folder: Path, files: Mapping[str, str], source: str | None = None) -> TestbedSpec:
    write(folder, files)
    return load_spec(folder / (source or next(iter(files))))


def problems_of(folder: Path, files: Mapping[str, str], source: str | None = None) -> list[str]:
    """Every problem, the folder's name taken out of it."""
    try:
        found = load(folder, files, source).warnings
    except TestbedError as error:
        found = tuple(error.problems)
    return [str(problem).replace(f"{folder}{os.sep}", "").replace(str(folder), "") for problem in found]


def seen(value: Any) -> Any:
    """A part of the model as plain data, secrets revealed, without the places where it stands."""
    if isinstance(value, Secret):
        return value.reveal()
    if isinstance(value, Credential):
        return {
            "username": seen(value.username),
            "password": seen(value.password),
            "key": value.key,
            "passphrase": seen(value.passphrase),
            "extra": seen(value.extra),
        }
    if isinstance(value, Mapping):
        return {name: seen(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)) or type(value).__name__ == "DeferredList":
        return [seen(item) for item in value]
    return value


def described(device: DeviceSpec) -> dict[str, Any]:
    paths = {
        name: {
            "protocol": path.protocol,
            "host": seen(path.host),
            "port": path.port,
            "proxy": path.proxy,
            "credentials": seen(path.credentials),
            "options": seen(path.options),
            "arguments": seen(path.arguments),
        }
        for name, path in device.connections.items()
    }
    logins = {name: seen(device.credentials.find(name)) for name in ("default", "enable")}
    return {"os": device.os, "paths": paths, "logins": logins, "custom": seen(device.custom)}
