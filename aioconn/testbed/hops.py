# SPDX-License-Identifier: Apache-2.0
"""What a connection goes through: `proxy` in all its forms, and `sshtunnel`."""

from __future__ import annotations

import shlex

from aioconn.testbed.section import Section, describe
from aioconn.testbed.tree import Items, Node, Scalar, Table

HOP_LIMIT = 32
_COMMAND_LIMIT = 10_000  # characters


class Hops:
    """The devices to go through, first hop first, and what the last of them is to run, if that is said there."""

    def __init__(self, section: Section) -> None:
        self._section = section
        self._last: Section | None = None
        self.names: tuple[str, ...] = ()
        found: list[str] = []
        if (node := section.get("proxy")) is not None:
            nodes = node.values if isinstance(node, Items) else [node]
            for index, item in enumerate(nodes[: HOP_LIMIT + 1]):
                key = section.path("proxy") + (f"[{index}]" if isinstance(node, Items) else "")
                found.extend(self._hop(item, key, last=index == len(nodes) - 1))
        if (node := section.get("sshtunnel")) is not None:
            found.extend(self._tunnel(node))
        if len(found) > HOP_LIMIT:
            section.problem("proxy", f"more than {HOP_LIMIT} hops: this is no way to a device")
            return
        self.names = tuple(found)

    def _hop(self, node: Node, key: str, *, last: bool) -> tuple[str, ...]:
        section = self._section
        if isinstance(node, Table):  # unicon's long form: {device: name, command: ssh ...}
            hop = Section(node, key, section.report)
            if "device" not in hop:
                section.report.add(node, key, "a proxy needs the name of a device", "write - device: NAME")
            if "command" in hop:
                self._last = hop
                if not last or any(section.has(name) for name in ("ip", "host", "command")):
                    self._last = None
                    hop.problem(
                        "command",
                        "not used: the connection goes through the proxy's own SSH link",
                        warning=True,
                    )
            return hop.texts("device")
        if isinstance(node, Scalar):
            name = None if node.null else section.fixed(node, "proxy", key)
            return () if not name else (name,)
        section.report.add(node, key, f"expected the name of a device, found {describe(node, 'proxy')}")
        return ()

    def _tunnel(self, node: Node) -> tuple[str, ...]:
        """`sshtunnel: {host: name}`. The local address and port of unicon's tunnel mean nothing here."""
        if not isinstance(node, Table):
            return self._section.texts("sshtunnel")
        tunnel = Section(node, self._section.path("sshtunnel"), self._section.report)
        if "host" not in tunnel:
            self._section.problem(
                "sshtunnel", "a tunnel needs the name of a device or server", "write host: NAME"
            )
        return tunnel.texts("host")

    @property
    def says_command(self) -> bool:
        """Whether it is said there what the last hop is to run."""
        return self._last is not None

    def command(self) -> tuple[str, ...]:
        """What the last hop is to run to get to the device, where the connection itself has no address."""
        if self._last is None:
            return ()
        if isinstance(node := self._last.get("command"), Items) and len(node.values) > 1:
            self._last.problem(
                "command",
                "of several commands only one can be run on a proxy",
                "write one, or a script's name",
            )
            return ()
        return command_line(self._last, " ".join(self._last.texts("command")))


def command_line(section: Section, text: str) -> tuple[str, ...]:
    """The arguments of a command, as a shell would take it apart."""
    if len(text) > _COMMAND_LIMIT:
        section.problem("command", f"more than {_COMMAND_LIMIT:,} characters: this is no command")
        return ()
    try:
        return tuple(shlex.split(text))
    except ValueError as error:
        section.problem("command", f"not a command line: {str(error).lower()}")
        return ()
