# SPDX-License-Identifier: Apache-2.0
"""Write the testbed that an inventory of Nornir or Ansible amounts to.

What the testbed says is what `aioconn run -t INVENTORY` works with. Secrets stay as they are written, unless
--encode is given.
"""

from __future__ import annotations

import argparse
import os
import sys
from typing import Any, Protocol

from aioconn.app.exits import Exit
from aioconn.app.terminal import printable, write
from aioconn.app.wording import count
from aioconn.errors import TestbedError, UsageError
from aioconn.testbed.inventories.host import table, text
from aioconn.testbed.inventories.recognition import FORMATS, format_of, read_path
from aioconn.testbed.inventories.writing import plain_secrets, to_yaml
from aioconn.testbed.load import load_spec
from aioconn.testbed.tree import Table


class Verbs(Protocol):
    """What `ArgumentParser.add_subparsers()` gives."""

    def add_parser(self, name: str, **options: Any) -> argparse.ArgumentParser: ...


def add_verb(verbs: Verbs) -> None:
    """Add `convert` to the verbs of `aioconn testbed`."""
    parser = verbs.add_parser(
        "convert",
        help="write an inventory of Nornir or Ansible as a testbed",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("source", metavar="FROM", help="the inventory: a file, or a folder")
    parser.add_argument("-o", "--output", metavar="FILE", help="write it there; it must not exist yet")
    parser.add_argument("--format", choices=FORMATS[1:], help="whose inventory it is, if that does not show")
    parser.add_argument(
        "--encode", action="store_true", help="write passwords as %%ENC{...}, see `aioconn secret`"
    )
    parser.add_argument("--key-file", metavar="FILE", help="another key file for --encode")
    parser.set_defaults(verb=run)


def run(arguments: argparse.Namespace) -> Exit:
    source: str = arguments.source
    format = arguments.format or format_of(source)
    if format == "testbed" and os.path.exists(source):
        raise UsageError(
            f"{source} looks like no inventory of Nornir or Ansible", hint="--format says whose it is"
        )
    spec = load_spec(source, format=format)
    for warning in spec.warnings:
        print(printable(str(warning)), file=sys.stderr)
    document = read_path(source, format)
    tree = document.tree
    if tree is None:  # the file has changed since
        raise TestbedError(document.problems)
    _name(tree, spec.name)
    plain = _encode(tree, arguments.key_file) if arguments.encode else _warn(tree)
    content = (
        f"# Made from {' '.join(printable(source).split())} by `aioconn testbed convert`.\n{to_yaml(tree)}"
    )
    if arguments.output is None:
        write(content)
    else:
        _save(arguments.output, content, private=plain)
    return Exit.OK


def _name(tree: Table, name: str) -> None:
    """A testbed is called like its file, and the file is another one now."""
    own = tree.entries.get("testbed")
    entries = (
        {key: node for key, (_, node) in own[1].entries.items()} if own and isinstance(own[1], Table) else {}
    )
    named = table(tree, {"name": text(name, tree), **entries})
    others = {key: entry for key, entry in tree.entries.items() if key != "testbed"}
    tree.entries = {"testbed": (text("testbed", tree), named), **others}


def _encode(tree: Table, key_file: str | None) -> bool:
    """Encode what stands there in plain text. Nothing of it is left then."""
    from aioconn.testbed.encoding import encode
    from aioconn.testbed.keyfile import KeyFile

    key = KeyFile(key_file).keys()[0]
    encoded: dict[int, str] = {}  # what several devices share is encoded once
    for _, node, replace in list(plain_secrets(tree)):
        if id(node) not in encoded:
            encoded[id(node)] = f"%ENC{{{encode(node.text, key)}}}"
        replace(encoded[id(node)])
    return False


def _warn(tree: Table) -> bool:
    """Say how many secrets stand there in plain text; whether there are any."""
    found = list(plain_secrets(tree))
    if not found:
        return False
    places = dict.fromkeys(node.origin for _, node, _ in found)
    shown = ", ".join(list(places)[:3]) + (", ..." if len(places) > 3 else "")
    print(
        f"warning: {count(len(places), 'password')} in plain text ({printable(shown)})"
        " -> --encode writes %ENC{...} instead; `aioconn secret key` makes the key",
        file=sys.stderr,
    )
    return True


def _save(path: str, content: str, *, private: bool) -> None:
    """Write a new file; for its owner alone if there are passwords in it."""
    try:
        number = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600 if private else 0o666)
        with open(number, "w", encoding="utf-8") as file:
            file.write(content)
    except FileExistsError:
        raise UsageError(f"{path} is there already", hint="name another file, or delete it") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "not a file name"
        raise UsageError(f"{path} cannot be written: {reason}") from None
