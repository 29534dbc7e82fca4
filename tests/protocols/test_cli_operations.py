# SPDX-License-Identifier: Apache-2.0
"""Levels, modes, ping, copy and the shell below, as each system spells them, against simulated devices."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

import pytest

from aioconn import Statement
from aioconn.credentials import Secret
from aioconn.errors import (
    CommandError,
    CommandFailed,
    CommandRejected,
    CommandTimeout,
    MissingValue,
    ModeNotReached,
    UnknownMode,
    UsageError,
)
from tests.cancelling import Way, cut_everywhere

pytestmark = pytest.mark.clock("jumping")

PROTOCOLS = ["ssh", "telnet"]
HERE, NOWHERE = "192.0.2.7", "198.51.100.7"


@dataclass(frozen=True, kw_only=True)
class System:
    """What is particular about one of them."""

    ping: str
    bash: str | None
    copied: tuple[str, str] = ("running-config", "startup-config")
    says: str = ""
    missing: tuple[type[CommandError], str] = (CommandFailed, "No such file")


SYSTEMS = {
    "cisco_iosxe": System(
        ping=f"ping {HERE} repeat 3", bash="bash", says="[OK]", missing=(CommandRejected, "%Error opening")
    ),
    "cisco_iosxr": System(
        ping=f"ping {HERE} count 3", bash="bash", says="[OK]", missing=(CommandFailed, "%Error copying")
    ),
    "cisco_nxos": System(ping=f"ping {HERE} count 3", bash="bash", says="Copy complete"),
    "arista_eos": System(
        ping=f"ping {HERE} repeat 3",
        bash="bash",
        says="Copy completed",
        missing=(CommandRejected, "% Error copying"),
    ),
    "juniper_junos": System(
        ping=f"ping {HERE} count 3",
        bash="shell",
        copied=("notes.txt", "copy.txt"),
        missing=(CommandRejected, "error: "),
    ),
    "linux": System(
        ping=f"ping -c 3 {HERE}",
        bash="shell",
        copied=("notes.txt", "copy.txt"),
        missing=(CommandFailed, "cp: "),
    ),
}
EACH = [(name, protocol) for name in SYSTEMS for protocol in PROTOCOLS]


@pytest.mark.parametrize(("platform", "protocol"), EACH)
async def test_each_system_in_its_own_words(pair: Any, platform: str, protocol: str) -> None:
    """One session for all of it: what one operation leaves behind is the next one's business."""
    system = SYSTEMS[platform]
    device, served = await pair(protocol, personality=platform)
    connection = await device.connect()
    home = connection.platform.default_mode

    result = await device.ping(HERE, count=3)
    assert (result.sent, result.received, result.rate, result.ok) == (3, 3, 100.0, True)
    assert result.minimum is not None
    assert result.minimum <= result.average <= result.maximum
    assert result.output.command == system.ping
    with pytest.raises(CommandFailed, match=r"0 percent|100(\.00)?% packet loss") as failed:
        await device.ping(NOWHERE, count=2)
    assert failed.value.command.startswith("ping")
    assert failed.value.line in failed.value.output
    lost = await device.ping(NOWHERE, count=2, check=False)
    assert (lost.sent, lost.received, lost.rate, lost.ok, lost.average) == (2, 0, 0.0, False, None)

    source, destination = system.copied
    output = await device.copy(source, destination)
    assert system.says in output
    kind, words = system.missing
    with pytest.raises(kind, match=words):
        await device.copy("nothing.bin", "else.bin")

    assert system.bash is not None
    async with connection.bash_console() as bash:
        assert bash is connection
        assert bash.mode == system.bash
        assert await bash.execute("echo hello; hostname") == f"hello\n{served.host}"
        assert await bash.execute("echo again") == "again"
    assert connection.mode == home
    await connection.switchto(system.bash)
    assert connection.mode == system.bash
    await connection.switchto(home)
    command = "uname -a" if platform == "linux" else "show version"
    assert len(await device.execute(command)) > 20


LEVELS = {
    "cisco_iosxe": ("privileged", "user"),
    "arista_eos": ("privileged", "user"),
    "cisco_iosxr": ("privileged", None),
    "juniper_junos": ("cli", None),
    "linux": (None, None),
}


@pytest.mark.parametrize("platform", LEVELS)
async def test_levels(pair: Any, platform: str) -> None:
    device, _ = await pair(personality=platform, enable="s3cret-enable" if "iosxe" in platform else None)
    connection = await device.connect()
    for verb, mode in zip((device.disable, device.enable), reversed(LEVELS[platform]), strict=True):
        if mode is None:
            with pytest.raises(UnknownMode, match=r"has no mode '(enable|disable)'"):
                await verb()
        else:
            await verb()
            assert connection.mode == mode


async def test_a_level_that_the_device_does_not_have(pair: Any) -> None:
    device, _ = await pair(personality="cisco_nxos")
    connection = await device.connect()
    with pytest.raises(ModeNotReached, match="'disable' led to mode 'privileged'"):
        await device.disable()
    await device.enable()
    assert connection.mode == "privileged"


