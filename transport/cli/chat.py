"""`holdfast chat`: one thread in a terminal, for as long as the person likes."""

from __future__ import annotations

import sys
from functools import partial
from typing import TYPE_CHECKING, Final

import click

from actors import OnBusy

from ..connecting import DEFAULT_URL, connect
from . import terminal
from .chatting import Chat, Options
from .failures import run
from .screen import PlainScreen, PromptScreen
from .server_source import reach
from .sources import check_url, split_words

if TYPE_CHECKING:
    from ..client import Client

DEFAULT_THREAD: Final = "main"


@click.command()
@click.argument("words", nargs=-1, metavar="[URL] [THREAD]")
@click.option(
    "--on-busy",
    default=OnBusy.QUEUE.value,
    show_default=True,
    type=click.Choice([each.value for each in OnBusy]),
    help="What a message does while an answer is running: be refused, wait its turn, or take the "
    "answer's place, which is kept (interrupt) or taken back (rollback).",
)
@click.option(
    "--window",
    default=50,
    show_default=True,
    type=click.IntRange(1, 500),
    metavar="N",
    help="How many items of the transcript to begin with.",
)
def chat(words: tuple[str, ...], on_busy: str, window: int) -> None:
    """Chat on a thread, by default on “main” of the server on this machine.

    It shows the transcript, streams answers, whoever asked, and sends each line that is typed.
    Ctrl-C stops the running answer; Ctrl-C twice, or Ctrl-D, leaves, and the answer goes on. When
    the connection breaks it comes back by itself, and goes on where it was.

    With lines piped in, it sends one after the other, each when the last one is answered, and ends
    with exit code 1 where one of them was not.
    """
    url, thread = split_words(words, None)
    options = Options(
        check_url(url or DEFAULT_URL), thread or DEFAULT_THREAD, OnBusy(on_busy), window
    )
    sys.exit(run(partial(_chat, options)))


async def _chat(options: Options) -> int:
    async with connect(options.url) as client:
        if terminal.is_interactive():
            return await _chat_at_terminal(client, options)
        await reach(client, options.url)
        return await _chat_by_lines(client, options)


async def _chat_at_terminal(client: Client, options: Options) -> int:
    screen = PromptScreen(terminal.write, terminal.columns)
    try:
        chat = Chat(client, options, screen)
        keys = terminal.keys_one_by_one(sys.stdin.fileno())
        return await chat.run(chat.obey_keys, keys)
    finally:
        screen.close()


async def _chat_by_lines(client: Client, options: Options) -> int:
    tell = partial(click.echo, err=True)
    screen = PlainScreen(terminal.write, tell, colours=sys.stdout.isatty())
    try:
        chat = Chat(client, options, screen)
        return await chat.run(chat.obey_lines)
    finally:
        screen.close()
