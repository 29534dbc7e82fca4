# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import getpass
import io
import re
import stat
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from aioconn.app.exits import Exit
from aioconn.app.main import main
from aioconn.testbed.encoding import decode
from aioconn.testbed.keyfile import KeyFile
from aioconn.testbed.load import load_spec

Call = Callable[..., tuple[int, str, str]]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("AIOCONN_KEY_FILE", "AIOCONN_PYATS_KEY", "PYATS_CONFIGURATION", "VIRTUAL_ENV"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


@pytest.fixture
def secret(home: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> Call:
    """`aioconn secret ...`, with this on stdin."""

    def call(*arguments: str, given: str = "") -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "stdin", io.StringIO(given))
        code = main(["secret", *arguments])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return call


def test_from_a_key_to_a_password(secret: Call, home: Path) -> None:
    code, said, _ = secret("key")
    path = home / ".config" / "aioconn" / "key"
    assert (code, said) == (Exit.OK, f"{path}\n")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    code, encoded, _ = secret("encode", given="hunter2 \n")
    assert code == Exit.OK
    found = re.fullmatch(r"%ENC\{([\w=-]+)\}\n", encoded)
    assert found is not None
    assert decode(found[1]).reveal() == "hunter2 "
    text = f'devices: {{r1: {{credentials: {{default: {{password: "{encoded.strip()}"}}}}}}}}\n'
    assert load_spec(text).devices["r1"].credentials.require_password() == "hunter2 "


def test_a_new_key_and_another_file(secret: Call, home: Path) -> None:
    file = str(home / "team.key")
    assert secret("key", "--key-file", file)[0] == Exit.OK
    encoded = secret("encode", "--key-file", file, given="hunter2")[1]
    assert secret("key", "--key-file", file)[::2] == (
        Exit.USAGE,
        f"aioconn: there is a key file already: {file} -> --add puts a new key in front of those in it\n",
    )
    assert secret("key", "--key-file", file, "--add")[0] == Exit.OK
    keys = KeyFile(file).keys()
    assert len(keys) == 2
    assert decode(encoded.strip()[5:-1], keys).reveal() == "hunter2"
    assert secret("key", "--add")[0] == Exit.OK  # there is none yet


def test_asked_on_a_terminal(home: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    KeyFile().create()
    answers = ["hunter2", "hunter2", "hunter2", "hunter3", ""]
    monkeypatch.setattr(sys, "stdin", Terminal())
    monkeypatch.setattr(getpass, "getpass", lambda prompt: answers.pop(0))
    assert main(["secret", "encode"]) == Exit.OK
    assert decode(capsys.readouterr().out.strip()[5:-1]).reveal() == "hunter2"
    assert main(["secret", "encode"]) == Exit.USAGE
    assert capsys.readouterr().err == "aioconn: the two are not the same\n"
    assert main(["secret", "encode"]) == Exit.USAGE
    assert capsys.readouterr().err == "aioconn: there is nothing to encode\n"
    assert answers == []


def test_nothing_is_asked_without_a_key(home: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    def ask(_: str) -> str:
        raise AssertionError("asked")

    monkeypatch.setattr(sys, "stdin", Terminal())
    monkeypatch.setattr(getpass, "getpass", ask)
    assert main(["secret", "encode"]) == Exit.USAGE
    assert "is not there -> `aioconn secret key` makes it" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (b"", "there is nothing to encode"),
        (b"\r\n", "there is nothing to encode"),
        (b"a\xff", "this is not text: it cannot be read as UTF-8"),
        (b"a" * 1_048_577, "more than 1,048,576 characters: this is no secret"),
    ],
)
def test_what_cannot_be_encoded(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any, given: bytes, said: str
) -> None:
    KeyFile().create()
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(given), encoding="utf-8", newline=""))
    assert main(["secret", "encode"]) == Exit.USAGE
    assert capsys.readouterr().err == f"aioconn: {said}\n"


def test_shown_on_a_terminal_alone(secret: Call, monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    secret("key")
    encoded = secret("encode", given="hunter2\x1b[2J")[1].strip()
    code, said, complaint = secret("decode", encoded)
    assert (code, said) == (Exit.USAGE, "")
    assert complaint.startswith("aioconn: a secret is shown on a terminal only")
    screen = Terminal()
    monkeypatch.setattr(sys, "stdout", screen)
    assert main(["secret", "decode", encoded]) == Exit.OK
    assert main(["secret", "decode", encoded[5:-1]]) == Exit.OK
    assert screen.getvalue() == "hunter2\\x1b[2J\n" * 2


def test_another_key_than_that_of_the_text(
    secret: Call, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    secret("key")
    encoded = secret("encode", given="hunter2")[1].strip()
    KeyFile().path.unlink()
    secret("key")
    monkeypatch.setattr(sys, "stdout", Terminal())
    assert main(["secret", "decode", encoded]) == Exit.USAGE
    assert "decodes this: it was encoded with another one" in capsys.readouterr().err
