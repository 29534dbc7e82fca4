# SPDX-License-Identifier: Apache-2.0
"""One configuration behind every protocol: what the models show of it, and what edits make of it."""

from __future__ import annotations

from typing import Any

import pytest

from aioconn.lab.data import DataError, Edit, Step
from aioconn.lab.device import LabDevice
from aioconn.lab.personality import load, names
from tests.lab.dialogue import Dialogue

IETF = Step("ietf-interfaces:interfaces")
OPENCONFIG = Step("openconfig-interfaces:interfaces")
SYSTEM = Step("ietf-system:system")
CONFIGURED = [name for name in names() if name != "linux"]


def device(personality: str = "cisco_iosxe") -> LabDevice:
    return LabDevice("r1", load(personality), forgets=False)


def interface(name: str, *, top: Step = IETF) -> tuple[Step, ...]:
    return top, Step("interface", {"name": name})


def edit(device: LabDevice, operation: Any, path: tuple[Step, ...], value: Any = None) -> None:
    device.data.edit([Edit(operation=operation, path=path, value=value)])


def running(device: LabDevice) -> str:
    return device.hierarchy.render([]) if device.personality.schema else device.config.render()


def first(device: LabDevice) -> str:
    return device.data.read((IETF, Step("interface")))[0]["name"]


@pytest.mark.parametrize("personality", CONFIGURED)
def test_every_kind_of_device_shows_its_configuration_in_the_models(personality: str) -> None:
    r1 = device(personality)
    name = first(r1)
    assert r1.data.read((SYSTEM, Step("hostname"))) == "r1"
    entry = r1.data.read(interface(name))
    address = entry["ietf-ip:ipv4"]["address"][0]
    assert address["ip"] in running(r1)
    assert entry["oper-status"] == "up"
    assert entry["type"].startswith("iana-if-type:")
    assert int(entry["statistics"]["in-octets"]) >= 0
    other = r1.data.read(interface(name, top=OPENCONFIG))
    assert other["config"].get("description") == entry.get("description")
    assert other["state"]["oper-status"] == "UP"


@pytest.mark.parametrize("personality", CONFIGURED)
def test_an_edit_is_in_the_configuration_at_once(personality: str) -> None:
    r1 = device(personality)
    name = first(r1)
    version, told = r1.data.version, []
    r1.data.subscribe(lambda: told.append(r1.data.version))
    address = {"ietf-ip:ipv4": {"address": [{"ip": "10.9.8.7", "prefix-length": 25}]}}
    value = {"description": "to the moon", "enabled": False, **address}
    edit(r1, "replace", interface(name), value)
    assert r1.data.version > version
    assert told == [r1.data.version]
    text = running(r1)
    assert "to the moon" in text
    assert ("disable;" if personality == "juniper_junos" else "\n shutdown\n") in text
    assert "10.9.8.7" in text
    got = r1.data.read(interface(name), config=True)
    assert {key: got[key] for key in value} == value
    assert r1.data.read((*interface(name, top=OPENCONFIG), Step("state"), Step("oper-status"))) == "DOWN"
    edit(r1, "remove", (*interface(name), Step("description")))
    edit(r1, "merge", (*interface(name), Step("enabled")), True)
    assert "to the moon" not in running(r1)
    assert r1.data.read((*interface(name), Step("oper-status"))) == "up"


@pytest.mark.parametrize("personality", CONFIGURED)
def test_a_device_can_be_renamed_and_says_where_it_is(personality: str) -> None:
    r1 = device(personality)
    edit(r1, "merge", (SYSTEM,), {"hostname": "core-7", "location": "under the stairs"})
    assert r1.host == "core-7"
    assert r1.data.read((SYSTEM,)) == {"hostname": "core-7", "location": "under the stairs"}
    assert "under the stairs" in running(r1)
    assert r1.data.read((Step("openconfig-system:system"), Step("state"), Step("hostname"))) == "core-7"