async def test_switching_through_modes(pair: Any) -> None:
    device, served = await pair()
    connection = await device.connect()
    await device.switchto(["disable", "config"])
    assert connection.mode == "config"
    await device.switchto("bash_console")
    assert connection.mode == "bash"
    await device.switchto("enable")
    assert connection.mode == "privileged"
    typed = len(served.log)
    with pytest.raises(UnknownMode, match=r"known: .*tclsh"):
        await device.switchto(["config", "standby"])
    assert len(served.log) == typed


async def test_what_a_platform_cannot_be_told(pair: Any) -> None:
    device, served = await pair(personality="arista_eos")
    await device.connect()
    typed = len(served.log)
    for wrong in (
        device.ping("192.0.2.1 ; reload"),
        device.ping("192.0.2.1\nreload"),
        device.ping("-f"),
        device.ping(HERE, source="Loopback 0"),
        device.copy("a", "b", vrf="management"),
        device.copy("a b", "c"),
        device.copy("a;b", "c"),
    ):
        with pytest.raises(UsageError, match=r"is not one plain word|takes no vrf"):
            await wrong
    assert len(served.log) == typed
    await device.ping(HERE, count=1, size=100, source="Loopback0", vrf="blue")
    assert served.log[-1].command == f"ping vrf blue {HERE} repeat 1 size 100 source Loopback0"
    await device.ping(HERE, count=1, extra="df-bit")
    assert served.log[-1].command == f"ping {HERE} repeat 1 df-bit"


async def test_a_platform_that_does_not_say_how(pair: Any) -> None:
    device, _ = await pair(personality="frr")
    await device.connect()
    for wrong in (device.ping(HERE), device.copy("a", "b"), device.reload()):
        with pytest.raises(UsageError, match=r"does not say how to (ping|copy|reload) -> "):
            await wrong
    with pytest.raises(UsageError, match="names no shell"):
        async with device.bash_console():
            raise AssertionError("not entered")


# ---------------------------------------------------------------------- copy


@pytest.mark.parametrize("platform", ["cisco_iosxe", "cisco_iosxr", "cisco_nxos", "arista_eos"])
async def test_a_copy_from_a_server(pair: Any, platform: str) -> None:
    device, served = await pair(personality=platform, password="f1le-Server")
    await device.connect()
    url = f"scp://admin@{HERE}/image.bin"
    for _ in range(2):  # the second overwrites the first
        await device.copy(url, "flash:new.bin", password=Secret("f1le-Server"))
    assert "flash:new.bin" in served.files
    with pytest.raises((CommandFailed, CommandRejected), match=r"(?i)permission denied|Copy failed") as wrong:
        await device.copy(url, "flash:other.bin", password="wr0ng-Secret")
    assert "wr0ng-Secret" not in str(wrong.value)
    with pytest.raises((CommandFailed, CommandRejected), match=r"(?i)timed out|Copy failed"):
        await device.copy(f"scp://admin@{NOWHERE}/image.bin", "flash:third.bin", password="f1le-Server")
    with pytest.raises(
        MissingValue, match="pass password=, that of the file server"
    ):  # that of the device is none of the file server's
        await device.copy(url, "flash:fourth.bin")
    output = await device.copy("nothing.bin", "flash:fifth.bin", check=False)
    assert output.failure is not None
    assert await device.execute("show version")


async def test_replies_of_the_caller_go_before_the_platforms(pair: Any) -> None:
    device, served = await pair()
    await device.connect()
    await device.copy("notes.txt", "flash:notes.txt")
    asked: list[str] = []

    def name(found: Any) -> str:
        asked.append(found[1])
        return ""

    await device.copy("notes.txt", "flash:notes.txt", reply={r"filename \[(.*)\]\?": name})
    assert asked == ["notes.txt"]
    await device.copy("notes.txt", "flash:notes.txt", reply={r"over write\? \[confirm\]": "n"})
    assert served.files["flash:notes.txt"] == served.files["notes.txt"]


# ---------------------------------------------------------------------- replies


async def test_replies_of_all_kinds(pair: Any) -> None:
    device, _ = await pair()
    await device.connect()
    found: list[str] = []

    def say_nothing(match: Any) -> str:
        found.append(match[0])
        return ""

    for answer in ("", Secret(""), say_nothing, Statement("", limit=1)):
        output = await device.execute("copy run start", reply={r"filename \[.*\]\? ": answer})
        assert "[OK]" in output
    assert found == ["filename [startup-config]? "]
    output = await device.execute("clear logging", reply={r"\[confirm\]": Statement("y", newline=True)})
    assert output.startswith("Clear logging buffer")


async def test_a_question_that_is_asked_too_often(pair: Any) -> None:
    device, _ = await pair("telnet", enable="right-Enable")
    connection = await device.connect(enable=False)
    for answer in (Secret("wr0ng-Enable"), Statement("wr0ng-Enable", limit=2)):
        with pytest.raises(CommandError, match="asked again for what it was told") as caught:
            await connection.execute("enable", reply={"(?i)password": answer})
        assert "wr0ng-Enable" not in repr(caught.value) + str(caught.value)
    assert await connection.execute("show clock")
    assert connection.mode == "user"


