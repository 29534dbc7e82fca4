# SPDX-License-Identifier: Apache-2.0
"""What a workload is: cases, and how a client runs one of them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import ClassVar, Generic, TypeVar

from benchmarks.clients.base import Client
from benchmarks.target import Target

MEGABYTE = 10**6
Metrics = dict[str, float]
C_contra = TypeVar("C_contra", bound=Client, contravariant=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """How much of everything; each may be several.

    `cancels` is how many calls are cancelled in a storm; `milliseconds` is how long the workloads last that
    go on for a time.
    """

    commands: tuple[int, ...] = (1000,)
    ssh_devices: tuple[int, ...] = (100, 300)
    telnet_devices: tuple[int, ...] = (300,)
    ssh_megabytes: tuple[int, ...] = (10, 50)
    telnet_megabytes: tuple[int, ...] = (10,)
    engine_megabytes: tuple[int, ...] = (1, 10, 100)
    engine_kibibytes: tuple[int, ...] = (1, 4, 32)
    idle: tuple[int, ...] = (500,)
    workers: tuple[int, ...] = (8,)
    gate_tasks: tuple[int, ...] = (1, 10, 1000)
    waiters: tuple[int, ...] = (1000,)
    cancels: tuple[int, ...] = (3000,)
    milliseconds: tuple[int, ...] = (500,)

    @classmethod
    def names(cls) -> list[str]:
        return [field.name for field in fields(cls)]


QUICK = Sizes(
    commands=(50,),
    ssh_devices=(5,),
    telnet_devices=(5,),
    ssh_megabytes=(1,),
    telnet_megabytes=(1,),
    engine_megabytes=(1,),
    engine_kibibytes=(4, 32),
    idle=(5,),
    workers=(2,),
    gate_tasks=(1, 20),
    waiters=(30,),
    cancels=(40,),
    milliseconds=(200,),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One row of measurements. `needs` is what a client must offer; `devices` is how many targets it gets."""

    title: str
    needs: str
    devices: int = 0
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

    `repeats` limits the rounds: what is counted in large numbers needs no second one.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    about: ClassVar[str]
    goal: ClassVar[str] = ""
    columns: ClassVar[tuple[Column, ...]]
    repeats: ClassVar[int] = 100

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
