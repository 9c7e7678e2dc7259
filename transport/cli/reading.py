"""`holdfast threads` and `holdfast show`: reading what is there."""

from __future__ import annotations

from contextlib import aclosing
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING

import click
import orjson

from .failures import run
from .sources import Listed, View, check_thread, open_source, source_options, split_words
from .styles import echo
from .transcript import Said, Style, message, transcript

if TYPE_CHECKING:
    from actors import Item


@click.command()
@click.argument("words", nargs=-1, metavar="[URL]")
@source_options
@click.option("--json", "as_json", is_flag=True, help="One JSON object for each thread.")
def threads(words: tuple[str, ...], url: str | None, db: str | None, as_json: bool) -> None:
    """List the threads, last activity first."""
    url, thread = split_words(words, url)
    if thread is not None:
        raise click.UsageError(f"expected a URL, such as http://127.0.0.1:8420/, not {thread!r}")
    run(partial(_list, url, db, as_json))


async def _list(url: str | None, db: str | None, as_json: bool) -> None:
    async with open_source(url, db) as source, aclosing(source.threads()) as listed:
        async for thread in listed:
            click.echo(_listed_json(thread) if as_json else _listed_line(thread))


def _listed_json(thread: Listed) -> str:
    return orjson.dumps(
        {
            "thread": thread.thread,
            "state": thread.state,
            "active_at": thread.active_at,
            "items": thread.items,
        }
    ).decode()


def _listed_line(thread: Listed) -> str:
    when = datetime.fromtimestamp(thread.active_at).strftime("%Y-%m-%d %H:%M")
    return f"{when}  {thread.state:<8} {thread.items:>6} items  {thread.thread}"


@click.command()
@click.argument("thread")
@source_options
@click.option("--last", type=click.IntRange(1), metavar="N", help="Only the newest N items.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object for each item.")
def show(thread: str, url: str | None, db: str | None, last: int | None, as_json: bool) -> None:
    """Print a thread's transcript.

    With --json each line is an item as the protocol has it; those of a turn that runs or waits have
    "open": true.
    """
    view = run(partial(_view, check_thread(thread), url, db, last))
    if as_json:
        for line in _view_json(view):
            click.echo(line)
    else:
        for said in _view_text(view):
            echo(said)


async def _view(thread: str, url: str | None, db: str | None, last: int | None) -> View:
    async with open_source(url, db) as source:
        return await source.view(thread, last)


def _view_json(view: View) -> list[bytes]:
    settled = [item.to_json() for item in view.items]
    unsettled = [{**item.to_json(), "open": True} for item in _open_items(view)]
    return [orjson.dumps(item) for item in (*settled, *unsettled)]


def _open_items(view: View) -> list[Item]:
    turns = (*((view.turn,) if view.turn is not None else ()), *view.queue)
    return [item for turn in turns for item in turn.items]


def _view_text(view: View) -> list[Said]:
    live = view.turn.items if view.turn is not None else ()
    said = list(transcript((*view.items, *live)))
    if view.turn is not None:
        said.append(Said("  [not finished]", Style.STATUS))
    for queued in view.queue:
        said += [Said("", Style.ANSWER), message(queued.items[0].body["content"], "queued")]
    return said