def test_what_is_typed_on_the_command_line_is_in_the_models() -> None:
    dialogue = Dialogue()
    store = dialogue.device.data
    told: list[int] = []
    withdraw = store.subscribe(lambda: told.append(store.version))
    dialogue.say(
        "conf t", "int lo7", "desc to the moon", "ip address 10.9.9.9 255.255.255.255", "shut", "end"
    )
    entry = store.read(interface("Loopback7"), config=True)
    assert entry == {
        "name": "Loopback7",
        "description": "to the moon",
        "type": "iana-if-type:softwareLoopback",
        "enabled": False,
        "ietf-ip:ipv4": {"address": [{"ip": "10.9.9.9", "prefix-length": 32}]},
    }
    assert told == sorted(set(told))
    assert len(told) == 4  # the section, and three lines
    withdraw()
    dialogue.say("conf t", "no interface Loopback7", "end")
    assert store.read(interface("Loopback7")) is None
    assert len(told) == 4


def test_an_edit_shows_in_the_running_configuration_of_the_command_line() -> None:
    dialogue = Dialogue()
    edit(dialogue.device, "create", interface("Loopback42"), {"description": "new", "enabled": True})
    text = dialogue.say("show running-config interface Loopback42")
    assert "interface Loopback42\n description new\n" in text


def test_a_candidate_on_the_command_line_keeps_its_changes_beside_an_edit() -> None:
    dialogue = Dialogue(personality="juniper_junos")
    dialogue.say("configure", "set interfaces ge-0/0/0 description typed")
    edit(dialogue.device, "merge", (SYSTEM, Step("location")), "here")
    assert dialogue.device.data.read((*interface("ge-0/0/0"), Step("description"))) == "management"
    dialogue.say("commit")
    assert dialogue.device.data.read((*interface("ge-0/0/0"), Step("description"))) == "typed"
    assert dialogue.device.data.read((SYSTEM, Step("location"))) == "here"


def test_all_of_a_call_counts_or_nothing() -> None:
    r1 = device()
    before, version = running(r1), r1.data.version
    good = Edit(operation="merge", path=(SYSTEM, Step("location")), value="here")
    bad = Edit(operation="delete", path=interface("Loopback99"))
    with pytest.raises(DataError) as caught:
        r1.data.edit([good, bad])
    assert caught.value.tag == "data-missing"
    assert caught.value.path == "/ietf-interfaces:interfaces/interface[name='Loopback99']"
    assert running(r1) == before
    assert r1.data.version == version


@pytest.mark.parametrize(
    ("operation", "path", "value", "tag"),
    [
        ("create", interface("Loopback0"), {"description": "x"}, "data-exists"),
        ("delete", interface("Loopback9"), None, "data-missing"),
        ("delete", (*interface("GigabitEthernet3"), Step("description")), None, "data-missing"),
        ("merge", interface("Loopback0"), {"colour": "red"}, "unknown-element"),
        ("merge", (Step("no-such:thing"),), {}, "unknown-element"),
        ("merge", (Step("interfaces"),), {}, "unknown-element"),
        ("merge", (*interface("Loopback0"), Step("oper-status")), "down", "operation-not-supported"),
        ("merge", interface("Loopback0"), {"oper-status": "down"}, "operation-not-supported"),
        ("merge", interface("Loopback0"), {"enabled": "true"}, "invalid-value"),
        ("merge", interface("Loopback0"), {"description": "two\nlines"}, "invalid-value"),
        ("merge", interface("Loopback0"), {"description": 7}, "invalid-value"),
        ("merge", interface("Loopback0"), {"name": "Loopback1"}, "invalid-value"),
        ("merge", interface("Loopback0"), {"type": "iana-if-type:tunnel"}, "invalid-value"),
        ("merge", interface("loopback0"), {}, "invalid-value"),
        ("merge", interface("Wonderful0"), {}, "invalid-value"),
        ("merge", (SYSTEM, Step("hostname")), "two words", "invalid-value"),
        ("merge", (IETF, Step("interface")), [{"description": "nameless"}], "missing-element"),
        ("merge", (IETF, Step("interface"), Step("description")), "x", "missing-element"),
        ("merge", (IETF, Step("interface", {"colour": "red"})), {}, "unknown-attribute"),
        ("merge", (IETF,), [], "invalid-value"),
        ("merge", (SYSTEM, Step("contact")), "lab-commit-failure", "operation-failed"),
    ],
)
def test_what_cannot_be_is_refused_with_the_tag_of_its_error(
    operation: str, path: tuple[Step, ...], value: Any, tag: str
) -> None:
    r1 = device()
    before = running(r1)
    with pytest.raises(DataError) as caught:
        edit(r1, operation, path, value)
    assert caught.value.tag == tag
    assert caught.value.message
    assert running(r1) == before


