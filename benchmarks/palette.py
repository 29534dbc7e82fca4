# SPDX-License-Identifier: Apache-2.0
"""A colour and a mark for each client, the same in every plot, and told apart by those who see few colours.

The colours are those of Okabe and Ito, https://jfly.uni-koeln.de/color/.
"""

from __future__ import annotations

_STYLES = {
    "floor": ("#595959", "s"),
    "aioconn": ("#0072b2", "o"),
    "scrapli": ("#e69f00", "^"),
    "netmiko": ("#d55e00", "D"),
    "unicon": ("#cc79a7", "v"),
    "aioconn.workers": ("#56b4e9", "p"),
    "asyncssh.plain": ("#999999", "X"),
}
_OTHERS = (("#009e73", "P"),)
_NAMES = {"aioconn.workers": "aioconn, 2 processes", "asyncssh.plain": "asyncssh, its defaults"}
_FLOORS = ("asyncssh", "asyncio", "python")


def style(client: str) -> tuple[str, str]:
    """Colour and mark."""
    if client in _FLOORS:
        return _STYLES["floor"]
    return _STYLES.get(client) or _OTHERS[sum(client.encode()) % len(_OTHERS)]


def label(client: str) -> str:
    if client in _FLOORS:
        return f"bare {client}"
    return _NAMES.get(client, client)
