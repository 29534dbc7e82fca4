# SPDX-License-Identifier: Apache-2.0
"""Service wrappers that a testbed or an installed package names."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import aioconn
from aioconn import declaration
from aioconn.errors import AioconnError, TestbedError, UnknownWrapper
from aioconn.wrapping import Call, Proceed
from tests.storm.clock import run
from tests.storm.device import CLASS, FakeDevice
from tests.test_wrapping import NotAsync as NotAsync
from tests.test_wrapping import Skin, Trace

MINE = f"{__name__}.Tally"


class Tally:
    """What testbeds and packages name in these tests."""

    made: list[Tally] = []  # noqa: RUF012  each test has its own, see `tallies`

    def __init__(self, word: str = "tally", token: Any = None) -> None:
        if word == "broken":
            raise ValueError("that is no word")
        self.word = word
        self.token = token
        self.calls: list[str] = []
        Tally.made.append(self)

    def applies(self, connection: Any, service: str) -> bool:
        return True

    async def call(self, call: Call, proceed: Proceed) -> Any:
        self.calls.append(f"{call.device} {call.via} {call.service}")
        return f"{self.word}({await proceed(call)})"


@pytest.fixture
def tallies(monkeypatch: pytest.MonkeyPatch) -> list[Tally]:
    made: list[Tally] = []
    monkeypatch.setattr(Tally, "made", made)
    return made


def described(fake: FakeDevice, **keys: Any) -> dict[str, Any]:
    way = {"protocol": "fake", "host": fake.host, "class": CLASS}
    return {"connections": {"a": dict(way), "b": {**way, "wrappers": MINE}, "defaults": {"via": "a"}}, **keys}


def test_a_testbed_names_them_for_all_for_a_device_for_a_connection(tallies: list[Tally]) -> None:
    async def main() -> None:
        fake = FakeDevice()
        testbed = aioconn.load(
            {
                "testbed": {"wrappers": [MINE, {"class": MINE, "arguments": {"word": "last"}, "order": 1}]},
                "devices": {
                    "r1": described(fake, wrappers={"class": MINE.replace(".Tally", ":Tally"), "order": -1}),
                    "r2": described(fake),
                },
            }
        )
        assert not tallies, "nothing is made before it is needed"
        r1, r2 = testbed["r1"], testbed["r2"]
        for_all = Skin()
        with testbed.wrap(for_all):
            await r1.connect()
            await r2.connect()
            every, last, of_r1 = tallies
            assert await r1.ask("word") == "tally(tally(last(word)))"
            assert await r2.ask("word") == "tally(last(word))"
            assert [call.device for call in for_all.seen] == ["r1", "r2"]
        pool = await r1.connect(via="b", alias="other", pool_size=2)
        of_path = tallies[3]
        assert await pool.ask("word") == "tally(tally(tally(last(word))))"
        assert await r1.ask("word") == "tally(tally(last(word)))"
        assert of_path.calls == ["r1 b ask"]
        assert every.calls == last.calls == ["r1 a ask", "r2 a ask", "r1 b ask", "r1 a ask"]
        assert of_r1.calls == ["r1 a ask", "r1 b ask", "r1 a ask"]
        assert len(for_all.seen) == 2
        await testbed.disconnect()

    run(main)


def test_arguments_are_what_was_written_and_secrets_stay_secret(
    tallies: list[Tally], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main() -> None:
        fake = FakeDevice()
        wrapper = {"class": MINE, "arguments": {"word": "%ENV{A_WORD}", "token": "a-token"}}
        device = aioconn.Device("r1", **described(fake, wrappers=[wrapper]))
        monkeypatch.setenv("A_WORD", "late")  # looked up when it is needed
        await device.connect()
        (tally,) = tallies
        assert tally.word == "late"
        assert tally.token.reveal() == "a-token"
        assert "a-token" not in repr((device.spec, tally.token))
        await device.destroy_all()

    run(main)


@pytest.mark.parametrize(
    ("entry", "complaint"),
    [
        ("no.such.module.Thing", "cannot be imported: ModuleNotFoundError: No module named 'no'"),
        ("tests.test_declaration.Nobody", "cannot be imported: AttributeError"),
        (
            "{class: tests.test_declaration.Tally, arguments: {word: broken}}",
            "cannot be made: ValueError: that is no word",
        ),
        (
            "{class: tests.test_declaration.Tally, arguments: {wrod: x}}",
            "cannot be made: TypeError: .*'wrod'",
        ),
        ("builtins.dict", "cannot be used: it is no wrapper -> a class with applies"),
        ("{class: os.system, arguments: {command: 'true'}}", "cannot be used: it is no wrapper"),
        (
            "{class: tests.test_declaration.spare, arguments: {x: y}}",
            "cannot be used: it is an object already",
        ),
        ("tests.test_declaration.NotAsync", "cannot be attached: .*no coroutine function"),
    ],
)
def test_one_that_cannot_be_loaded_is_an_error_with_its_place(
    tmp_path: Path, tallies: list[Tally], entry: str, complaint: str
) -> None:
    fake = FakeDevice()
    file = tmp_path / "testbed.yaml"
    file.write_text(
        f"testbed:\n  wrappers:\n    - {MINE}\n    - {entry}\n"
        f"devices:\n  r1:\n    connections:\n      a: {{protocol: fake, host: {fake.host}, class: {CLASS}}}\n"
    )

    async def main() -> None:
        async with aioconn.load(file) as testbed:
            for _ in range(2):
                with pytest.raises(UnknownWrapper, match=complaint) as caught:
                    await testbed["r1"].connect()
                error = caught.value
                assert str(error).startswith(f"r1 via a: {file}:4: testbed.wrappers[1]: the wrapper '")
                assert (error.origin, error.key) == (f"{file}:4", "testbed.wrappers[1]")
                assert not testbed["r1"].connections
        assert not fake.lines

    run(main)


@pytest.mark.parametrize(
    ("text", "line", "key", "complaint"),
    [
        (
            "wrappers: [[a.B]]",
            2,
            "testbed.wrappers[0]",
            "expected the dotted path of a wrapper, found a list",
        ),
        ("wrappers: {arguments: {}}", 2, "testbed.wrappers", "a wrapper needs a class"),
        ("wrappers: ['']", 2, "testbed.wrappers[0]", "expected"),
        (
            "wrappers: [two words]",
            2,
            "testbed.wrappers[0].class",
            "expected a dotted path, found 'two words'",
        ),
        (
            "wrappers:\n    - class: a.B\n      order: first",
            4,
            "testbed.wrappers[0].order",
            "expected a whole number",
        ),
        ("wrappers:\n    - class: a.B\n      argument: {}", 4, "testbed.wrappers[0].argument", "unknown key"),
        (
            "wrappers:\n    - class: a.B\n      arguments: 3",
            4,
            "testbed.wrappers[0].arguments",
            "expected a mapping",
        ),
    ],
)
def test_what_is_written_wrong_is_told_with_its_line(text: str, line: int, key: str, complaint: str) -> None:
    with pytest.raises(TestbedError) as caught:
        aioconn.load(
            f"testbed:\n  {text}\ndevices: {{r1: {{connections: {{a: {{ip: 192.0.2.1, protocol: ssh}}}}}}}}\n"
        )
    (problem,) = [problem for problem in caught.value.problems if not problem.warning]
    assert problem.line == line
    assert problem.message.startswith(complaint)
    if complaint != "expected":
        assert problem.key == key


@pytest.fixture
def packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    """`packages(lines)`: a distribution is installed that has these entry points in the group."""

    def install(lines: str) -> None:
        folder = tmp_path / "acme_audit-1.0.dist-info"
        folder.mkdir(exist_ok=True)
        (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-audit\nVersion: 1.0\n")
        (folder / "entry_points.txt").write_text(f"[{declaration.GROUP}]\n{lines}\n")
        monkeypatch.syspath_prepend(str(tmp_path))
        declaration.of_packages.cache_clear()

    yield install
    monkeypatch.undo()
    sys.path_importer_cache.pop(str(tmp_path), None)
    declaration.of_packages.cache_clear()


def test_a_package_brings_them(packages: Callable[[str], None], tallies: list[Tally]) -> None:
    packages("second = tests.test_declaration:make_tally\nfirst = tests.test_declaration:spare")

    async def main() -> None:
        fake, log = FakeDevice(), spare.log
        log.clear()
        fake.device.wrap(Trace("own", log))
        await fake.device.connect()
        assert await fake.device.ask("word") == "tally(word)"
        other = FakeDevice()
        await other.device.connect()
        assert await other.device.ask("word") == "tally(word)"
        assert len(tallies) == 1, "one object for all devices of the process"
        assert log == ["spare", "own", "/own", "/spare", "spare", "/spare"]
        await fake.device.destroy_all()
        await other.device.destroy_all()

    run(main)


spare = Trace("spare", [])


def make_tally() -> Tally:
    return Tally()


def test_a_package_whose_wrapper_is_broken_is_named(packages: Callable[[str], None]) -> None:
    packages("audit = acme.nowhere:Audit")

    async def main() -> None:
        fake = FakeDevice()
        with pytest.raises(
            UnknownWrapper,
            match=r"entry point audit of acme-audit: the wrapper 'acme.nowhere:Audit' cannot be imported",
        ) as caught:
            await fake.device.connect()
        assert isinstance(caught.value, AioconnError)
        assert not fake.attempts

    run(main)
