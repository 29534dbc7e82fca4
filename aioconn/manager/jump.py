# SPDX-License-Identifier: Apache-2.0
"""A device as a jump host: one SSH link, opened by whoever comes first, shared by all that go through it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import TYPE_CHECKING

from aioconn import options as option_sets
from aioconn.credentials import Credentials
from aioconn.errors import (
    AuthenticationFailed,
    ConnectTimeout,
    HostUnknown,
    HostUnreachable,
    MissingValue,
    UnknownPath,
)
from aioconn.path import Path, Ways
from aioconn.policy import CLOSE_TIMEOUT
from aioconn.request import BaseOptions
from aioconn.transport.base import Progress

if TYPE_CHECKING:
    from aioconn.transport.ssh import SshLink


def path_to_jump_over(preferred: Iterable[Path], others: Iterable[Path], *, device: str) -> Path:
    """The first that speaks SSH. Raises `UnknownPath`."""
    for path in (*preferred, *others):
        if path.protocol in (None, "ssh") and not path.command:
            return path
    raise UnknownPath("a jump host needs a path with protocol ssh", device=device)


class JumpLink:
    """The link of one device. An attempt is shared; it goes on while anyone waits for it."""

    __slots__ = ("_device", "_links", "_tasks", "_waiters")

    def __init__(self, device: str) -> None:
        self._device = device
        self._links: dict[int, SshLink] = {}
        self._tasks: dict[int, asyncio.Task[SshLink]] = {}
        self._waiters: dict[int, int] = {}

    @property
    def there(self) -> bool:
        """Whether it is open, or being opened."""
        return bool(self._tasks) or any(not link.closed for link in self._links.values())

    async def get(self, path: Path, credentials: Credentials, through: SshLink | None) -> SshLink:
        """The live link (through another one, if given); opened over `path` if there is none."""
        key = id(through) if through is not None else 0
        if (link := self._links.get(key)) is not None and not link.closed:
            return link
        if (task := self._tasks.get(key)) is None:
            task = self._tasks[key] = asyncio.ensure_future(self._open(path, credentials, through))
            task.add_done_callback(lambda done: self._settle(key, done))
        self._waiters[key] = self._waiters.get(key, 0) + 1
        try:
            await asyncio.wait({task})
        except asyncio.CancelledError:
            if self._waiters[key] == 1:
                task.cancel()
                await asyncio.wait({task})
            raise
        finally:
            self._waiters[key] -= 1
        return task.result()

    def _settle(self, key: int, task: asyncio.Task[SshLink]) -> None:
        self._tasks.pop(key, None)
        if not task.cancelled() and task.exception() is None:
            self._links[key] = task.result()

    async def _open(self, path: Path, credentials: Credentials, tunnel: SshLink | None) -> SshLink:
        """A new link to this device over `path`."""
        from aioconn.protocols.cli_options import CliOptions
        from aioconn.transport.ssh import SshLink as Link

        options = option_sets.build(CliOptions, path, {}, device=self._device)
        assert isinstance(options, BaseOptions)
        progress, ways, loop = Progress(), Ways(path), asyncio.get_running_loop()
        ways.begin()
        try:
            async with asyncio.timeout(options.connect_timeout) as deadline:
                while True:
                    way = ways.current
                    if not (host := way.address):
                        raise MissingValue("the path has no host", device=self._device, path=path.name)
                    try:
                        async with asyncio.timeout_at(ways.share(loop.time(), deadline.when())):
                            return await Link.open(
                                host,
                                path.port_number or 22,
                                device=self._device,
                                path=path.name,
                                credential=credentials.logging_in(way.login, way.user).login(
                                    "ssh", path.name
                                ),
                                options=options,
                                tunnel=tunnel,
                                progress=progress,
                            )
                    except (AuthenticationFailed, HostUnknown, HostUnreachable, TimeoutError) as error:
                        if not ways.follow(error):
                            raise
        except TimeoutError:
            raise ConnectTimeout(
                f"no link to the jump host within {options.connect_timeout:g} s",
                device=self._device,
                path=path.name,
                phase=progress.phase,
            ) from None

    def abort(self) -> None:
        """End the link now: the device behind it has gone. Those who need one open another."""
        links = list(self._links.values())
        self._links.clear()
        for link in links:
            link.abort()

    async def close(self) -> None:
        """Close the link, politely for a moment, then at once; also when cancelled."""
        links = list(self._links.values())
        self._links.clear()
        for task in self._tasks.values():
            task.cancel()
        for link in links:
            try:
                async with asyncio.timeout(CLOSE_TIMEOUT):
                    await link.close()
            except TimeoutError:
                pass
            finally:
                link.abort()
