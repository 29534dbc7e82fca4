# SPDX-License-Identifier: Apache-2.0
"""What the documents show, run as it stands there."""

from __future__ import annotations

import ast
import asyncio
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import aioconn
import aioconn.sync
from aioconn.lab import Lab
from tests.grpc_alive import grpc_alive as grpc_alive
from tests.lab_thread import LabThread

ROOT = Path(__file__).resolve().parents[1]
GUIDE = ROOT / "docs" / "guide.md"


def blocks(file: Path, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", file.read_text(encoding="utf-8"), re.DOTALL)


async def test_the_script_of_the_readme(lab: Lab, tmp_path: Path) -> None:
    await lab.add("r1")
    await lab.add("r2", personality="arista_eos")
    lab.write_testbed(tmp_path / "testbed.yaml")
    script = tmp_path / "script.py"
    script.write_text(blocks(ROOT / "README.md", "python")[0], encoding="utf-8")
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(script),
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT), "HOME": str(tmp_path), "PATH": ""},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    assert process.returncode == 0, output.decode()
    assert b"Cisco IOS XE" in output
    assert {line.split()[0] for line in output.splitlines()[-4:] if line} >= {b"r1", b"r2"}
    assert "description uplink" in lab["r1"].config.render()


async def test_the_other_ways_of_the_readme(lab: Lab, capsys: pytest.CaptureFixture[str]) -> None:
    await lab.add("r1", protocols=("http", "netconf", "snmp", "gnmi"))
    (block,) = [block for block in blocks(ROOT / "README.md", "python") if 'via="snmp"' in block]
    async with aioconn.load(lab.testbed()) as testbed:
        names: dict[str, Any] = {"r1": testbed["r1"], "asyncio": asyncio}
        body = "".join(f"    {line}\n" for line in block.splitlines())
        exec(f"async def main():\n{body}    return replies\n", names)  # noqa: S102  our own README
        replies = await names["main"]()
    assert len(replies) == 3
    printed = capsys.readouterr().out.splitlines()
    assert printed[0] == "17.9.4a"
    assert any(line.startswith("ifDescr.") and line.endswith(" Loopback0") for line in printed)
    assert "/system/config/hostname r1" in printed


async def test_the_lines_of_the_guide(templates: None, lab: Lab) -> None:
    await lab.add("r1")
    lines = {block.strip().splitlines()[0]: block for block in blocks(GUIDE, "python")}
    async with aioconn.load(lab.testbed()) as testbed:
        r1 = testbed["r1"]
        await r1.connect()
        wanted = ("output = await", "await r1.configure", "async for result in aioconn.fan_out")
        chosen = [block for first, block in lines.items() if first.startswith(wanted)]
        assert len(chosen) == len(wanted)
        for block in chosen:
            body = "".join(f"    {line}\n" for line in block.splitlines())
            names = {"aioconn": aioconn, "r1": r1, "testbed": testbed}
            exec(compile(f"async def run():\n{body}", str(GUIDE), "exec"), names)  # noqa: S102  our own words
            await names["run"]()  # type: ignore[operator]


async def test_the_lines_about_sessions(lab: Lab) -> None:
    await lab.add("r1")
    async with aioconn.load(lab.testbed()) as testbed:
        r1 = testbed["r1"]
        await r1.connect()
        for block in blocks(ROOT / "docs" / "sessions.md", "python"):
            body = "".join(f"    {line}\n" for line in block.splitlines())
            names = {"aioconn": aioconn, "asyncio": asyncio, "r1": r1}
            exec(compile(f"async def run():\n{body}", "sessions.md", "exec"), names)  # noqa: S102  our own words
            await names["run"]()  # type: ignore[operator]


async def run_all(file: str, **names: Any) -> None:
    """The blocks of a page, one after the other, with what the ones before have left."""
    for block in blocks(ROOT / "docs" / file, "python"):
        body = "".join(f"    {line}\n" for line in block.splitlines())
        source = f"async def run():\n{body}    return locals()\n"
        exec(compile(source, file, "exec"), names)  # noqa: S102  our own words
        names.update(await names["run"]())


async def test_the_lines_about_performance(lab: Lab, capsys: pytest.CaptureFixture[str]) -> None:
    await lab.add("r1", personality="arista_eos")
    await lab.add("r2")
    async with aioconn.load(lab.testbed()) as testbed:
        await run_all("performance.md", r1=testbed["r1"], testbed=testbed, aioconn=aioconn, asyncio=asyncio)
    printed = capsys.readouterr().out.splitlines()
    phases = dict.fromkeys(line.partition(":")[0] for line in printed if line.endswith(" ms"))
    assert list(phases) == ["tcp", "kex", "auth", "shell", "prompt"]
    assert sum("characters in" in line for line in printed) == 1
    assert sorted(line.split()[0] for line in printed if line.endswith(" ok")) == ["r1", "r2"]


