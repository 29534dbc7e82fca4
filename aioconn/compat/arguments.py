# SPDX-License-Identifier: Apache-2.0
"""Keyword arguments of unicon's connections, as options of aioconn's: as in a testbed, but given by a script."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from aioconn.testbed import equivalents
from aioconn.testbed.report import Report
from aioconn.testbed.section import Section
from aioconn.testbed.source import read_mapping
from aioconn.testbed.tree import Table

_log = logging.getLogger(__name__)

# What a testbed does not hold, and has nothing to do here.
_IN_SCRIPTS_ONLY = frozenset(("connect_reply", "learn_os_version", "operating_mode", "settings"))


def translated(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The options that they come to. What is unknown stays, to be refused by who knows all options.

    What asks for something that aioconn does otherwise is logged as a warning.
    """
    tree = read_mapping(arguments).tree
    assert isinstance(tree, Table)
    section = Section(tree, "", Report())
    options = {
        name: value
        for name, value in arguments.items()
        if not equivalents.is_foreign(name) and name not in _IN_SCRIPTS_ONLY
    }
    options.update(equivalents.translated(section, arguments))
    if isinstance(settings := arguments.get("settings"), Mapping):
        options.update(equivalents.from_settings(section, settings))
    for problem in section.report.problems:
        _log.warning("%s", problem)
    return options
