# SPDX-License-Identifier: Apache-2.0
"""What the pages for those who come from elsewhere show of ours, run as it stands there."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from aioconn.errors import CommandError
from aioconn.platforms import loader
from aioconn.protocols.cli import CliConnection
from aioconn.sync import Testbed, load
from tests.lab_thread import LabThread
from tests.test_docs import ROOT, blocks, on_loopback, run_script

HASTE = "  pause: 0.1\n"


def served(lab: LabThread, folder: Path) -> Testbed:
    """A device that is connected. It takes a moment to start, and is looked for soon."""
    text = Path(loader.load_platform("iosxe").source).read_text(encoding="utf-8")
    platform = folder / "iosxe.yaml"
    platform.write_text(text.replace("reload:\n  command: reload\n", f"reload:\n  command: reload\n{HASTE}"))
    lab.add("r1", enable="s3cret-Enable")
    (folder / "testbed.yaml").write_text(lab.file.read_text(encoding="utf-8"), encoding="utf-8")
    testbed = load(folder / "testbed.yaml")
    testbed["r1"].connect(platform=str(platform))
    return testbed


def run_in_order(page: str, scripts: list[str], names: dict[str, Any]) -> None:
    for block in scripts:
        exec(compile(block, page, "exec"), names)  # noqa: S102  our own words


def test_coming_from_unicon(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with LabThread(tmp_path) as lab, served(lab, tmp_path) as testbed:
        shown = blocks(ROOT / "docs" / "coming-from-unicon.md", "python")
        assert len(shown) == 7
        r1 = testbed["r1"]
        r1.configure(["interface Loopback0", "description uplink"])
        run_in_order("coming-from-unicon.md", shown, {"r1": r1})
        assert r1.default.mode == "privileged"
        assert "flash:today.cfg" in lab["r1"].files
        assert lab["r1"].boots == 2
        assert "description uplink" in r1.execute("show running-config")
    printed = capsys.readouterr().out.splitlines()
    assert "Success rate is 0 percent (0/2)" in printed
    assert {"False", "100.0 3 1.0 Type escape sequence to abort."} <= set(printed)
    assert printed[-3:] == ["r1", "admin", "privileged"]


@pytest.mark.programs
def test_coming_from_netmiko(
    tmp_path: Path, runtime: Path, templates: None, capsys: pytest.CaptureFixture[str]
) -> None:
    with LabThread(tmp_path) as lab, served(lab, tmp_path) as testbed:
        shown = blocks(ROOT / "docs" / "coming-from-netmiko.md", "python")
        scripts = [block for block in shown if "aioconn.sync" in block]
        assert [len(scripts), len(shown)] == [2, 6]
        entry = lab.testbed()["devices"]["r1"]
        for number, script in enumerate(scripts):
            script = script.replace('enable_password="..."', 'enable_password="s3cret-Enable"')
            run_script(tmp_path / f"script{number}.py", on_loopback(script, entry), runtime)
        uplinks = tmp_path / "uplinks.cfg"
        uplinks.write_text("interface Loopback0\n description from-a-file\n")
        names: dict[str, Any] = {"r1": testbed["r1"]}
        ours = [block.replace('"uplinks.cfg"', repr(str(uplinks))) for block in shown if block not in scripts]
        run_in_order("coming-from-netmiko.md", ours, names)
        assert len(names["rows"]) > 1
        assert "description from-a-file" in testbed["r1"].execute("show running-config")
        assert "flash:image.bin" in lab["r1"].files
    assert "privileged" in capsys.readouterr().out.splitlines()


@pytest.mark.parametrize("page", ["coming-from-unicon.md", "coming-from-netmiko.md"])
def test_the_tables_name_words_that_there_are(page: str) -> None:
    """Of the second column, what is called like a service, on the class or anywhere in our errors."""
    from aioconn import errors

    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    cells = [row.split("|")[2] for row in text.splitlines() if row.startswith("| `")]
    called = {name for cell in cells for name in re.findall(r"`(\w+)\(", cell)}
    known = {*dir(CliConnection), "device", "Statement", "Secret", "add", "load", "fan_out"}
    assert called - known == set()
    raised = {
        name for cell in cells for name in re.findall(r"`([A-Z]\w+(?:Error|Timeout|Failed|Rejected))`", cell)
    }
    assert raised <= set(dir(errors))
    assert issubclass(errors.CommandFailed, CommandError)
