# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import base64
import os
import stat
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aioconn.credentials import Secret
from aioconn.errors import MissingDependency, MissingValue, UsageError
from aioconn.testbed.encoding import decode, encode
from aioconn.testbed.keyfile import KeyFile, is_key, new_key
from aioconn.testbed.load import load_spec

# from pyATS's documentation: a key, and a text that was encoded with it
PYATS_KEY = "dSvoKX23jKQADn20INt3W3B5ogUQmh6Pq00czddHtgU="
PYATS_TOKEN = (
    "gAAAAABdsgvwElU9_3RTZsRnd4b1l3Es2gV6Y_DUnUE8C9y3SdZGBc2v0B2m9sKVz80jyeYhlWKMDwtqfwlbg4sQ2Y0a843luOrZ"
    "yyOuCgZ7bxE5X3Dk_NY="
)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user without any key."""
    for name in ("AIOCONN_KEY_FILE", "AIOCONN_PYATS_KEY", "PYATS_CONFIGURATION", "VIRTUAL_ENV"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


def configuration(home: Path, *lines: str) -> None:
    (home / ".pyats").mkdir()
    (home / ".pyats" / "pyats.conf").write_text("\n".join(("[secrets]", *lines)), encoding="utf-8")


def obscured(text: str, key: str = "pyats_default_key") -> str:
    """What pyATS makes of a text if it is not told otherwise."""
    key = key * (len(text) // len(key) + 1)
    added = "".join(chr((ord(a) + ord(b)) % 256) for a, b in zip(text, key, strict=False))
    return base64.urlsafe_b64encode(added.encode()).decode()


# ---------------------------------------------------------------------------------- encode and decode


@given(st.text())
def test_what_is_encoded_is_decoded_by_its_key(text: str) -> None:
    key = new_key()
    if not text.isascii() and any(0xD800 <= ord(one) < 0xE000 for one in text):
        with pytest.raises(UsageError):
            encode(text, key)
        return
    inside = encode(text, key)
    assert text == "" or len(text) < 5 or text not in inside
    assert not set("{}, \n") & set(inside)
    assert decode(inside, [key]).reveal() == text


@given(st.text(), st.booleans())
def test_whatever_stands_there_is_an_error_that_is_known(text: str, looks_right: bool) -> None:
    with pytest.raises(MissingValue):
        decode("gAAAA" + text if looks_right else text, [new_key()])


def test_a_secret_comes_out() -> None:
    key = new_key()
    found = decode(encode("hunter2", key), [key])
    assert type(found) is Secret
    assert "hunter2" not in repr(found)


def test_each_encoding_differs() -> None:
    key = new_key()
    assert encode("same", key) != encode("same", key)


def test_a_folded_text_is_decoded() -> None:
    key = new_key()
    inside = encode("hunter2", key)
    assert decode(f" {inside[:20]} {inside[20:50]}\n  {inside[50:]} ", [key]).reveal() == "hunter2"


def test_what_is_no_key() -> None:
    for wrong in (b"", b"short", b"!" * 44, b"A" * 44, new_key()[:-1]):
        with pytest.raises(UsageError, match="this is no key"):
            encode("x", wrong)


def test_a_damaged_text_and_another_key_are_told_apart() -> None:
    key = new_key()
    inside = encode("hunter2", key)
    with pytest.raises(MissingValue, match="not whole"):
        decode(inside[:-8], [key])
    with pytest.raises(MissingValue, match="none of the given keys decodes this"):
        decode(inside, [new_key()])
    middle = "A" if inside[40] != "A" else "B"
    with pytest.raises(MissingValue, match="none of the given keys decodes this"):
        decode(inside[:40] + middle + inside[41:], [key])


def test_nothing_in_the_braces() -> None:
    with pytest.raises(MissingValue, match="nothing between the braces"):
        decode("  ")


def test_without_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cryptography.fernet", None)
    with pytest.raises(MissingDependency) as caught:
        encode("x", new_key())
    assert "pip install cryptography" in str(caught.value)
    assert decode(obscured("needs none")).reveal() == "needs none"


# ---------------------------------------------------------------------------------- the key file


def test_the_file_is_made_for_its_user_alone(home: Path) -> None:
    before = os.umask(0)
    try:
        KeyFile().create()
    finally:
        os.umask(before)
    path = home / ".config" / "aioconn" / "key"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    (key,) = KeyFile().keys()
    assert is_key(key)
    assert decode(encode("hunter2", key)).reveal() == "hunter2"


def test_one_that_is_there_is_kept(home: Path) -> None:
    file = KeyFile()
    file.create()
    keys = file.keys()
    with pytest.raises(UsageError, match="there is a key file already"):
        file.create()
    assert file.keys() == keys


def test_old_texts_are_decoded_after_a_new_key(home: Path) -> None:
    file = KeyFile()
    file.create()
    old = file.keys()[0]
    inside = encode("hunter2", old)
    file.add()
    assert len(file.keys()) == 2
    assert file.keys()[1] == old
    assert decode(inside).reveal() == "hunter2"
    assert decode(encode("newer", file.keys()[0])).reveal() == "newer"
    assert stat.S_IMODE(file.path.stat().st_mode) == 0o600
    assert [entry.name for entry in file.path.parent.iterdir()] == ["key"]


def test_the_environment_names_another_file(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    KeyFile(home / "mine").create()
    inside = encode("hunter2", KeyFile(home / "mine").keys()[0])
    with pytest.raises(MissingValue):
        decode(inside)
    monkeypatch.setenv("AIOCONN_KEY_FILE", "~/mine")
    assert decode(inside).reveal() == "hunter2"


def test_comments_and_empty_lines(home: Path) -> None:
    first, second = new_key(), new_key()
    file = KeyFile(home / "key")
    file.path.write_bytes(b"# of 2026\n\n" + first + b"\r\n  " + second + b"\n")
    file.path.chmod(0o600)
    assert file.keys() == (first, second)


FILES = {
    # name: (mode, content, what is said)
    "open to all": (0o644, new_key(), "is open to others (mode 0644), and is not used -> chmod 600"),
    "open to the group": (0o640, new_key(), "is open to others (mode 0640), and is not used -> chmod 600"),
    "writable": (0o602, new_key(), "is open to others (mode 0602), and is not used"),
    "no key": (0o600, b"# nothing\nhunter2-hunter2\n", "has no key in line 2"),
    "empty": (0o600, b"\n", "has no key in it"),
    "binary": (0o600, bytes(range(256)), "has no key in line 1"),
    "huge": (0o600, b"#" * 70_000, "has more than 64 KiB"),
}


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_is_not_used(home: Path, name: str) -> None:
    mode, content, said = FILES[name]
    path = home / ".config" / "aioconn" / "key"
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    path.chmod(mode)
    with pytest.raises(MissingValue) as caught:
        decode(encode("x", new_key()))
    assert said in str(caught.value)
    assert str(path) in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_the_file_of_somebody_else(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    KeyFile().create()
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    with pytest.raises(MissingValue, match="belongs to somebody else"):
        KeyFile().keys()


def test_what_is_no_file(home: Path) -> None:
    os.mkfifo(home / "pipe", 0o600)
    with pytest.raises(MissingValue, match="is not a regular file"):
        KeyFile(home / "pipe").keys()
    with pytest.raises(MissingValue, match="is not a regular file"):
        KeyFile(home).keys()
    with pytest.raises(MissingValue, match="cannot be read: not a file name"):
        KeyFile("a\0b").keys()
    with pytest.raises(UsageError, match="cannot be written"):
        KeyFile(home / "pipe" / "key").create()


def test_no_file_at_all(home: Path) -> None:
    with pytest.raises(MissingValue) as caught:
        decode(encode("x", new_key()))
    assert str(caught.value) == (
        f"the key file {home}/.config/aioconn/key is not there"
        " -> `aioconn secret key` makes it; AIOCONN_KEY_FILE names another one"
    )


def test_what_is_missing_is_said_with_its_place(home: Path) -> None:
    inside = encode("hunter2", new_key())
    spec = load_spec(
        f"testbed:\n  credentials:\n    default: {{password: '%ENC{{{inside}}}'}}\ndevices: {{r1: {{}}}}\n"
    )
    with pytest.raises(MissingValue) as caught:
        spec.devices["r1"].credentials.require_password()
    assert str(caught.value).startswith("<text>:3: testbed.credentials.default.password: the key file ")
    assert inside not in str(caught.value)


def test_another_key_in_the_file(home: Path) -> None:
    KeyFile().create()
    with pytest.raises(
        MissingValue, match=r"no key in \S+/key decodes this: it was encoded with another one"
    ):
        decode(encode("x", new_key()))


# ---------------------------------------------------------------------------------- what pyATS encoded

OBSCURED = {
    # as pyATS gives them out
    "wr3DssK0w5nDlsORw4nDmcK2w4LDqMOfw6vDjsOdw4k=": "MySecretPassword",
    "w53DssKBw6fDmMOCw5bDisOa": "my secret",
    "w6DDmsOUw6fDqsOOw5bDiQ==": "password",
    "w6Bdw5TDp8OqVcOWw4k=": "pässwörd",
    "w5HDmsOCw5XDlMOAw4XDhsOHw4LDlsONw5XDgMOMw4bDmsORw5rDgsOVw5TDgMOFw4bDh8OCw5bDjcOVw4DDjMOGw5rDkcOaw4LDlcOUw4A=": (
        "a" * 40
    ),
}


@pytest.mark.parametrize("inside", OBSCURED)
def test_what_pyats_obscures(inside: str) -> None:
    assert decode(inside).reveal() == OBSCURED[inside]


@pytest.mark.parametrize("key", ["k1", "8285d5ba-5cca-4d4e-b8c4-d16198b3bc35"])
def test_with_a_key_of_ones_own(home: Path, monkeypatch: pytest.MonkeyPatch, key: str) -> None:
    inside = obscured("hunter2!", key)
    monkeypatch.setenv("AIOCONN_PYATS_KEY", key)
    assert decode(inside).reveal() == "hunter2!"
    monkeypatch.delenv("AIOCONN_PYATS_KEY")
    configuration(home, f"string.key = {key}")
    assert decode(inside).reveal() == "hunter2!"


def test_pyats_and_fernet(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIOCONN_PYATS_KEY", PYATS_KEY)
    assert decode(PYATS_TOKEN).reveal() == "MySecretPassword"
    assert decode(obscured("older")).reveal() == "older"  # from the time before that key
    KeyFile().create()
    assert decode(PYATS_TOKEN).reveal() == "MySecretPassword"
    assert decode(encode("ours", KeyFile().keys()[0])).reveal() == "ours"
    with pytest.raises(MissingValue, match=r"neither a key in \S+ nor pyATS's key decodes this"):
        decode(encode("x", new_key()))


def test_the_files_of_pyats(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    configuration(
        home,
        "string.representer = pyats.utils.secret_strings.FernetSecretStringRepresenter",
        f"string.key = {PYATS_KEY}",
        "weak.representer = pyats.utils.secret_strings.PlainTextSecretStringRepresenter",
        "own.representer = our.secrets.VaultRepresenter",
        "keyless.representer = pyats.utils.secret_strings.FernetSecretStringRepresenter",
        "second.representer = pyats.utils.secret_strings.ObscuringSecretStringRepresenter",
        "second.key = k2",
    )
    assert decode(PYATS_TOKEN).reveal() == "MySecretPassword"
    assert decode(f"{PYATS_TOKEN}, prefix=string").reveal() == "MySecretPassword"
    assert decode("weak_pw, prefix=weak").reveal() == "weak_pw"
    assert decode(f"{obscured('hunter2', 'k2')}, prefix=second").reveal() == "hunter2"
    for inside, said in {
        "abc, prefix=own": "this was encoded by our.secrets.VaultRepresenter, which only pyATS can run",
        "abc, prefix=nobody": "nothing says how texts with prefix=nobody are encoded",
        f"{PYATS_TOKEN}, prefix=keyless": "pyATS encoded this with a key that is not there -> set keyless.key",
    }.items():
        with pytest.raises(MissingValue) as caught:
            decode(inside)
        assert said in str(caught.value)
    nearer = home / "nearer.conf"
    nearer.write_text("[secrets]\nweak.representer = x.ObscuringSecretStringRepresenter\n", encoding="utf-8")
    monkeypatch.setenv("PYATS_CONFIGURATION", str(nearer))
    assert decode(f"{obscured('later wins')}, prefix=weak").reveal() == "later wins"


def test_wrong_texts_of_pyats(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(MissingValue, match="neither a text that aioconn encoded nor one that pyATS did"):
        decode("hunter2")
    monkeypatch.setenv("AIOCONN_PYATS_KEY", "another key")
    with pytest.raises(MissingValue, match="by pyATS with another key, or it is damaged"):
        decode("wr3DssK0w5nDlsORw4nDmcK2w4LDqMOfw6vDjsOdw4k=")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"string.key = x\n", "pyats.conf:1: this is no INI file"),
        (b"[secrets]\nno delimiter\n", "pyats.conf:2: this is no INI file"),
        (b"\xff\xfe[secrets]", "cannot be read: not UTF-8 text"),
        (b"#" * 1_100_000, "has more than 1 MiB"),
    ],
)
def test_a_broken_configuration_of_pyats(home: Path, content: bytes, said: str) -> None:
    configuration(home)
    (home / ".pyats" / "pyats.conf").write_bytes(content)
    with pytest.raises(MissingValue) as caught:
        decode(obscured("x"))
    assert said in str(caught.value)
    KeyFile().create()  # who needs no key of pyATS is not concerned
    assert decode(encode("ours", KeyFile().keys()[0])).reveal() == "ours"
