# SPDX-License-Identifier: Apache-2.0
"""What a workload is: cases, and how a client runs one of them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import ClassVar, Generic, TypeVar

from benchmarks.clients.base import Client
from benchmarks.goals import Goal
from benchmarks.target import THINKING, Target

MEGABYTE = 10**6
Metrics = dict[str, float]
C_contra = TypeVar("C_contra", bound=Client, contravariant=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """How much of everything; each may be several.

    `cancels` is how many calls are cancelled in a storm, `cuts` how many commands end early, on devices
    that think for up to `thinking` milliseconds; `milliseconds` is how long the workloads last that go on for a time.
    `visits` and `scaling` are devices with one command each, `behind` those behind a jump host, `links` sessions that
    are opened on one link, `imports` the interpreters that are started.
    """

    commands: tuple[int, ...] = (1000,)
    ssh_devices: tuple[int, ...] = (100, 300)
    ssh_fanout: tuple[int, ...] = (100, 300, 500)
    telnet_devices: tuple[int, ...] = (300,)
    ssh_visits: tuple[int, ...] = (10, 300, 500)
    telnet_visits: tuple[int, ...] = (10, 300, 1000)
    ssh_scaling: tuple[int, ...] = (10, 100, 1000, 10_000)
    telnet_scaling: tuple[int, ...] = (10, 100, 1000, 10_000)
    waiting: tuple[int, ...] = (200,)
    behind: tuple[int, ...] = (300,)
    live: tuple[int, ...] = (9001,)
    together: tuple[int, ...] = (50,)
    links: tuple[int, ...] = (50,)
    cancelled: tuple[int, ...] = (40,)
    imports: tuple[int, ...] = (5,)
    megabytes: tuple[int, ...] = (1, 50, 100)
    engine_megabytes: tuple[int, ...] = (1, 10, 100)
    engine_kibibytes: tuple[int, ...] = (1, 4, 32)
    idle: tuple[int, ...] = (500,)
    workers: tuple[int, ...] = (8,)
    gate_tasks: tuple[int, ...] = (1, 10, 1000)
    waiters: tuple[int, ...] = (1000,)
    cancels: tuple[int, ...] = (3000,)
    cuts: tuple[int, ...] = (60,)
    thinking: tuple[int, ...] = THINKING
    threads: tuple[int, ...] = (1, 8)
    children: tuple[int, ...] = (1, 8)
    answer_bytes: tuple[int, ...] = (64, 64 * 1024)
    script_devices: tuple[int, ...] = (300,)
    testbed_devices: tuple[int, ...] = (100, 10_000)
    milliseconds: tuple[int, ...] = (500,)

    @classmethod
    def names(cls) -> list[str]:
        return [field.name for field in fields(cls)]


QUICK = Sizes(
    commands=(50,),
    ssh_devices=(5,),
    ssh_fanout=(5,),
    telnet_devices=(5,),
    ssh_visits=(5,),
    telnet_visits=(5,),
    ssh_scaling=(3, 10),
    telnet_scaling=(3, 30),
    waiting=(5,),
    behind=(5,),
    live=(30,),
    together=(5,),
    links=(5,),
    cancelled=(5,),
    imports=(1,),
    megabytes=(1,),
    engine_megabytes=(1,),
    engine_kibibytes=(4, 32),
    idle=(5,),
    workers=(2,),
    gate_tasks=(1, 20),
    waiters=(30,),
    cancels=(40,),
    cuts=(10,),
    thinking=THINKING[:1],
    threads=(2,),
    children=(2,),
    answer_bytes=(64,),
    script_devices=(5,),
    testbed_devices=(20,),
    milliseconds=(200,),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One row of measurements. `needs` is what a client must offer; `devices` is how many targets it gets, of `server`
    if the case says so, else of the client's own choice. Without `peers` it is for the floor and for our own clients:
    where it is about how our cost grows, and a peer would take minutes.
    """

    title: str
    needs: str
    devices: int = 0
    server: str = ""
    peers: bool = True
    amounts: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A metric in the report; with `ratio` also as a multiple of the floor's in the same round."""

    key: str
    title: str
    digits: int = 2
    ratio: str = ""


class Workload(ABC, Generic[C_contra]):
    """`run` is called in the client's process, and raises if the client's answers are not what the device said.

    `repeats` limits the rounds: what is counted in large numbers needs no second one. `floor` is the name of the client
    that the others are compared to, if it is not one that is a floor by itself. A measurement that takes longer than
    `patience`, in seconds, is given up. `takes` is how many seconds two rounds of all clients take on two cores,
    roughly: it is what is said beforehand.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    about: ClassVar[str]
    goals: ClassVar[tuple[Goal, ...]] = ()
    columns: ClassVar[tuple[Column, ...]]
    repeats: ClassVar[int] = 100
    floor: ClassVar[str] = ""
    patience: ClassVar[float] = 60.0
    takes: ClassVar[float] = 30.0

    def has_floor(self, client: Client) -> bool:
        """Whether the others are compared to `client`."""
        return client.name == self.floor if self.floor else client.floor

    @abstractmethod
    def cases(self, sizes: Sizes) -> Sequence[Case]: ...

    @abstractmethod
    def run(self, client: C_contra, case: Case, targets: Sequence[Target]) -> Metrics: ...


def require(size: int, least: int, what: str) -> None:
    """A quick client that loses output is not quick."""
    if size < least:
        raise RuntimeError(f"wrong answer: {size} bytes of {what}, at least {least} are right")


def percentile(ascending: Sequence[float], percent: float) -> float:
    return ascending[min(len(ascending) - 1, int(len(ascending) * percent / 100))]
