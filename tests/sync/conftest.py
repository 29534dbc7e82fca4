# SPDX-License-Identifier: Apache-2.0
"""A lab in a thread of its own, and testbeds of it for plain functions."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from aioconn.broker import estate
from aioconn.sync import Testbed, load
from tests.lab_thread import LabThread

ENOUGH = 20.0
"""Seconds after which something hangs."""


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[LabThread]:
    with LabThread(tmp_path) as lab:
        yield lab


@pytest.fixture(autouse=True)
def listening() -> Iterator[None]:
    """Whatever is pickled, or carried through a fork, is shared from then on."""
    yield
    estate.here().stop()


@pytest.fixture
def testbed_of(lab: LabThread) -> Iterator[Callable[..., Testbed]]:
    """`testbed_of("r1", "r2", **options of the lab device)`: a testbed that is closed after the test."""
    made: list[Testbed] = []

    def make(*names: str, loop: Any = "own", protocols: Any = ("ssh",), **options: Any) -> Testbed:
        lab.add_many([*names], protocols=protocols, **options)
        made.append(load(lab.file, loop=loop))
        return made[-1]

    yield make
    for testbed in made:
        testbed.disconnect()
    for thread in threading.enumerate():  # which end by themselves
        if thread.name.startswith("aioconn home"):
            thread.join(ENOUGH)
