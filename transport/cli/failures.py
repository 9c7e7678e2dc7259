"""What the shell gets to see of a failure: one line, and an exit code."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

import click
import trio

from actors import HoldfastError, Rejected
from actors.errors import unwrapped

ABANDONED: Final = 3
INTERRUPTED: Final = 130

EXIT_CODES: Final = """
Exit codes: 0, done; 1, it could not be done, or damage was found, and a line says what; 2, the
command line is wrong; 3, serve stopped and had to leave handlers behind that would not stop; 130,
interrupted.
"""

T = TypeVar("T")


def counted(number: int, noun: str) -> str:
    """Return a number with a noun that has its plural in -s."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


class CommandFailed(click.ClickException):
    """The command could not do it: one line for a person, exit code 1."""


class WrongUsage(CommandFailed):
    """The command line is wrong in a way that takes a look at the world: exit code 2."""

    exit_code = 2


def run(main: Callable[[], Awaitable[T]]) -> T:
    """Run a command's main function under trio.

    Raises:
        CommandFailed: for what a person can act on.
        click.Abort: Ctrl-C.
    """
    try:
        return trio.run(main)
    except (Exception, BaseExceptionGroup, KeyboardInterrupt) as exc:
        single = unwrapped(exc)
        told = _for_a_person(single)
        if told is single:
            raise  # a bug, to be seen with its traceback, or what click itself reports
        raise told from exc


def _for_a_person(exc: BaseException) -> BaseException:
    match exc:
        case KeyboardInterrupt():
            return click.Abort()
        case BrokenPipeError():
            return exc  # `holdfast … | head`: click ends without a word
        case Rejected():
            return CommandFailed(exc.message)
        case HoldfastError() | OSError():
            return CommandFailed(str(exc))
        case _:
            return exc
