# SPDX-License-Identifier: Apache-2.0
"""The command lines that look like Cisco's: exec, enable, configuration in sections, no commit."""

from __future__ import annotations

import re

from aioconn.lab.config import render
from aioconn.lab.device import Line
from aioconn.lab.dialects.base import Dialect
from aioconn.lab.echoes import INTERVAL, count_of, echoes, target_of
from aioconn.lab.facts import fill
from aioconn.lab.grammar import Match, Refusal
from aioconn.lab.program import Ask, Interrupted, Program
from aioconn.lab.shell import Fate, Shell

NEEDY = ("no", "ip", "hostname", "description", "neighbor")  # words that are no command alone
INTERFACE = re.compile(r"^(interface)\s+([A-Za-z-]+)\s*([\d/.:]+|\d\S*)$")


class Cisco(Dialect):
    """IOS-XE, NX-OS, EOS and FRR; IOS-XR builds on it."""

    forgets = True

    def run(self, shell: Shell, line: str) -> Program:
        if shell.mode.startswith("config"):
            return self.configured(shell, line.strip())
        return super().run(shell, line)

    def configured(self, shell: Shell, line: str) -> Program:
        """A line in configuration mode: opens a section, runs a command or changes the configuration.

        What the section does not know is looked for in the sections around it, as the real ones do.
        """
        if line.startswith("!"):
            return _silent()
        personality = shell.device.personality
        match = self.match(shell, line)
        word, _, rest = line.partition(" ")
        mode, path = shell.mode, shell.path
        while True:
            opened = personality.openers[mode].match(line)
            if opened.command is not None:
                self.open_section(shell, path, opened.command.action, self.expand(shell, line, opened))
                return _silent()
            if match.command is not None:
                return super().run(shell, line)
            words = personality.modes[mode].words
            found = [known for known in words if known == word] or [
                each for each in words if each.startswith(word)
            ]
            if len(found) > 1:
                return self.refuse(shell, line, Match(refusal=Refusal.AMBIGUOUS))
            if found:
                break
            if not path:
                invalid = match if match.refusal is not Refusal.INCOMPLETE else Match(refusal=Refusal.INVALID)
                return self.refuse(shell, line, invalid)
            path = path[:-1]
            mode = personality.modes[mode].exit or "config"
        if not rest and found[0] in NEEDY:
            return self.refuse(shell, line, Match(refusal=Refusal.INCOMPLETE, offset=len(line)))
        if found[0] in ("no", "default"):  # what is taken back may be abbreviated as well
            word, _, tail = rest.partition(" ")
            full = [known for known in words if known == word] or [
                each for each in words if each.startswith(word)
            ]
            rest = self.proper(shell, f"{full[0] if len(full) == 1 else word} {tail}".strip())
        shell.mode, shell.path = mode, path
        return self.change(shell, f"{found[0]} {rest}".strip())

    def open_section(self, shell: Shell, path: tuple[str, ...], mode: str, line: str) -> None:
        shell.path = (*path, line)
        shell.mode = mode
        shell.device.open_section(shell.path)

    def expand(self, shell: Shell, line: str, opened: Match) -> str:
        """A section line as the device writes it: words in full, interfaces by their proper name."""
        assert opened.command is not None
        words = line.split()
        full = opened.command.name.split()
        head = [word for word in full if not word.startswith("<")]
        text = " ".join([*head, *words[len(head) :]])
        return self.proper(shell, text)

    def proper(self, shell: Shell, text: str) -> str:
        """`interface lo0` as `interface Loopback0`."""
        if found := INTERFACE.match(text):
            kinds = shell.device.personality.interfaces
            kind = [known for known in kinds if known.lower().startswith(found[2].lower())]
            return f"interface {kind[0] if kind else found[2]}{found[3]}"
        return text

    def prompt(self, shell: Shell) -> str:
        text = super().prompt(shell)
        if "{section}" in text:  # EOS names the section: (config-if-Et1)
            name = shell.path[-1].split()[-1] if shell.path else ""
            found = re.match(r"([A-Za-z]{2})[A-Za-z-]*([\d/.]+)$", name)
            text = text.replace("{section}", f"{found[1]}{found[2]}" if found else name)
        return text

    def change(self, shell: Shell, line: str) -> Program:
        """Apply a configuration line."""
        shell.device.configure(shell.path, line)
        yield from ()

    def interrupt_key(self, shell: Shell) -> None:
        if shell.mode.startswith("config"):
            self.leave(shell)

    def end_key(self, shell: Shell) -> Program:
        yield "^Z\n"
        if shell.mode.startswith("config"):
            yield from self.do_end(shell, Match())

    def leave(self, shell: Shell) -> None:
        """Out of the configuration."""
        shell.path = ()
        shell.mode = shell.device.personality.enabled

    def do_enable(self, shell: Shell, match: Match) -> Program:
        device = shell.device
        if device.enable:
            for _ in range(3):
                answer = yield Ask("Password: ", echo=False)
                if answer == device.enable and not device.faults.wrong_password:
                    break
            else:
                yield device.personality.denied
                return
        shell.mode = device.personality.enabled

    def do_disable(self, shell: Shell, match: Match) -> Program:
        shell.mode = shell.device.personality.start
        yield from ()

    def do_configure(self, shell: Shell, match: Match) -> Program:
        assert match.command is not None
        if match.command.text:
            yield shell.device.text(match.command.text)
        shell.mode = "config"
        shell.path = ()

    def do_end(self, shell: Shell, match: Match) -> Program:
        self.leave(shell)
        yield from ()

    def do_exit(self, shell: Shell, match: Match) -> Program:
        """One level up, or out of the session."""
        if shell.path:
            shell.mode = shell.device.personality.modes[shell.mode].exit or "config"
            shell.path = shell.path[:-1]
        elif shell.mode.startswith("config"):
            yield from self.do_end(shell, match)
        else:
            shell.fate = Fate.CLOSE

    def do_do(self, shell: Shell, match: Match) -> Program:
        """An exec command from within the configuration."""
        mode, shell.mode = shell.mode, shell.device.personality.enabled
        try:
            program = Dialect.run(self, shell, match.arguments[0])
        finally:
            shell.mode = mode
        return program

    def do_terminal_length(self, shell: Shell, match: Match) -> Program:
        assert match.command is not None
        shell.output.rows = (
            int(match.arguments[0]) if match.arguments else shell.device.personality.pager.rows
        )
        if match.command.text and not shell.output.rows:
            yield match.command.text

    def do_terminal_width(self, shell: Shell, match: Match) -> Program:
        assert match.command is not None
        shell.width = int(match.arguments[0]) if match.arguments else 80
        if match.command.text:
            yield match.command.text

    def do_running(self, shell: Shell, match: Match) -> Program:
        """The running configuration, or the section of it that an argument names."""
        device = shell.device
        personality = device.personality
        config = device.config.render(separator=personality.separator, indent=personality.indent)
        if match.arguments:
            wanted = self.proper(shell, "interface " + " ".join(match.arguments))
            if wanted not in device.config.root:
                yield from self.refuse(shell, "", Match(refusal=Refusal.INVALID))
                return
            section = {wanted: device.config.root[wanted]}
            config = render(section, separator="!", indent=personality.indent)
        text = personality.running.replace("{bytes}", str(len(config)))
        yield device.text(text).replace("{config}", config)

    def do_save(self, shell: Shell, match: Match) -> Program:
        """`write memory`."""
        yield from self.do_text(shell, match)
        shell.device.save()

    def do_copy(self, shell: Shell, match: Match) -> Program:
        """A file of the device to another, or from and to a server. What it asks and says is in the settings."""
        device, command = shell.device, match.command
        assert command is not None
        said = command.settings
        source, destination = (_in_full(word) for word in match.arguments[:2])
        saves = (source, destination) == ("running-config", "startup-config")
        server = _server_of(source) or _server_of(destination)
        words = {"source": source, "destination": destination, "name": re.split("[:/]", destination)[-1]}
        if server == "":
            server = yield Ask("Address or name of remote host []? ")
        if "file" in said:
            typed = yield Ask(fill(said["file"], words))
            words["name"] = typed.strip() or words["name"]
        if "vrf" in said and server is not None and len(match.arguments) < 3:
            yield Ask(said["vrf"])
        if "overwrite" in said and not saves and destination in device.files:
            answer = (yield Ask(fill(said["overwrite"], words))).strip().lower()
            if answer not in said.get("agreed", ",y,yes").split(","):
                yield said.get("kept", "")
                return
        if server is not None and source.startswith(("scp:", "sftp:")):
            password = yield Ask(fill(said.get("password", "Password: "), words), echo=False)
            if password != device.password:
                yield fill(said["denied"], words)
                return
        yield 0.05
        if server is not None and not device.reaches(server):
            yield fill(said["unreachable"], words)
        elif server is None and source not in device.files:
            yield fill(said["missing"], words)
        else:
            size = device.files[destination] = device.files.get(source, 1024)
            if saves:
                device.save()
            yield fill(said["saved" if saves else "copied"], {**words, "size": str(size)})

    def do_reload(self, shell: Shell, match: Match) -> Program:
        """Down with all sessions, after questions; what was not saved is asked about, or warned of."""
        device, command = shell.device, match.command
        assert command is not None
        if device.modified and (question := command.settings.get("modified")) is not None:
            answer = ""
            while answer not in ("y", "yes", "n", "no"):
                answer = (yield Ask(question)).strip().lower()
                if answer == "cancel":
                    return
            if answer.startswith("y"):
                device.save()
                yield "Building configuration...\n[OK]\n"
        if device.modified:
            yield command.settings.get("warning", "")
        for question in command.ask:
            answer = yield Ask(question)
            if answer.strip().lower() not in command.settings.get("agreed", ",y,yes").split(","):
                return
        yield device.text(command.text)
        shell.fate, shell.restarts = Fate.CLOSE, True

    def do_ping(self, shell: Shell, match: Match) -> Program:
        """Five slow echoes, or as many as are asked for; the interrupt key ends them with the count so far."""
        assert match.command is not None
        words = match.arguments[0].split()
        target, count = target_of(words), count_of(words, 5)
        if (form := match.command.settings.get("form")) is not None:
            return echoes(shell.device, form, target, count)
        return self._marks(target, count, answers=shell.device.reaches(target))

    def _marks(self, target: str, count: int, *, answers: bool) -> Program:
        """As IOS shows it."""
        sent = 0
        yield "Type escape sequence to abort.\n"
        yield f"Sending {count}, 100-byte ICMP Echos to {target}, timeout is 2 seconds:\n"
        try:
            for _ in range(count):
                yield INTERVAL if answers else 2 * INTERVAL  # not its two seconds: tests wait for them
                sent += 1
                yield "!" if answers else "."
            yield "\n"
        except Interrupted:
            pass
        received = sent if answers else 0
        rate = 100 if received else 0
        times = ", round-trip min/avg/max = 1/1/2 ms" if received else ""
        yield f"Success rate is {rate} percent ({received}/{sent}){times}\n"

    def do_routes(self, shell: Shell, match: Match) -> Program:
        """A routing table, as long as the device was told to have it."""
        device = shell.device
        assert match.command is not None
        yield device.text(match.command.text)
        hop = device.facts["link1_peer"]
        form = match.command.settings.get(
            "route", "O        {prefix}/24 [110/20] via {hop}, 1w2d, {interface}\n"
        )
        interface = match.command.settings.get("interface", "GigabitEthernet2")
        form = form.replace("{hop}", hop).replace("{interface}", interface)
        for start in range(0, device.routes, 100):
            numbers = range(start, min(start + 100, device.routes))
            yield "".join(form.replace("{prefix}", f"100.{n >> 8 & 255}.{n & 255}.0") for n in numbers)

    def do_users(self, shell: Shell, match: Match) -> Program:
        rows = ["    Line       User       Host(s)              Idle       Location\n"]
        for number, player in enumerate(shell.device.players):
            if not isinstance(player, Line):
                continue  # of another protocol: it has no line
            star = "*" if player.shell is shell else " "
            user = player.shell.user
            rows.append(
                f"{star}{number + 2:>3} vty {number:<5}{user:<11}idle                 00:00:00   127.0.0.1\n"
            )
        yield "\n".join(
            ["".join(rows), "  Interface    User               Mode         Idle     Peer Address\n"]
        )


def _in_full(word: str) -> str:
    """`run` as `running-config`."""
    found = [name for name in ("running-config", "startup-config") if len(word) > 1 and name.startswith(word)]
    return found[0] if found else word


def _server_of(url: str) -> str | None:
    """The server in a URL, "" if that is still to be asked; None for a file of the device's own."""
    found = re.match(r"(?:tftp|ftp|scp|sftp|https?):(?://(?:[^@/]*@)?([^/:]+))?", url)
    return None if found is None else found[1] or ""


def _silent() -> Program:
    yield from ()
