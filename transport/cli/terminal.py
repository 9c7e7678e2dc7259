"""The terminal of a chat: keys as they are pressed, and lines where there is no terminal."""

from __future__ import annotations

import os
import sys
import termios
from collections.abc import AsyncGenerator, Iterator
from contextlib import contextmanager
from typing import Final

import trio
import trio.to_thread

# Bytes taken at a time: a paste comes in a few of these.
_READ_BYTES: Final = 4096


def is_interactive() -> bool:
    """Say whether a person types and reads here."""
    return sys.stdin.isatty() and sys.stdout.isatty()


@contextmanager
def keys_one_by_one(fd: int) -> Iterator[None]:
    """Have the terminal hand over each key at once, and show none, for as long as the block runs.

    Ctrl-C still makes a signal, and output is still translated.
    """
    before = termios.tcgetattr(fd)
    mode = termios.tcgetattr(fd)
    mode[3] &= ~(termios.ICANON | termios.ECHO | termios.IEXTEN)
    mode[6][termios.VMIN], mode[6][termios.VTIME] = 1, 0
    try:
        termios.tcsetattr(fd, termios.TCSADRAIN, mode)
        yield
    finally:
        termios.tcsetattr(fd, termios.TCSADRAIN, before)


async def read_keys(fd: int) -> AsyncGenerator[bytes, None]:
    """Yield what is typed, until the terminal is gone.

    A cancellation leaves the worker thread to itself: it waits for a key until the process ends.
    """
    while keys := await trio.to_thread.run_sync(_read, fd, abandon_on_cancel=True):
        yield keys


async def read_lines() -> AsyncGenerator[str, None]:
    """Yield the lines of standard input without their ends; blank ones are left out.

    Cancellation as in `read_keys`.
    """
    while line := await trio.to_thread.run_sync(sys.stdin.buffer.readline, abandon_on_cancel=True):
        text = line.decode(errors="replace").rstrip("\r\n")
        if text.strip():
            yield text


def _read(fd: int) -> bytes:
    try:
        return os.read(fd, _READ_BYTES)
    except OSError:  # a terminal that hung up reads like this
        return b""


def columns() -> int:
    """Return the width of the terminal; 80 where it does not tell."""
    try:
        return os.get_terminal_size(sys.stdout.fileno()).columns or 80
    except OSError:
        return 80


def write(text: str) -> None:
    """Print text as it is, at once."""
    sys.stdout.write(text)
    sys.stdout.flush()
