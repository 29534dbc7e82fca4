# SPDX-License-Identifier: Apache-2.0
"""What the pages about coming from elsewhere show, run as it stands there, where nothing of elsewhere is needed."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from aioconn.lab import ThreadedLab

DOCS = Path(__file__).resolve().parents[2] / "docs"


def blocks(file: str, language: str = "python") -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", DOCS.joinpath(file).read_text(encoding="utf-8"), re.DOTALL)


@pytest.mark.parametrize(
    ("file", "printed"), [("coming-from-pyats.md", "False ['default', 'pool', 'vty_1']")]
)
def test_on_aioconn_alone(
    file: str,
    printed: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (block,) = [block for block in blocks(file) if "from aioconn.sync import load" in block]
    monkeypatch.chdir(tmp_path)
    with ThreadedLab() as lab:
        lab.add("r1")
        lab.write_testbed("testbed.yaml")
        exec(compile(block, file, "exec"), {})  # noqa: S102  our own words
        assert lab["r1"].sessions == 0
    assert printed in capsys.readouterr().out
