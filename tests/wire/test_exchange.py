# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aioconn.platforms.model import Platform
from aioconn.results import Output
from aioconn.wire import ansi
from aioconn.wire.dialogue import Answer
from aioconn.wire.echo import Discipline
from aioconn.wire.exchange import Exchange
from tests.examples import examples
from tests.wire.device import CISCO, JUNOS, LINUX, SRL, SROS, Device, at, bytewise, converse, exchange

READER, BOTH, TYPING, NONE, UNKNOWN = (
    Discipline.READER,
    Discipline.BOTH,
    Discipline.TYPING,
    Discipline.NONE,
    Discipline.UNKNOWN,
)
HOSTS = {CISCO.name: "r1", LINUX.name: "me@r1"}
PROMPTS = {CISCO.name: b"r1# ", LINUX.name: b"me@r1:~$ "}


def text_of(talk: Exchange) -> str:
    return talk.answered().text


def raw_of(talk: Exchange) -> bytes:
    answered = talk.answered()
    return Output(answered.text, raw=answered.raw).raw


# ---------------------------------------------------------------------- one command


@given(st.lists(st.integers(0, 200), max_size=6))
def test_any_split_gives_the_same_answer(cuts: list[int]) -> None:
    wire = b"show clock\r\n12:00:00 UTC\r\n\r\nr1(x) is up\r\nr1# "
    talk = exchange("show clock")
    for piece in at(*cuts)(wire):
        talk.feed(piece)
    assert talk.done is not None
    assert talk.done.mode == "privileged"
    assert text_of(talk) == "12:00:00 UTC\n\nr1(x) is up"


def test_start_is_one_write() -> None:
    assert exchange("show clock", newline=b"\r\n").start() == b"show clock\r\n"
    talk = exchange("id", BOTH, platform=LINUX, host="me@r1", lead=True)
    assert talk.start() == b"\nid\n"


@pytest.mark.parametrize("tail", [b"", b" "])
def test_raw_is_what_came(tail: bytes) -> None:
    wire = b"show x\r\n\r\na\xff\x1b[1mb\x1b[m\x00\r\n\x08\r\r\nc\r\nr1#" + tail
    talk = exchange("show x")
    talk.feed(wire)
    assert raw_of(talk) == wire


@pytest.mark.parametrize("end", [b"\r\n", b"\n", b"\r\r\n", b"\xff\r\n", b"\r\n\n", b"\x1b[m\r\n"])
def test_raw_of_a_large_output_is_what_came(end: bytes) -> None:
    body = (b"interface Ethernet1" + end) * 80_000
    wire = b"show x\r\n" + body + b"r1# "
    talk = exchange("show x")
    talk.feed(wire)
    assert raw_of(talk) == wire


