# SPDX-License-Identifier: Apache-2.0
# pyright: reportMissingImports=false
"""aioconn in Nornir: a connection plugin, and tasks that use it.

    result = nr.run(task=execute, command="show version")

Nornir finds the plugin by its entry point, `aioconn`. What it opens is a device of `aioconn.sync`, connected.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from aioconn.credentials import Secret
from aioconn.errors import UsageError
from aioconn.sync import Device

if TYPE_CHECKING:
    from nornir.core.configuration import Config
    from nornir.core.task import Result, Task

NAME = "aioconn"

_OF_CONNECT = frozenset(("pool_size", "pool_timeout", "timeout"))
_OF_THE_DEVICE = frozenset(("connections", "credentials", "custom", "os", "type"))


class AioconnPlugin:
    """Opens a device of `aioconn.sync` from what the inventory says of a host.

    `hostname`, `port`, `username`, `password` and `platform` are the host's; `platform` in Nornir's, NAPALM's or
    netmiko's spelling. `extras` may hold `protocol` (ssh unless said otherwise), `enable_password`, `pool_size`,
    `pool_timeout`, `timeout`; keys of a testbed's device (`connections`, `credentials`, `os`), of which those win; and
    options of the connection (`connect_timeout`, `host_key`, ...).
    """

    def __init__(self) -> None:
        self._device: Device | None = None

    def open(
        self,
        hostname: str | None,
        username: str | None,
        password: str | None,
        port: int | None,
        platform: str | None,
        extras: dict[str, Any] | None = None,
        configuration: Config | None = None,
    ) -> None:
        """Connect. Raises what `Device.connect` raises; nothing stays open then."""
        if not hostname:
            raise UsageError("the host has no hostname", hint="write hostname: into the inventory")
        given = dict(extras or {})
        keys = {name: given.pop(name) for name in _OF_THE_DEVICE & given.keys()}
        how = {name: given.pop(name) for name in _OF_CONNECT & given.keys()}
        keys.setdefault("os", platform)
        keys["credentials"] = {**_credentials(username, password, given), **keys.get("credentials", {})}
        if "connections" not in keys:
            path = {
                "protocol": given.pop("protocol", "ssh"),
                "host": hostname,
                **({"port": port} if port else {}),
            }
            keys["connections"] = {path["protocol"]: path}
        device = Device(hostname, **{name: value for name, value in keys.items() if value})
        try:
            device.connect(**how, **given)
        except BaseException:
            device.destroy_all()
            raise
        self._device = device

    def close(self) -> None:
        """Close everything that the device has open. May be repeated."""
        device, self._device = self._device, None
        if device is not None:
            device.destroy_all()

    @property
    def connection(self) -> Device:
        """The device: its services go to the connection that was opened; `connect()` opens further ones."""
        if self._device is None:
            raise UsageError("not open", hint="ask for it by host.get_connection('aioconn', config)")
        return self._device


def _credentials(username: str | None, password: str | None, extras: dict[str, Any]) -> dict[str, Any]:
    """What Nornir knows; its passwords are meant as they stand, whatever a testbed would read in them."""
    default: dict[str, Any] = {
        "username": username,
        "password": None if password is None else Secret(password),
    }
    enable = {"password": None if (value := extras.pop("enable_password", None)) is None else Secret(value)}
    found = {"default": default, "enable": enable}
    return {
        name: known
        for name, keys in found.items()
        if (known := {key: value for key, value in keys.items() if value is not None})
    }


# ---------------------------------------------------------------------- tasks


def execute(task: Task, command: str | Sequence[str], timeout: float | None = None) -> Result:
    """A task: run a command, or several, on each host. The result is the output, or a list of them."""
    return _result(task, _device(task).execute(command, timeout=timeout))


def configure(
    task: Task, lines: str | Sequence[str], timeout: float | None = None, dry_run: bool | None = None
) -> Result:
    """A task: send configuration lines to each host. In a dry run (`dry_run`, else Nornir's own) nothing is sent."""
    if task.is_dry_run(dry_run):
        return _result(task, lines if isinstance(lines, str) else "\n".join(lines), changed=False)
    return _result(task, _device(task).configure(lines, timeout=timeout), changed=True)


def parse(task: Task, command: str, timeout: float | None = None, parser: str | None = None) -> Result:
    """A task: run a command and parse its output with ntc-templates; rows as dicts."""
    return _result(task, _device(task).parse(command, timeout=timeout, parser=parser))


def _device(task: Task) -> Device:
    device: Device = task.host.get_connection(NAME, task.nornir.config)
    return device


def _result(task: Task, value: Any, *, changed: bool = False) -> Result:
    from nornir.core.task import Result

    return Result(host=task.host, result=value, changed=changed)
