# SPDX-License-Identifier: Apache-2.0
"""Everything that is run by hand in this project, as sessions of nox.

    python3 noxfile.py --list          what there is
    python3 noxfile.py -s tests        the tests, on every supported Python found here
    python3 noxfile.py -s tests -- -k prompt -x

Started like this it needs Python 3.11 and a way to PyPI; `nox -s tests` is the same where nox is installed.
"""

import sys

if sys.version_info < (3, 11):  # noqa: UP036  said before an older Python stumbles over what follows
    sys.exit("noxfile: this needs Python 3.11 or later, and runs on {}.{}".format(*sys.version_info[:2]))

import json
import os
import shutil
import subprocess
import tempfile
import zipfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent

if __name__ == "__main__":
    from tools.selfstart import start

    start(ROOT / "noxfile.py", sys.argv[1:])

import nox  # noqa: E402  it exists from here on

SUPPORTED = ("3.11", "3.12", "3.13")
DEBIAN_PACKAGES = (
    "dante-server",
    "frr",
    "haproxy",
    "inetutils-telnetd",
    "libpam-oath",
    "libyuma-base",
    "microsocks",
    "netconfd",
    "nginx-light",
    "oathtool",
    "openssh-client",
    "openssh-server",
    "openssl",
    "procps",
    "ser2net",
    "snmp",
    "snmpd",
    "socat",
)
# setuptools for jetconf's sake
PYPI_SERVERS = ("gunicorn", "httpbin", "jetconf", "pygnmi", "pysmi", "setuptools<81", "snmpsim")
# Not gNMI's: grpcio serves one loop in the life of a process, and each test has its own.
UVLOOP_TESTS = (
    "tests/transport",
    "tests/home",
    "tests/broker/test_death.py",
    "tests/lab/test_ssh.py",
    "tests/lab/test_telnet.py",
    "tests/pool/test_pool.py",
    "tests/test_manager.py",
    "tests/connection/test_pipelined.py",
    "tests/test_residence.py",
)
UVLOOP_MARKS = "not (clock or soak or integration or processes or programs or chaos or storm)"
PYPROJECT = nox.project.load_toml(ROOT / "pyproject.toml")

nox.options.default_venv_backend = "uv|virtualenv"
nox.options.reuse_venv = "yes"
nox.options.error_on_missing_interpreters = True
nox.options.sessions = ["lint", "tests"]


def find_pythons() -> list[str]:
    """The supported versions that run here, and the version that runs this. Their folders come first on PATH.

    A name on PATH is not enough: version managers put launchers there for versions that do not start.
    """
    own = "{}.{}".format(*sys.version_info[:2])
    found = [own]
    for version in SUPPORTED:
        if version != own and (python := first_working(candidates(version), version)):
            found.append(version)
            os.environ["PATH"] = f"{python.parent}{os.pathsep}{os.environ['PATH']}"
    return sorted(found, key=lambda version: [int(part) for part in version.split(".")])


def candidates(version: str) -> Iterator[Path]:
    for folder in os.get_exec_path():
        yield Path(folder) / f"python{version}"
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    builds = pyenv.glob(f"versions/{version}.*/bin/python{version}")
    yield from sorted(
        builds, key=lambda path: [int(part) for part in path.parts[-3].split(".") if part.isdigit()]
    )[::-1]


def first_working(pythons: Iterable[Path], version: str) -> Path | None:
    check = (
        f"import ssl, sys, venv; sys.exit(sys.version_info[:2] != tuple(map(int, '{version}'.split('.'))))"
    )
    for python in pythons:
        if (
            python.is_file()
            and subprocess.run([python, "-c", check], capture_output=True, check=False).returncode == 0
        ):
            return python
    return None


PYTHONS = find_pythons()


def install(session: nox.Session, *groups: str) -> None:
    """The project, as it stands in this folder, and groups of development tools."""
    session.install("-e", ".[all]", *nox.project.dependency_groups(PYPROJECT, *groups))


# --- checks -------------------------------------------------------------------------------------------------


@nox.session(python=PYTHONS)
def tests(session: nox.Session) -> None:
    """The tests, on each Python found here, a worker for each core. Arguments go to pytest: `-n 0` is one process."""
    install(session, "test")
    session.run("pytest", "-n", "logical", "--maxprocesses", "8", "--dist", "loadfile", *session.posargs)


@nox.session
def lint(session: nox.Session) -> None:
    """Style, types and the direction of imports. All are run, then it says which complain."""
    install(session, "dev")
    failed = []
    for command in (
        "ruff check .",
        "ruff format --check .",
        "mypy",
        "pyright",
        "lint-imports --no-cache",
        "python tools/facade.py --check",
    ):
        try:
            session.run(*command.split())
        except nox.command.CommandFailed:
            failed.append(f"`{command}`")
    if failed:
        session.error(f"complaints from {', '.join(failed)}")