async def test_the_lines_about_rest(lab: Lab) -> None:
    await lab.add("r1", personality="cisco_nxos", protocols=("http",))
    entry = lab.testbed()["devices"]["r1"]
    entry["connections"]["api"] = {**entry["connections"]["rest"], "protocol": "nxapi"}
    async with aioconn.load({"devices": {"r1": entry}}) as testbed:
        await run_all("rest.md", r1=testbed["r1"])
    assert "description over-http" in lab["r1"].config.render()


async def test_the_lines_about_restconf(lab: Lab) -> None:
    served = await lab.add("r1", protocols=("http",))
    async with aioconn.load(lab.testbed()) as testbed:

        async def change() -> None:
            while True:
                served.configure(["interface Loopback0"], "description changed")
                await asyncio.sleep(0.05)

        changing = asyncio.create_task(change())
        try:
            await run_all("restconf.md", device=testbed["r1"])
        finally:
            changing.cancel()
    assert "Loopback9" not in served.config.render()


async def test_the_lines_about_snmp(lab: Lab) -> None:
    served = await lab.add("r1", protocols=("snmp",))
    async with aioconn.load(lab.testbed()) as testbed:
        await run_all("snmp.md", r1=testbed["r1"])
    assert "description uplink" in served.config.render()
    assert "Zürich" in served.config.render()


async def test_the_lines_about_gnmi(lab: Lab) -> None:
    served = await lab.add("r1", protocols=("gnmi",))
    async with aioconn.load(lab.testbed()) as testbed:
        await run_all("gnmi.md", r1=testbed["r1"])
    assert "description uplink" in served.config.render()


async def test_the_lines_about_netconf(lab: Lab, tmp_path: Path) -> None:
    """One after the other, each with the names of those before."""
    pytest.importorskip("lxml")
    served = await lab.add("r1", protocols=("netconf",))
    async with aioconn.load(lab.testbed()) as testbed:
        names: dict[str, Any] = {"r1": testbed["r1"], "path": tmp_path / "config.xml"}
        for block in blocks(ROOT / "docs" / "netconf.md", "python"):
            code = compile(block, "netconf.md", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
            if (awaited := eval(code, names)) is not None:  # noqa: S307  our own words
                await awaited
    assert "noc@example.com" in served.config.render()
    assert names["event"].name == "netconf-config-change"
    assert (tmp_path / "config.xml").read_text().endswith("</rpc-reply>")


@pytest.mark.programs
def test_the_lines_for_legacy_scripts(tmp_path: Path, runtime: Path) -> None:
    """Whole scripts as such, the others on a device that one of them has connected."""
    with LabThread(tmp_path) as lab:
        lab.add_many(["r1", "r2"])
        lab.lab.write_testbed(tmp_path / "testbed.yaml")
        shown = [*blocks(ROOT / "docs" / "legacy.md", "python"), blocks(ROOT / "README.md", "python")[2]]
        scripts = [block for block in shown if "import" in block and "aioconn.sync" in block]
        assert [len(scripts), len(shown)] == [6, 8]
        for number, script in enumerate(scripts):
            run_script(
                tmp_path / f"script{number}.py", on_loopback(script, lab.testbed()["devices"]["r1"]), runtime
            )
            assert lab.wait_for(lambda: lab.sessions == 0)
        with aioconn.sync.load(tmp_path / "testbed.yaml") as testbed:
            testbed["r1"].connect()
            names = {"r1": testbed["r1"], "testbed": testbed}
            for block in shown:
                if block not in scripts:
                    exec(compile(block, "legacy.md", "exec"), names)  # noqa: S102  our own words
            assert "Version" in str(names["outputs"])


def on_loopback(script: str, served: dict[str, Any]) -> str:
    """The script with the address and the password of a device that is there."""
    path, login = served["connections"]["cli"], served["credentials"]["default"]
    address = f"ssh://{login['username']}@{path['ip']}:{path['port']}"
    return script.replace("ssh://admin@192.0.2.1", address).replace(
        'password="..."', f"password={login['password']!r}"
    )


def run_script(file: Path, text: str, runtime: Path) -> None:
    file.write_text(text, encoding="utf-8")
    environment = {
        "PYTHONPATH": str(ROOT),
        "HOME": str(file.parent),
        "PATH": "",
        "TMPDIR": str(file.parent),
        "XDG_RUNTIME_DIR": str(runtime),
    }
    done = subprocess.run(
        [sys.executable, str(file)],
        cwd=file.parent,
        env=environment,
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert done.returncode == 0, f"{text}\n{done.stdout}{done.stderr}"
    assert not done.stderr


async def test_the_class_of_the_guide() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while name := await reader.readline():
            writer.write(b"hello " + name)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    block = next(block for block in blocks(GUIDE, "python") if "class Greeter" in block)
    names: dict[str, object] = {"asyncio": asyncio}
    exec(compile(block, str(GUIDE), "exec"), names)  # noqa: S102  our own words
    device = aioconn.Device(
        "r1",
        connections={"a": {"protocol": "tcp", "ip": "127.0.0.1", "port": server.sockets[0].getsockname()[1]}},
    )
    greeter = await device.connect(cls=names["Greeter"])
    assert await greeter.greet("r1") == "hello r1"
    await device.destroy_all()
    server.close()
