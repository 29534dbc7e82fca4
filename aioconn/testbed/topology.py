# SPDX-License-Identifier: Apache-2.0
"""How the devices of a testbed are joined: interfaces, and the links between them."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar


class _Aliased(Protocol):
    @property
    def alias(self) -> str | None: ...


V = TypeVar("V", bound=_Aliased)


class Named(dict[str, V]):
    """Things by their names; looked up by their aliases as well, where no name is the same."""

    def __missing__(self, name: str) -> V:
        for value in self.values():
            if value.alias is not None and value.alias == name:
                return value
        raise KeyError(name)

    def __contains__(self, name: object) -> bool:
        return dict.__contains__(self, name) or self.is_alias(name)

    def get(self, name: str, default: Any = None) -> Any:
        return self[name] if name in self else default  # noqa: SIM401  that would be this very function

    def is_alias(self, name: object) -> bool:
        """Whether this is the alias of something, and no name."""
        return not dict.__contains__(self, name) and any(
            value.alias is not None and value.alias == name for value in self.values()
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Interface:
    """An interface of a device, by the device's name. Addresses are as written; of a list the first."""

    name: str
    device: str
    type: str | None = None
    link: str | None = None
    alias: str | None = None
    ipv4: str | None = None
    ipv6: str | None = None
    extra: Mapping[str, Any] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """What joins interfaces; declared under `topology.links`, or only named by interfaces."""

    name: str
    alias: str | None = None
    extra: Mapping[str, Any] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, kw_only=True)  # no slots: it caches what it looks up
class Topology:
    """Interfaces by device and name, links by name; interfaces and links also by alias."""

    interfaces: Mapping[str, Mapping[str, Interface]] = field(default_factory=dict)
    links: Mapping[str, Link] = field(default_factory=dict)

    def interface(self, device: str, name: str) -> Interface | None:
        """The interface of a device, by its name or alias; None if there is none."""
        return self.interfaces.get(device, {}).get(name)

    def on_link(self, link: str) -> tuple[Interface, ...]:
        """The interfaces on a link, by the link's name or alias; empty if there are none."""
        known = self.links.get(link)
        return self._by_link.get(known.name if known is not None else link, ())

    def links_of(self, device: str) -> tuple[Link, ...]:
        """The links that a device has an interface on, each once."""
        names = dict.fromkeys(interface.link for interface in self.interfaces.get(device, {}).values())
        return tuple(self.links[name] for name in names if name is not None)

    def links_between(self, device: str, other: str) -> tuple[Link, ...]:
        """The links that both devices have an interface on."""
        theirs = {link.name for link in self.links_of(other)}
        return tuple(link for link in self.links_of(device) if link.name in theirs)

    def neighbours(self, device: str) -> tuple[str, ...]:
        """The names of the devices that share a link with this one."""
        ends = [end for link in self.links_of(device) for end in self._by_link[link.name]]
        return tuple(dict.fromkeys(end.device for end in ends if end.device != device))

    def far_ends(self, interface: Interface) -> tuple[Interface, ...]:
        """The other interfaces on the link of this one."""
        if interface.link is None:
            return ()
        own = (interface.device, interface.name)
        return tuple(end for end in self.on_link(interface.link) if (end.device, end.name) != own)

    @functools.cached_property
    def _by_link(self) -> dict[str, tuple[Interface, ...]]:
        found: dict[str, list[Interface]] = {}
        for interfaces in self.interfaces.values():
            for interface in interfaces.values():
                if interface.link is not None:
                    found.setdefault(interface.link, []).append(interface)
        return {name: tuple(ends) for name, ends in found.items()}
