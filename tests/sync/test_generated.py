# SPDX-License-Identifier: Apache-2.0
"""The words of the facade are those of the asynchronous API."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from tools import facade

ROOT = Path(__file__).resolve().parents[2]


def test_the_words_are_up_to_date() -> None:
    assert facade.TARGET.read_text(encoding="utf-8") == facade.generate(), "run `python tools/facade.py`"


@pytest.mark.programs
def test_it_says_so_by_its_exit_code() -> None:
    command = [sys.executable, str(ROOT / "tools" / "facade.py"), "--check"]
    assert subprocess.run(command, check=False).returncode == 0


def test_a_change_of_the_sources_is_noticed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for file in (ROOT / "aioconn").rglob("*.py"):
        copy = tmp_path / file.relative_to(ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_text(file.read_text(encoding="utf-8"), encoding="utf-8")
    monkeypatch.setattr(facade, "ROOT", tmp_path)
    monkeypatch.setattr(facade, "TARGET", tmp_path / "aioconn" / "sync" / "words.py")
    monkeypatch.setattr(sys, "argv", ["facade.py", "--check"])
    assert facade.main() == 0
    device = tmp_path / "aioconn" / "testbed" / "device.py"
    text = device.read_text(encoding="utf-8")
    device.write_text(
        text.replace(
            "    async def parse(", "    async def reboot(self) -> bool: ...\n\n    async def parse("
        )
    )
    assert facade.main() == 1
    assert "out of date" in capsys.readouterr().err
    assert 'def reboot(self) -> bool:\n        return self._reach.call("reboot")' in facade.generate()
    device.write_text(text.replace("    def spec(", "    def specification("))
    assert facade.main() == 1
    assert "spec is no longer in Device" in capsys.readouterr().err


def test_it_is_plain_python_that_speaks_of_no_coroutines() -> None:
    tree = ast.parse(facade.TARGET.read_text(encoding="utf-8"))
    assert not [node for node in ast.walk(tree) if isinstance(node, (ast.Await, ast.AsyncFunctionDef))]
    texts = [
        ast.get_docstring(node) or ""
        for node in ast.walk(tree)
        if isinstance(node, (ast.FunctionDef, ast.ClassDef, ast.Module))
    ]
    assert not [text for text in texts[1:] if "await" in text or "async" in text]
