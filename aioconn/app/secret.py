# SPDX-License-Identifier: Apache-2.0
"""Secrets that can stand in a testbed: %ENC{...}, which only the key file decodes.

The key file is the one that AIOCONN_KEY_FILE names, else ~/.config/aioconn/key.
"""

from __future__ import annotations

import argparse
import getpass
import re
import sys

from aioconn.app.exits import Exit
from aioconn.app.terminal import is_terminal, printable, write
from aioconn.errors import UsageError
from aioconn.testbed.encoding import decode, encode
from aioconn.testbed.keyfile import KeyFile

_LONGEST = 1024 * 1024  # characters of a secret on stdin
_MARKUP = re.compile(r"%ENC\{([^{}]*)\}")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    verbs = parser.add_subparsers(
        metavar="VERB", required=True, title="verbs", parser_class=argparse.ArgumentParser
    )
    key = verbs.add_parser("key", help="make the key file", description="Make the key file, for you alone.")
    key.add_argument(
        "--add", action="store_true", help="put a new key in front of the others, which go on decoding"
    )
    encoder = verbs.add_parser(
        "encode",
        help="print a secret as %%ENC{...}",
        description="Ask for a secret, without showing it, or read it from a pipe; print it as %%ENC{...}.",
    )
    decoder = verbs.add_parser(
        "decode",
        help="show a secret, on a terminal only",
        description="Show what is behind %%ENC{...}, on a terminal only.",
    )
    decoder.add_argument("encoded", metavar="TEXT", help="%%ENC{...}, or what stands between the braces")
    for verb, function in ((key, _key), (encoder, _encode), (decoder, _decode)):
        verb.add_argument("--key-file", metavar="FILE", help="another key file")
        verb.set_defaults(verb=function)


def run(arguments: argparse.Namespace) -> Exit:
    exit_code: Exit = arguments.verb(arguments)
    return exit_code


def _key(arguments: argparse.Namespace) -> Exit:
    file = KeyFile(arguments.key_file)
    if arguments.add and file.exists():
        file.add()
    else:
        file.create()
    write(f"{printable(str(file.path))}\n")
    return Exit.OK


def _encode(arguments: argparse.Namespace) -> Exit:
    key = KeyFile(arguments.key_file).keys()[0]  # before anything is asked
    write(f"%ENC{{{encode(_secret(), key)}}}\n")
    return Exit.OK


def _secret() -> str:
    """From the terminal, twice, without echo; or all of stdin, but for the line break at its end."""
    if is_terminal(sys.stdin):
        try:
            text = getpass.getpass("secret: ")
            if text and getpass.getpass("again: ") != text:
                raise UsageError("the two are not the same")
        except EOFError:
            text = ""
    else:
        try:
            text = sys.stdin.read(_LONGEST + 1)
        except UnicodeDecodeError:
            raise UsageError("this is not text: it cannot be read as UTF-8") from None
        if len(text) > _LONGEST:
            raise UsageError(f"more than {_LONGEST:,} characters: this is no secret")
        text = text.removesuffix("\n").removesuffix("\r")
    if not text:
        raise UsageError("there is nothing to encode")
    return text


def _decode(arguments: argparse.Namespace) -> Exit:
    if not is_terminal(sys.stdout):
        raise UsageError(
            "a secret is shown on a terminal only",
            hint="scripts read it where they use it: %ENC{} in a testbed",
        )
    found = _MARKUP.search(arguments.encoded)
    inside = found[1] if found else arguments.encoded
    keys = KeyFile(arguments.key_file).keys() if arguments.key_file else None
    write(f"{printable(decode(inside, keys).reveal())}\n")
    return Exit.OK
