# SPDX-License-Identifier: Apache-2.0
"""Reaching an agent: its address, its engine, and one question that shows whether it answers us."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Callable
from typing import cast

from aioconn.errors import (
    AuthenticationFailed,
    ConnectError,
    ConnectTimeout,
    HostUnknown,
    InvalidOption,
    Phase,
    Where,
)
from aioconn.protocols.snmp import names
from aioconn.protocols.snmp.agent import Agent, Answer, Ended, Query, Silence
from aioconn.protocols.snmp.identity import Identity
from aioconn.protocols.snmp.options import SnmpOptions
from aioconn.protocols.snmp.pdu import Kind, bind, status_name
from aioconn.protocols.snmp.security import Security, UserSecurity
from aioconn.request import Request
from aioconn.transport.base import Progress
from aioconn.transport.tcp import unreachable

PORT = 161
MOST_ADDRESSES = 4
"""Addresses of a name that are tried: each takes its full time if nobody answers."""

PROBE = Query(
    Kind.GET, 0, 0, [bind(names.resolve("1.3.6.1.2.1.1.2.0")), bind(names.resolve("1.3.6.1.2.1.1.3.0"))]
)
"""sysObjectID and sysUpTime. Whatever the agent says to them, it speaks to us."""

_AUTHORIZATION_ERROR = 16
_REFUSALS = {
    "usmStatsUnknownUserNames": "the agent does not know the user",
    "usmStatsWrongDigests": "wrong authentication password, or another protocol of authentication",
    "usmStatsUnsupportedSecLevels": "the agent does not have this user with this authentication and privacy",
    "usmStatsDecryptionErrors": "wrong privacy password, or another protocol of privacy",
}
_FAMILIES = {"udp": socket.AF_UNSPEC, "udp4": socket.AF_INET, "udp6": socket.AF_INET6}


def hint(phase: Phase, version: str) -> str | None:
    """What silence may mean."""
    if phase is Phase.RESOLVE:
        return None
    if version == "2c":
        return "wrong community, an access list, or not the host?"
    if phase is Phase.TCP:
        return "an access list, no version 3, or not the host?"
    # an agent that cannot decrypt what it gets may say nothing, as net-snmp does
    return "the engine answers, but not to this user: wrong privacy password or protocol?"


class Opening:
    """One attempt. `gone` is told of an agent that is there no more after it has been reached."""

    def __init__(
        self, request: Request, options: SnmpOptions, progress: Progress, gone: Callable[[OSError], None]
    ) -> None:
        self._request = request
        self._options = options
        self._progress = progress
        self._gone = gone
        self._where: Where = {"device": request.device, "path": request.path.name}
        self._refused: OSError | None = None
        self._reached = False

    async def open(self) -> Agent:
        """The agent that answers. Raises a ConnectError; then, and when cancelled, no socket is left.

        `AuthenticationFailed` is what the agent itself says, in version 3; to a wrong community agents say nothing.
        """
        path = self._request.path
        identity = Identity(self._options, self._request.credentials, self._where)
        host, port = path.address, path.port_number or PORT
        if not host:
            raise InvalidOption("the path has no host", **self._where)
        failure: ConnectError | None = None
        for address in await self._resolve(host, port):
            self._refused = None
            self._progress.phase = Phase.TCP
            try:
                return await self._reach(address, port, identity.security())
            except AuthenticationFailed:
                raise
            except ConnectError as error:
                failure = error
        assert failure is not None
        raise failure

    async def _resolve(self, host: str, port: int) -> list[str]:
        family = _FAMILIES[self._options.transport]
        if (own := _family_of(host)) is not None:
            if family not in (socket.AF_UNSPEC, own):
                raise InvalidOption(
                    f"transport: {self._options.transport} does not reach {host}", **self._where
                )
            return [host]
        self._progress.phase = Phase.RESOLVE
        try:
            found = await asyncio.get_running_loop().getaddrinfo(
                host, port, family=family, type=socket.SOCK_DGRAM
            )
        except (socket.gaierror, UnicodeError) as error:
            reason = error.strerror if isinstance(error, socket.gaierror) else "not a valid host name"
            raise HostUnknown(
                f"{host!r} does not resolve",
                **self._where,
                seen=reason,
                hint="check the spelling, or use the address",
            ) from error
        return list(dict.fromkeys(cast(str, one[4][0]) for one in found))[:MOST_ADDRESSES]

    async def _reach(self, address: str, port: int, security: Security) -> Agent:
        try:
            agent = Agent(
                (address, port), security, patience=self._options.try_timeout, gone=self._gone_in_between
            )
        except OSError as error:
            raise unreachable(error, address, port, **self._where) from error
        self._agent = agent
        try:
            await self._greet(agent, security)
            self._reached = True
            return agent
        except Ended:
            refused = self._refused or OSError("the socket was closed")
            raise unreachable(refused, address, port, **self._where) from None
        except OSError as error:
            raise unreachable(error, address, port, **self._where) from error
        except Silence as silence:
            raise self._silent(address, port, silence) from None
        finally:
            if not self._reached:
                agent.close()

    async def _greet(self, agent: Agent, security: Security) -> None:
        if isinstance(security, UserSecurity):
            await self._ask(agent)  # whatever it is: the report says what engine it is
            if not security.engine_id:
                raise ConnectError(
                    "the agent does not say what engine it is", **self._where, phase=Phase.AUTH
                )
        self._progress.phase = Phase.AUTH
        received = await self._ask(agent)
        if received.report == "usmStatsNotInTimeWindows":
            received = await self._ask(agent)
        if (report := received.report) in _REFUSALS:
            raise AuthenticationFailed(f"{_REFUSALS[report]} ({report})", **self._where)
        if report:
            raise ConnectError(f"the agent reports {report}", **self._where, phase=Phase.AUTH)
        if received.pdu.status == _AUTHORIZATION_ERROR:
            raise AuthenticationFailed(
                f"the agent answers {status_name(received.pdu.status)}: this user is not let in with this "
                "authentication and privacy, or not in this context",
                **self._where,
            )

    async def _ask(self, agent: Agent) -> Answer:
        return await agent.ask(PROBE, self._options.retries + 1)

    def _gone_in_between(self, error: OSError) -> None:
        if self._reached:
            self._gone(error)
        else:
            self._refused = error
            self._agent.close()

    def _silent(self, address: str, port: int, silence: Silence) -> ConnectTimeout:
        return ConnectTimeout(
            f"{address} port {port}: {silence}",
            **self._where,
            phase=self._progress.phase,
            seen=silence.seen or None,
            hint=hint(self._progress.phase, self._options.spoken),
        )


def _family_of(host: str) -> socket.AddressFamily | None:
    """The family of an address; None for a name."""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return None
    return socket.AF_INET if address.version == 4 else socket.AF_INET6
