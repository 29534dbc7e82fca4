# SPDX-License-Identifier: Apache-2.0
"""What Ansible's connection variables mean in a testbed."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence

from aioconn.testbed.inventories.ansible.groups import UNGROUPED, Group, Groups, Member, Variables
from aioconn.testbed.inventories.files import VAULT
from aioconn.testbed.inventories.host import Host, Login, items, reached, table, text
from aioconn.testbed.inventories.platforms import system
from aioconn.testbed.tree import Items, Node, Scalar, Table

# our word -> the variables that say it, the first that is set counts
_NAMES = {
    "host": ("ansible_host", "ansible_ssh_host"),
    "port": ("ansible_port", "ansible_ssh_port"),
    "username": ("ansible_user", "ansible_ssh_user"),
    "password": ("ansible_password", "ansible_ssh_pass", "ansible_ssh_password"),
    "key": ("ansible_ssh_private_key_file", "ansible_private_key_file"),
    "passphrase": ("ansible_ssh_private_key_passphrase",),
    "enable": ("ansible_become_password", "ansible_become_pass"),
    "os": ("ansible_network_os",),
    "connection": ("ansible_connection",),
    "args": ("ansible_ssh_common_args",),
    "more_args": ("ansible_ssh_extra_args",),
    "checking": ("ansible_ssh_host_key_checking", "ansible_host_key_checking"),
    "http_port": ("ansible_httpapi_port",),
    "http_tls": ("ansible_httpapi_use_ssl",),
    "http_verify": ("ansible_httpapi_validate_certs",),
    "http_password": ("ansible_httpapi_password", "ansible_httpapi_pass"),
}
_USED = frozenset(name for names in _NAMES.values() for name in names)
_LINES = ("network_cli", "ssh", "smart", "paramiko", "paramiko_ssh", "libssh")  # what reaches a command line
_SHELLS = ("ssh", "smart", "paramiko", "paramiko_ssh", "libssh")
_COMMANDS = {"eos": "eapi", "nxos": "nxapi"}  # systems whose command line goes over HTTP
_TEMPLATE = re.compile(r"\{\{|\{%|\{#")
_LOOKUP = re.compile(
    r"""\{\{[^}]{0,40}lookup\(\s?['"](?:ansible\.builtin\.)?env['"]\s?,\s?['"](\w{1,80})['"]"""
)
_NO = ("false", "no", "off", "0", "n")
_LONGEST = 10_000  # characters of the arguments of ssh


class HostReader:
    """Makes hosts of an inventory's members. A value that many hosts share is complained of once."""

    def __init__(self, groups: Groups) -> None:
        self._groups = groups
        self._report = groups.report
        self._told: set[int] = set()
        self._judgements: dict[int, bool] = {}  # by value: whether it is handed on

    def read(self, member: Member) -> Host:
        groups = self._groups.of(member)
        variables = self._groups.variables_of(member, groups)
        found = {word: self._value(variables, names) for word, names in _NAMES.items()}
        host = Host(name=member.name, place=member.place)
        kind = self._kind(found["connection"])
        named = found["os"]
        if named is not None:
            host.os = text(system(named.text), named)
        elif kind in _SHELLS:
            host.os = text("linux", member.place)  # which is what Ansible takes for granted
        login: Login = {
            word: node for word in ("username", "password", "key", "passphrase") if (node := found[word])
        }
        if login:
            host.logins["default"] = login
        if found["enable"] is not None:
            host.logins["enable"] = {"password": found["enable"]}
        if kind in _LINES or (kind == "local" and named is not None):
            host.paths["cli"] = self._line(member, found)
        elif kind == "netconf":
            host.paths["netconf"] = {
                "protocol": text("netconf", member.place),
                **self._reached(member, found),
            }
        elif kind == "httpapi":
            host.paths["http"] = self._http(member, found, host)
        elif kind != "local" and self._first(found["connection"] or member.place):
            self._report.add(
                found["connection"],
                "ansible_connection",
                f"{kind!r} is none of aioconn's ways: these hosts get no connection",
                warning=True,
            )
        host.custom = self._custom(variables, groups, member)
        return host

    @staticmethod
    def _kind(node: Scalar | None) -> str:
        """`ansible.netcommon.network_cli` -> `network_cli`; ssh if nothing is said."""
        return "ssh" if node is None else node.text.strip().lower().rpartition(".")[2]

    def _first(self, node: Node) -> bool:
        """Whether nothing was said of this value yet."""
        if id(node) in self._told:
            return False
        self._told.add(id(node))
        return True

    def _value(self, variables: Variables, names: Sequence[str]) -> Scalar | None:
        """The value of the first variable that is set. What cannot be used is a problem."""
        for name in names:
            entry = variables.get(name)
            if entry is None or (isinstance(entry[1], Scalar) and (entry[1].null or not entry[1].text)):
                continue
            node = entry[1]
            complaint = self._complaint(node)
            if not isinstance(node, Scalar) or complaint is not None:
                if self._first(node):
                    what, hint = complaint or ("expected a text", None)
                    self._report.add(node, name, what, hint)
                return None
            return node
        return None

    @staticmethod
    def _complaint(node: Node) -> tuple[str, str] | None:
        """Why a value cannot be used as it stands, and what to write."""
        if not isinstance(node, Scalar):
            return None
        if node.text.lstrip().startswith(VAULT):
            return (
                "this value is encrypted by ansible-vault, which is not decoded here",
                "write %ENC{} (`aioconn secret encode`) or %ENV{NAME}",
            )
        if _TEMPLATE.search(node.text):
            looked_up = _LOOKUP.search(node.text[:1000])
            instead = f"%ENV{{{looked_up[1]}}}" if looked_up else "the value itself, or %ENV{NAME}"
            return "this is a template, and templates are not filled in here", f"write {instead}"
        return None

    # ------------------------------------------------------------------ paths

    def _reached(self, member: Member, found: dict[str, Scalar | None]) -> dict[str, Node]:
        return reached(found["host"] or text(member.name, member.place), found["port"])

    def _line(self, member: Member, found: dict[str, Scalar | None]) -> dict[str, Node]:
        place = found["connection"] or member.place
        path: dict[str, Node] = {"protocol": text("ssh", place), **self._reached(member, found)}
        checking = found["checking"]
        if checking is not None and checking.text.strip().lower() in _NO:
            path["host_key_policy"] = text("ignore", checking)
        given = [node for node in (found["args"], found["more_args"]) if node is not None]
        if given:
            self._arguments(path, given)
        return path

    def _arguments(self, path: dict[str, Node], given: list[Scalar]) -> None:
        """Arguments of ssh: jump hosts that the inventory knows become proxies, the rest is kept."""
        written = " ".join(node.text for node in given)
        try:
            words = shlex.split(written) if len(written) <= _LONGEST else None
        except ValueError:
            words = None
        if words is None:
            if self._first(given[0]):
                self._report.add(given[0], "ansible_ssh_common_args", "not the arguments of a command")
            return
        kept: list[str] = []
        for option, value in _options(words):
            hops = self._hops(option, value)
            if hops:
                path["proxy"] = items(given[0], (text(hop, given[0]) for hop in hops))
            else:
                kept += [option] if value is None else [option, value]
        if kept:
            path["ssh_options"] = text(shlex.join(kept), given[0])

    def _hops(self, option: str, value: str | None) -> list[str]:
        """The hosts of this inventory that `-J`, `ProxyJump` or `ProxyCommand` go through; empty if it is none."""
        if value is None:
            return []
        name, _, what = value.partition("=") if "=" in value else value.partition(" ")
        name = name.strip().lower()
        if option == "-J" or (option == "-o" and name == "proxyjump"):
            hops = [_host_of(hop) for hop in (value if option == "-J" else what).strip("\"' ").split(",")]
        elif option == "-o" and name == "proxycommand" and "-W" in what:
            hops = [_host_of(word) for word in what.strip("\"' ").split()[-1:]]
        else:
            return []
        return hops if all(hop in self._groups.hosts for hop in hops) else []

    def _http(self, member: Member, found: dict[str, Scalar | None], host: Host) -> dict[str, Node]:
        tls = found["http_tls"]
        secure = tls is not None and tls.text.strip().lower() not in _NO
        place = found["connection"] or member.place
        path: dict[str, Node] = {}
        command = _COMMANDS.get(host.os.text if isinstance(host.os, Scalar) else "")
        path["protocol"] = text(command or ("https" if secure else "http"), place)
        path.update(reached(found["host"] or text(member.name, member.place), found["http_port"]))
        if command is not None:
            path["scheme"] = text("https" if secure else "http", tls or place)
        verify = found["http_verify"]
        if verify is not None and verify.text.strip().lower() in _NO:
            path["verify"] = Scalar(verify.file, verify.line, verify.column, "false")
        if (password := found["http_password"]) is not None:
            login: Login = {"password": password}
            if found["username"] is not None:
                login = {"username": found["username"], **login}
            path["credentials"] = table(place, {"default": table(password, login)})
        return path

    # ------------------------------------------------------------------ the other variables

    def _custom(self, variables: Variables, groups: list[Group], member: Member) -> Variables:
        custom: Variables = {}
        for name, (key, node) in variables.items():
            if name not in _USED and self._kept(name, node):
                custom[name] = (key, node)
        names = [group.name for group in groups if group.name != UNGROUPED]
        if names and "groups" not in custom:
            place = member.place
            custom["groups"] = (text("groups", place), items(place, (text(name, place) for name in names)))
        return custom

    def _kept(self, name: str, node: Node) -> bool:
        """Whether data can be handed on. What is in it that means more to Ansible is told, once."""
        if id(node) not in self._judgements:
            self._judgements[id(node)] = self._judge(name, node)
        return self._judgements[id(node)]

    def _judge(self, name: str, node: Node) -> bool:
        templates: Node | None = None
        for scalar in _scalars(node):
            if scalar.text.lstrip().startswith(VAULT):
                self._report.add(
                    scalar,
                    name,
                    "encrypted by ansible-vault, which is not decoded here: left out",
                    warning=True,
                )
                return False
            if templates is None and _TEMPLATE.search(scalar.text):
                templates = scalar
        if templates is not None:
            self._report.add(
                templates, name, "a template: kept as it is written, and not filled in", warning=True
            )
        return True


def _scalars(node: Node) -> list[Scalar]:
    """Every single value inside, each once."""
    order: list[Node] = [node]
    seen: set[int] = {id(node)}
    for found in order:  # grows while we walk it
        below = (
            [value for _, value in found.entries.values()]
            if isinstance(found, Table)
            else found.values
            if isinstance(found, Items)
            else []
        )
        for one in below:
            if id(one) not in seen:
                seen.add(id(one))
                order.append(one)
    return [found for found in order if isinstance(found, Scalar)]


def _options(words: list[str]) -> list[tuple[str, str | None]]:
    """`["-o", "a=b", "-C", "-p22"]` -> `[("-o", "a=b"), ("-C", None), ("-p22", None)]`, and `-oa=b` as `-o a=b`."""
    found: list[tuple[str, str | None]] = []
    rest = iter(words)
    for word in rest:
        if word in ("-o", "-J", "-p", "-i", "-c", "-m", "-l", "-F"):
            found.append((word, next(rest, None)))
        elif word[:2] in ("-o", "-J") and len(word) > 2:
            found.append((word[:2], word[2:]))
        else:
            found.append((word, None))
    return found


def _host_of(hop: str) -> str:
    """`user@name:port` -> `name`."""
    name = hop.strip().rpartition("@")[2]
    return name.rpartition(":")[0] if name.count(":") == 1 else name
