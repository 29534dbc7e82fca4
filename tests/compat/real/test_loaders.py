# SPDX-License-Identifier: Apache-2.0
"""One testbed file, by pyATS's loader and by ours, key by key."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

import aioconn
from aioconn.credentials import Credential, Credentials, Secret
from aioconn.protocols.registry import PYATS
from aioconn.testbed.model import DeviceSpec, TestbedSpec

pytestmark = [pytest.mark.compat, pytest.mark.timeout(150)]

FOLDER = Path(__file__).resolve().parent
NAMES = ("default", "enable", "line", "linux", "rest", "ssh")

Run = Callable[..., Any]


def revealed(value: Any) -> Any:
    if isinstance(value, Secret):
        return value.reveal()
    if isinstance(value, Mapping):
        return {name: revealed(item) for name, item in value.items()}
    return [revealed(item) for item in value] if isinstance(value, (list, tuple)) else value


def login(credential: Credential) -> dict[str, Any]:
    said = {"username": credential.username, "password": credential.password, **credential.extra}
    return {name: revealed(value) for name, value in said.items() if value is not None}


def logins(credentials: Credentials) -> dict[str, Any]:
    return {name: login(found) for name in NAMES if (found := credentials.find(name)) is not None}


def ours(spec: TestbedSpec) -> dict[str, Any]:
    """In the form of scripts/load.py."""
    return {
        "name": spec.name,
        "alias": spec.alias or spec.name,
        "credentials": logins(spec.credentials),
        "custom": revealed(spec.custom),
        "servers": {
            name: {
                "server": server.server,
                "address": [revealed(address) for address in server.address],
                "path": server.path,
                "custom": revealed(server.custom),
                "credentials": logins(server.credentials),
            }
            for name, server in spec.servers.items()
        },
        "devices": {name: our_device(device) for name, device in spec.devices.items()},
        "links": {
            link: sorted(f"{end.device} {end.name}" for end in spec.topology.on_link(link))
            for link in spec.topology.links
        },
    }


def our_device(device: DeviceSpec) -> dict[str, Any]:
    return {
        "alias": device.alias or device.name,
        "os": device.os,
        "platform": device.platform,
        "type": device.type,
        "credentials": logins(device.credentials),
        "defaults": {
            "class": device.defaults.class_name,
            "via": list(device.defaults.via),
            "alias": device.defaults.alias,
        },
        "connections": {
            name: {
                "protocol": path.protocol,
                "host": path.address,
                "port": path.port_number,
                "proxy": list(path.proxy),
                "command": list(path.command),
                "class": path.class_name,
            }
            for name, path in device.connections.items()
        },
        "logins": {
            name: logins(device.credentials.under(path.credentials))
            for name, path in device.connections.items()
        },
        "custom": revealed(device.custom),
        "interfaces": {
            one.name: {"alias": one.alias or one.name, "type": one.type, "link": one.link, "ipv4": one.ipv4}
            for one in device.interfaces.values()
        },
    }


def theirs(report: dict[str, Any]) -> dict[str, Any]:
    """What pyATS reports, where it has another form for the same."""
    for server in report["servers"].values():
        for name in set(server) - {"server", "address", "path", "custom", "credentials"}:
            del server[name]
        server["address"] = as_list(server.get("address"))
        server.setdefault("server", None)
        server.setdefault("path", None)
        server.setdefault("custom", {})
    for device in report["devices"].values():
        del device["tacacs"], device["passwords"]
        if device["platform"] == device["type"]:
            device["platform"] = None  # it takes the type where a file has no platform
        defaults = device["defaults"]
        device["defaults"] = {
            "class": class_of(defaults.get("class")),
            "via": as_list(defaults.get("via", defaults.get("connections"))),
            "alias": defaults.get("alias"),
        }
        device["connections"] = {
            name: {
                "protocol": path.get("protocol"),
                "host": path.get("ip", path.get("host")),
                "port": int(path["port"]) if "port" in path else None,
                "proxy": as_list(path.get("proxy")),
                "command": str(path.get("command", "")).split(),
                "class": class_of(path.get("class")),
            }
            for name, path in device["connections"].items()
        }
    return report


def as_list(value: Any) -> list[Any]:
    return [] if value is None else list(value) if isinstance(value, list) else [value]


def class_of(said: str | None) -> str | None:
    """The name that a file has for a class of pyATS; what is reported is where it was found."""
    if said is None:
        return None
    words = said.replace("<cyfunction ", "").split(" at ")[0].split(".")
    return next(
        name for name in PYATS if name.split(".")[-1] == words[-1] and words[0].lower() in name.lower()
    )


@pytest.mark.parametrize("which", ["everything", "extending", "shapes"])
def test_both_loaders_find_the_same(which: str, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    file = FOLDER / f"{which}.yaml"
    monkeypatch.setenv("AIOCONN_EXAMPLE", "secret of the environment")
    found = ours(aioconn.load(file).spec)
    other = theirs(run("load.py", file, folder=file.parent, AIOCONN_EXAMPLE="secret of the environment"))
    assert len(found["devices"]) >= 3
    for name, device in other["devices"].items():
        for key, value in device.items():
            assert found["devices"][name][key] == value, f"{name}: {key}"
    for key, value in other.items():
        assert found[key] == value, key


def test_logins_from_before_there_were_credentials(run: Run) -> None:
    """pyATS keeps them beside its credentials; here they are credentials."""
    file = FOLDER / "legacy.yaml"
    spec = aioconn.load(file).spec
    for name, device in run("load.py", file)["devices"].items():
        assert device["credentials"] == {}
        found = logins(spec.devices[name].credentials)
        assert found["default"]["username"] == device["tacacs"]["username"]
        assert {name: one["password"] for name, one in found.items()} == {
            "default" if name == "tacacs" else name: password
            for name, password in device["passwords"].items()
        }


def test_the_two_do_differ_where_pyats_guesses(run: Run, tmp_path: Path) -> None:
    """YAML reads 0123 as an octal number, and pyATS gives that out; here a password stays as it is written."""
    file = tmp_path / "octal.yaml"
    file.write_text(
        "devices:\n  r1:\n    os: iosxe\n    type: router\n    credentials:\n"
        "      default: {username: admin, password: 0123}\n"
        "    connections:\n      cli: {protocol: ssh, ip: 192.0.2.1}\n",
        encoding="utf-8",
    )
    assert run("load.py", file)["devices"]["r1"]["credentials"]["default"]["password"] in (83, "83")
    assert aioconn.load(file)["r1"].credentials.require_password() == "0123"
