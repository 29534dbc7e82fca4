# SPDX-License-Identifier: Apache-2.0
"""A testbed file, from the disk to devices."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.clients.files import FileClient
from benchmarks.goals import Goal
from benchmarks.meter import Meter
from benchmarks.target import Target
from benchmarks.workloads.base import Case, Column, Metrics, Sizes, Workload

_HEAD = """\
testbed:
  name: large
  credentials:
    default: {username: admin, password: "%ENV{LAB_PASSWORD, secret}"}
    enable: {password: "%ENV{LAB_ENABLE, secret}"}
devices:
  jump:
    os: linux
    connections:
      cli: {protocol: ssh, ip: 192.0.2.1}
"""
_DEVICE = """\
  {name}:
    alias: site-{number}
    os: {os}
    platform: c8000v
    type: router
    custom: {{site: {site}, rack: r{site}, serial: 0{number}}}
    credentials:
      default:
        username: netops
        password: secret-{number}
    connections:
      defaults:
        class: unicon.Unicon
        via: cli
        max_sessions: 4
      cli:
        protocol: ssh
        ip: {ip}
        port: 22
        proxy: jump
      console:
        protocol: telnet
        ip: 198.51.100.{site}
        port: {port}
      netconf: {{protocol: netconf, ip: {ip}, port: 830}}
"""
_WIRING = """\
  {name}:
    interfaces:
      GigabitEthernet1: {{type: ethernet, link: core-{link}, ipv4: {ip}/30}}
      GigabitEthernet2: {{type: ethernet, link: edge-{number}}}
"""
_SYSTEMS = ("iosxe", "iosxr", "nxos", "eos", "junos")


class Testbed(Workload[FileClient]):
    name = "testbed"
    title = "Reading a testbed"
    about = (
        "A YAML file with so many devices: each with three connections, credentials of its own, a jump host and two"
        " interfaces. The floor composes the file with libyaml into nodes that know their line; aioconn tells every"
        " mistake with its line, makes secrets of passwords, resolves proxies and links, and gives devices."
        " Memory is what was taken at the most, and what the result keeps."
    )
    goals = (Goal(words="10,000 devices in 3 s", key="wall", bound=3, cases="^10,000"),)
    columns = (
        Column(key="wall", title="wall s", ratio="wall"),
        Column(key="cpu", title="CPU s", ratio="CPU"),
        Column(key="each", title="CPU µs/device", digits=0),
        Column(key="peak", title="memory MiB", digits=0),
        Column(key="megabytes", title="file MB"),
    )
    takes = 25.0

    def cases(self, sizes: Sizes) -> Sequence[Case]:
        return [
            Case(title=f"{devices:,} devices", needs="file", amounts={"devices": devices})
            for devices in sizes.testbed_devices
        ]

    def run(self, client: FileClient, case: Case, targets: Sequence[Target]) -> Metrics:
        count = case.amounts["devices"]
        with tempfile.TemporaryDirectory() as folder:
            small, path = Path(folder, "small.yaml"), Path(folder, "testbed.yaml")
            small.write_text(testbed(3), encoding="utf-8")
            path.write_text(testbed(count), encoding="utf-8")
            size = path.stat().st_size
            client.read(str(small))  # what is imported and looked up once is not measured
            with Meter() as meter:
                found = client.read(str(path))
        if client.devices(found) != ["jump", *names(count)]:
            raise RuntimeError("wrong answer: not the devices of the file")
        return {
            "wall": meter.wall,
            "cpu": meter.cpu,
            "each": meter.cpu / count * 1e6,
            "peak": meter.peak / 2**20,
            "megabytes": size / 1e6,
        }


def names(count: int) -> Iterator[str]:
    return (f"r{number}" for number in range(count))


def testbed(count: int) -> str:
    """The text of a file with so many devices, and a jump host."""
    parts = [_HEAD]
    for number, name in enumerate(names(count)):
        site = 1 + number % 250
        ip = f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"
        system = _SYSTEMS[number % len(_SYSTEMS)]
        port = 2001 + number % 60_000
        parts.append(_DEVICE.format(name=name, number=number, os=system, site=site, ip=ip, port=port))
    parts.append("topology:\n")
    for number, name in enumerate(names(count)):
        ip = f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"
        parts.append(_WIRING.format(name=name, number=number, link=number // 2, ip=ip))
    return "".join(parts)
