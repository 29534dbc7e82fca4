# SPDX-License-Identifier: Apache-2.0
"""The command `aioconn`: finds a command's module, starts it, turns errors into a line and an exit code.

A command is a module of this package with `add_arguments(parser)` and `run(arguments) -> Exit`, and a line in
`COMMANDS`. It is imported only when it is called, so that `aioconn --help` reads nothing else.
"""

from __future__ import annotations

import argparse
import contextlib
import difflib
import importlib
import io
import logging
import os
import sys
import traceback
from collections.abc import Iterator, Sequence
from typing import Any, NoReturn

from aioconn.app.exits import Exit

COMMANDS = {
    "demo": "simulated devices, and a fan-out over them: needs nothing else",
    "run": "run commands on the devices of a testbed",
    "lab": "run simulated devices until Ctrl-C",
    "serve": "hold sessions for scripts that are started again and again",
    "testbed": "check testbed files, and write them from inventories",
    "secret": "passwords that can stand in a testbed",
    "bench": "measure the devices of a testbed",
    "platforms": "the operating systems whose command lines are known",
}
EPILOG = """\
exit codes: 0 all went well, 1 some devices failed, 2 the call or a file is wrong, 130 interrupted

  aioconn demo
  aioconn run -t testbed.yaml "show version" -d 'core-*'
  aioconn COMMAND --help
"""


class CommandParser(argparse.ArgumentParser):
    """A parser that asks its command's module for the arguments when it is the one to parse them."""

    def __init__(self, *, command: str | None = None, **options: Any) -> None:
        options.setdefault("formatter_class", argparse.RawDescriptionHelpFormatter)
        super().__init__(allow_abbrev=False, **options)
        self._command = command

    # the overloads of the base say more than what is passed on here
    def parse_known_args(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, args: Any = None, namespace: Any = None
    ) -> Any:
        if self._command is not None:
            module = importlib.import_module(f"aioconn.app.{self._command}")
            self._command = None
            self.description = module.__doc__.strip() if module.__doc__ else None
            module.add_arguments(self)
            verbosity(self)
            self.set_defaults(start=module.run)
        return super().parse_known_args(args, namespace)

    def error(self, message: str) -> NoReturn:
        """Name the nearest command too, where the command is the mistake."""
        if self.prog == "aioconn" and "invalid choice: " in message:
            wrong = message.split("invalid choice: ", 1)[1].split("'")[1]
            close = difflib.get_close_matches(wrong, COMMANDS, n=1, cutoff=0.5)
            hint = f"did you mean {close[0]!r}?" if close else f"known: {', '.join(COMMANDS)}"
            message = f"there is no command {wrong!r} -> {hint}"
        self.exit(Exit.USAGE, f"{self.format_usage()}{self.prog}: {message}\n")


def verbosity(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "-v", "--verbose", action="count", default=0, help="say more on stderr; twice: tracebacks as well"
    )


class _Version(argparse.Action):
    """Asks for the version only when it is wanted: reading a package's metadata takes time."""

    def __call__(self, parser: argparse.ArgumentParser, *_: Any, **__: Any) -> NoReturn:
        from importlib.metadata import PackageNotFoundError, version

        try:
            number = version("aioconn")
        except PackageNotFoundError:  # run from a folder, not installed
            number = "(not installed)"
        print(f"aioconn {number}")
        parser.exit()


def build_parser() -> argparse.ArgumentParser:
    parser = CommandParser(
        prog="aioconn", description="Connections to network devices, many at once.", epilog=EPILOG
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="show the version and exit")
    commands = parser.add_subparsers(
        metavar="COMMAND", required=True, title="commands", parser_class=CommandParser
    )
    for name, line in COMMANDS.items():
        commands.add_parser(name, command=name, help=line)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code; no exception leaves."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # a terminal that knows ASCII alone is no reason to fail
            stream.reconfigure(errors="backslashreplace")
    try:
        arguments = build_parser().parse_args(argv)
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else Exit.USAGE
    except KeyboardInterrupt:  # while the command's modules are loaded, which takes a part of a second
        return Exit.INTERRUPTED
    arguments.program = argv is None
    debug = arguments.verbose > 1 or bool(os.environ.get("AIOCONN_DEBUG"))
    try:
        with logging_to_stderr(arguments.verbose):
            code = arguments.start(arguments)
            sys.stdout.flush()
        return int(code)
    except KeyboardInterrupt:
        return Exit.INTERRUPTED
    except Exception as error:
        return _failed(error, debug)


@contextlib.contextmanager
def logging_to_stderr(verbose: int) -> Iterator[None]:
    """What libraries log: nothing of it by default, where it would run through a live display."""
    root, library = logging.getLogger(), logging.getLogger("aioconn")
    before = library.level
    handler = logging.StreamHandler(sys.stderr) if verbose else logging.NullHandler()
    handler.setFormatter(logging.Formatter("%(levelname)s %(name)s: %(message)s"))
    root.addHandler(handler)
    if verbose > 1:
        library.setLevel(logging.DEBUG)
    try:
        yield
    finally:
        root.removeHandler(handler)
        library.setLevel(before)


def _failed(error: Exception, debug: bool) -> Exit:
    """Say what went wrong, and which exit code that is."""
    from aioconn.app.terminal import OutputClosed, abandon_stdout
    from aioconn.app.wording import complaint
    from aioconn.errors import AioconnError, MissingValue, TestbedError, UsageError

    if isinstance(error, (OutputClosed, BrokenPipeError)):
        abandon_stdout()
        return Exit.PIPE_CLOSED
    if debug:
        traceback.print_exception(error)
    if isinstance(error, AioconnError):
        print(f"aioconn: {complaint(error)}", file=sys.stderr)
        return Exit.USAGE if isinstance(error, (UsageError, TestbedError, MissingValue)) else Exit.FAILED
    print(f"aioconn: unexpected {type(error).__name__}: {complaint(error)}", file=sys.stderr)
    if not debug:
        print("this is a defect of aioconn; -vv (or AIOCONN_DEBUG=1) shows where", file=sys.stderr)
    return Exit.INTERNAL


if __name__ == "__main__":
    sys.exit(main())
