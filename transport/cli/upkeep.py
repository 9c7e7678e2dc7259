"""`holdfast verify` and `holdfast compact`: looking after a journal's file."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import click

from actors import JournalUnavailable
from actors.journal.sqlite import Damage
from actors.journal.sqlite import verify as find_damage
from actors.limits import DEFAULT_LIMITS

from .failures import CommandFailed, counted, run
from .progress import progress
from .sources import cannot_open, open_file

_FILE = click.Path(exists=True, dir_okay=False)


@click.command()
@click.argument("db", type=_FILE)
def verify(db: str) -> None:
    """Read all of a journal's file, and say where it is damaged. Nothing is changed.

    Exit code 0 means that every event is there and says what it said when it was written; 1 that
    something is not, and each line says where.
    """
    found = 0
    threads = 0

    def count(done: int, of: int) -> None:
        nonlocal threads
        threads = of
        tell(done, of)

    with progress("Verifying", "threads") as tell:
        try:
            for damage in find_damage(db, progress=count):
                found += 1
                click.echo(_described(damage))
        except JournalUnavailable as exc:
            raise cannot_open(exc) from exc
    if found:
        raise CommandFailed(f"{db} is damaged in {counted(found, 'place')}")
    click.echo(f"{db} is sound: {counted(threads, 'thread')}.")


def _described(damage: Damage) -> str:
    thread = "the file" if damage.thread is None else f"thread {damage.thread}"
    return f"{thread}, {damage.where}: {damage.what}"


@click.command()
@click.argument("db", type=_FILE)
@click.option(
    "--all",
    "everything",
    is_flag=True,
    help="Compact turns that ended within the last 15 minutes as well. A client that was in the "
    "middle of one of them gets a snapshot when it comes back.",
)
def compact(db: str, everything: bool) -> None:
    """Merge the pieces of finished answers, and take what was truncated off the disk.

    A running server does the same by itself, bit by bit. Transcripts stay what they are.
    """
    before = Path(db).stat().st_size
    with progress("Compacting", "turns") as tell:
        turns = run(partial(_compact, db, everything, lambda done: tell(done, None)))
    after = Path(db).stat().st_size
    click.echo(f"Compacted {counted(turns, 'turn')}: {before:,} bytes before, {after:,} after.")


async def _compact(db: str, everything: bool, tell: Callable[[int], None]) -> int:
    limits = DEFAULT_LIMITS
    now = time.time()
    ended_before = now if everything else now - limits.compact_after_seconds
    done = 0
    async with open_file(db) as journal:
        while True:
            more = await journal.compact(
                ended_before, now - limits.key_seconds, limits.compact_turns
            )
            done += more
            tell(done)
            if more < limits.compact_turns:
                return done
