"""`holdfast export` and `holdfast import`: threads as JSON Lines; see `thread_lines`."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import aclosing, contextmanager
from functools import partial
from itertools import chain
from pathlib import Path
from typing import BinaryIO, Final

import click
from attrs import define, field

from actors import Journal, JournalCorrupt, JournalFenced, PositionUnrecoverable, Rejected
from actors.limits import DEFAULT_LIMITS
from actors.transfer import import_thread

from .failures import CommandFailed, counted, run
from .hermes import read_session
from .options import db_option
from .progress import Tell, progress
from .sources import Source, open_file, open_source, source_options, split_words
from .thread_lines import Complete, Refused, header_line, lines_of, read_threads

# Lines on what went wrong that are worth printing; the others are counted.
_TOLD_MOST: Final = 100


@define
class _Tally:
    """What was done, and what went wrong."""

    threads: int = 0
    events: int = 0
    left_out: int = 0
    noted: int = 0
    _told: list[str] = field(factory=list)

    def leave_out(self, why: str) -> None:
        self.left_out += 1
        self.note(why)

    def note(self, what: str) -> None:
        self.noted += 1
        if len(self._told) < _TOLD_MOST:
            self._told.append(what)

    def report(self, done: str) -> None:
        """Say so on standard error.

        Raises:
            CommandFailed: where anything went wrong.
        """
        for line in self._told:
            click.echo(line, err=True)
        if self.noted > len(self._told):
            click.echo("…", err=True)
        threads, events = counted(self.threads, "thread"), counted(self.events, "event")
        click.echo(f"{done} {threads}, {events}.", err=True)
        if self.left_out:
            raise CommandFailed(f"{counted(self.left_out, 'thread')} left out")


@click.command()
@click.argument("words", nargs=-1, metavar="[URL] [THREAD]")
@source_options
@click.option(
    "-o", "--output", metavar="FILE", type=click.Path(dir_okay=False), help="Write there instead."
)
def export(words: tuple[str, ...], url: str | None, db: str | None, output: str | None) -> None:
    """Write threads as JSON Lines to standard output: all of them, or one.

    Each thread is a header line and one line for each event, which `holdfast import` reads back. A
    file named with -o is there only once it is whole.
    """
    url, thread = split_words(words, url)
    tally = _Tally()
    with _opened_output(output) as out, progress("Exporting", "events") as tell:
        run(partial(_export, url, db, thread, out, tally, tell))
    tally.report("Exported")


@contextmanager
def _opened_output(output: str | None) -> Iterator[BinaryIO]:
    if output is None:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    unfinished = Path(f"{output}.unfinished")
    try:
        with unfinished.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        unfinished.rename(output)
    except OSError as exc:
        raise CommandFailed(f"cannot write {output}: {exc.strerror}") from exc
    finally:
        unfinished.unlink(missing_ok=True)


async def _export(
    url: str | None, db: str | None, thread: str | None, out: BinaryIO, tally: _Tally, tell: Tell
) -> None:
    async with open_source(url, db) as source:
        if thread is not None:
            await _export_thread(source, thread, out, tally, tell)
            return
        async with aclosing(source.threads()) as listed:
            async for each in listed:
                try:
                    await _export_thread(source, each.thread, out, tally, tell)
                except (JournalCorrupt, PositionUnrecoverable, Rejected) as exc:
                    # Its lines may have begun; the header's offset keeps them from being imported.
                    tally.leave_out(f"{each.thread}: {exc}")


async def _export_thread(
    source: Source, thread: str, out: BinaryIO, tally: _Tally, tell: Tell
) -> None:
    async with source.export(thread) as exported:
        out.write(header_line(thread, exported.offset))
        async for row in exported.rows:
            out.write(row.body + b"\n")
            tally.events += 1
            tell(tally.events, None)
    tally.threads += 1


@click.command("import")
@click.argument("files", nargs=-1, required=True, type=click.File("rb"), metavar="FILE…")
@click.option(
    "--format",
    "format_",
    default="holdfast",
    show_default=True,
    type=click.Choice(["holdfast", "hermes"]),
    help="What the files are: an export, or sessions of Hermes WebUI, one in each.",
)
@db_option("The journal to put the threads into, made where it is not there.")
def import_(files: tuple[BinaryIO, ...], format_: str, db: str) -> None:
    """Put the threads of files into a journal. FILE may be - for standard input.

    A thread comes in wholly or not at all. One that is there already is left as it is; one with a
    bad line is left out, and file and line are named. The others go on. A turn that was running
    when it was exported ends as interrupted; one that was waiting is answered when the server
    starts.

    Of a session of Hermes WebUI, what is no part of a conversation comes in as records, and what
    could not be read is named. So is what had to be changed: half a character becomes U+FFFD, NaN
    null, and a time that cannot be read the nearest one that can.
    """
    tally = _Tally()
    blocks = chain.from_iterable(_read(file, format_) for file in files)
    with progress("Importing", "events") as tell:
        run(partial(_import, blocks, db, tally, tell))
    tally.report("Imported")


def _read(file: BinaryIO, format_: str) -> Iterator[tuple[str, Complete | Refused]]:
    """Yield what a file holds, each with what to put before the number of its line."""
    if format_ == "holdfast":
        name = getattr(file, "name", "-")  # what stands for standard input may have none
        return ((f"{name}, ", block) for block in read_threads(lines_of(file)))
    data = file.read(DEFAULT_LIMITS.import_bytes + 1)
    # Names its file by itself, with the message that it is about.
    return iter([("", read_session(data, Path(file.name).name, _written(file)))])


def _written(file: BinaryIO) -> float:
    """Return when a file was written; now, where it is none."""
    try:
        return os.fstat(file.fileno()).st_mtime
    except OSError:
        return time.time()


async def _import(
    blocks: Iterator[tuple[str, Complete | Refused]], db: str, tally: _Tally, tell: Tell
) -> None:
    async with open_file(db) as journal:
        for file, block in blocks:
            if isinstance(block, Refused):
                tally.leave_out(_refused(file, block, block.why))
            else:
                await _import_thread(journal, file, block, tally)
            tell(tally.events, None)


async def _import_thread(journal: Journal, file: str, block: Complete, tally: _Tally) -> None:
    try:
        await import_thread(journal, block.thread, block.restoration, now=time.time())
    except (ValueError, JournalCorrupt, JournalFenced) as exc:
        tally.leave_out(_refused(file, block, str(exc)))
    else:
        tally.threads += 1
        tally.events += block.restoration.events
        for unread in block.unread:
            tally.note(unread)


def _refused(file: str, block: Complete | Refused, why: str) -> str:
    left_out = f" (thread {block.thread} is left out)" if block.thread is not None else ""
    return f"{file}line {block.line}: {why}{left_out}"