def test_replacing_a_list_removes_what_is_not_named() -> None:
    r1 = device()
    keep = r1.data.read(interface("Loopback0"), config=True)
    edit(r1, "replace", (IETF,), {"interface": [keep, {"name": "Loopback5"}]})
    found = r1.data.read((IETF, Step("interface")), config=True)
    assert [each["name"] for each in found] == ["Loopback0", "Loopback5"]
    assert found[0] == keep


def test_replacing_keeps_lines_that_no_model_knows() -> None:
    r1 = device()
    path = interface("GigabitEthernet1")
    edit(r1, "replace", path, {"name": "GigabitEthernet1", "description": "other"})
    assert " negotiation auto\n" in running(r1).partition("interface GigabitEthernet1\n")[2]
    assert "ietf-ip:ipv4" not in r1.data.read(path)


def test_a_second_address_is_refused_where_lines_have_one() -> None:
    path = (*interface("Loopback0"), Step("ietf-ip:ipv4"), Step("address", {"ip": "10.5.5.5"}))
    with pytest.raises(DataError, match="has one IPv4 address"):
        edit(device(), "merge", path, {"prefix-length": 32})


def test_configuration_and_state_can_be_read_apart() -> None:
    r1 = device()
    config = r1.data.read(interface("Loopback0"), config=True)
    state = r1.data.read(interface("Loopback0"), config=False)
    assert "oper-status" not in config
    assert "description" not in state
    assert state["name"] == config["name"] == "Loopback0"
    assert {**config, **state} == {**r1.data.read(interface("Loopback0")), **state}
    assert r1.data.read((SYSTEM,), config=False) is None
    assert r1.data.read((*interface("Loopback0"), Step("description")), config=False) is None
    assert "ietf-system:system-state" not in r1.data.read(config=True)
    assert "ietf-system:system" not in r1.data.read(config=False)


def test_counters_grow_while_an_interface_is_up() -> None:
    r1 = device()
    path = (*interface("Loopback0"), Step("statistics"), Step("in-octets"))
    before = int(r1.data.read(path))
    r1.data._state._started -= 100  # as if it had run for longer
    assert int(r1.data.read(path)) >= before + 100_000


def test_a_candidate_counts_when_it_is_committed() -> None:
    r1 = device()
    candidate = r1.data.candidate()
    candidate.edit([Edit(operation="merge", path=(SYSTEM, Step("hostname")), value="r9")])
    assert candidate.changed
    assert candidate.read((SYSTEM, Step("hostname"))) == "r9"
    assert r1.data.read((SYSTEM, Step("hostname"))) == "r1"
    edit(r1, "merge", (SYSTEM, Step("location")), "here")  # meanwhile
    candidate.validate()
    candidate.commit()
    assert not candidate.changed
    assert r1.data.read((SYSTEM,)) == {"hostname": "r9", "location": "here"}
    candidate.edit([Edit(operation="remove", path=interface("Loopback0"))])
    candidate.discard()
    candidate.commit()
    assert r1.data.read(interface("Loopback0")) is not None


def test_a_candidate_that_no_longer_fits_changes_nothing() -> None:
    r1 = device()
    candidate = r1.data.candidate()
    candidate.edit([Edit(operation="create", path=interface("Loopback7"), value={"description": "mine"})])
    edit(r1, "create", interface("Loopback7"), {"description": "theirs"})
    with pytest.raises(DataError, match="data-exists"):
        candidate.validate()
    with pytest.raises(DataError, match="data-exists"):
        candidate.commit()
    assert r1.data.read((*interface("Loopback7"), Step("description"))) == "theirs"
    assert candidate.changed


def test_the_models_can_be_asked_for_their_nodes() -> None:
    store = device().data
    node = store.schema((IETF, Step("interface"), Step("enabled")))
    assert node is not None
    assert (node.kind, node.type, node.config) == ("leaf", "boolean", True)
    assert node.from_text("true") is True
    assert node.namespace == "urn:ietf:params:xml:ns:yang:ietf-interfaces"
    listed = store.schema(("openconfig-interfaces:interfaces", "interface"))
    assert listed is not None
    assert (listed.kind, listed.keys) == ("list", ("name",))
    assert store.schema((IETF, Step("nothing"))) is None
    assert {module.name for module in store.modules} >= {"ietf-interfaces", "openconfig-system"}
