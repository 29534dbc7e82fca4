# SPDX-License-Identifier: Apache-2.0
"""What unicon calls otherwise: its arguments and settings as options of ours.

Most of them have an equivalent, or say something that goes without saying here. Those that would change what happens
and have none are told as warnings; all are kept as they are written.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aioconn.testbed.section import Section

# unicon's word -> our option
_RENAMED = {"connection_timeout": "connect_timeout", "init_exec_commands": "on_open", "goto_enable": "enable"}
_SETTINGS = {
    "EXEC_TIMEOUT": "timeout",
    "CONNECTION_TIMEOUT": "connect_timeout",
    "TERM": "term",
    "HA_INIT_EXEC_COMMANDS": "on_open",
}
_WITHOUT_SAYING = frozenset(
    (
        "learn_hostname",  # the prompt is learned anyway
        "prompt_recovery",
        "reconnect",
        "log_stdout",
        "log_propagate",
        "log_buffer",
        "logfile",
        "debug",
        "no_pyats_tasklog",
        "standby_goto_enable",
        "overwrite_settings",
        "trim_line",
        "trim_buffer",
        "hostname",
        "mit",
        "cred_action",
        "login_creds",
        "fallback_credentials",
        "learn_os",
        "learn_tokens",
        "overwrite_testbed_tokens",
        "init_config_commands",
        "prompts",
        "service_attributes",
    )
)
_MISSED = {
    # of those, what is missed if it is asked for
    "learn_os": ("not used: the device must say which `os` it has", None),
    "learn_tokens": ("not used: the device must say which `os` and `platform` it has", None),
    "init_config_commands": (
        "not used: connecting configures nothing",
        "call configure() after connect()",
    ),
    "prompts": (
        "not used: the questions of a login are those of the platform",
        "describe them in a platform file",
    ),
}
_MISSED_SETTINGS = {
    "ERROR_PATTERN": (
        "not used: what counts as a refusal is said by the platform",
        "describe it in a platform file, or set check: false",
    ),
    "LOGIN_PROMPT": _MISSED["prompts"],
    "PASSWORD_PROMPT": _MISSED["prompts"],
    "HA_INIT_CONFIG_COMMANDS": _MISSED["init_config_commands"],
}
_MISSED_SETTINGS["CONFIGURE_ERROR_PATTERN"] = _MISSED_SETTINGS["ERROR_PATTERN"]


FOREIGN = _WITHOUT_SAYING | set(_RENAMED)
"""The arguments of unicon's that are known here, and are no options of ours."""


def is_foreign(name: str) -> bool:
    """Whether this is one of them."""
    return name in FOREIGN


def translated(section: Section, values: Mapping[str, Any]) -> dict[str, Any]:
    """The options that unicon's arguments among `values`, which stand in `section`, come to."""
    options: dict[str, Any] = {}
    if values.get("mit") is True:
        options.update(enable=False, on_open=())
    for name, value in values.items():
        if name in _RENAMED and value is not None:
            options[_RENAMED[name]] = value
        elif name in _MISSED and value not in (None, False, [], {}, ""):
            section.problem(name, *_MISSED[name], warning=True)
        elif name == "cred_action" and not _presses_return(value):
            what = "not used: after a login Return is pressed if the device keeps silent, and nothing else"
            section.problem(name, what, warning=True)
    if isinstance(services := values.get("service_attributes"), Mapping):
        options.update(_services(section, services))
    return options


def from_settings(section: Section, settings: Mapping[str, Any]) -> dict[str, Any]:
    """The options that unicon's settings, which are written in capitals, come to."""
    options = {
        _SETTINGS[name]: value for name, value in settings.items() if name in _SETTINGS and value is not None
    }
    if settings.get("ERROR_PATTERN", ...) == []:
        options["check"] = False
    for name, value in settings.items():
        if name in _MISSED_SETTINGS and value not in (None, [], ""):
            section.problem(name, *_MISSED_SETTINGS[name], warning=True)
    limit = settings.get("CONFIG_TIMEOUT")
    if limit is not None and limit != settings.get("EXEC_TIMEOUT"):
        what = "not used: one timeout, EXEC_TIMEOUT, holds for all that is asked of the device"
        section.problem("CONFIG_TIMEOUT", what, "pass timeout= to configure()", warning=True)
    return options


def _services(section: Section, services: Mapping[str, Any]) -> dict[str, Any]:
    """Attributes of services: the timeout of `execute` is ours, the others are of services that we have not."""
    options: dict[str, Any] = {}
    for service, attributes in services.items():
        known = attributes if isinstance(attributes, Mapping) else {}
        if service == "execute" and "timeout" in known:
            options["timeout"] = known["timeout"]
        if set(known) - ({"timeout"} if service == "execute" else set()):
            what = f"not used: the attributes of {service!r}"
            section.problem("service_attributes", what, "pass them to the call", warning=True)
    return options


def _presses_return(value: Any) -> bool:
    """Whether `{name: {post: sendline()}}` is all that is to be done after a credential."""
    if not isinstance(value, Mapping):
        return value is None
    actions = [one.get("post") if isinstance(one, Mapping) else one for one in value.values()]
    return all(action in (None, "sendline()", "sendline") for action in actions)
