# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import time

import pytest

from aioconn.lab.shell import Fate
from tests.lab.dialogue import Dialogue


def test_enable() -> None:
    dialogue = Dialogue(enable="secret")
    assert dialogue.greeting == b"\r\nr1>"
    assert dialogue.say("en") == "en\nPassword: "
    assert dialogue.say("wrong") == "\nPassword: "
    assert dialogue.say("secret") == "\nr1#"
    assert dialogue.say("disable") == "disable\nr1>"
    assert dialogue.say("enable", "a", "b", "c").endswith("% Bad secrets\n\nr1>")


def test_cisco_configuration_counts_at_once() -> None:
    dialogue = Dialogue()
    out = dialogue.say(
        "conf t", "int lo7", "desc to the moon", "ip address 10.9.9.9 255.255.255.255", "hostname r9"
    )
    assert out.endswith("r1(config-if)#hostname r9\nr9(config)#")
    assert dialogue.say("router bgp 65000", "address-family ipv4", "exit", "exit", "end").endswith(
        "r9(config-router)#address-family ipv4\nr9(config-router-af)#exit\nr9(config-router)#exit\n"
        "r9(config)#end\nr9#"
    )
    text = dialogue.say("show running-config")
    assert "interface Loopback7\n description to the moon\n ip address 10.9.9.9 255.255.255.255\n!" in text
    assert "\nhostname r9\n" in text
    assert "hostname r1" not in text
    dialogue.say("conf t", "int lo7", "no desc", "no ip addr", "exit", "no interface Loopback0", "end")
    text = dialogue.say("show running-config")
    assert "interface Loopback7\n!" in text
    assert "\ninterface Loopback0" not in text


def test_another_value_takes_the_place_of_the_first() -> None:
    dialogue = Dialogue()
    dialogue.say("conf t", "int gi1", "description one", "description two", "end")
    text = dialogue.say("show running-config interface GigabitEthernet1")
    assert "description two" in text
    assert "description one" not in text


def test_an_unchanged_configuration_is_shown_unchanged() -> None:
    for name in ("cisco_iosxe", "cisco_iosxr", "arista_eos", "frr"):
        dialogue = Dialogue(name)
        first = dialogue.say("show running-config").splitlines()[3:]
        time.sleep(0.002)
        assert dialogue.say("show running-config").splitlines()[3:] == first


def test_do_and_the_end_key() -> None:
    dialogue = Dialogue()
    dialogue.say("conf t", "int lo7")
    assert dialogue.say("do show privilege").endswith("Current privilege level is 15\nr1(config-if)#")
    assert dialogue.type(b"\x1a") == b"^Z\r\nr1#"


def test_a_bad_configuration_line() -> None:
    dialogue = Dialogue()
    dialogue.say("conf t")
    assert (
        dialogue.say("bogus 1")
        == "bogus 1\n           ^\n% Invalid input detected at '^' marker.\n\nr1(config)#"
    )
    assert dialogue.say("hostname") == "hostname\n% Incomplete command.\n\nr1(config)#"


@pytest.mark.parametrize(
    ("pipe", "lines"),
    [("include ^line", 2), ("i ^line", 2), ("begin ^line vty", 8), ("exclude .", 3), ("count ^line", 1)],
)
def test_cisco_pipes(pipe: str, lines: int) -> None:
    out = Dialogue().say(f"show running-config | {pipe}")
    assert len(out.splitlines()) == lines + 2


def test_eos_names_the_section_in_its_prompt() -> None:
    assert Dialogue("arista_eos").say("conf", "int et1").endswith("r1(config-if-Et1)#")


def test_xr_commits() -> None:
    dialogue = Dialogue("cisco_iosxr")
    dialogue.say("conf t", "int lo7", "description hello")
    assert "interface Loopback7\n description hello\n!\nend" in dialogue.say("show configuration")
    assert "Loopback7" not in dialogue.say("do show running-config")
    assert dialogue.say("commit") == "commit\nRP/0/RP0/CPU0:r1(config-if)#"
    assert "interface Loopback7\n description hello\n" in dialogue.say("do show running-config")


def test_xr_asks_about_what_is_not_committed() -> None:
    dialogue = Dialogue("cisco_iosxr")
    question = "Uncommitted changes found, commit them before exiting(yes/no/cancel)? [cancel]:"
    assert dialogue.say("conf t", "hostname r9", "end").endswith(question)
    assert dialogue.say("cancel") == "cancel\nRP/0/RP0/CPU0:r1(config)#"
    assert dialogue.say("exit").endswith(question)
    assert dialogue.say("no") == "no\nRP/0/RP0/CPU0:r1#"
    dialogue.say("conf t", "hostname r9", "end")
    assert dialogue.say("yes") == "yes\nRP/0/RP0/CPU0:r9#"


