# SPDX-License-Identifier: Apache-2.0
"""The keys of a testbed file: what may stand behind each, and what it means.

The reader tells slips of these from other people's keys, and the JSON Schema for editors is made of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import TypeAlias

from aioconn.testbed.protocol import KNOWN as PROTOCOLS


class Kind(Enum):
    """What stands behind a key. Nothing at all, too: a key without a value is as good as none."""

    TEXT = auto()  # a single value, taken as it is written
    TEXTS = auto()  # one, or a list of them
    INTEGER = auto()
    NUMBER = auto()  # a whole number of at least 1
    SECONDS = auto()
    PORT = auto()
    SWITCH = auto()  # yes or no
    ENTRIES = auto()  # a text or a mapping with the keys of `below`, or a list of these
    FREE = auto()  # whatever the writer likes
    MAPPING = auto()  # whatever the writer likes, with names
    TABLE = auto()  # a mapping with the keys of `below`
    TABLES = auto()  # names the writer chooses, and behind each a mapping with the keys of `below`


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """One key. `common` are values that an editor may offer; others are just as good."""

    about: str
    kind: Kind = Kind.TEXT
    below: Keys | None = None
    common: tuple[str, ...] = ()


Keys: TypeAlias = Mapping[str, Key]

CREDENTIAL: Keys = {
    "username": Key(about="Who we are to the device."),
    "password": Key(about="Taken exactly as written; %ENV{NAME} and %ASK{prompt} keep it out of the file."),
    "key": Key(about="The file of an SSH private key."),
    "private_key": Key(about="The same as key."),
    "passphrase": Key(about="Opens the private key."),
    "certificate": Key(about="The file of the key's certificate."),
    "enable_password": Key(about="Opens privileged mode, where there is no credential called enable."),
    "community": Key(about="The community of SNMP 2c, in the credential snmp."),
    "auth_password": Key(about="The password of SNMP 3's authentication, in the credential snmp."),
    "priv_password": Key(about="The password of SNMP 3's encryption, in the credential snmp."),
}

_LOGINS: Keys = {
    "credentials": Key(
        about="Credentials by name: default, enable, or one that a protocol asks for (ssh, netconf, ...).",
        kind=Kind.TABLES,
        below=CREDENTIAL,
    ),
    "tacacs": Key(
        about="The older form of credentials: its username is the default credential's.", kind=Kind.MAPPING
    ),
    "passwords": Key(
        about="The older form of credentials: passwords by name; tacacs is the default credential's.",
        kind=Kind.MAPPING,
    ),
}

WRAPPER: Keys = {
    "class": Key(about="The wrapper's class, package.module.Class."),
    "arguments": Key(about="Keyword arguments that it is made with.", kind=Kind.MAPPING),
    "order": Key(
        about="The wrapper with the lowest stands outermost. 0 if it is left out.", kind=Kind.INTEGER
    ),
}

_WRAPPERS: Keys = {
    "wrappers": Key(
        about="Service wrappers that calls go through: dotted paths, or mappings with class, arguments, order.",
        kind=Kind.ENTRIES,
        below=WRAPPER,
    ),
}

DEFAULTS: Keys = {
    "class": Key(about="The connection class, package.module.Class; it comes before that of the protocol."),
    "alias": Key(about="What the connection is called unless connect() says so: an identifier."),
    "via": Key(about="The connection to use, or several to try in this order.", kind=Kind.TEXTS),
    "fallback": Key(about="Connections to try after those of via.", kind=Kind.TEXTS),
    "max_sessions": Key(
        about="The most sessions that the device gets at a time: its VTY lines, less what people need.",
        kind=Kind.NUMBER,
    ),
    "logins_per_minute": Key(about="The most logins that the device gets in a minute.", kind=Kind.NUMBER),
    "pool_size": Key(about="So many sessions make the pool of connect().", kind=Kind.NUMBER),
    "pool_timeout": Key(
        about="Seconds that somebody waits for a free session of the pool.", kind=Kind.SECONDS
    ),
    "arguments": Key(about="Keyword arguments for every connection of the device.", kind=Kind.MAPPING),
    "fallback_credentials": Key(
        about="Credentials to try, in this order, when those of the login are refused.", kind=Kind.TEXTS
    ),
    "connections": Key(
        about="The consoles of a device that has several; connect() opens the first that answers.",
        kind=Kind.TEXTS,
    ),
    "connections_arguments": Key(about="Keyword arguments for those consoles.", kind=Kind.MAPPING),
}

HOP: Keys = {
    "device": Key(about="The name or alias of the device to go through."),
    "command": Key(
        about="What the last device runs to get to this one, if the connection has no address.",
        kind=Kind.TEXTS,
    ),
}

TUNNEL: Keys = {
    "host": Key(about="The name of a device or of a server of the testbed."),
    "tunnel_ip": Key(about="Not used: the tunnel has no end on this machine."),
    "tunnel_port": Key(about="Not used: the tunnel has no end on this machine."),
}

CONNECTION: Keys = {
    "protocol": Key(
        about="What is spoken; options of the ssh command may follow (ssh -p 2222). ssh if it is left out.",
        common=PROTOCOLS,
    ),
    "ip": Key(about="The address or name of the device; of several the first that answers.", kind=Kind.TEXTS),
    "host": Key(about="The same as ip.", kind=Kind.TEXTS),
    "port": Key(about="The port, if it is not the protocol's usual one.", kind=Kind.PORT),
    "class": Key(about="The connection class, package.module.Class; it comes before that of the protocol."),
    "proxy": Key(
        about="The device to go through, or a list of them, first hop first.", kind=Kind.ENTRIES, below=HOP
    ),
    "sshtunnel": Key(
        about="The device or server to go through, as unicon puts it.", kind=Kind.ENTRIES, below=TUNNEL
    ),
    "command": Key(
        about="A program that reaches the device: a console server's client, a simulator; run here, or on the proxy.",
        kind=Kind.TEXTS,
    ),
    "login_creds": Key(
        about="The credentials to log in with, one after the other: of the console server, then of the device.",
        kind=Kind.TEXTS,
    ),
    "fallback_credentials": Key(
        about="Credentials to try, in this order, when those of the login are refused.", kind=Kind.TEXTS
    ),
    "ssh_options": Key(about="Options as they are given to the ssh command."),
    "arguments": Key(about="Keyword arguments for the connection class.", kind=Kind.MAPPING),
    "settings": Key(about="Further options of the connection class.", kind=Kind.MAPPING),
    **_LOGINS,
    **_WRAPPERS,
}

TARGETS = ("ip", "host", "command", "class", "url", "base_url")
"""A connection has one of these, or there is no way to connect. The last two are options of HTTP."""

_CLASS: Keys = {
    "class": Key(about="A class of pyATS's; not used."),
}

LINK: Keys = {
    **_CLASS,
    "alias": Key(about="Another name of the link."),
}

INTERFACE: Keys = {
    **_CLASS,
    "type": Key(about="What kind of interface it is.", common=("ethernet", "loopback", "vlan", "tunnel")),
    "link": Key(about="The link that it is on, by name or alias."),
    "alias": Key(about="Another name of the interface."),
    "ipv4": Key(about="Its address with the prefix length, or several.", kind=Kind.TEXTS),
    "ipv6": Key(about="Its address with the prefix length, or several.", kind=Kind.TEXTS),
}

INTERFACES: Keys = {
    "interfaces": Key(about="The device's interfaces, by name.", kind=Kind.TABLES, below=INTERFACE),
}

# What people write down about a device; kept as texts: `version: 17.10` is no number.
FACTS: Keys = {
    "series": Key(about="The product series."),
    "model": Key(about="The model."),
    "submodel": Key(about="The submodel."),
    "os_flavor": Key(about="The flavour of the operating system."),
    "platform_alias": Key(about="Another name of the platform."),
    "model_alias": Key(about="Another name of the model."),
    "device_id": Key(about="What an inventory calls the device."),
    "version": Key(about="The version of the software; 17.10 stays 17.10."),
    "revision": Key(about="The revision of the hardware or the model."),
    "role": Key(about="What the device does where it stands."),
    "region": Key(about="Where the device stands."),
    "pid": Key(about="The product's identifier."),
    "serial": Key(about="The serial number."),
    "chassis_type": Key(about="How the chassis is built.", common=("single_rp", "dual_rp", "stack")),
}

DEVICE: Keys = {
    **FACTS,
    **_CLASS,
    "alias": Key(about="Another name of the device, which no other has."),
    "os": Key(about="The operating system, as `aioconn platforms` lists them: iosxe, nxos, eos, junos, ..."),
    "platform": Key(about="The hardware platform: c9300, n9k, ..."),
    "type": Key(
        about="What kind of device it is.", common=("router", "switch", "firewall", "server", "linux")
    ),
    "connections": Key(about="The ways to the device, by name.", kind=Kind.TABLES, below=CONNECTION),
    **_LOGINS,
    "custom": Key(about="Whatever you like to keep with the device.", kind=Kind.MAPPING),
    "peripherals": Key(
        about="What is attached to the device: power, console servers, ...", kind=Kind.MAPPING
    ),
    "power": Key(about="How the device gets its power.", kind=Kind.FREE),
    "hardware": Key(about="What the device is made of.", kind=Kind.FREE),
    "management": Key(about="The device's management interface: addresses, routes, VRF.", kind=Kind.FREE),
    "clean": Key(about="What brings the device back to a known state: for pyATS's clean.", kind=Kind.FREE),
    **INTERFACES,
    **_WRAPPERS,
}

SERVER: Keys = {
    "server": Key(about="The server's name."),
    "type": Key(about="What kind of server it is."),
    "address": Key(about="Its address, or several.", kind=Kind.TEXTS),
    "path": Key(about="The folder that it serves."),
    "port": Key(about="The port at which it is gone through, if it is.", kind=Kind.PORT),
    "username": Key(about="The older form of credentials."),
    "password": Key(about="The older form of credentials."),
    **_LOGINS,
    "custom": Key(
        about="Whatever you like to keep with the server; port and ssh_options, if it is gone through.",
        kind=Kind.MAPPING,
    ),
}

TESTBED: Keys = {
    **_CLASS,
    "name": Key(about="What the testbed is called; the file's name if it is left out."),
    "alias": Key(about="Another name of the testbed."),
    **_LOGINS,
    "custom": Key(about="Whatever you like to keep with the testbed.", kind=Kind.MAPPING),
    "servers": Key(
        about="Servers of the testbed by name: tftp, ntp, a jump host, ...", kind=Kind.TABLES, below=SERVER
    ),
    "network": Key(about="Whatever you like to keep about the testbed's network.", kind=Kind.FREE),
    **_WRAPPERS,
}

TOPOLOGY: Keys = {
    "segments": Key(about="The same as links.", kind=Kind.TABLES, below=LINK),
    "links": Key(
        about="Links by name; those that interfaces name need not be here.", kind=Kind.TABLES, below=LINK
    ),
}

TOP: Keys = {
    "testbed": Key(about="What holds for all devices.", kind=Kind.TABLE, below=TESTBED),
    "devices": Key(about="The devices, by name.", kind=Kind.TABLES, below=DEVICE),
    "topology": Key(
        about="Links, and the interfaces of each device that are on them.", kind=Kind.TABLES, below=INTERFACES
    ),
    "extends": Key(
        about="Files that this one is laid over, relative to it; an earlier one wins over a later one.",
        kind=Kind.TEXTS,
    ),
}
