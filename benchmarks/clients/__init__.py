# SPDX-License-Identifier: Apache-2.0
"""Who is measured. A new one is a file in here with a subclass of a client of `base`, `pool`, `calls`, `children`,
`files` or `links`, and a line below.
"""

from __future__ import annotations

from importlib import import_module

from benchmarks.clients.base import Client

_CLIENTS = {
    "asyncssh": "asyncssh_:BareSsh",
    "asyncio": "asyncio_telnet:BareTelnet",
    "aioconn": "aioconn_:Aioconn",
    "asyncssh.plain": "asyncssh_plain:PlainSsh",
    "asyncssh.interrupt": "asyncssh_cuts:InterruptedSsh",
    "scrapli": "scrapli_:Scrapli",
    "netmiko": "netmiko_:Netmiko",
    "unicon": "unicon_:Unicon",
    "python": "interpreter:Interpreter",
    "semaphore": "semaphore:Semaphore",
    "httpcore": "httpcore_:Httpcore",
    "aiohttp": "aiohttp_:Aiohttp",
    "psycopg_pool": "psycopg_pool_:PsycopgPool",
    "asyncpg": "asyncpg_:Asyncpg",
    "redis": "redis_:Redis",
    "sqlalchemy": "sqlalchemy_:Sqlalchemy",
    "threadsafe": "threadsafe:Threadsafe",
    "portal": "portal:Portal",
    "wake-up": "wakeup:Wakeup",
    "protocol": "protocol:BareProtocol",
    "threads": "threads:ThreadPerChild",
    "manager": "manager:Manager",
    "aioconn.sync": "aioconn_sync:AioconnSync",
    "asyncio.udp": "snmp:BareUdp",
    "pysnmp": "pysnmp_:Pysnmp",
    "gufo-snmp": "gufo_snmp_:GufoSnmp",
    "aiohttp.rest": "rest:BareAiohttp",
    "aioconn.rest": "rest:AioconnRest",
    "httpx": "rest:Httpx",
    "asyncssh.netconf": "netconf:BareNetconf",
    "aioconn.netconf": "netconf:AioconnNetconf",
    "ncclient": "ncclient_:Ncclient",
    "grpcio": "gnmi:BareGrpc",
    "aioconn.gnmi": "gnmi:AioconnGnmi",
    "pygnmi": "pygnmi_:Pygnmi",
    "yaml.compose": "yaml_:Compose",
    "yaml.safe_load": "yaml_:SafeLoad",
    "aioconn.load": "aioconn_files:AioconnFiles",
    "aioconn.workers": "aioconn_workers:AioconnWorkers",
}
NAMES = tuple(_CLIENTS)


def load(name: str) -> Client:
    module, _, cls = _CLIENTS[name].partition(":")
    client: Client = getattr(import_module(f"benchmarks.clients.{module}"), cls)()
    return client