async def test_an_answer_that_raises_is_the_callers(pair: Any) -> None:
    device, _ = await pair()
    await device.connect()

    def refuse(found: Any) -> str:
        raise LookupError(found[0])

    with pytest.raises(LookupError, match="Clear logging"):
        await device.execute("clear logging", reply={r"Clear logging": refuse})
    with pytest.raises(UsageError, match="an answer is a text or a Secret, not int"):
        await device.execute("clear logging", reply={r"Clear logging": lambda _: 1})
    with pytest.raises(UsageError, match="is no pattern"):
        await device.execute("clear logging", reply={r"Clear (": "y"})
    assert "Version" in await device.execute("show version")


async def test_a_last_statement_hands_the_session_over(pair: Any) -> None:
    device, _ = await pair()
    connection = await device.connect()
    output = await connection.execute(
        "copy run start", reply={r"filename \[.*\]\? ": Statement(None, last=True)}
    )
    assert output.rstrip().endswith("Destination filename [startup-config]?")
    await connection.send("")
    found = await connection.expect([r"never", r"\[(OK)\]"])
    assert (found.index, found.match[1]) == (1, "OK")
    assert "Version" in await connection.execute("show version")


async def test_secrets_of_replies_stand_in_no_error(pair: Any) -> None:
    device, _ = await pair(commands={"show secrets": "the word is 0pen-Sesame\n"})
    await device.connect()
    with pytest.raises(CommandTimeout) as caught:
        await device.execute("copy run start", reply={"never asked": Secret("0pen-Sesame")}, timeout=0.3)
    assert "filename" in str(caught.value)
    with pytest.raises(CommandRejected) as rejected:
        await device.execute("show bogus 0pen-Sesame", reply={"never asked": Secret("0pen-Sesame")})
    assert "0pen-Sesame" not in str(rejected.value) + rejected.value.output + rejected.value.command
    assert "***" in rejected.value.command


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_transmit_and_expect(pair: Any, protocol: str) -> None:
    device, _ = await pair(protocol, enable="right-Enable")
    connection = await device.connect()
    await connection.disable()
    await connection.transmit("ena")
    await connection.transmit("ble\r")
    found = await connection.expect(r"\S+#", reply={"Password: ": Secret("right-Enable")})
    assert found.match[0].endswith("#")
    assert found.text.endswith(found.match[0])
    assert "right-Enable" not in found.text
    assert "Version" in await connection.execute("show version")
    await connection.disable()
    await connection.send("enable")
    with pytest.raises(CommandError, match="asked again"):
        await connection.expect("#", reply={"Password: ": Secret("wr0ng-Enable")})
    await connection.transmit("\x03")
    with pytest.raises(CommandTimeout):
        await connection.expect("never", timeout=0.2)
    assert await connection.execute("show clock")


# ---------------------------------------------------------------------- the shell below


async def test_a_block_that_fails_is_left_as_well(pair: Any) -> None:
    device, _ = await pair(personality="cisco_nxos")
    connection = await device.connect()
    await connection.enter_mode("config")

    async def fail(error: type[BaseException], block: Any) -> None:
        async with block as bash:
            await bash.execute("whoami")
            raise error

    with pytest.raises(ZeroDivisionError):
        await fail(ZeroDivisionError, connection.bash_console())
    assert connection.mode == "config"
    entered = asyncio.Event()

    async def another() -> str:
        await entered.wait()
        return str(await device.execute("do show clock"))

    other = asyncio.create_task(another())
    async with device.bash_console() as bash:
        entered.set()
        assert await bash.execute("echo hello") == "hello"
        assert not other.done()  # the block keeps others out
    assert "Time source" in await other
    assert connection.mode == "config"


async def test_a_pool_lends_a_session_for_it(pair: Any) -> None:
    device, served = await pair(personality="arista_eos")
    pool = await device.connect(pool_size=2)
    async with pool.bash_console() as bash, device.bash_console() as second:
        assert await bash.execute("hostname") == await second.execute("hostname") == served.host
        assert pool.statistics()["busy"] == 2
    assert "Arista" in await pool.execute("show version")
    assert (await pool.ping(HERE, count=2)).ok

    async def fail() -> None:
        async with pool.bash_console() as bash:
            await bash.execute("hostname")
            raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        await fail()
    for _ in range(3):
        assert "Arista" in await pool.execute("show version")


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_a_shell_that_is_cut_anywhere_is_left(pair: Any, protocol: str) -> None:
    device, served = await pair(protocol, personality="cisco_nxos" if protocol == "ssh" else "cisco_iosxe")
    connection = await device.connect()

    async def make() -> None:
        async with connection.bash_console() as bash:
            assert await bash.execute("hostname") == served.host

    async def settle() -> None:
        output = await connection.execute("show clock")
        assert len(output.splitlines()) <= 2
        assert "UTC" in output
        assert connection.mode == "privileged"
        assert served.sessions == 1

    tally = await cut_everywhere(make, settle=settle, ways=(Way.ONCE, Way.TIMEOUT, Way.AGAIN, Way.HAMMER))
    assert tally.cuts > 20
