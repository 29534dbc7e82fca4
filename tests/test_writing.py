# SPDX-License-Identifier: Apache-2.0
"""What docs/writing.md and docs/wrappers.md show, run as it stands there."""

from __future__ import annotations

import re
import sys
import types
from pathlib import Path
from typing import Any

import pytest
import yaml

import aioconn
from aioconn.conformance import Conformance
from aioconn.errors import CommandRejected
from aioconn.lab import Lab

DOCS = Path(__file__).resolve().parents[1] / "docs"


def blocks(page: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", (DOCS / page).read_text(encoding="utf-8"), re.DOTALL)


def module_of(page: str, *numbers: int) -> types.ModuleType:
    """The blocks of a page as a module called `mine`, as they call themselves."""
    module = types.ModuleType("mine")
    shown = blocks(page, "python")
    for number in numbers:
        exec(compile(shown[number], page, "exec", dont_inherit=True), module.__dict__)  # noqa: S102  our own words
    return module


_outlet: Any = module_of("writing.md", 0, 1)


@pytest.fixture(autouse=True)
def mine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mine", _outlet)


@pytest.mark.clock("jumping")
class TestOutletConnection(_outlet.TestOutletConnection):  # type: ignore[misc]
    """The class of the page keeps all promises."""

    @pytest.mark.clock("real")
    async def test_on_a_loop_of_its_own(self) -> None:
        await super().test_on_a_loop_of_its_own()


def test_the_page_uses_the_kit() -> None:
    assert len(blocks("writing.md", "python")) == 2
    assert issubclass(TestOutletConnection, Conformance)


async def test_the_testbed_of_the_page(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OUTLETS", "outlet-secret")
    (text,) = blocks("writing.md", "yaml")
    outlets = _outlet.Outlets()
    async with outlets.listening() as port:
        entry = yaml.safe_load(text)
        entry["devices"]["rack7"]["connections"]["outlets"].update(ip="127.0.0.1", port=port)
        async with aioconn.load(entry) as testbed:
            device = testbed["rack7"]
            await device.connect(via="outlets", pool_size=2)
            assert await device.status(3) == "3 on"
            assert await device.switch(3, "off") is None


async def test_the_lines_about_wrappers(lab: Lab, capsys: pytest.CaptureFixture[str]) -> None:
    await lab.add("r1")
    async with aioconn.load(lab.testbed()) as testbed:
        names: dict[str, Any] = {"r1": testbed["r1"], "testbed": testbed}
        await names["r1"].connect()
        for block in blocks("wrappers.md", "python"):
            body = "".join(f"    {line}\n" for line in block.splitlines())
            exec(compile(f"async def run():\n{body}    return locals()\n", "wrappers.md", "exec"), names)  # noqa: S102
            names.update(await names["run"]())
    refused, counted = capsys.readouterr().out.splitlines()
    assert refused == "r1 via cli [command]: changes are frozen"
    assert int(counted) == names["counted"].characters > 100
    assert names["version"] == names["version"].rstrip()


async def test_the_testbed_of_the_page_about_wrappers(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    wrappers = types.ModuleType("mine")
    for block in blocks("wrappers.md", "python")[:2]:
        classes = re.split(r"\n(?:handle =|with r1)", block)[0]
        exec(compile(classes, "wrappers.md", "exec"), wrappers.__dict__)  # noqa: S102  our own words
    monkeypatch.setitem(sys.modules, "mine", wrappers)
    (text,) = blocks("wrappers.md", "yaml")
    await lab.add("r1")
    served = lab.testbed()["devices"]["r1"]
    entry = yaml.safe_load(text)
    entry["devices"]["r1"]["credentials"] = served["credentials"]
    entry["devices"]["r1"]["connections"]["cli"].update(
        {key: value for key, value in served["connections"]["cli"].items() if key != "protocol"}
    )
    async with aioconn.load(entry) as testbed:
        await testbed["r1"].connect()
        with pytest.raises(CommandRejected, match="changes are frozen"):
            await testbed["r1"].configure(["interface Loopback0"])
        assert "Version" in await testbed["r1"].execute("show version | no-more")
