# SPDX-License-Identifier: Apache-2.0
"""The plugin for suites of users, in suites of its own."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import entry_points
from pathlib import Path

import pytest

from aioconn.lab import ThreadedLab

pytestmark = pytest.mark.programs

pytest_plugins = ["pytester"]

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "testing.md"


Run = Callable[..., pytest.RunResult]


def blocks(language: str = "python") -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)


@pytest.fixture
def run(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Run:
    """`run(*arguments)`: pytest in a process of its own, with this plugin and pytest-asyncio and no others."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)

    def run(*arguments: str, asyncio: bool = True) -> pytest.RunResult:
        chosen = ["-p", "aioconn.pytest_plugin", "-W", "error"]
        if asyncio:
            chosen += ["-p", "pytest_asyncio.plugin", "-o", "asyncio_mode=auto"]
            chosen += ["-o", "asyncio_default_fixture_loop_scope=function"]
        return pytester.runpytest_subprocess(*chosen, *arguments, timeout=60)

    return run


def test_pytest_finds_it() -> None:
    (point,) = [one for one in entry_points(group="pytest11") if one.name == "aioconn"]
    assert point.value == "aioconn.pytest_plugin"


def test_it_imports_nothing_until_it_is_used() -> None:
    code = (
        "import sys, aioconn.pytest_plugin\n"
        "print(*sorted(name for name in sys.modules if name.startswith('aioconn.') or name == 'asyncssh'))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["aioconn.pytest_plugin"]


def test_the_suite_of_the_page(pytester: pytest.Pytester, run: Run) -> None:
    """The page's blocks are the files that their first line names."""
    for block in blocks():
        name = block.partition("\n")[0].removeprefix("# ").strip()
        assert name.endswith(".py")
        pytester.path.joinpath(name).write_text(block, encoding="utf-8")
    result = run()
    result.assert_outcomes(passed=5)


def test_a_testbed_of_a_file(pytester: pytest.Pytester, run: Run) -> None:
    """One login for all tests of the run, whichever loop they have."""
    pytester.makepyfile(
        """
        async def test_one(testbed):
            await testbed["r1"].connect()
            assert "Version" in await testbed["r1"].execute("show version")

        async def test_another_loop(testbed):
            assert "Version" in await testbed["r1"].execute("show version")

        def test_no_loop(sync_testbed):
            assert "Version" in sync_testbed["r1"].execute("show version")
        """
    )
    with ThreadedLab() as lab:
        served = lab.add("r1", protocols=("telnet",))
        lab.write_testbed(pytester.path / "real.yaml")
        result = run("--aioconn-testbed", "real.yaml")
        result.assert_outcomes(passed=3)
        result.stdout.fnmatch_lines(["aioconn testbed: *real.yaml"])
        assert [served.logins, served.sessions] == [1, 0]
        pytester.makeini("[pytest]\naioconn_testbed = real.yaml")
        run().assert_outcomes(passed=3)
        assert served.logins == 2


def test_a_suite_with_names_of_its_own(pytester: pytest.Pytester, run: Run) -> None:
    """Its fixtures and options are its own; and no plugin for coroutines is needed."""
    pytester.makeconftest(
        """
        import pytest

        def pytest_addoption(parser):
            parser.addoption("--testbed", default="mine")

        @pytest.fixture
        def testbed(request):
            return request.config.getoption("--testbed")

        @pytest.fixture
        def lab():
            return "mine as well"
        """
    )
    pytester.makepyfile(
        """
        def test_it(testbed, lab):
            import sys
            assert (testbed, lab) == ("mine", "mine as well")
            assert "aioconn.lab" not in sys.modules
        """
    )
    run(asyncio=False).assert_outcomes(passed=1)


def test_what_is_wrong_with_a_file_is_said(pytester: pytest.Pytester, run: Run) -> None:
    pytester.path.joinpath("bad.yaml").write_text(
        "devices: {r1: {os: iosxe, connections: {a: {ip: 192.0.2.1, port: x}}}}"
    )
    pytester.makepyfile("def test_it(sync_testbed): pass")
    result = run("--aioconn-testbed", "bad.yaml", asyncio=False)
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*bad.yaml:1:*port*"])
