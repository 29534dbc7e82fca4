# SPDX-License-Identifier: Apache-2.0
"""The devices, the ways to them, and what they can be asked."""

from __future__ import annotations

import itertools
import random
from collections import deque
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Literal
from unittest import mock

import aioconn
from aioconn.connection import State
from aioconn.lab import Lab, LabDevice
from aioconn.lab.grammar import Grammar
from aioconn.lab.proxy import Proxy
from tests.soak.questions import Question, questions

KINDS = (
    "cisco_iosxe",
    "linux",
    "juniper_junos",
    "arista_eos",
    "cisco_nxos",
    "cisco_iosxr",
    "frr",
)
CONFIGURABLE = {"cisco_iosxe", "arista_eos", "cisco_nxos", "cisco_iosxr", "frr"}
OPTIONS: dict[str, Any] = {
    "check_after": 0.3,
    "idle_timeout": 2.0,
    "lifetime": 8.0,
    "close_timeout": 0.5,
    "connect_timeout": 5.0,
}
"""Sessions that are checked, closed and replaced all the time."""
POOL_TIMEOUT = 3.0
CONNECT_TIMEOUT = 5.0
JUMP = "jump"


@dataclass(slots=True, kw_only=True)
class Target:
    """One device, from both sides."""

    name: str
    served: LabDevice
    device: aioconn.Device
    proxy: Proxy | None
    pools: dict[str, int]
    options: dict[str, Any]
    questions: list[Question]
    order: itertools.count[int] = field(default_factory=itertools.count)
    pending: dict[str, None] = field(default_factory=dict)
    """Commands whose calls have begun and not ended."""

    def question(self) -> Question:
        """The next one: none comes again before all the others."""
        return self.questions[next(self.order) % len(self.questions)]

    @property
    def sure(self) -> bool:
        return self.options.get("confirm") == "probe"

    async def open(self, alias: str) -> Any:
        """The live pool or connection of an alias, opened if it is not."""
        found = self.device.connections.get(alias)
        if found is None or found.state in (State.CLOSED, State.NEW):
            size = self.pools.get(alias)
            found = await self.device.connect(
                alias=alias,
                timeout=CONNECT_TIMEOUT,
                pool_size=size,
                pool_timeout=POOL_TIMEOUT if size else None,
            )
        return found

    def descriptions(self, word: str) -> list[str]:
        return ["interface Loopback0", f"description {word}"]

    @property
    def configurable(self) -> bool:
        return self.served.personality.name in CONFIGURABLE

    def forgive(self) -> None:
        """Its paths may be tried again."""
        for path in self.device.paths:
            self.device.manager.breaker(path).reset()

    def open_sessions(self) -> int:
        """Sessions that our side says are open."""
        numbers = self.device.manager.statistics()
        pools = numbers["pools"].values()
        singles = [one for alias, one in self.device.connections.items() if alias not in numbers["pools"]]
        return sum(pool["open"] for pool in pools) + sum(one.connected for one in singles)


@dataclass(slots=True, kw_only=True)
class Fleet:
    lab: Lab
    testbeds: list[aioconn.Testbed]
    targets: list[Target]

    def __iter__(self) -> Any:
        return iter(self.targets)


@asynccontextmanager
async def fleet(count: int, *, seed: int) -> AsyncIterator[Fleet]:
    """So many devices of all kinds: some behind a proxy or a jump host, with limits, on another loop than ours."""
    rng = random.Random(seed)
    async with AsyncExitStack() as stack:
        # what the lab remembers of lines would look like something that grows
        stack.enter_context(mock.patch.object(Grammar, "LIMIT", 64))
        lab = await stack.enter_async_context(Lab(seed=seed))
        await lab.add(JUMP, personality="linux", protocols=("ssh",), forwards=True)
        plans: list[dict[str, Any]] = []
        proxies: dict[str, Proxy] = {}
        for number in range(count):
            name = f"d{number}"
            asked = list(questions(name, rng))
            protocol = ("ssh", "telnet", "telnet")[number % 3]
            limit = {2: 4, 6: 3}.get(number % 8)
            served = await lab.add(
                name,
                personality=KINDS[number % len(KINDS)],
                protocols=(protocol,),
                commands={one.command: one.text for one in asked},
                max_vty=limit,
            )
            served.log = deque(maxlen=200)  # ten thousand each would look like something that grows
            # some say what they can bear; from the others it has to be found out
            defaults = {"max_sessions": 4, "logins_per_minute": 240} if number % 8 == 2 else {}
            behind = number % 12 == 9 and protocol == "ssh"
            if number % 3 == 1 or number % 6 == 3:
                port = served.ssh_port or served.telnet_port or 0
                proxies[name] = await stack.enter_async_context(Proxy("127.0.0.1", port, seed=seed + number))
            plans.append({"name": name, "asked": asked, "defaults": defaults, "behind": behind})
        whole = lab.testbed()
        for proxy in proxies.values():
            whole = proxy.through(whole)
        homes: dict[Literal["caller", "shared"], dict[str, Any]] = {"caller": {}, "shared": {}}
        for number, plan in enumerate(plans):
            described = whole["devices"][plan["name"]]
            described["connections"]["defaults"] = plan["defaults"]
            if plan["behind"]:
                described["connections"]["cli"]["proxy"] = JUMP
            homes["shared" if number % 4 == 3 and not plan["behind"] else "caller"][plan["name"]] = described
        homes["caller"][JUMP] = whole["devices"][JUMP]
        testbeds = {
            home: aioconn.load({"testbed": {"name": home}, "devices": devices}, loop=home)
            for home, devices in homes.items()
            if devices
        }
        for testbed in testbeds.values():
            stack.push_async_callback(testbed.disconnect)
        targets = []
        for number, plan in enumerate(plans):
            name = plan["name"]
            testbed = next(testbed for testbed in testbeds.values() if name in testbed)
            options = dict(OPTIONS, confirm="probe") if number % 5 < 2 else dict(OPTIONS)
            testbed[name].manager.default_arguments(options)
            targets.append(
                Target(
                    name=name,
                    served=lab[name],
                    device=testbed[name],
                    proxy=proxies.get(name),
                    pools={"pool": 3} if number % 2 else {"pool": 3, "second": 2},
                    options=options,
                    questions=plan["asked"],
                )
            )
        yield Fleet(lab=lab, testbeds=list(testbeds.values()), targets=targets)