@nox.session
def format(session: nox.Session) -> None:
    """Puts the code into the house style."""
    session.install(
        *(tool for tool in nox.project.dependency_groups(PYPROJECT, "lint") if tool.startswith("ruff"))
    )
    session.run("ruff", "check", "--fix-only", "--exit-zero", ".")
    session.run("ruff", "format", ".")


@nox.session
def coverage(session: nox.Session) -> None:
    """The tests with a table of what they do not reach; details in htmlcov/."""
    install(session, "test")
    session.run("pytest", "--cov", "--cov-report=term", "--cov-report=html", *session.posargs)


@nox.session
def soak(session: nox.Session) -> None:
    """The tests that run for minutes, looking for what grows."""
    install(session, "test")
    session.run("pytest", "-m", "soak", "--timeout=3600", *session.posargs)


@nox.session
def desync(session: nox.Session) -> None:
    """100,000 commands that end early (AIOCONN_CUTS: so many), and a table of what became of the sessions."""
    install(session, "test")
    session.run("pytest", "-m", "desync", "-s", "--timeout=3600", "tests/desync", *session.posargs)


@nox.session
def processes(session: nox.Session) -> None:
    """Processes that share sessions, killed 500 times (AIOCONN_KILLS: so many), forked, interrupted; and tables."""
    install(session, "test")
    session.run("pytest", "-m", "processes", "-s", "--timeout=1800", *session.posargs)


@nox.session
def processes_long(session: nox.Session) -> None:
    """Ten thousand kills."""
    install(session, "test")
    kills = {"AIOCONN_KILLS": os.environ.get("AIOCONN_KILLS", "10000")}
    chosen = ("-k", "kills", "tests/processes", *session.posargs)
    session.run("pytest", "-m", "processes", "-s", "--timeout=7200", *chosen, env=kills)


@nox.session(python=PYTHONS)
def programs(session: nox.Session) -> None:
    """Scripts, daemons and commands as they are started, ended and interrupted, on each Python found here."""
    install(session, "test")
    session.run("pytest", "-m", "programs", *session.posargs)


@nox.session
def examples(session: nox.Session) -> None:
    """The tests in which Hypothesis looks for an example that fails, with four times as many as each day."""
    install(session, "test")
    session.run("pytest", "-m", "hypothesis", "--hypothesis-profile=all", *session.posargs)


@nox.session
def real_time(session: nox.Session) -> None:
    """The tests whose clock jumps over silences otherwise, with a clock that does not."""
    install(session, "test")
    session.run("pytest", "-m", "clock and not chaos", *session.posargs, env={"AIOCONN_CLOCK": "real"})


@nox.session
def uvloop(session: nox.Session) -> None:
    """The tests of what touches sockets, pipes and threads, with libuv's loop in the place of asyncio's own."""
    install(session, "test")
    session.install("-e", ".[uvloop]")
    chosen = session.posargs or ("-m", UVLOOP_MARKS, *UVLOOP_TESTS)
    session.run("pytest", *chosen, env={"AIOCONN_LOOP": "uvloop"})


@nox.session
def chaos(session: nox.Session) -> None:
    """A dialogue cut, reset or swallowed at every byte of it, through a proxy."""
    install(session, "test")
    session.run("pytest", "-m", "chaos", "--timeout=1800", *session.posargs)


@nox.session(python=PYTHONS)
def storm(session: nox.Session) -> None:
    """A million random steps on pools, on a virtual clock. Arguments go to `python -m tests.storm`."""
    install(session, "test")
    session.run("python", "-m", "tests.storm", *(session.posargs or ("--steps", "1000000", "--eager")))
    if not session.posargs:
        session.run("pytest", "-m", "storm", "-k", "short", "tests/storm")


@nox.session
def storm_long(session: nox.Session) -> None:
    """Twenty million of them, for the better part of an hour."""
    install(session, "test")
    session.run("python", "-m", "tests.storm", "--steps", "20000000", "--eager", *session.posargs)


@nox.session
def mutants(session: nox.Session) -> None:
    """Plants bugs in what shares sessions, one at a time: tests and storm have to notice. Arguments choose."""
    install(session, "test")
    session.run("python", "-m", "tests.storm.mutants", *session.posargs)


# --- the package as its users get it ------------------------------------------------------------------------


@nox.session
def build(session: nox.Session) -> None:
    """Makes the wheel from the source archive, then runs `wheel`."""
    session.install("build[virtualenv]")
    shutil.rmtree(ROOT / "dist", ignore_errors=True)
    session.run("python", "-m", "build", "--outdir", "dist", ".")
    session.notify("wheel")


