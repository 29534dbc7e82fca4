# SPDX-License-Identifier: Apache-2.0
"""The login dialogue of a simulated device, where it stands in the stream (telnet, consoles)."""

from __future__ import annotations

from aioconn.lab.program import Ask, Program
from aioconn.lab.shell import Fate, Shell


def login(shell: Shell) -> Program:
    """Banner, user name, password; after too many failures the connection is closed."""
    device = shell.device
    texts = device.personality.login
    if device.full:
        yield texts.refused
        shell.fate = Fate.CLOSE
        return
    if device.console:
        yield from _until_return(shell)
    if banner := device.banner:
        yield device.text(banner)
    if device.login != "none":
        yield device.text(texts.heading)
        for _ in range(texts.tries):
            if device.login == "user" and texts.username is not None:
                shell.user = yield Ask(device.text(texts.username))
            password = yield Ask(device.text(texts.password), echo=False)
            if device.faults.slow_login:
                yield device.faults.slow_login
            if device.accepts(shell.user if device.login == "user" else device.username, password):
                break
            yield device.text(texts.failed)
        else:
            yield texts.closing
            shell.fate = Fate.CLOSE
            return
    if not device.may_log_in():
        yield texts.too_often
        shell.fate = Fate.CLOSE
        return
    yield from greet(shell)


def greet(shell: Shell) -> Program:
    """What follows a login that succeeded, over any protocol."""
    device = shell.device
    if not shell.user:
        shell.user = device.username
    device.logins += 1
    if device.faults.silent:
        while True:
            yield float("inf")
    yield from shell.dialect.welcome(shell)
    shell.logged_in = True


def refused(shell: Shell) -> Program:
    """The text of a device that has no line left, then the end."""
    yield shell.device.personality.login.refused
    shell.fate = Fate.CLOSE


def _until_return(shell: Shell) -> Program:
    """A console says nothing until somebody presses Return."""
    yield Ask("")
    yield "\n"
