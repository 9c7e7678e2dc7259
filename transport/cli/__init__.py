"""The `holdfast` command."""

from __future__ import annotations

import logging
from importlib.metadata import PackageNotFoundError, version

import click

from .chat import chat
from .conform import conform
from .failures import EXIT_CODES
from .moving import export, import_
from .reading import show, threads
from .replay import replay
from .serve import serve
from .upkeep import compact, verify

__all__ = ["main"]


def _version() -> str:
    try:
        return version("holdfast")
    except PackageNotFoundError:  # run from a checkout that is not installed
        return "of this checkout"


@click.group(epilog=EXIT_CODES, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(_version(), prog_name="holdfast")
def main() -> None:
    """Chat threads that survive their connections.

    Start with `holdfast serve`, and talk to it with `holdfast chat main`.
    """
    # A command says what a person can act on; only `serve` has a log, and says where it goes.
    logging.basicConfig(handlers=[logging.NullHandler()])


for command in (serve, chat, threads, show, export, import_, verify, compact, conform, replay):
    main.add_command(command)
