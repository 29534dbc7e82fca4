# SPDX-License-Identifier: Apache-2.0
"""For suites of aioconn's users: simulated devices, and the testbed that the tests are to run on.

pytest finds this by its entry point. It does nothing, and imports nothing of aioconn, until a test asks for a fixture.
A suite that has fixtures of these names keeps its own.

`lab`            a `ThreadedLab` with the devices of `lab_devices`, new for each test
`lab_devices`    name -> options of `Lab.add`; to be overridden, `{"r1": {}}` unless it is
`testbed`        an `aioconn.Testbed`, for tests that are coroutines, under whatever plugin runs them
`sync_testbed`   the same as `aioconn.sync.Testbed`, for plain functions; with the same sessions

The testbed is that of the lab. With `--aioconn-testbed FILE`, or `aioconn_testbed` in pytest's configuration, it is the
one of the file, and its sessions are kept for all tests of the run.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Literal

import pytest

if TYPE_CHECKING:
    import aioconn
    import aioconn.sync
    from aioconn.lab import ThreadedLab


def pytest_addoption(parser: pytest.Parser) -> None:
    # Suites have options of their own: a plain --testbed would be a conflict with many.
    parser.getgroup("aioconn", "network devices").addoption(
        "--aioconn-testbed",
        metavar="FILE",
        default=None,
        help="the testbed that the fixtures testbed and sync_testbed load, instead of that of a lab",
    )
    parser.addini("aioconn_testbed", "the same, relative to the configuration's folder", default=None)


def pytest_report_header(config: pytest.Config) -> str | None:
    file = _file(config)
    return f"aioconn testbed: {file}" if file else None


def _file(config: pytest.Config) -> str | None:
    given: str | None = config.getoption("--aioconn-testbed")
    if given:
        return str(config.invocation_params.dir / given)
    written = config.getini("aioconn_testbed")
    return str(config.rootpath / str(written)) if written else None


def _scope(fixture_name: str, config: pytest.Config) -> Literal["session", "function"]:
    """Real devices are logged in to once; simulated ones are new for each test."""
    return "session" if _file(config) else "function"


@pytest.fixture
def lab_devices() -> Mapping[str, Mapping[str, Any]]:
    """The devices of `lab`: name -> options of `Lab.add`. Override it."""
    return {"r1": {}}


@pytest.fixture
def lab(lab_devices: Mapping[str, Mapping[str, Any]]) -> Iterator[ThreadedLab]:
    """Simulated devices on loopback, see `lab_devices`; further ones by `lab.add()` before the testbed is asked for."""
    from aioconn.lab import ThreadedLab

    with ThreadedLab() as lab:
        for name, options in lab_devices.items():
            lab.add(name, **options)
        yield lab


@pytest.fixture(scope=_scope)
def sync_testbed(request: pytest.FixtureRequest) -> Iterator[aioconn.sync.Testbed]:
    """The testbed for plain functions: of the file that pytest was given, else of `lab`."""
    import aioconn.sync

    file = _file(request.config)
    with aioconn.sync.load(file or request.getfixturevalue("lab").testbed()) as testbed:
        yield testbed


@pytest.fixture(scope=_scope)
def testbed(sync_testbed: aioconn.sync.Testbed) -> aioconn.Testbed:
    """The testbed for coroutines. Its devices live on loops of their own, so that any loop may use them."""
    found: aioconn.Testbed = sync_testbed.local
    return found
