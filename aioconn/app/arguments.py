# SPDX-License-Identifier: Apache-2.0
"""Arguments that several commands take, and values, refused in words that say what was expected."""

from __future__ import annotations

import argparse


def add_selection(parser: argparse.ArgumentParser, *names: str) -> None:
    """Which devices, also under these names of the option, and by which path."""
    parser.add_argument(
        "-d",
        "--device",
        *names,
        action="append",
        default=[],
        metavar="PATTERN",
        help="only devices of this name, alias or glob pattern ('core-*'); may be repeated",
    )
    parser.add_argument(
        "--via", metavar="NAME", help="the path to use, a name below the devices' connections"
    )


def command(text: str) -> str:
    """One command of a device."""
    if not text.strip():
        raise argparse.ArgumentTypeError("an empty command")
    if "\n" in text or "\r" in text:
        raise argparse.ArgumentTypeError(f"{text!r} is several lines; each command is an argument of its own")
    return text


def positive_int(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 10 and int(text) > 0):
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number above 0")
    return int(text)


def worker_count(text: str) -> int | str:
    if text == "auto":
        return text
    try:
        return positive_int(text)
    except argparse.ArgumentTypeError as error:
        raise argparse.ArgumentTypeError(f"{error}, and not auto") from None


def positive_seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < 1e9:  # neither NaN nor infinite
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds above 0")
    return value
