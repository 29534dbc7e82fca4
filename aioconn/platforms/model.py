# SPDX-License-Identifier: Apache-2.0
"""A platform: what a device's operating system shows and takes on its command line. Data, no behaviour.

Prompt patterns are regular expressions on the last line of what the device sent, without its escape sequences
and trailing blanks. `{host}` in them stands for the part that names the device: before the prompt is known it
matches anything a host name may hold (`Platform.host`), afterwards only the name that was learned.

The commands of `Ping`, `Copy` and `Reload` have values in braces: see `aioconn.platforms.template`.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

HOST = r"[\w.\-@/:+~]{1,63}"
# Seconds: before a device that has gone down is looked for, and of silence before it is taken for gone.
PAUSE, SILENCE = 10.0, 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """An answer to a question: when `pattern` ends what the device sent, send `answer` and a newline.

    `secret` names the credential whose password is the answer (`enable`, `default`): sent, never logged.
    """

    pattern: str
    answer: str = ""
    secret: str | None = None
    newline: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One way from a mode to a neighbour: what to send, and what to answer on the way."""

    send: str
    replies: tuple[Reply, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Mode:
    """A state of the command line, known by its prompt.

    `leader` matches a line above the prompt that belongs to it (Junos `[edit]`), and is cut from outputs.
    Where several modes show the same prompt (SR OS, SR Linux), the leader tells them apart.
    `steps` maps a neighbouring mode's name to the way there. `outside`: the device gets there by itself, no
    way leads in (a boot loader). `probe` takes the place of the platform's in this mode (a shell knows other
    comments). `aliases` are other names of the mode: `enable` is the one to which `enable()` leads, `disable` that of
    `disable()`.
    """

    name: str
    prompt: str
    aliases: tuple[str, ...] = ()
    leader: str | None = None
    steps: Mapping[str, Step] = field(default_factory=dict)
    outside: bool = False
    probe: Probe | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Configure:
    """How `configure()` works: the mode, what makes the changes count, what throws them away."""

    mode: str = "config"
    commit: tuple[Step, ...] = ()
    discard: tuple[Step, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Pager:
    """A pause in long output: its text (at the end of what was sent), the keys that go on and that stop."""

    pattern: str
    more: str = " "
    quit: str = "q"


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """A line that changes nothing and shows where the device stands. `{token}` in `send` is a random word.

    `answer` is what it prints besides its echo (with `{token}`), if it prints anything. `send` is empty where
    no harmless comment is known.
    """

    send: str = ""
    answer: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """What a login dialogue looks like where it is part of the stream: telnet, consoles, nested shells.

    `questions` may come after the password, also where SSH has logged in: licences, a change of password.
    """

    username: str = r"(?i)(?<!last )(?:user ?name|login|user)\s*:\s*$"
    password: str = r"(?i)pass(?:word|code|phrase)[^\r\n]{0,64}:\s*$"  # noqa: S105 - a pattern
    failed: str = (
        r"(?i)login incorrect|authentication fail|login invalid|bad (?:passwords?|secrets)|access denied"
        r"|login failed|permission denied|% login invalid|% authentication failed|invalid (?:login|password)"
    )
    press_return: str = r"(?i)press (?:return|enter|any key)[^\r\n]*$"
    refused: str = (
        r"(?i)(?:maximum|session) (?:number of )?(?:sessions?|limit|users?)[^\r\n]*(?:reached|exceeded)"
        r"|too many (?:users|sessions)|all (?:vty )?lines? (?:are )?(?:busy|in use)|no free (?:vty|lines)"
        r"|password (?:required, but none|is not) set|port (?:already|is) in use"
    )
    questions: tuple[Reply, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Ping:
    """`result` is searched in what a ping prints; its groups are named as the fields of what `ping()` returns, with
    `loss` for a percentage that is missing rather than there."""

    command: str
    result: re.Pattern[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Copy:
    """`replies` answer its questions; the credential `file_server` is that of the call, whose username is `{username}`.

    `failures` are patterns of lines that tell of a failure, beside those of the platform.
    """

    command: str
    replies: tuple[Reply, ...] = ()
    failures: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Reload:
    """`save` are the steps before it that keep the configuration.

    Times are in seconds: `pause` between the end of the session and the first attempt at a new one, `silence` after
    which a device that has said nothing is taken for gone.
    """

    command: str
    save: tuple[Step, ...] = ()
    replies: tuple[Reply, ...] = ()
    pause: float = PAUSE
    silence: float = SILENCE


@dataclass(
    frozen=True, kw_only=True, eq=False
)  # no slots: it caches what it compiles; one object, one platform
class Platform:
    """All that the CLI engine knows of an operating system.

    `host` is what `{host}` means before the name is known: narrower where a path follows the name (`r1:~$`).
    `default_mode` is where `execute` works. `on_open` is sent after the login, `on_close` before leaving.
    `failures` are patterns of lines by which the device refuses a command. `interrupt` are the bytes that
    stop a command; a command in which one of `uninterruptible` is found never gets them. `shells_per_link`
    tells whether one SSH connection may carry several shells. `echo` is False where the device does not
    repeat what is typed; `tty` is True where a kernel's tty stands below the line editor and repeats what is
    typed while a command runs. `username_suffix` is appended to the user name at login, over SSH as well:
    RouterOS takes terminal settings there. `bash` is the mode of `bash_console()`; `ping`, `copy` and `reload` tell
    how the system does that, None that it is not known.
    """

    name: str
    aliases: tuple[str, ...] = ()
    title: str = ""
    default_mode: str
    modes: Mapping[str, Mode]
    host: str = HOST
    configure: Configure | None = None
    on_open: tuple[str, ...] = ()
    on_close: tuple[str, ...] = ("exit",)
    pager: Pager | None = None
    failures: tuple[str, ...] = ()
    interrupt: str = "\x03"
    uninterruptible: tuple[str, ...] = ()
    probe: Probe = field(default_factory=Probe)
    login: Login = field(default_factory=Login)
    newline: str = "\n"
    echo: bool = True
    tty: bool = False
    username_suffix: str = ""
    shells_per_link: bool = False
    parser: str | None = None
    bash: str | None = None
    ping: Ping | None = None
    copy: Copy | None = None
    reload: Reload | None = None
    source: str = ""

    def mode_name(self, name: str) -> str | None:
        """The mode that is called so, by its name or an alias; None if none is."""
        return self._mode_names.get(name)

    @functools.cached_property
    def _mode_names(self) -> Mapping[str, str]:
        aliases = {alias: mode.name for mode in self.modes.values() for alias in mode.aliases}
        own = {name: name for name in self.modes}
        return {**aliases, **own, **({"bash_console": self.bash} if self.bash is not None else {})}

    def route(self, start: str, goal: str) -> list[tuple[Step, Mode]]:
        """The shortest way from one mode to another: each step and the mode that it must lead to.

        Empty if they are the same. Raises KeyError for an unknown mode, LookupError if there is no way.
        """
        goal_mode = self.modes[goal]
        trails: dict[str, list[tuple[Step, Mode]]] = {self.modes[start].name: []}
        queue = [start]
        for name in queue:
            if name == goal_mode.name:
                return trails[name]
            for neighbour, step in self.modes[name].steps.items():
                if neighbour not in trails:
                    trails[neighbour] = [*trails[name], (step, self.modes[neighbour])]
                    queue.append(neighbour)
        raise LookupError(f"{self.name}: no way from mode {start!r} to {goal!r}")

    def failure_in(self, text: str) -> str | None:
        """The first line of `text` by which the device refuses; None if it has none."""
        pattern = self._failure_pattern
        if pattern is None or (found := pattern.search("\n" + text)) is None:
            return None
        return found[0].strip()

    @functools.cached_property
    def _failure_pattern(self) -> re.Pattern[str] | None:
        """All failure lines in one expression, tried behind each newline: `^` is looked for at each character, for
        4 ms/MB, a newline seven times as fast."""
        if not self.failures:
            return None
        lines = "|".join(f"(?:{line})" for line in self.failures)
        return re.compile(rf"\n[ \t]*(?:{lines}).*$", re.MULTILINE)
