"""Where threads are read from: a running server, or the file of one that is stopped.

Both are read through one interface, so that a command reads alike over both.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Protocol, TypeVar

import click
from attrs import frozen

from actors import Item, JournalUnavailable, Row, TurnItems
from actors.core.thread_id import is_thread_id
from actors.journal.sqlite import SqliteJournal, open_sqlite_journal

from ..connecting import DEFAULT_URL
from ..dial import websocket_url
from .failures import CommandFailed

F = TypeVar("F", bound=Callable[..., Any])


@frozen
class Listed:
    """A thread in a listing: `state` is idle, running, queued or failed; times in Unix seconds."""

    thread: str
    state: str
    active_at: float
    items: int


@frozen
class View:
    """A thread as a person reads it: its settled items, the live turn, and what is queued."""

    thread: str
    cursor: str
    items: tuple[Item, ...]
    turn: TurnItems | None = None
    queue: tuple[TurnItems, ...] = ()


@frozen
class Exported:
    """A thread on its way out.

    Args:
        offset: of its last event.
        rows: its events.
    """

    offset: int
    rows: AsyncIterator[Row]


class Source(Protocol):
    """Where threads are read from. Reads change nothing (I5)."""

    def threads(self) -> AsyncGenerator[Listed, None]:
        """Yield every thread, last activity first."""
        ...

    async def view(self, thread: str, last: int | None) -> View:
        """Return a thread, with its `last` settled items, or all.

        Raises:
            Rejected: `thread_not_found`.
        """
        ...

    def export(self, thread: str) -> AbstractAsyncContextManager[Exported]:
        """Return a thread's events; raises as `view`."""
        ...


def source_options(command: F) -> F:
    """Add `--db` and `--url` to a command that reads."""
    db = click.option(
        "--db",
        metavar="FILE",
        type=click.Path(exists=True, dir_okay=False),
        help="Read the file of a server that is stopped, instead of asking one.",
    )
    url = click.option("--url", metavar="URL", help=f"The server to ask.  [default: {DEFAULT_URL}]")
    return url(db(command))


def split_words(words: tuple[str, ...], url: str | None) -> tuple[str | None, str | None]:
    """Tell a URL from a thread's id among the words of a command line; both may be missing.

    Raises:
        click.UsageError: for more than one of either, or a word that is neither.
    """
    urls = [word for word in words if "://" in word] + ([url] if url else [])
    threads = [word for word in words if "://" not in word]
    if len(urls) > 1 or len(threads) > 1:
        raise click.UsageError("expected at most one URL and one thread")
    for thread in threads:
        check_thread(thread)
    return next(iter(urls), None), next(iter(threads), None)


def check_thread(thread: str) -> str:
    """Return a thread's id as it is.

    Raises:
        click.UsageError: where no thread can have it.
    """
    if not is_thread_id(thread):
        raise click.UsageError(
            f"{thread!r} is no thread id: that is 1 to 128 letters, digits, dots, underscores, "
            "colons and hyphens, beginning with a letter or a digit"
        )
    return thread


def check_url(url: str) -> str:
    """Return a server's address as it is.

    Raises:
        click.UsageError: where no server can have it.
    """
    try:
        websocket_url(url)
    except ValueError as exc:
        raise click.UsageError(str(exc)) from exc
    return url


@asynccontextmanager
async def open_source(url: str | None, db: str | None) -> AsyncGenerator[Source, None]:
    """Open the file, or else connect to the server.

    Raises:
        click.UsageError: where both are named, or the URL is none.
        CommandFailed: the file is in use, or nothing answers.
    """
    if db is not None and url is not None:
        raise click.UsageError("--db reads a file and a URL asks a server: give one of them")
    if db is not None:
        from .file_source import FileSource

        async with open_file(db, "or ask it with --url") as journal:
            yield FileSource(journal)
    else:
        from .server_source import connect_source

        async with connect_source(check_url(url or DEFAULT_URL)) as source:
            yield source


@asynccontextmanager
async def open_file(db: str, otherwise: str = "") -> AsyncGenerator[SqliteJournal, None]:
    """Open a journal's file, which no server may have open meanwhile.

    Args:
        db: its path.
        otherwise: what else the person may do where a server has it.

    Raises:
        CommandFailed: it is in use, or cannot be opened.
    """
    try:
        journal = await open_sqlite_journal(db)
    except JournalUnavailable as exc:
        raise cannot_open(exc, otherwise) from exc
    async with journal:
        yield journal


def cannot_open(exc: JournalUnavailable, otherwise: str = "") -> CommandFailed:
    """Say why a file cannot be opened, and what to do where a server has it."""
    advice = ["stop the server first", otherwise] if " in use by " in str(exc) else []
    return CommandFailed(": ".join(filter(None, [str(exc), ", ".join(filter(None, advice))])))