def test_xr_commit_fails() -> None:
    dialogue = Dialogue("cisco_iosxr")
    out = dialogue.say("conf t", "interface lo7", "description lab-commit-failure", "commit")
    assert "% Failed to commit one or more configuration items" in out
    assert "lab-commit-failure" in dialogue.say("show configuration failed")
    assert dialogue.say("abort").endswith("RP/0/RP0/CPU0:r1#")
    assert "Loopback7" not in dialogue.say("show running-config")


def test_junos_commits() -> None:
    dialogue = Dialogue("juniper_junos")
    assert dialogue.say("configure").endswith("Entering configuration mode\n\n[edit]\nadmin@r1# ")
    assert dialogue.say('set interfaces ge-0/0/1 description "to | from"').endswith("\n\n[edit]\nadmin@r1# ")
    assert dialogue.say("show | compare").startswith(
        'show | compare\n[edit interfaces ge-0/0/1]\n-   description core;\n+   description "to | from";\n'
    )
    assert dialogue.say("edit interfaces ge-0/0/1").endswith("[edit interfaces ge-0/0/1]\nadmin@r1# ")
    assert dialogue.say("top", "set system host-name r9", "commit").endswith(
        "commit complete\n\n[edit]\nadmin@r9# "
    )
    assert 'description "to | from";' in dialogue.say("run show configuration interfaces")
    assert dialogue.say("exit").endswith("Exiting configuration mode\n\nadmin@r9> ")
    assert "set system host-name r9\n" in dialogue.say("show configuration | display set")


def test_junos_asks_about_what_is_not_committed() -> None:
    dialogue = Dialogue("juniper_junos")
    question = "Exit with uncommitted changes? [yes,no] (yes) "
    assert dialogue.say("configure", "delete protocols ospf", "exit").endswith(question)
    assert dialogue.say("no").endswith("[edit]\nadmin@r1# ")
    assert dialogue.say("exit", "yes").endswith("Exiting configuration mode\n\nadmin@r1> ")
    assert "The configuration has been changed but not committed" in dialogue.say("configure")
    assert "load complete" in dialogue.say("rollback 0")
    assert dialogue.say("show | compare") == "show | compare\n\n[edit]\nadmin@r1# "


def test_junos_refuses_what_its_schema_does_not_know() -> None:
    dialogue = Dialogue("juniper_junos")
    dialogue.say("configure")
    assert dialogue.say("set interfaces ge-0/0/1 colour red") == (
        "set interfaces ge-0/0/1 colour red\n" + " " * 34 + "^\nsyntax error.\n\n[edit]\nadmin@r1# "
    )
    assert "error: configuration check-out failed" in dialogue.say(
        "set system domain-name lab-commit-failure", "commit"
    )


def test_junos_pipes() -> None:
    dialogue = Dialogue("juniper_junos")
    assert dialogue.say("show version | match hostname").startswith(
        "show version | match hostname\nHostname: r1\n"
    )
    assert "Count: 12 lines" in dialogue.say("show version | count")
    assert dialogue.say("show version | no-more").count("\n") == 14


@pytest.mark.parametrize(
    ("line", "answer"),
    [
        ("echo one 'two  three'", "one two  three\n"),
        ("printf 'a\\nb\\n'", "a\nb\n"),
        ("printf '%s-%s\\n' x y", "x-y\n"),
        ("seq 3", "1\n2\n3\n"),
        ("hostname", "r1\n"),
        ("false || echo no", "no\n"),
        ("true && echo yes; echo more", "yes\nmore\n"),
        ("false; echo $?", "1\n"),
        ("seq 10 | grep 1", "1\n10\n"),
        ("seq 10 | wc -l", "10\n"),
        ("nothing 2>&1", "-bash: nothing: command not found\n"),
        ("echo 'a;b|c'", "a;b|c\n"),
    ],
)
def test_posix(line: str, answer: str) -> None:
    out = Dialogue("linux").say(line)
    assert out == f"{line}\n\x1b[?2004l\r{answer}\x1b[?2004h\x1b]0;admin@r1: ~\x07admin@r1:~$ "


def test_posix_sleeps_and_becomes_root() -> None:
    dialogue = Dialogue("linux")
    dialogue.say("sleep 2.5")
    assert dialogue.waits == [2.5]
    assert dialogue.say("sudo -i").endswith("[sudo] password for admin: ")
    assert dialogue.say("admin").endswith("root@r1:~# ")
    assert dialogue.say("exit").endswith("$ ")
    dialogue.say("exit")
    assert dialogue.shell.fate is Fate.CLOSE


def test_routes_are_as_many_as_asked() -> None:
    for name, command in (("cisco_iosxe", "show ip route"), ("juniper_junos", "show route")):
        out = Dialogue(name, routes=500).say(command)
        assert out.count("100.1.") == 244
