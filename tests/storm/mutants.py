# SPDX-License-Identifier: Apache-2.0
"""Whether bugs are noticed: plants one at a time in a copy of the package, and runs the storm and the tests on it.

    python -m tests.storm.mutants [WORD ...]      all, or those in whose file or purpose a word stands

Ends with an error when too few are caught, and when the text that a mutant replaces is no longer found exactly once.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import functools
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.storm.planted import MUTANTS, Mutant

ROOT = Path(__file__).resolve().parents[2]
ENOUGH = 0.95
STEPS = 30_000
PATIENCE = 240.0
"""Seconds after which a run counts as hung, which is to be caught as well."""

TESTS = (
    "tests/pool/test_gate.py",
    "tests/admission/test_limits.py",
    "tests/admission/test_line.py",
    "tests/admission/test_lesson.py",
    "tests/admission/test_breaker.py",
    "tests/admission/test_admission.py",
    "tests/pool/test_pool.py",
    "tests/connection/test_transaction.py",
)
KNOWN = ("tests/test_known_bugs.py", "tests/test_cancelling.py")
COPIED = ("aioconn", "tests", "tools", "pyproject.toml", "README.md")


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What became of a mutant; `by` is empty if it survived."""

    mutant: Mutant
    by: str
    seconds: float
    told: str = ""


def misplaced(mutants: Sequence[Mutant] = MUTANTS) -> list[str]:
    """Mutants whose text is not found exactly once in their file."""
    found = []
    for mutant in mutants:
        times = (ROOT / "aioconn" / mutant.file).read_text().count(mutant.old)
        if times != 1:
            found.append(f"{mutant}: {mutant.old!r} is found {times} times")
    return found


def commands(only: str = "") -> list[tuple[str, list[str]]]:
    """What is run on a mutant, the quickest first."""
    pytest = ["-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "--timeout=60"]
    storm = ["-m", "tests.storm", "--quiet", "--seed", "11", "--steps"]
    whole = [
        ("storm", [*storm, str(STEPS // 6)]),
        ("tests", [*pytest, *(test for test in TESTS if (ROOT / test).exists())]),
        ("known bugs", [*pytest, *(test for test in KNOWN if (ROOT / test).exists())]),
        ("storm", [*storm, str(STEPS)]),
    ]
    return [(name, arguments) for name, arguments in whole if only in name]


def try_one(mutant: Mutant | None, only: str = "") -> Verdict:
    """Plant it in a copy, run everything until something complains. None: the package as it is."""
    begun = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="aioconn-mutant-") as folder:
        copy = Path(folder)
        for name in COPIED:
            source = ROOT / name
            if source.is_dir():
                shutil.copytree(source, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
            elif source.exists():
                shutil.copy(source, copy / name)
        if mutant is not None:
            place = copy / "aioconn" / mutant.file
            place.write_text(place.read_text().replace(mutant.old, mutant.new))
        for name, arguments in commands(only):
            told = run(arguments, copy)
            if told is not None:
                return Verdict(mutant=mutant or NOTHING, by=name, seconds=time.monotonic() - begun, told=told)
    return Verdict(mutant=mutant or NOTHING, by="", seconds=time.monotonic() - begun)


def run(arguments: list[str], folder: Path) -> str | None:
    """The end of what a run says if it fails, None if it passes."""
    environment = {**os.environ, "PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}
    try:
        done = subprocess.run(
            [sys.executable, *arguments],
            cwd=folder,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"did not end within {PATIENCE:g} s"
    return None if done.returncode == 0 else done.stdout[-4000:]


NOTHING = Mutant("", "", "", "the package as it is")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.storm.mutants", description=__doc__)
    parser.add_argument("words", nargs="*")
    parser.add_argument("--only", default="", help="what to run: storm, tests or known bugs")
    parser.add_argument("--verbose", action="store_true", help="what each was caught by")
    chosen = parser.parse_args()
    if wrong := misplaced():
        print("\n".join(wrong), file=sys.stderr)
        return 2
    mutants = [
        mutant for mutant in MUTANTS if not chosen.words or any(word in str(mutant) for word in chosen.words)
    ]
    if (sound := try_one(None, chosen.only)).by:
        print(f"the {sound.by} complain of the package as it is:\n{sound.told}", file=sys.stderr)
        return 2
    runs = ", ".join(name for name, _ in commands(chosen.only))
    print(f"{len(mutants)} mutants, each against: {runs}", flush=True)
    verdicts = []
    with concurrent.futures.ThreadPoolExecutor(2) as two:
        for verdict in two.map(functools.partial(try_one, only=chosen.only), mutants):
            verdicts.append(verdict)
            word = f"caught by {verdict.by}" if verdict.by else "SURVIVED"
            print(f"{word:<16} {verdict.seconds:6.1f} s  {verdict.mutant}", flush=True)
            if chosen.verbose and verdict.told:
                print(verdict.told[-1500:], flush=True)
    caught = sum(bool(verdict.by) for verdict in verdicts)
    share = caught / len(verdicts) if verdicts else 0.0
    print(f"{caught} of {len(verdicts)} caught, {share:.1%}; {ENOUGH:.0%} are wanted")
    return 0 if share >= ENOUGH else 1


if __name__ == "__main__":
    sys.exit(main())