@nox.session(reuse_venv=False, default=False)
def wheel(session: nox.Session) -> None:
    """The built wheel holds every file of the package, and runs its demo with nothing else installed."""
    built = sorted((ROOT / "dist").glob("*.whl"))
    if len(built) != 1:
        session.error("dist/ does not hold exactly one wheel: run the session build")
    with zipfile.ZipFile(built[0]) as archive:
        missing = package_files() - set(archive.namelist())
    if missing:
        session.error(f"not in the wheel: {', '.join(sorted(missing))}")
    session.install(str(built[0]))
    with tempfile.TemporaryDirectory() as elsewhere:
        session.chdir(elsewhere)
        text = session.run("aioconn", "demo", "--json", silent=True, stderr=None, env={"PYTHONPATH": None})
    require_json(session, str(text))


def package_files() -> set[str]:
    files = (path for path in (ROOT / "aioconn").rglob("*") if path.is_file() and path.suffix != ".pyc")
    return {path.relative_to(ROOT).as_posix() for path in files}


def require_json(session: nox.Session, text: str) -> None:
    """One JSON value, or one per line."""
    try:
        values = [json.loads(text)]
    except ValueError:
        try:
            values = [json.loads(line) for line in text.splitlines()]
        except ValueError as error:
            session.error(f"`aioconn demo --json` printed something else than JSON ({error}): {text[:500]!r}")
    if not any(values):
        session.error("`aioconn demo --json` printed nothing")


@nox.session
def demo(session: nox.Session) -> None:
    """Simulated devices, and a fan-out over them. Arguments go to `aioconn demo`."""
    session.install("-e", ".")
    session.run("aioconn", "demo", *session.posargs, interrupt_timeout=5, terminate_timeout=2)


# --- against real servers -----------------------------------------------------------------------------------


@nox.session
def integration(session: nox.Session) -> None:
    """The tests against real servers, whose Debian packages are installed first when run as root.

    Where they could be provided, and wherever CI is set, a server that is missing all the same is a failure.
    """
    provided = provide_servers(session)
    install(session, "test")
    session.install(*PYPI_SERVERS)
    required = {"AIOCONN_INTEGRATION": "required"} if provided or os.environ.get("CI") else {}
    session.run("pytest", "-m", "integration", "tests/integration", *session.posargs, env=required)


def provide_servers(session: nox.Session) -> bool:
    """Whether all that the tests start is installed, and they may start it."""
    if not (shutil.which("dpkg-query") and shutil.which("apt-get")):
        session.warn(
            "not a Debian-like system: tests whose servers are not installed here are skipped, and say so"
        )
        return False
    missing = [package for package in DEBIAN_PACKAGES if not is_installed(package)]
    if os.geteuid() != 0:
        lacking = f", among them those with {', '.join(missing)}" if missing else ""
        session.warn(f"not root: most of these tests are skipped{lacking}")
        return False
    if not missing:
        return True
    quiet = {"DEBIAN_FRONTEND": "noninteractive"}
    with no_daemons():
        session.run("apt-get", "update", "-q", external=True, env=quiet)
        session.run(
            "apt-get",
            "install",
            "-y",
            "-q",
            "--no-install-recommends",
            "-o",
            "DPkg::Lock::Timeout=300",
            *missing,
            external=True,
            env=quiet,
        )
    return True


def is_installed(package: str) -> bool:
    query = ["dpkg-query", "--show", "--showformat=${db:Status-Status}", package]
    return subprocess.run(query, capture_output=True, text=True, check=False).stdout == "installed"


@contextmanager
def no_daemons() -> Iterator[None]:
    """While this lasts, no package that gets installed starts its daemon.

    Debian asks policy-rc.d, where 101 is a no. A machine that has a policy of its own keeps it.
    """
    policy = Path("/usr/sbin/policy-rc.d")
    if policy.exists():
        yield
        return
    try:
        policy.write_text("#!/bin/sh\nexit 101\n")
        policy.chmod(0o755)
        yield
    finally:
        policy.unlink(missing_ok=True)


# --- inside other frameworks --------------------------------------------------------------------------------


@nox.session(python=[version for version in PYTHONS if version in SUPPORTED][:1] or PYTHONS[:1])
def compat(session: nox.Session) -> None:
    """Scripts of pyATS and runs of Nornir, both from PyPI, on our lab; testbeds by pyATS's loader and by ours."""
    install(session, "test", "compat")
    session.run("pytest", "-m", "compat", "tests/compat", *session.posargs)


# --- measurements -------------------------------------------------------------------------------------------

if (ROOT / "benchmarks" / "__main__.py").exists():

    @nox.session
    def bench(session: nox.Session) -> None:
        """The benchmarks. Arguments go to `python -m benchmarks`; `--resume` goes on with what was stopped."""
        install(session, "test", "bench")
        stopped = 10.0  # seconds, until clients and servers have ended
        session.run("python", "-m", "benchmarks", *session.posargs, interrupt_timeout=stopped)

    @nox.session
    def bench_quick(session: nox.Session) -> None:
        """Every workload once, as small as can be: whether it runs, and is right."""
        install(session, "test", "bench")
        session.run("pytest", "-m", "benchmarks", "--timeout=300", *session.posargs)