def test_a_large_plain_output_takes_little_more_than_twice_its_size() -> None:
    size = 20 << 20
    line = b"10.0.0.0/8 via 192.0.2.1, 00:12:31, GigabitEthernet0/0/1 and so on\r\n"
    tracemalloc.start()
    try:
        talk = exchange("show x")
        talk.feed(b"show x\r\n")
        block = line * 400
        for _ in range(size // len(block)):
            talk.feed(block)
        talk.feed(b"r1# ")
        tracemalloc.reset_peak()
        answered = talk.answered()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(answered.text) > size * 0.95
    assert peak <= 2.5 * size


def test_what_comes_after_the_end_is_kept_apart() -> None:
    talk = exchange("show x")
    talk.feed(b"show x\r\na\r\nr1#")
    talk.feed(b" \r\nlog\r\nr1#")
    assert talk.late == b" \r\nlog\r\nr1#"
    assert text_of(talk) == "a"


def test_no_output() -> None:
    talk = exchange("end")
    talk.feed(b"end\r\nr1# ")
    assert text_of(talk) == ""


def test_mode_and_host_of_the_prompt() -> None:
    talk = exchange("configure terminal")
    talk.feed(b"configure terminal\r\nEnter configuration commands.\r\nr1(config-if)#")
    assert talk.done is not None
    assert (talk.done.mode, talk.done.text, talk.done.host) == ("config", "r1(config-if)#", "r1")


# ---------------------------------------------------------------------- look-alikes


LOOKING_ALIKE = b"first\r\nr1# \r\nr1#\r\nr1# show x\r\nr1(config)#\r\nhost> \r\nlast r1# more\r\nend\r\n"


# what makes a large output odd, wherever it stands in it
ODD = {
    "nothing": b"",
    "colours": b"\x1b[1mbold\x1b[m\r\n",
    "no return": b"a\n",
    "a return too many": b"a\r\r\n",
    "painted over": b"10%\r20%\r\n",
    "not UTF-8": b"caf\xe9\r\n",
    "UTF-8": "café\r\n".encode(),
    "blank lines": b"\r\n" * 20_000,
    "a long line": b"x" * 200_000 + b"\r\n",
    "look-alikes": LOOKING_ALIKE,
}
GIVES_ITS_BYTES_BACK = [
    ODD[name] for name in ("nothing", "UTF-8", "blank lines", "a long line", "look-alikes")
]


@pytest.mark.parametrize("odd", ODD.values(), ids=ODD)
@pytest.mark.parametrize("place", [0, 150_000, 290_000])
@pytest.mark.parametrize("encoding", ["utf-8", "latin-1"])
def test_a_large_output_is_what_a_small_one_would_be(odd: bytes, place: int, encoding: str) -> None:
    line = b"GigabitEthernet1/0/1 is up, line protocol is up\r\n"
    lines = line * (300_000 // len(line))
    place -= place % len(line)
    body = lines[:place] + odd + lines[place:]
    for head, size in ((b"show x\r\n", 1009), (b"show x\r\n\r\n", 32_768), (b"r1# show x\r\n", 1 << 20)):
        talk = exchange("show x")
        wire = head + body + b"r1# "
        received = 0
        for begin in range(0, len(wire), size):
            talk.feed(piece := wire[begin : begin + size])
            received += len(piece)
            assert talk.received == received
        answered = talk.answered(encoding)
        assert answered.text == ansi.clean(body, encoding).strip("\n")
        assert Output(answered.text, raw=answered.raw).raw == wire
        assert isinstance(answered.raw, tuple) is (odd in GIVES_ITS_BYTES_BACK and encoding == "utf-8")


def test_a_look_alike_inside_a_chunk_ends_nothing() -> None:
    wire = b"show x\r\n" + LOOKING_ALIKE + b"r1# "
    for position in range(len(wire)):
        talk = exchange("show x")
        before = wire[:position]
        if before.rstrip(b" ").endswith((b"\nr1#", b"\nr1(config)#")):
            continue  # exactly at its end: the default cannot know
        for piece in (before, wire[position:]):
            talk.feed(piece)
        assert talk.done is not None, position
        assert text_of(talk) == LOOKING_ALIKE.decode().replace("\r\n", "\n").strip("\n"), position


def test_a_line_about_to_be_ended_is_no_prompt() -> None:
    talk = exchange("show x")
    talk.feed(b"show x\r\nr1#\r")
    assert talk.done is None
    talk.feed(b"\nrest\r\nr1#")
    assert text_of(talk) == "r1#\nrest"


@st.composite
def hostile_output(draw: st.DrawFn, prompt: bytes) -> list[bytes]:
    """Pieces of an output, each followed by a pause, some of them ending in the device's own prompt."""
    line = st.sampled_from(
        [b"a line\r\n", b"\r\n", prompt + b"\r\n", prompt, prompt.strip(), b"no newline", b"x" + prompt]
    )
    pieces = draw(st.lists(st.lists(line, min_size=1, max_size=4).map(b"".join), max_size=5))
    return [*pieces, b"the end\r\n"]


def shown(pieces: list[bytes]) -> str:
    return b"".join(pieces).replace(b"\r\n", b"\n").decode().strip("\n")


@pytest.mark.parametrize(
    ("platform", "discipline"),
    [(CISCO, READER), (LINUX, READER), (LINUX, BOTH), (LINUX, TYPING), (LINUX, NONE)],
    ids=lambda one: one.name if isinstance(one, Platform) else one.name.lower(),
)
@pytest.mark.parametrize("streaming", [False, True])
@given(data=st.data())
@examples(150)
def test_a_confirmed_prompt_was_one_whatever_the_pauses(
    platform: Platform, discipline: Discipline, streaming: bool, data: st.DataObject
) -> None:
    prompt = PROMPTS[platform.name]
    pieces = data.draw(hostile_output(prompt))
    device = Device(discipline, {"show x": pieces}, prompt=prompt)
    talk = exchange(
        "show x", discipline, platform=platform, host=HOSTS[platform.name], confirm=True, streaming=streaming
    )
    split = at(*data.draw(st.lists(st.integers(0, 99), max_size=3)))
    taken = bytearray()

    def split_and_take(piece: bytes) -> list[bytes]:
        if streaming:
            taken.extend(talk.take())
        return list(split(piece))

    converse(device, talk, split=split_and_take, pauses=data.draw(st.booleans()))
    if streaming:
        taken += talk.take()
        assert shown([bytes(taken)]) == shown(pieces)
    else:
        assert text_of(talk) == shown(pieces)
    assert device.read() in (None, b""), "nothing is left for the next command"


@pytest.mark.parametrize("discipline", [TYPING, BOTH])
@given(data=st.data())
@examples(150)
def test_a_tty_without_an_answer_is_fooled_by_no_single_look_alike(
    discipline: Discipline, data: st.DataObject
) -> None:
    # two with a pause behind each cannot be told from the end by anything but time
    before, after = (
        data.draw(st.lists(st.sampled_from([b"a\r\n", b"\r\n", b"b"]), max_size=3)),
        [b"c\r\n", b"the end\r\n"],
    )
    pieces = [b"".join(before) + b"\r\nr1# ", *after]
    device = Device(discipline, {"show x": pieces})
    talk = exchange("show x", discipline, confirm=True)
    converse(device, talk, split=at(*data.draw(st.lists(st.integers(0, 99), max_size=3))))
    assert text_of(talk) == shown(pieces)
    assert device.read() is None


@pytest.mark.parametrize("discipline", [READER, TYPING, BOTH])
def test_confirm_with_a_plain_output(discipline: Discipline) -> None:
    device = Device(discipline, {"show x": [b"a\r\nb\r\n"]})
    talk = exchange("show x", discipline, confirm=True)
    converse(device, talk, split=bytewise)
    assert text_of(talk) == "a\nb"
    assert device.read() is None


def test_a_log_message_between_the_probe_and_its_prompt() -> None:
    talk = exchange("show x", confirm=True)
    probe = talk.feed(b"show x\r\na\r\nr1#")
    assert not talk.feed(probe.replace(b"\n", b"\r\n") + b"\r\n*Mar 1 00:00:01: %SYS-5-CONFIG_I: x\r\nr1#")
    assert text_of(talk) == "a"


def test_a_log_message_that_breaks_the_probe() -> None:
    talk = exchange("show x", confirm=True)
    probe = talk.feed(b"show x\r\na\r\nr1#").decode().strip()
    talk.feed(
        probe[:5].encode() + b"\r\n*Mar 1 00:00:01: %LINK-3-UPDOWN: x\r\n" + probe[5:].encode() + b"\r\nr1#"
    )
    assert talk.done is None
    assert talk.quiet_after
    again = talk.quiet()
    assert again.startswith(b"!aio")
    talk.feed(again.strip() + b"\r\nr1#")
    assert talk.done is not None
    assert text_of(talk).split("\n")[0] == "a"


@pytest.mark.parametrize("discipline", [READER, TYPING, BOTH])
@pytest.mark.parametrize("noise", [b"*Mar 1 00:00:01: %SYS-5-CONFIG_I: x\r\n", b"\r\n%LINK-3-UPDOWN: y\r\n"])
def test_a_log_message_right_behind_the_prompt(discipline: Discipline, noise: bytes) -> None:
    """The device shows no other prompt by itself."""
    device = Device(discipline, {"show x": [b"a\r\n"]})
    talk = exchange("show x", discipline, lead=discipline is BOTH)
    device.write(talk.start())
    came = b"".join(iter(device.read, None))
    assert came.endswith(b"a\r\nr1# ")
    talk.feed(came + noise)
    assert talk.done is None
    assert talk.quiet_after is None
    word = talk.stalled()
    assert word
    assert talk.stalled() == b""  # once
    device.write(word)
    for _ in range(20):
        for piece in iter(device.read, None):
            device.write(talk.feed(piece))
        if talk.quiet_after is not None:
            device.write(talk.quiet())
    assert talk.done is not None
    assert text_of(talk).splitlines()[0] == "a"
    assert device.read() is None


def test_a_silence_without_a_prompt_is_left_alone() -> None:
    talk = exchange("show x")
    talk.feed(b"show x\r\nfirst line\r\n")
    assert talk.stalled() == b""
    talk.feed(b"r1 is up\r\n")
    assert talk.stalled() == b""
    unprovable = exchange("show x", provable=False)
    unprovable.feed(b"show x\r\nr1# *Mar 1: %SYS-5-CONFIG_I: x\r\n")
    assert unprovable.stalled() == b""


def test_without_a_probe_confirm_is_the_default() -> None:
    talk = exchange("show x", confirm=True, provable=False)
    assert talk.feed(b"show x\r\na\r\nr1#") == b""
    assert text_of(talk) == "a"


def test_on_a_tty_a_prompt_to_come_for_a_word_is_waited_for() -> None:
    """The last line of the output looked like the prompt: the prompts are one behind the words."""
    talk = exchange("show x", TYPING, confirm=True)
    first = talk.feed(b"show x\r\na\r\nr1#").replace(b"\n", b"\r\n")
    second = talk.feed(first + b"\r\nr1#").replace(b"\n", b"\r\n")
    assert talk.feed(second + b"r1#") == b""
    assert talk.done is None
    assert talk.quiet_after
    talk.feed(b"r1#")
    third = talk.quiet().replace(b"\n", b"\r\n")
    fourth = talk.feed(third + b"r1#").replace(b"\n", b"\r\n")
    talk.feed(fourth + b"r1#")
    assert talk.done is not None
    assert text_of(talk) == "a\nr1#"


def test_no_word_is_sent_on_top_of_one_that_a_line_editor_is_yet_to_read() -> None:
    talk = exchange("show x", BOTH, confirm=True, lead=True)
    first = talk.feed(b"\r\nr1# show x\r\na\r\nr1#").replace(b"\n", b"\r\n")
    # the end of its line has not been written when the word comes: the tty repeats it, and so does the editor
    assert talk.feed(b"\r\n" + first + b"r1#") == b""
    assert talk.done is None
    assert talk.quiet_after
    talk.feed(b" " + first + b"r1# ")
    assert talk.done is not None
    assert text_of(talk) == "a\nr1#"


def test_words_have_an_end() -> None:
    talk = exchange("show x", TYPING, confirm=True)
    sent = talk.feed(b"show x\r\na\r\nr1#")
    count = 0
    while sent:
        count += 1
        assert count < 50
        sent = talk.feed(b"\r\nr1#" + sent.replace(b"\n", b"\r\n") + b"r1#")
    assert talk.done is None


# ---------------------------------------------------------------------- leftovers


@pytest.mark.parametrize("streaming", [False, True])
@given(data=st.data())
@examples(200)
def test_leftovers_never_reach_the_next_answer_of_a_reader(streaming: bool, data: st.DataObject) -> None:
    rest = data.draw(hostile_output(b"r1# "))
    device = Device(READER, {"show y": [b"y1\r\n", b"y2\r\n"]}, running=rest)
    talk = exchange("show y", streaming=streaming)
    # some of it before the command is sent: it arrives with the rest
    for _ in range(data.draw(st.integers(0, 2))):
        talk.feed(device.read() or b"")
        if talk.done is not None:
            break
    assert talk.done is None
    taken = bytearray()

    def split(piece: bytes) -> list[bytes]:
        taken.extend(talk.take() if streaming else b"")
        return list(at(*cuts)(piece))

    cuts = data.draw(st.lists(st.integers(0, 99), max_size=3))
    converse(device, talk, split=split)
    if streaming:
        assert bytes(taken + talk.take()) == b"y1\r\ny2"
    else:
        assert text_of(talk) == "y1\ny2"


@pytest.mark.parametrize("platform", [CISCO, LINUX], ids=lambda one: one.name)
@given(data=st.data())
@examples(200)
def test_leftovers_never_reach_the_next_answer_behind_a_lead(platform: Platform, data: st.DataObject) -> None:
    prompt = PROMPTS[platform.name]
    rest = data.draw(
        st.lists(st.sampled_from([b"a\r\n", b"\r\n", b"b\r\n", prompt + b"x\r\n", b"c"]), max_size=5)
    )
    device = Device(BOTH, {"show y": [b"y1\r\n", b"y2\r\n"]}, running=rest, prompt=prompt)
    talk = exchange("show y", BOTH, platform=platform, host=HOSTS[platform.name], lead=True)
    for _ in range(data.draw(st.integers(0, 2))):
        talk.feed(device.read() or b"")
    converse(device, talk, split=at(*data.draw(st.lists(st.integers(0, 99), max_size=3))))
    assert text_of(talk) == "y1\ny2"
    assert device.read() is None


def test_a_lead_whose_prompt_was_seen_before() -> None:
    device = Device(BOTH, {"history": [b"  1  printf aio\r\n  2  history\r\n"]}, prompt=PROMPTS["shell"])
    talk = exchange("history", BOTH, platform=LINUX, host="me@r1", lead=True)
    converse(device, talk, split=bytewise)
    assert text_of(talk) == "  1  printf aio\n  2  history"


def test_the_prompt_of_something_older_does_not_end_it() -> None:
    talk = exchange("show x")
    talk.feed(b"rest of the last output\r\nr1# ")
    assert talk.done is None
    assert talk.quiet_after is not None
    talk.feed(b"show x\r\nanswer\r\nr1# ")
    assert text_of(talk) == "answer"


# ---------------------------------------------------------------------- echo


def test_an_altered_echo_ends_after_silence_and_a_probe() -> None:
    command = "username bob privilege 15 password hunter2"
    talk = exchange(command)
    talk.feed(b"username bob privilege 15 password *******\r\nok\r\nr1# ")
    assert talk.done is None
    probe = talk.quiet()
    talk.feed(probe.strip() + b"\r\nr1# ")
    assert text_of(talk) == "ok"


def test_without_echo_and_discipline_the_prompt_is_taken_after_silence() -> None:
    talk = exchange("show x", UNKNOWN)
    talk.feed(b"a\r\nr1# ")
    assert talk.done is None
    assert talk.quiet() == b""
    assert text_of(talk) == "a"


def test_a_device_without_echo() -> None:
    talk = exchange("show x", NONE)
    talk.feed(b"a\r\nr1# ")
    assert text_of(talk) == "a"
    assert not talk.echoed


@pytest.mark.parametrize("text", ["", "show x", "show x\n r1# show x\n"])
def test_a_command_that_stands_in_its_own_output(text: str) -> None:
    talk = exchange("show x")
    talk.feed(b"show x\r\n" + text.replace("\n", "\r\n").encode() + b"\r\nr1# ")
    assert text_of(talk) == text.strip("\n")


def test_an_empty_command() -> None:
    talk = exchange("")
    talk.feed(b"\r\nr1# ")
    assert text_of(talk) == ""
    talk = exchange("")
    talk.feed(b"rest\r\nr1# ")
    assert talk.done is None
    talk.feed(b"\r\nr1# ")
    assert text_of(talk) == ""


# ---------------------------------------------------------------------- prompts that change


def test_the_device_changes_its_name() -> None:
    talk = exchange("hostname r9")
    assert talk.feed(b"hostname r9\r\nr9(config)#") == b""
    assert talk.done is None
    assert talk.quiet_after
    probe = talk.quiet()
    assert probe.startswith(b"!aio")
    for byte in bytewise(probe.strip() + b"\r\nr9(config)#"):
        talk.feed(byte)
    assert talk.done is not None
    assert (talk.done.host, talk.done.mode) == ("r9", "config")
    assert text_of(talk) == ""


@pytest.mark.parametrize(
    ("platform", "discipline"),
    [(CISCO, READER), (LINUX, READER), (LINUX, BOTH), (LINUX, TYPING), (CISCO, TYPING)],
)
@pytest.mark.parametrize("confirm", [False, True])
def test_an_output_without_a_newline_at_its_end(
    platform: Platform, discipline: Discipline, confirm: bool
) -> None:
    device = Device(discipline, {"cat f": [b"one\r\ntwo"]}, prompt=PROMPTS[platform.name])
    talk = exchange("cat f", discipline, platform=platform, host=HOSTS[platform.name], confirm=confirm)
    converse(device, talk)
    assert text_of(talk) == "one\ntwo"


def test_a_coloured_prompt() -> None:
    wire = b"id\r\n\x1b[?2004l\ruid=0\r\n\x1b[?2004h\x1b[01;32mme@r1\x1b[00m:\x1b[01;34m~\x1b[00m$ \x1b[K"
    for position in range(len(wire)):
        talk = exchange("id", platform=LINUX, host="me@r1")
        talk.feed(wire[:position])
        talk.feed(wire[position:])
        assert talk.done is not None, position
        assert text_of(talk) == "uid=0"


MULTI_LINE = [
    (JUNOS, "r1", b"[edit]\r\nroot@r1# ", "config", b"\r\n[edit interfaces ge-0/0/0]\r\nroot@r1# "),
    (JUNOS, "r1", b"{master:0}\r\nroot@r1> ", "cli", b"\r\n{master:0}\r\nroot@r1> "),
    (SRL, "srl1", b"--{ running }--[  ]--\r\nA:srl1# ", "running", b"--{ running }--[  ]--\r\nA:srl1# "),
    (SRL, "srl1", b"", "config", b"--{ * candidate shared default }--[ interface e1 ]--\r\nA:srl1# "),
    (SROS, "pe1", b"", "cli", b"\r\n[/]\r\nA:admin@pe1# "),
    (SROS, "pe1", b"", "config", b"\r\n*(ex)[/configure]\r\nA:admin@pe1# "),
]


@pytest.mark.parametrize(("platform", "host", "inside", "mode", "prompt"), MULTI_LINE)
@pytest.mark.parametrize("streaming", [False, True])
@pytest.mark.parametrize("confirm", [False, True])
def test_lines_above_the_prompt_are_the_prompts(
    platform: Platform, host: str, inside: bytes, mode: str, prompt: bytes, streaming: bool, confirm: bool
) -> None:
    body = b"a\r\n\r\n" + inside.replace(b"# ", b"# x").replace(b"> ", b"> x") + b"\r\n[b\r\n"
    wire = b"show x\r\n" + body + prompt
    for position in range(len(wire)):
        if not confirm and inside and wire[:position].rstrip(b" ").endswith(inside.rstrip()):
            continue  # exactly at the end of a look-alike: the default cannot know
        talk = exchange("show x", platform=platform, host=host, streaming=streaming, confirm=confirm)
        taken = bytearray()
        probe = b""
        for piece in (wire[:position], wire[position:]):
            probe = talk.feed(piece) or probe
            taken += talk.take() if streaming else b""
        if confirm:
            for piece in bytewise(probe.strip() + b"\r\n" + prompt):
                talk.feed(piece)
                taken += talk.take() if streaming else b""
        assert talk.done is not None, position
        assert talk.done.mode == mode
        got = bytes(taken + talk.take()).decode().replace("\r\n", "\n") if streaming else text_of(talk)
        assert got == shown([body]), position


# ---------------------------------------------------------------------- questions


def test_a_question_is_answered_once_in_any_split() -> None:
    turns = [b"reload\r\nProceed with reload? [confirm]", b"\r\nbye\r\nr1# "]
    for position in range(len(turns[0])):
        talk = exchange("reload", answers=[Answer(pattern=r"\[confirm\]$", send=b"\n")])
        replies = [talk.feed(turns[0][:position]), talk.feed(turns[0][position:])]
        assert replies == [b"", b"\n"], position
        talk.feed(turns[1])
        assert text_of(talk) == "Proceed with reload? [confirm]\nbye"


def test_the_echo_is_no_question() -> None:
    talk = exchange("reload", answers=[Answer(pattern="reload", send=b"y\n")])
    assert [talk.feed(piece) for piece in (b"rel", b"oad", b"\r\n")] == [b"", b"", b""]
    assert talk.feed(b"Confirm reload?") == b"y\n"


def test_a_secret_that_is_asked_for_again_is_refused() -> None:
    talk = exchange(
        "enable", UNKNOWN, answers=[Answer(pattern=r"(?i)password:\s*$", send=b"s3cret\n", secret=True)]
    )
    assert talk.feed(b"enable\r\nPassword: ") == b"s3cret\n"
    assert talk.feed(b"\r\nPassword: ") == b""
    assert talk.refused == "Password:"
    assert talk.done is None
    assert talk.ended
    assert talk.feed(b"\r\nPassword: ") == b""


def test_a_question_that_comes_often_is_answered_often() -> None:
    talk = exchange("delete all", answers=[Answer(pattern=r"\[y/n\]$", send=b"y\n")])
    assert [talk.feed(piece) for piece in (b"delete all\r\na? [y/n]", b"\r\nb? [y/n]", b"\r\nr1#")] == [
        b"y\n",
        b"y\n",
        b"",
    ]
    assert talk.done is not None


ERASE = b"\x08" * 10 + b" " * 10 + b"\x08" * 10


@pytest.mark.parametrize(
    ("pager", "then"),
    [
        (b" --More-- \x00", ERASE),
        (b" --More-- ", b""),
        (b"--More--", b"\r\n"),
        (b"--More--", b"\r        \r"),
        (b"\x1b[7m--More--\x1b[m", b"\r\x1b[K"),
        (b"\x1b[7m--More--\x1b[m", b""),
    ],
)
@pytest.mark.parametrize("streaming", [False, True])
def test_a_pager_leaves_no_trace(pager: bytes, then: bytes, streaming: bool) -> None:
    first, second = b"show x\r\na\r\nb\r\n" + pager, then + b"c\r\n d\r\nr1# "
    for position in range(len(first + second)):
        if pager.endswith(b" ") and not then and position == len(first) - 1:
            continue  # nobody can tell then whose blank that is
        talk = exchange("show x", streaming=streaming)
        sent, taken = b"", bytearray()
        for part, begin in ((first, 0), (second, len(first))):
            cut = max(0, min(position - begin, len(part)))
            for piece in (part[:cut], part[cut:]):
                sent += talk.feed(piece)
                taken += talk.take() if streaming else b""
        assert sent == b" ", position
        assert talk.done is not None
        got = ansi.clean(bytes(taken + talk.take())) if streaming else text_of(talk)
        assert got == "a\nb\nc\n d", position


@pytest.mark.parametrize("streaming", [False, True])
@pytest.mark.parametrize("then", [ERASE, b"\r          \r", b"\r\x1b[K"])
def test_a_pager_that_the_prompt_is_painted_over(then: bytes, streaming: bool) -> None:
    talk = exchange("show x", streaming=streaming)
    assert talk.feed(b"show x\r\na\r\nb\r\n --More-- \x00") == b" "
    taken = talk.take() if streaming else b""
    talk.feed(then + b"r1# ")
    assert talk.done is not None
    got = ansi.clean(taken + talk.take()) if streaming else text_of(talk)
    assert got == "a\nb"


def test_a_pager_in_the_middle_of_a_line() -> None:
    talk = exchange("show version")
    assert talk.feed(b"show version\r\n'--one'  --More-- \x00") == b" "
    talk.feed(ERASE + b"'--two'\r\nr1# ")
    assert text_of(talk) == "'--one' '--two'"


# ---------------------------------------------------------------------- streaming


@given(
    st.lists(
        st.sampled_from([b"a", b"long line", b"", b"\x1b[1mb\x1b[m", b"  ", b"r1# x", b"\xc3\xa9"]),
        max_size=12,
    ),
    st.lists(st.integers(0, 300), max_size=8),
)
def test_streamed_pieces_are_the_answer(lines: list[bytes], cuts: list[int]) -> None:
    wire = b"show x\r\n" + b"".join(line + b"\r\n" for line in lines) + b"r1# "
    talk, plain = exchange("show x", streaming=True), exchange("show x")
    taken = ""
    for piece in at(*cuts)(wire):
        talk.feed(piece)
        plain.feed(piece)
        if talk.done is None and talk.ended:
            got = talk.take()
            assert not got or got.endswith(b"\n"), "whole lines"
            taken += ansi.clean(got)
    if plain.done is None or plain.late.strip():
        return  # cut exactly behind a look-alike
    taken += ansi.clean(talk.take())
    assert taken == plain.answered().text


def test_streaming_holds_little() -> None:
    talk = exchange("show x", streaming=True)
    talk.feed(b"show x\r\n")
    block = b"a line of an output without an end\r\n" * 30
    most = 0
    for _ in range(2000):
        talk.feed(block)
        most = max(most, talk.received)
        assert talk.take()
    assert most < 4 * len(block)


# ---------------------------------------------------------------------- garbage


GARBAGE = [
    b"\x00" * 500_000,
    b"\x1b" * 300_000,
    b"\x1b]" * 200_000,
    b"\x1b[" + b"1;" * 500_000,
    b"\x1b[ " * 100_000,
    b"a" * 10_000_000,
    b"\x08a" * 100_000,
    b"a\r" * 100_000,
    b"\xff\xfe\xc3" * 300_000,
    b"#>" * 500_000,
    b"r1#" * 300_000,
    b"\r" * 1_000_000,
    b"\n" * 200_000,
    b"\x1b[2Kab\x1b[999999999G\x1b[1K" * 10_000,
]


@pytest.mark.timeout(30)
@pytest.mark.parametrize("garbage", GARBAGE, ids=lambda one: repr(one[:8]))
@pytest.mark.parametrize("streaming", [False, True])
def test_garbage_ends(garbage: bytes, streaming: bool) -> None:
    talk = exchange("show x", streaming=streaming)
    talk.feed(b"show x\r\n")
    for begin in range(0, len(garbage), 16384):
        talk.feed(garbage[begin : begin + 16384])
        talk.quiet()
        if streaming:
            talk.take()
        talk.seen()
    talk.feed(b"\x1b\\\r\nr1# ")
    if talk.done is not None:
        assert talk.take() is not None if streaming else text_of(talk) is not None


@given(
    st.lists(
        st.one_of(
            st.binary(max_size=40), st.sampled_from([b"r1# ", b"\r\n", b"\x1b[K", b"--More--", b"show x\r\n"])
        )
    )
)
@examples(300)
def test_nothing_that_arrives_raises(pieces: list[bytes]) -> None:
    for discipline in Discipline:
        for confirm in (False, True):
            for streaming in (False, True):
                talk = exchange(
                    "show x", discipline, confirm=confirm, streaming=streaming, lead=discipline is BOTH
                )
                for piece in pieces:
                    talk.feed(piece)
                    talk.quiet()
                    if streaming:
                        talk.take()
                if talk.done is not None and not streaming:
                    assert raw_of(talk) + bytes(talk.late) == b"".join(pieces)


def test_a_question_whose_answer_nobody_knows_ends_it_at_once() -> None:
    talk = exchange("enable", answers=[Answer(pattern="Password:", send=b"", missing=True)])
    talk.feed(b"enable\r\n")
    assert talk.feed(b"Password: ") == b""
    assert talk.ended
    assert (talk.refused, talk.unanswered) == ("Password:", True)
