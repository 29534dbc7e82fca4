# SPDX-License-Identifier: Apache-2.0
"""The mode graph of every platform, and what it needs to be whole."""

from __future__ import annotations

import re

import pytest

from aioconn.platforms.loader import known_platforms
from aioconn.platforms.model import Mode, Platform

PLATFORMS = pytest.mark.parametrize("platform", known_platforms(), ids=lambda platform: platform.name)


@PLATFORMS
def test_every_mode_is_reached_from_the_default_and_back(platform: Platform) -> None:
    for name, mode in platform.modes.items():
        if mode.outside:
            with pytest.raises(LookupError):
                platform.route(platform.default_mode, name)
            continue
        there = platform.route(platform.default_mode, name)
        back = platform.route(name, platform.default_mode)
        assert (there[-1][1].name if there else platform.default_mode) == name
        assert (back[-1][1].name if back else name) == platform.default_mode


@PLATFORMS
def test_configure_has_its_mode(platform: Platform) -> None:
    assert platform.configure is not None
    assert platform.configure.mode in platform.modes
    assert bool(platform.configure.commit) == bool(platform.configure.discard)


@PLATFORMS
def test_questions_compile_and_ask_for_an_answer(platform: Platform) -> None:
    steps = [step for mode in platform.modes.values() for step in mode.steps.values()]
    if platform.configure is not None:
        steps += [*platform.configure.commit, *platform.configure.discard]
    for step in steps:
        for reply in step.replies:
            re.compile(reply.pattern)
            assert bool(reply.answer) != bool(reply.secret)


@PLATFORMS
def test_probe_shows_its_token_and_is_not_its_own_answer(platform: Platform) -> None:
    probes = [platform.probe, *(mode.probe for mode in platform.modes.values() if mode.probe is not None)]
    for probe in probes:
        assert probe.send == "" or "{token}" in probe.send
        if probe.answer is not None:
            assert probe.answer not in probe.send


def test_uncommitted_changes_are_asked_about() -> None:
    asks = {platform.name: platform for platform in known_platforms()}
    leave = asks["cisco_iosxr"].modes["config"].steps["privileged"]
    text = "Uncommitted changes found, commit them before exiting(yes/no/cancel)? [cancel]:"
    assert [reply.answer for reply in leave.replies if re.search(reply.pattern, text)] == ["no"]
    leave = asks["juniper_junos"].modes["config"].steps["cli"]
    text = "Exit with uncommitted changes? [yes,no] (yes)"
    assert [reply.answer for reply in leave.replies if re.search(reply.pattern, text)] == ["yes"]
    leave = asks["huawei_vrp"].modes["config"].steps["user"]
    text = "Are you sure to commit them before exiting? [Y(yes)/N(no)/C(cancel)]:"
    assert next(reply.answer for reply in leave.replies if re.search(reply.pattern, text)) == "y"


@pytest.mark.parametrize("asked", ["Password:", "Password: ", "enable password:"])
def test_enable_password_is_a_secret(asked: str) -> None:
    for platform in known_platforms():
        if "user" in platform.modes and "privileged" in platform.modes:
            (reply,) = platform.modes["user"].steps["privileged"].replies
            assert reply.secret == "enable"
            assert re.search(reply.pattern, asked.rstrip())


def test_route_names_what_it_does_not_know() -> None:
    platform = Platform(name="x", default_mode="a", modes={"a": Mode(name="a", prompt="a")})
    assert platform.route("a", "a") == []
    with pytest.raises(KeyError):
        platform.route("a", "b")


def test_routeros_gets_its_terminal_settings_with_the_name() -> None:
    (platform,) = (platform for platform in known_platforms() if platform.username_suffix)
    assert platform.name == "mikrotik_routeros"
    assert re.fullmatch(r"\+[cet]{3}\d+w\d+h", platform.username_suffix)
