# SPDX-License-Identifier: Apache-2.0
"""scrapli's definition format, on samples of our own."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from aioconn.errors import TestbedError
from aioconn.platforms.definition import from_text
from aioconn.platforms.loader import load_platform
from aioconn.platforms.model import HOST, Mode
from aioconn.platforms.scrapli import split_lines

SAMPLE = r"""
prompt_pattern: '^\S{1,40}[>#$]\s?+$'
default_mode: 'enabled'
modes:
  - name: 'login'
    prompt_pattern: '^[a-z0-9.\-_]{1,40}>\s?+$'
    accessible_modes:
      - name: 'enabled'
        instructions:
          - send_prompted_input:
              input: 'enable'
              prompt_exact: 'Password:'
              response: '__lookup::enable'
  - name: 'enabled'
    prompt_exact: 'acme#'
    accessible_modes:
      - name: 'login'
        instructions: [send_input: {input: 'disable'}]
      - name: 'configuration'
        instructions: [send_input: {input: 'configure'}]
      - name: 'root'
        instructions:
          - send_prompted_input: {input: 'su', prompt_exact: '^[pP]assword:\s?$', response: '__lookup::root'}
  - name: 'configuration'
    prompt_pattern: '^[\w.\-]{1,40}\([\w-]{1,20}\)#\s*$'
    prompt_excludes: ['tcl)']
    accessible_modes:
      - name: 'enabled'
        instructions: [send_input: {input: 'end'}]
  - name: 'root'
    prompt_pattern: '(^root@[^#]+#\s*$)|(^sh#\s?$)'
    accessible_modes:
      - name: 'enabled'
        instructions: [send_input: {input: 'exit'}]
failure_indicators: ['% Bad (thing)', 'refused']
on_open_instructions:
  - enter_mode: {requested_mode: 'enabled'}
  - send_input: {input: 'paging off'}
  - write: {input: 'width 500\ny\n\n'}
  - enter_mode: {requested_mode: 'configuration'}
  - send_input: {input: 'no console log'}
  - enter_mode: {requested_mode: 'enabled'}
on_close_instructions:
  - enter_mode: {requested_mode: 'enabled'}
  - write: {input: '\x04'}
ntc_templates_platform: 'cisco_iosxe'
genie_platform: 'iosxe'
force_in_session_auth: true
"""


def matches(mode: Mode, line: str, host: str = HOST) -> bool:
    return re.search(f"^(?:{mode.prompt.replace('{host}', host)})$", line) is not None


def test_sample_of_every_feature(tmp_path: Path) -> None:
    file = tmp_path / "acme_router.yaml"
    file.write_text(SAMPLE)
    platform = load_platform(file)
    assert (platform.name, platform.default_mode, platform.parser) == ("acme_router", "enabled", "cisco_ios")
    assert platform.on_open == ("paging off", "width 500", "y", "configure", "no console log", "end")
    assert platform.on_close == ("\x04",)
    assert platform.configure is not None
    assert platform.configure.mode == "configuration"
    (reply,) = platform.modes["login"].steps["enabled"].replies
    assert (reply.secret, reply.answer) == ("enable", "")
    assert re.search(reply.pattern, "Password:")
    (reply,) = platform.modes["enabled"].steps["root"].replies
    assert reply.secret == "root"
    assert re.search(reply.pattern, "password:")  # a pattern, although it says exact
    assert [step.send for step, _ in platform.route("login", "configuration")] == ["enable", "configure"]


def test_prompts_keep_their_meaning() -> None:
    modes = from_text(SAMPLE, "acme.yaml").modes
    assert matches(modes["login"], "R1.Lab>")  # upper case is meant as well
    assert matches(modes["login"], "r1>", "r1")
    assert not matches(modes["login"], "r2>", "r1")
    assert matches(modes["enabled"], "acme#")
    assert not matches(modes["enabled"], "acmes#")
    assert matches(modes["configuration"], "r1(config-if)#")
    assert not matches(modes["configuration"], "r1(tcl)#")
    assert matches(modes["root"], "root@x:~#")
    assert matches(modes["root"], "sh#")


def test_failure_indicator_is_a_text_anywhere_in_a_line() -> None:
    platform = from_text(SAMPLE, "acme.yaml")
    assert platform.failure_in("a\nit was refused\nb") == "it was refused"
    assert platform.failure_in("% Bad (thing) here")
    assert not platform.failure_in("% Bad thing")


def test_prompt_of_two_lines_becomes_a_leader() -> None:
    text = r"""
prompt_pattern: '.*\[.*?\]\n.*#'
default_mode: 'exec'
modes:
  - name: 'exec'
    prompt_pattern: '^\[.*?\]\s*\n[ab]:\S+#'
    accessible_modes: [{name: config, instructions: [{send_input: {input: edit}}]}]
  - name: 'config'
    prompt_pattern: '\(\w+\)\[.*?\]\n[ab]:\S+#'
"""
    modes = from_text(text, "two.yaml").modes
    for name, above in (("exec", "[/]"), ("config", "(ex)[/]")):
        leader = modes[name].leader
        assert leader is not None
        assert re.fullmatch(leader, above)
        assert matches(modes[name], "A:admin@r1#")


@pytest.mark.parametrize(
    ("pattern", "above", "line"),
    [
        (r"^[\w]+#$", None, r"^[\w]+#$"),
        (r"^a\nb", "a", "b"),
        (r"^[\n]b", None, r"^[\n]b"),
        (r"^\\nb", None, r"^\\nb"),
        (r"^(\\n)?b", None, r"^(\\n)?b"),
        (r"^(a(x)?\n)?b", "a(x)?", "b"),
        (r"^({\w+}\n){0,1}b", r"{\w+}", "b"),
        (r"[](\n]x", None, r"[](\n]x"),
    ],
)
def test_split_lines(pattern: str, above: str | None, line: str) -> None:
    assert split_lines(pattern) == (above, line)


BROKEN = [
    (
        "default_mode: 'enabled'",
        "default_mode: 'enable'",
        "there is no mode 'enable' -> did you mean 'enabled'?",
    ),
    (
        "name: 'login'\n        instructions",
        "name: 'logn'\n        instructions",
        "'enabled' leads to 'logn'",
    ),
    ("requested_mode: 'configuration'", "requested_mode: 'config'", "there is no mode 'config'"),
    (r"'^root@[^#]+#\s*$)|", r"'^root@[^#+#\s*$)|", "bad pattern at position"),
    (
        "send_input: {input: 'disable'}",
        "send_inputs: {input: 'disable'}",
        "unknown key -> did you mean 'send_input'?",
    ),
    ("prompt_exact: 'Password:'", "prompt_exakt: 'Password:'", "unknown key -> did you mean 'prompt_exact'?"),
    ("failure_indicators:", "failure_indicator:", "unknown key -> did you mean 'failure_indicators'?"),
    (
        "[send_input: {input: 'disable'}]",
        "[send_input: {input: 'disable'}, send_input: {input: 'x'}]",
        "several instructions for one step",
    ),
]


@pytest.mark.parametrize(("old", "new", "message"), BROKEN)
def test_mistake_has_its_place(old: str, new: str, message: str) -> None:
    broken = SAMPLE.replace(old.replace("'^root", "'(^root"), new.replace("'^root", "'(^root"))
    assert broken != SAMPLE
    with pytest.raises(TestbedError) as caught:
        from_text(broken, "acme.yaml")
    assert all(problem.line for problem in caught.value.problems)
    assert any(message in str(problem) for problem in caught.value.problems)
