# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path

import pytest

from aioconn.errors import TestbedError
from aioconn.lab import personality
from tests.lab.dialogue import Dialogue

ASKED = {
    "arista_eos": ("r1#", ["show version", "show ip interface brief", "show interfaces", "show inventory"]),
    "cisco_iosxe": ("r1#", ["show version", "show ip interface brief", "show interfaces", "show inventory"]),
    "cisco_iosxr": ("RP/0/RP0/CPU0:r1#", ["show version", "show ipv4 interface brief", "show interfaces"]),
    "cisco_nxos": ("r1# ", ["show version", "show ip interface brief", "show interface", "show inventory"]),
    "frr": ("r1# ", ["show version", "show interface", "show interface brief", "show ip route"]),
    "juniper_junos": ("\nadmin@r1> ", ["show version", "show interfaces terse", "show chassis hardware"]),
    "linux": ("admin@r1:~$ ", ["uname -a", "cat /etc/os-release", "ip addr", "df -h"]),
}
COMMON = ["show running-config", "show clock", "show users"]


def test_all_are_here() -> None:
    assert personality.names() == sorted(ASKED)


@pytest.mark.parametrize("name", sorted(ASKED))
def test_answers(name: str) -> None:
    prompt, commands = ASKED[name]
    dialogue = Dialogue(name)
    assert dialogue.greeting.decode().replace("\r\n", "\n").endswith(prompt)
    if name not in ("juniper_junos", "linux"):
        commands = [*commands, *COMMON]
    for command in commands:
        answer = dialogue.say(command)
        assert answer.startswith(command + "\n")
        assert answer.endswith(prompt)
        assert len(answer) > len(command) + len(prompt) + 25, command
        for text in ("{", "\n% ", "not found"):
            assert text not in answer.replace("${prefix}", ""), command


@pytest.mark.parametrize("name", sorted(ASKED))
def test_every_command_of_every_mode_can_be_played(name: str) -> None:
    kind = personality.load(name)
    for mode in kind.modes:
        for command in kind.known(mode).values():
            dialogue = Dialogue(name)
            dialogue.shell.mode = mode
            line = command.name.replace("[", "").replace("]", "").replace("<number>", "3")
            line = line.replace("<rest>", "10.0.0.1").replace("<name>", "x1")
            if command.action == "ping":
                line = line.replace("10.0.0.1", "10.0.0.1 count 2")
            answer = dialogue.say(line)
            assert answer.startswith(line), (mode, line)
            if command.action not in ("ping", "do", "run"):
                assert "Unknown command: show" not in answer, (mode, line)


@pytest.mark.parametrize(
    ("name", "line", "text"),
    [
        (
            "cisco_iosxe",
            "show nonsense",
            "show nonsense\n        ^\n% Invalid input detected at '^' marker.\n\nr1#",
        ),
        ("cisco_iosxe", "show ip", "show ip\n% Incomplete command.\n\nr1#"),
        ("cisco_iosxe", "c", 'c\n% Ambiguous command:  "c"\nr1#'),
        (
            "cisco_iosxr",
            "nonsense",
            "nonsense\n                 ^\n% Invalid input detected at '^' marker.\n",
        ),
        ("cisco_nxos", "show nonsense", "show nonsense\n         ^\n% Invalid command at '^' marker.\nr1# "),
        ("arista_eos", "show nonsense", "show nonsense\n% Invalid input (at token 2: 'nonsense')\nr1#"),
        ("frr", "show nonsense", "show nonsense\n% Unknown command: show nonsense\nr1# "),
        ("juniper_junos", "nonsense", "nonsense\n          ^\nunknown command.\n\nadmin@r1> "),
        ("linux", "nonsense", "-bash: nonsense: command not found\n"),
    ],
)
def test_refusals_are_the_vendors_own(name: str, line: str, text: str) -> None:
    assert text in Dialogue(name).say(line)


def test_devices_differ_and_stay_the_same() -> None:
    first, again = Dialogue(), Dialogue()
    other = Dialogue(seed=1)
    assert first.say("show inventory") == again.say("show inventory")
    assert first.say("show inventory") != other.say("show inventory")


def test_a_folder_of_ones_own(tmp_path: Path) -> None:
    folder = tmp_path / "toaster"
    (folder / "outputs").mkdir(parents=True)
    (folder / "outputs" / "show_toast.txt").write_text("{host} is brown\n")
    (folder / "personality.yaml").write_text(
        "os: toast\ndialect: cisco\nstart: exec\nenabled: exec\nmodes: {exec: '{host}$ '}\n"
        "commands: {exec: {exit: {action: exit}}}\n"
    )
    dialogue = Dialogue(str(folder))
    assert dialogue.say("sh to") == "sh to\nr1 is brown\nr1$ "


def test_all_problems_are_told_at_once(tmp_path: Path) -> None:
    (tmp_path / "personality.yaml").write_text(
        "os: x\ndialect: cisco\nstart: exce\nenabled: exec\nmodes: {exec: '>'}\ncolour: red\n"
        "commands: {exec: {show x: {file: show y}}}\n"
    )
    with pytest.raises(TestbedError) as caught:
        personality.load(str(tmp_path))
    text = str(caught.value)
    assert "colour" in text
    assert "no output 'show y'" in text
    assert "no mode 'exce' -> did you mean 'exec'?" in text


def test_an_unknown_one_names_the_known() -> None:
    with pytest.raises(TestbedError, match="did you mean 'cisco_iosxe'"):
        personality.load("cisco_xe")
